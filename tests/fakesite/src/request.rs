//! What a client asked for.

use crate::log::Scheme;

/// A request as a page made by a closure sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// Whether it came through TLS.
    pub scheme: Scheme,
    /// The Host header or `:authority`, in lower case, with the port when one was given.
    pub host: String,
    /// `GET` or `HEAD`, as sent.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// Which time this URL is asked for since the start of the server, from 1.
    pub nth: u32,
    /// The connection that carries it.
    pub connection_id: u64,
}

impl Request {
    /// The first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The URL that was asked for.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    /// Whether the client takes `Content-Encoding: gzip`.
    pub(crate) fn accepts_gzip(&self) -> bool {
        self.header("accept-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("gzip"))
    }
}
