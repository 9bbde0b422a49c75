//! The options that a crawl remembers.

use std::time::Duration;

use frontier::Scope;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::builder::in_range;
use crate::error::Error;
use crate::options::{CONCURRENCY_MAX, HOST_CONCURRENCY_MAX, OptionError, TIMEOUT_MAX};
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

impl SessionOptions {
    /// Checks that the values are within the bounds of the flags. Other machines take them over.
    fn check(&self) -> Result<(), OptionError> {
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err(OptionError::Rate(self.rate));
        }
        in_range(self.concurrency, CONCURRENCY_MAX)?;
        in_range(self.host_concurrency, HOST_CONCURRENCY_MAX)?;
        let timeout = Duration::try_from_secs_f64(self.timeout_s).unwrap_or_default();
        if timeout.is_zero() || timeout > TIMEOUT_MAX {
            return Err(OptionError::Timeout(timeout));
        }
        let identity = Identity::of(&self.user_agent);
        identity.map(|_| ()).ok_or_else(|| OptionError::UserAgent(self.user_agent.clone()))
    }
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
        remembered.last_session.check().map_err(|error| unreadable(serde_json::Error::custom(error)))?;
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
    fn values_that_no_flag_allows_are_refused() {
        for (field, wrong) in [
            ("rate", "-1.0"),
            ("rate", "1e999"),
            ("concurrency", "0"),
            ("concurrency", "10001"),
            ("host_concurrency", "0"),
            ("host_concurrency", "1001"),
            ("timeout_s", "0.0"),
            ("timeout_s", "-3.0"),
            ("timeout_s", "3601.0"),
        ] {
            let value: serde_json::Value = serde_json::from_str(&text()).unwrap();
            let right = format!("\"{field}\":{}", value["last_session"][field]);
            assert!(text().contains(&right), "{right}");
            let wrong = text().replace(&right, &format!("\"{field}\":{wrong}"));
            assert!(Remembered::parse(&wrong, "here").is_err(), "{wrong}");
        }
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
