//! Pages: the answers to requests.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

use crate::bomb;
use crate::misbehaviour::Misbehaviour;

type WriteBody = dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync;
type MakeChunks = dyn Fn() -> Box<dyn Iterator<Item = Bytes> + Send> + Send + Sync;

/// A response: status, headers, body, and an optional misbehaviour.
///
/// Cloning is cheap and shares the body.
#[derive(Clone)]
pub struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    /// The body for clients that accept gzip as a content encoding.
    pub(crate) encoded: Option<Body>,
    pub(crate) misbehaviour: Option<Misbehaviour>,
}

impl Page {
    /// A page with status 200 and these bytes.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::of_body(content_type, Body::Ready(body.into()))
    }

    /// A page with status 200 and an XML text.
    pub fn xml(text: impl Into<String>) -> Self {
        Self::new("application/xml", text.into())
    }

    /// A page with status 200 and a plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// A page with status 200 and an HTML text.
    pub fn html(text: impl Into<String>) -> Self {
        Self::new("text/html; charset=utf-8", text.into())
    }

    /// A page with this status and a line of text.
    pub fn status(status: u16) -> Self {
        Self::text(format!("status {status}\n")).with_status(status)
    }

    /// A page with status 200 whose body is written by the closure at the first request, and cached.
    ///
    /// The closure must write the same bytes each time. If it fails, the answer is 500 with its error.
    pub fn written<F>(content_type: &str, write: F) -> Self
    where
        F: Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    {
        Self::of_body(
            content_type,
            Body::Written(Arc::new(Written { write: Box::new(write), bytes: OnceLock::new() })),
        )
    }

    /// A page with status 200 whose body is generated in chunks for every response. It may be endless.
    ///
    /// With `length_bytes` it has a `Content-Length`; otherwise it is sent with chunked transfer coding.
    pub fn streamed<F, I>(content_type: &str, length_bytes: Option<u64>, chunks: F) -> Self
    where
        F: Fn() -> I + Send + Sync + 'static,
        I: Iterator<Item = Bytes> + Send + 'static,
    {
        let make: Arc<MakeChunks> = Arc::new(move || Box::new(chunks()));
        Self::of_body(content_type, Body::Streamed(Streamed { length_bytes, make }))
    }

    /// A gzip file of a gzip file, some kilobytes per decoded gigabyte: a sitemap that repeats one entry until it has
    /// at least `decoded_bytes`. Both files are valid and have correct checksums.
    pub fn doubled_bomb(decoded_bytes: u64) -> Self {
        Self::written("application/gzip", move |out| bomb::write_doubled(decoded_bytes, out))
    }

    fn of_body(content_type: &str, body: Body) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status: 200, headers, body, encoded: None, misbehaviour: None }
    }

    /// Makes the body a gzip file, like `sitemap.xml.gz`, without a content encoding. It is compressed at the first
    /// request.
    #[must_use]
    pub fn gzipped(mut self) -> Self {
        self.body = self.body.gzipped();
        self.header("content-type", "application/gzip")
    }

    /// Sends `Content-Encoding: gzip` to clients that accept it, and the plain body to others.
    #[must_use]
    pub fn gzip_encoded(mut self) -> Self {
        self.encoded = Some(self.body.gzipped());
        self.header("vary", "accept-encoding")
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Ready(body.into());
        self
    }

    /// Sets a header, replacing one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the content type.
    #[must_use]
    pub fn content_type(self, value: &str) -> Self {
        self.header("content-type", value)
    }

    /// Removes the content type.
    #[must_use]
    pub fn without_content_type(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self
    }

    /// Sets the entity tag, quotes included. A request whose `If-None-Match` contains it is answered with 304.
    #[must_use]
    pub fn etag(self, value: &str) -> Self {
        self.header("etag", value)
    }

    /// Sets the `Last-Modified` date. A request whose `If-Modified-Since` is the same text is answered with 304.
    #[must_use]
    pub fn last_modified(self, value: &str) -> Self {
        self.header("last-modified", value)
    }

    /// Sets the misbehaviour.
    #[must_use]
    pub fn misbehaves(mut self, misbehaviour: Misbehaviour) -> Self {
        self.misbehaviour = Some(misbehaviour);
        self
    }

    pub(crate) fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The bytes of a page, or how to generate them.
#[derive(Clone)]
pub(crate) enum Body {
    Ready(Bytes),
    Written(Arc<Written>),
    Streamed(Streamed),
}

/// A body that is written once, at the first request.
pub(crate) struct Written {
    write: Box<WriteBody>,
    bytes: OnceLock<Result<Bytes, String>>,
}

/// A body that is generated for each response.
#[derive(Clone)]
pub(crate) struct Streamed {
    pub(crate) length_bytes: Option<u64>,
    pub(crate) make: Arc<MakeChunks>,
}

impl Written {
    /// The bytes, if they have been written already.
    pub(crate) fn ready(&self) -> Option<Result<Bytes, String>> {
        self.bytes.get().cloned()
    }

    /// The bytes. Writes them first if necessary, which may take a while.
    pub(crate) fn bytes(&self) -> Result<Bytes, String> {
        self.bytes
            .get_or_init(|| {
                let mut bytes = Vec::new();
                (self.write)(&mut bytes).map_err(|error| error.to_string())?;
                bytes.shrink_to_fit();
                Ok(bytes.into())
            })
            .clone()
    }
}

impl Body {
    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Ready(bytes) => out.write_all(bytes),
            Self::Written(written) => (written.write)(out),
            Self::Streamed(streamed) => (streamed.make)().try_for_each(|chunk| out.write_all(&chunk)),
        }
    }

    fn gzipped(&self) -> Self {
        let plain = self.clone();
        let write = move |out: &mut dyn Write| {
            let mut encoder = GzEncoder::new(out, Compression::default());
            plain.write_to(&mut encoder)?;
            encoder.finish().map(drop)
        };
        Self::Written(Arc::new(Written { write: Box::new(write), bytes: OnceLock::new() }))
    }

    /// Writes a lazily written body now.
    pub(crate) fn build(&self) {
        if let Self::Written(written) = self {
            // An error is stored and answered with 500.
            let _ = written.bytes();
        }
    }
}
