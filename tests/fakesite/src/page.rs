//! What a path answers.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

use crate::bomb;
use crate::misbehaviour::Misbehaviour;

type WriteBody = dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync;
type MakeChunks = dyn Fn() -> Box<dyn Iterator<Item = Bytes> + Send> + Send + Sync;

/// A response: status, headers, body, and what goes wrong with it.
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
    /// 200 with these bytes.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::of_body(content_type, Body::Ready(body.into()))
    }

    /// 200 with an XML text.
    pub fn xml(text: impl Into<String>) -> Self {
        Self::new("application/xml", text.into())
    }

    /// 200 with a plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// 200 with an HTML text.
    pub fn html(text: impl Into<String>) -> Self {
        Self::new("text/html; charset=utf-8", text.into())
    }

    /// A page of that status with a line of text.
    pub fn status(status: u16) -> Self {
        Self::text(format!("status {status}\n")).with_status(status)
    }

    /// 200 with a body that the closure writes: at the first request, and kept from then on.
    ///
    /// It must write the same bytes each time. When it fails, the answer is 500 with its error.
    pub fn written<F>(content_type: &str, write: F) -> Self
    where
        F: Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    {
        Self::of_body(
            content_type,
            Body::Written(Arc::new(Written { write: Box::new(write), bytes: OnceLock::new() })),
        )
    }

    /// 200 with a body that is made chunk by chunk while it is sent, each time anew; it may be endless.
    ///
    /// With `length_bytes` it has a `Content-Length`, else it goes out chunked.
    pub fn streamed<F, I>(content_type: &str, length_bytes: Option<u64>, chunks: F) -> Self
    where
        F: Fn() -> I + Send + Sync + 'static,
        I: Iterator<Item = Bytes> + Send + 'static,
    {
        let make: Arc<MakeChunks> = Arc::new(move || Box::new(chunks()));
        Self::of_body(content_type, Body::Streamed(Streamed { length_bytes, make }))
    }

    /// A gzip file of a gzip file: a sitemap with one entry repeated until it has at least that many bytes decoded, some
    /// kilobytes a gigabyte on the wire. Sound in itself, check sums and all.
    pub fn doubled_bomb(decoded_bytes: u64) -> Self {
        Self::written("application/gzip", move |out| bomb::write_doubled(decoded_bytes, out))
    }

    fn of_body(content_type: &str, body: Body) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status: 200, headers, body, encoded: None, misbehaviour: None }
    }

    /// The body as a gzip file, as `sitemap.xml.gz` has it: no content encoding. Compressed at the first request.
    #[must_use]
    pub fn gzipped(mut self) -> Self {
        self.body = self.body.gzipped();
        self.header("content-type", "application/gzip")
    }

    /// `Content-Encoding: gzip` for clients that accept it, the body as it is for others.
    #[must_use]
    pub fn gzip_encoded(mut self) -> Self {
        self.encoded = Some(self.body.gzipped());
        self.header("vary", "accept-encoding")
    }

    /// Another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Ready(body.into());
        self
    }

    /// Sets a header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Another content type.
    #[must_use]
    pub fn content_type(self, value: &str) -> Self {
        self.header("content-type", value)
    }

    /// No content type at all.
    #[must_use]
    pub fn without_content_type(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self
    }

    /// An entity tag, quotes included; a request whose `If-None-Match` holds it is answered by 304.
    #[must_use]
    pub fn etag(self, value: &str) -> Self {
        self.header("etag", value)
    }

    /// A `Last-Modified` date; a request whose `If-Modified-Since` is the same text is answered by 304.
    #[must_use]
    pub fn last_modified(self, value: &str) -> Self {
        self.header("last-modified", value)
    }

    /// What goes wrong with it.
    #[must_use]
    pub fn misbehaves(mut self, misbehaviour: Misbehaviour) -> Self {
        self.misbehaviour = Some(misbehaviour);
        self
    }

    pub(crate) fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The bytes of a page, or how to come by them.
#[derive(Clone)]
pub(crate) enum Body {
    Ready(Bytes),
    Written(Arc<Written>),
    Streamed(Streamed),
}

/// A body that is written once, when first asked for.
pub(crate) struct Written {
    write: Box<WriteBody>,
    bytes: OnceLock<Result<Bytes, String>>,
}

/// A body that is made anew for each response.
#[derive(Clone)]
pub(crate) struct Streamed {
    pub(crate) length_bytes: Option<u64>,
    pub(crate) make: Arc<MakeChunks>,
}

impl Written {
    /// The bytes if they are there already.
    pub(crate) fn ready(&self) -> Option<Result<Bytes, String>> {
        self.bytes.get().cloned()
    }

    /// The bytes, after writing them if need be, which may take a while.
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

    /// Writes what is written lazily now.
    pub(crate) fn build(&self) {
        if let Self::Written(written) = self {
            // A failure is kept and answered as 500.
            let _ = written.bytes();
        }
    }
}
