//! The options that a crawl remembers.

use frontier::Scope;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The options that a crawl remembers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// The scope, which is fixed for the whole crawl.
    pub scope: Scope,
    /// Pace and identity, see [`crate::settings::Settings::for_report`]. In a data directory they are those of the last
    /// session, for the report. In a store they are those of the worker that started the crawl, and every worker uses
    /// them.
    pub last_session: serde_json::Value,
}

impl Remembered {
    /// Parses what the crawl in `place` remembers.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|source| Error::Remembered { place: place.to_owned(), source })
    }

    /// The text that [`Self::parse`] reads.
    pub fn to_text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|source| Error::Remembered { place: "memory".to_owned(), source })
    }
}
