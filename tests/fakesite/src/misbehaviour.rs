//! What servers do wrong, by name.

use std::time::Duration;

use hyper::body::Bytes;

/// How a page, or every page of a site, departs from answering well.
///
/// Those that break HTTP itself are spoken over HTTP/1.1; a site that has one of them does not offer HTTP/2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Takes the request and stays silent. As a site's: stays silent from the TLS hello on.
    NeverAnswers,
    /// The first byte of the answer comes that late.
    SlowFirstByte(Duration),
    /// The body comes in drops: so many bytes, a pause, so many bytes, …
    SlowBody {
        /// Bytes of a drop; 0 counts as 1.
        bytes: usize,
        /// The pause before each drop but the first.
        every: Duration,
    },
    /// The body stops after that many bytes and the connection stays open.
    StallsAfter(u64),
    /// The connection closes after that many bytes of the body. Breaks HTTP.
    DropsAfter(u64),
    /// The connection is reset (TCP RST) when the request has arrived. Breaks HTTP.
    ResetsConnection,
    /// The connection is closed without a word when the request has arrived. Breaks HTTP.
    ClosesUnanswered,
    /// `Content-Length` is this instead of the true length. When less than true, the rest follows all the same and the
    /// connection stays open; when more, the connection closes after the body. Breaks HTTP.
    LiesAboutLength(u64),
    /// These bytes come instead of a response, then the connection closes. Breaks HTTP.
    Garbage(Bytes),
    /// The body alone, without status line and headers, as before HTTP/1.0. Breaks HTTP.
    BareBody,
    /// Header lines without end. Breaks HTTP.
    EndlessHeaders,
    /// A header of that many bytes. Breaks HTTP, or at least the limits of any client.
    HugeHeader(u64),
    /// That many `Set-Cookie` headers, then the page. Breaks HTTP when there are many.
    CookieFlood(u32),
    /// `100 Continue` again and again, never the answer. Breaks HTTP.
    EndlessInterim,
    /// A chunked body with a chunk size that is no number. Breaks HTTP.
    BadChunks,
    /// A second response, which nobody asked for, follows the first at once. It is an url set with the loc
    /// `http://split.invalid/`. Breaks HTTP.
    ExtraResponse,
    /// A sitemap of one entry repeated for ever, chunked.
    EndlessBody,
    /// A gzip file of a few kilobytes a megabyte: a sitemap with one entry repeated until it has at least that many
    /// bytes decoded. Sound in itself, check sum and all.
    GzipBomb {
        /// Bytes of the inflated document, rounded up to a whole mebibyte.
        decoded_bytes: u64,
    },
    /// Always that status, with a short text.
    Status(u16),
    /// That status the first few times, then the page.
    StatusThenOk {
        /// The status at first.
        status: u16,
        /// How many times.
        times: u32,
    },
    /// A status with a `Retry-After` header the first few times, then the page.
    RetryAfter {
        /// 429 or 503, in general.
        status: u16,
        /// The header's value: seconds, a date, or junk.
        value: String,
        /// How many times.
        times: u32,
    },
    /// 302 to itself.
    RedirectLoop,
    /// 302 to that URL, absolute or relative.
    RedirectsTo(String),
    /// 200 with an HTML page that says there is nothing here. As a site's: for the paths that it does not have.
    HtmlSoft404,
}

impl Misbehaviour {
    /// 429 with `Retry-After: SECONDS` the first time, then the page.
    pub fn retry_after(seconds: u64) -> Self {
        Self::RetryAfter { status: 429, value: seconds.to_string(), times: 1 }
    }

    /// Whether HTTP/2 has no way to do this.
    pub(crate) fn breaks_http(&self) -> bool {
        matches!(
            self,
            Self::DropsAfter(_)
                | Self::ResetsConnection
                | Self::ClosesUnanswered
                | Self::LiesAboutLength(_)
                | Self::Garbage(_)
                | Self::BareBody
                | Self::EndlessHeaders
                | Self::HugeHeader(_)
                | Self::CookieFlood(_)
                | Self::EndlessInterim
                | Self::BadChunks
                | Self::ExtraResponse
        )
    }
}

/// How a site's TLS departs from what a client may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMisbehaviour {
    /// The handshake takes that long.
    SlowTls(Duration),
    /// The hello is never answered.
    NeverAnswers,
    /// The hello is answered by bytes that are not TLS.
    Garbage,
    /// The connection is reset (TCP RST) after the hello.
    ResetsConnection,
    /// The certificate is for another name.
    WrongName,
    /// The certificate ended in 2001.
    Expired,
    /// The certificate is signed by itself alone.
    SelfSigned,
}
