//! The validator of a response, which makes the next request conditional.

use serde::{Deserialize, Serialize};

/// The ETag and Last-Modified of a response, sent back as If-None-Match and If-Modified-Since (RFC 9110 section 13).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Validator {
    /// The entity tag with its quotes.
    pub etag: Option<String>,
    /// The date as the server wrote it.
    pub last_modified: Option<String>,
}

impl Validator {
    /// Whether there is neither an ETag nor a Last-Modified.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}
