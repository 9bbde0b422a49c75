//! Named misbehaviours of servers.

use std::time::Duration;

use hyper::body::Bytes;

/// A way in which a page, or every page of a site, misbehaves.
///
/// Misbehaviours that violate HTTP itself use HTTP/1.1; a site with one of them does not offer HTTP/2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Reads the request and never answers. On a site: never answers the TLS ClientHello either.
    NeverAnswers,
    /// The first byte of the answer is delayed by this time.
    SlowFirstByte(Duration),
    /// The body is sent in small pieces with a pause between them.
    SlowBody {
        /// Bytes per piece; 0 counts as 1.
        bytes: usize,
        /// The pause before each piece except the first.
        every: Duration,
    },
    /// The body stops after this many bytes and the connection stays open.
    StallsAfter(u64),
    /// The connection closes after this many bytes of the body. Violates HTTP.
    DropsAfter(u64),
    /// The connection is reset (TCP RST) after the request was read. Violates HTTP.
    ResetsConnection,
    /// The connection is closed without an answer after the request was read. Violates HTTP.
    ClosesUnanswered,
    /// `Content-Length` has this value instead of the true length. If it is too small, the whole body is sent and the
    /// connection stays open; if it is too large, the connection closes after the body. Violates HTTP.
    LiesAboutLength(u64),
    /// These bytes are sent instead of a response, then the connection closes. Violates HTTP.
    Garbage(Bytes),
    /// Only the body is sent, without status line and headers, as in HTTP/0.9. Violates HTTP.
    BareBody,
    /// Header lines without end. Violates HTTP.
    EndlessHeaders,
    /// A header of this many bytes. Violates HTTP, or at least the limits of any client.
    HugeHeader(u64),
    /// This many `Set-Cookie` headers, then the page. Violates HTTP if there are many.
    CookieFlood(u32),
    /// `100 Continue` without end, and no final response. Violates HTTP.
    EndlessInterim,
    /// A chunked body with an invalid chunk size. Violates HTTP.
    BadChunks,
    /// An unrequested second response follows the first one immediately. It is a URL set with the loc
    /// `http://split.invalid/`. Violates HTTP.
    ExtraResponse,
    /// A chunked sitemap that repeats one entry without end.
    EndlessBody,
    /// A gzip bomb, a few kilobytes per decoded megabyte: a sitemap that repeats one entry until it has at least
    /// `decoded_bytes`. It is a valid gzip file with a correct checksum.
    GzipBomb {
        /// Size of the inflated document in bytes, rounded up to a whole mebibyte.
        decoded_bytes: u64,
    },
    /// Always this status, with a short text.
    Status(u16),
    /// This status for the first requests, then the page.
    StatusThenOk {
        /// The status of the first answers.
        status: u16,
        /// Number of answers with this status.
        times: u32,
    },
    /// A status with a `Retry-After` header for the first requests, then the page.
    RetryAfter {
        /// Usually 429 or 503.
        status: u16,
        /// The header's value: seconds, a date, or junk.
        value: String,
        /// Number of answers with this status.
        times: u32,
    },
    /// Status 302 that redirects to the same URL.
    RedirectLoop,
    /// Status 302 that redirects to this URL, absolute or relative.
    RedirectsTo(String),
    /// Status 200 with an HTML page that says "not found". On a site: for paths that do not exist.
    HtmlSoft404,
    /// On a site: an HTTP/2 connection carries PING frames without end while no request is open.
    PingsWhenIdle,
    /// On a site: an HTTP/2 connection carries frames of an unknown type without end while no request is open.
    UnknownFramesWhenIdle,
}

impl Misbehaviour {
    /// 429 with `Retry-After: SECONDS` for the first request, then the page.
    pub fn retry_after(seconds: u64) -> Self {
        Self::RetryAfter { status: 429, value: seconds.to_string(), times: 1 }
    }

    /// Whether this violates HTTP/1.1 in a way that HTTP/2 cannot express.
    pub(crate) fn violates_http(&self) -> bool {
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

/// A way in which the TLS of a site misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMisbehaviour {
    /// The handshake takes this long.
    SlowTls(Duration),
    /// The ClientHello is never answered.
    NeverAnswers,
    /// The ClientHello is answered with bytes that are not TLS.
    Garbage,
    /// The connection is reset (TCP RST) after the ClientHello.
    ResetsConnection,
    /// The certificate is for another name.
    WrongName,
    /// The certificate expired in 2001.
    Expired,
    /// The certificate is self-signed.
    SelfSigned,
}
