//! The options that a crawl remembers.

use frontier::Scope;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::settings::{Identity, Settings};

/// The version of [`Remembered`]. It rises with every change, because other machines and later releases read it.
const VERSION: u32 = 2;

/// The options that a crawl remembers. Unknown and missing fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remembered {
    /// [`VERSION`] of the release that wrote it.
    version: u32,
    /// The scope, which is fixed for the whole crawl.
    pub scope: Scope,
    /// In a data directory, the options of the last session, for the report. In a store, those of the worker that started
    /// the crawl, which every worker takes over.
    pub last_session: SessionOptions,
}

/// Pace and identity of a session. Contains nothing secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionOptions {
    /// Requests per second and host. 0 means no limit.
    pub rate: f64,
    /// Requests in flight over all hosts.
    pub concurrency: usize,
    /// Requests in flight per host.
    pub host_concurrency: usize,
    /// Requests in flight per site.
    pub site_concurrency: usize,
    /// Requests per second and site. 0 means no limit.
    pub site_rate: f64,
    /// Requests in flight per address. 0 means no limit.
    pub address_concurrency: usize,
    /// Time limit of each stage of a request, in seconds.
    pub timeout_s: f64,
    /// The User-Agent.
    pub user_agent: String,
}

/// Reads the version, whatever else there is.
#[derive(Deserialize)]
struct AnyVersion {
    #[serde(default)]
    version: u32,
}

impl Remembered {
    /// What a crawl with this scope remembers of a session with these settings.
    pub fn of(scope: Scope, settings: &Settings) -> Self {
        Self { version: VERSION, scope, last_session: settings.options() }
    }

    /// Parses what the crawl in `place` remembers.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let unreadable = |source| Error::Remembered { place: place.to_owned(), source };
        let AnyVersion { version: found } = serde_json::from_str(text).map_err(unreadable)?;
        if found != VERSION {
            return Err(Error::OtherSettings { place: place.to_owned(), found, known: VERSION });
        }
        let remembered: Self = serde_json::from_str(text).map_err(unreadable)?;
        if Identity::of(&remembered.last_session.user_agent).is_none() {
            return Err(unreadable(serde_json::Error::custom("user_agent has no product token")));
        }
        Ok(remembered)
    }

    /// The text that [`Self::parse`] reads.
    pub fn to_text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|source| Error::Remembered { place: "memory".to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        Remembered::of(Scope::default(), &Settings::default()).to_text().unwrap()
    }

    #[test]
    fn what_is_remembered_is_read_back() {
        let remembered = Remembered::parse(&text(), "here").unwrap();
        assert_eq!(remembered.last_session, Settings::default().options());
        assert_eq!(remembered.to_text().unwrap(), text());
    }

    #[test]
    fn unknown_and_missing_fields_are_refused_at_every_level() {
        let value: serde_json::Value = serde_json::from_str(&text()).unwrap();
        for level in ["", "/scope", "/last_session"] {
            let fields = value.pointer(level).unwrap().as_object().unwrap();
            let mut more = value.clone();
            more.pointer_mut(level).unwrap()["new_flag"] = true.into();
            assert!(Remembered::parse(&more.to_string(), "here").is_err(), "{level} with an unknown field");
            for field in fields.keys() {
                let mut fewer = value.clone();
                fewer.pointer_mut(level).unwrap().as_object_mut().unwrap().remove(field);
                assert!(Remembered::parse(&fewer.to_string(), "here").is_err(), "{level} without {field}");
            }
        }
        let mut anonymous = value;
        anonymous["last_session"]["user_agent"] = "/1.0".into();
        assert!(Remembered::parse(&anonymous.to_string(), "here").is_err(), "no product token");
    }

    #[test]
    fn another_version_is_named() {
        let newer = text().replace("\"version\":2", "\"version\":3");
        let Err(error) = Remembered::parse(&newer, "the crawl") else { panic!("a later version is read") };
        let expected = "the settings of the crawl have version 3, but this release reads version 2: \
                        use the release that started the crawl";
        assert_eq!(error.to_string(), expected);
    }
}
