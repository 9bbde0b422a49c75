//! What the engine knows of the web: it sends a GET and reads the response.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use frontier::{Connection, ErrorKind, Host, Validator};
use http::HeaderMap;
use url::Url;

use super::stopwatch::Stopwatch;

/// The way to the web: HTTP in a crawl, a made-up web in a simulation.
pub trait Fetch: Send + 'static {
    /// Sends requests to one host.
    type Client: Client;

    /// The client for one request to `host`. It counts as in use until it is dropped.
    fn client(&mut self, host: &Host) -> Result<Self::Client, SetupError>;
}

/// Sends requests to one host.
pub trait Client: Send + Sync + 'static {
    /// The body of a response.
    type Body: ResponseBody;

    /// The address that a request will be sent to. `None` if it cannot be looked up, or if a proxy sends it.
    fn address(&self) -> impl Future<Output = Option<IpAddr>> + Send {
        std::future::ready(None)
    }

    /// Sends `request` and waits for the head of its response. It enters each stage on `watch` as it begins, and returns a
    /// response in stage `body`.
    fn get(
        &self,
        request: &GetRequest<'_>,
        watch: &Arc<Stopwatch>,
    ) -> impl Future<Output = Result<Response<Self::Body>, FetchError>> + Send;
}

/// One GET request. Redirects are not followed.
#[derive(Clone, Copy, Debug)]
pub struct GetRequest<'a> {
    /// The URL.
    pub url: &'a Url,
    /// Extra header fields.
    pub headers: &'a HeaderMap,
    /// Makes the request conditional.
    pub validator: Option<&'a Validator>,
    /// Whether a port of another protocol is allowed.
    pub is_any_port_allowed: bool,
}

/// The body of a response. It is read as its bytes arrive.
pub trait ResponseBody: Send {
    /// The next piece of the body, or `None` at its end.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, FetchError>> + Send;
}

/// A response whose body has not been read yet.
pub struct Response<B> {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// Whether it came over a new connection.
    pub connection: Connection,
    body: B,
    bytes_wire: u64,
}

impl<B: ResponseBody> Response<B> {
    /// The response with this head and `body`.
    pub fn new(status: u16, headers: HeaderMap, connection: Connection, body: B) -> Self {
        Self { status, headers, connection, body, bytes_wire: 0 }
    }

    /// The value of a header field. `None` if it is missing or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next piece of the body, or `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        let chunk = self.body.chunk().await?;
        self.bytes_wire += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }

    /// Body bytes received so far.
    pub fn bytes_wire(&self) -> u64 {
        self.bytes_wire
    }
}

/// Why a request got no response, or no complete body.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct FetchError {
    /// For the outcome and the report.
    pub kind: ErrorKind,
    /// Description for people.
    pub detail: String,
}

/// A client could not be created, so the crawl cannot continue.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up an HTTP client: {0}")]
pub struct SetupError(pub String);
