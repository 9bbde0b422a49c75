//! Requests of clients.

use std::fmt;

use serde::Serialize;

/// Plain or TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// No TLS.
    Http,
    /// TLS.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// A request, as passed to the closure of `Site::otherwise`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// Whether it came through TLS.
    pub scheme: Scheme,
    /// The Host header or `:authority`, in lower case, with the port if one was given.
    pub host: String,
    /// `GET` or `HEAD`, as sent.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Its headers in the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Number of this request among those for the same URL since the start of the server, from 1.
    pub nth: u32,
    /// The connection that carries it.
    pub connection_id: u64,
}

impl Request {
    /// The value of the first header called `name`, which must be lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The requested URL.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    /// Whether the client accepts `Content-Encoding: gzip`.
    pub(crate) fn accepts_gzip(&self) -> bool {
        self.header("accept-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("gzip"))
    }
}
