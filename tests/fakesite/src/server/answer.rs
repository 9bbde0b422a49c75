//! Chooses the answer to a request.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;

use crate::bomb;
use crate::misbehaviour::Misbehaviour;
use crate::page::{Body, Page, Written};
use crate::request::Request;
use crate::web::Site;

use super::sending::{Content, Sending, UNTIL_GONE};
use super::shared::Shared;

/// The answer to a request.
pub(crate) enum Answer {
    /// A regular HTTP response.
    Reply(Reply),
    /// A violation of HTTP by this misbehaviour, instead of this response.
    Breach(Misbehaviour, Reply),
}

/// A response.
pub(crate) struct Reply {
    /// Delay of the first byte.
    pub(crate) wait: Duration,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
    pub(crate) sending: Sending,
}

impl Reply {
    fn whole(page: &Page, bytes: Bytes) -> Self {
        Self {
            wait: Duration::ZERO,
            status: page.status,
            headers: page.headers.clone(),
            content: Content::Whole(bytes),
            sending: Sending::AtOnce,
        }
    }

    fn text(status: u16, text: impl Into<String>) -> Self {
        Self::whole(&Page::text("").with_status(status), text.into().into())
    }

    fn chunked(
        page: &Page,
        chunks: Box<dyn Iterator<Item = Bytes> + Send>,
        length_bytes: Option<u64>,
    ) -> Self {
        Self { content: Content::Chunks(chunks, length_bytes), ..Self::whole(page, Bytes::new()) }
    }

    fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Whether the status forbids a body (RFC 9110 sections 15.3.5, 15.4.5).
    pub(crate) fn is_bodiless(&self) -> bool {
        matches!(self.status, 204 | 304)
    }
}

/// Chooses the answer to a request.
pub(crate) async fn answer(shared: &Shared, request: &Request) -> Answer {
    let Some(site) = shared.web.site(&request.host) else {
        return Answer::Reply(Reply::text(404, format!("unknown host {}\n", request.host)));
    };
    let latency = site.latency.unwrap_or(shared.options.latency).of(&request.host, &request.path);
    let page = site.find(request);
    let mut answer = match misbehaviour_of(site, page.as_ref()) {
        Some(misbehaviour) => misbehave(misbehaviour, page, request).await,
        None => Answer::Reply(regular_reply(page, request).await),
    };
    let (Answer::Reply(reply) | Answer::Breach(_, reply)) = &mut answer;
    reply.wait = reply.wait.saturating_add(latency);
    answer
}

/// The misbehaviour of the site, or else that of the page.
fn misbehaviour_of(site: &Site, page: Option<&Page>) -> Option<Misbehaviour> {
    let of_site = site.misbehaviour.as_ref();
    // A site with soft 404s answers existing pages normally.
    let of_site = of_site.filter(|known| **known != Misbehaviour::HtmlSoft404 || page.is_none());
    of_site.or_else(|| page.and_then(|page| page.misbehaviour.as_ref())).cloned()
}

/// The regular response for a page.
async fn regular_reply(page: Option<Page>, request: &Request) -> Reply {
    let Some(page) = page else {
        return Reply::text(404, "not found\n");
    };
    if is_not_modified(&page, request) {
        return Reply::whole(&page.clone().with_status(304), Bytes::new());
    }
    let encoded = page.encoded.as_ref().filter(|_| request.accepts_gzip());
    let reply = match encoded.unwrap_or(&page.body) {
        Body::Ready(bytes) => Reply::whole(&page, bytes.clone()),
        Body::Written(written) => match written_bytes(written).await {
            Ok(bytes) => Reply::whole(&page, bytes),
            Err(error) => return Reply::text(500, error),
        },
        Body::Streamed(streamed) => Reply::chunked(&page, (streamed.make)(), streamed.length_bytes),
    };
    if encoded.is_some() { reply.with_header("content-encoding", "gzip") } else { reply }
}

fn is_not_modified(page: &Page, request: &Request) -> bool {
    // RFC 9110 section 13.2.2: an entity tag in the request takes precedence over a date.
    let (asked, known) = match request.header("if-none-match") {
        Some(tags) => (Some(tags), page.header_value("etag")),
        None => (request.header("if-modified-since"), page.header_value("last-modified")),
    };
    asked.zip(known).is_some_and(|(asked, known)| asked.split(", ").any(|one| one == known) || asked == known)
}

async fn written_bytes(written: &Arc<Written>) -> Result<Bytes, String> {
    if let Some(bytes) = written.ready() {
        return bytes;
    }
    // Writing a large document takes a while, so it runs on another thread and does not delay other hosts.
    let written = Arc::clone(written);
    tokio::task::spawn_blocking(move || written.bytes()).await.unwrap_or_else(|error| Err(error.to_string()))
}

async fn misbehave(misbehaviour: Misbehaviour, page: Option<Page>, request: &Request) -> Answer {
    if let Some(reply) = instead_of_page(&misbehaviour, request) {
        return Answer::Reply(reply);
    }
    let mut reply = regular_reply(page, request).await;
    match misbehaviour {
        Misbehaviour::NeverAnswers => reply.wait = UNTIL_GONE,
        Misbehaviour::SlowFirstByte(time) => reply.wait = time,
        Misbehaviour::SlowBody { bytes, every } => reply.sending = Sending::Drip { bytes, every },
        Misbehaviour::StallsAfter(bytes) => reply.sending = Sending::StallsAfter(bytes),
        Misbehaviour::DropsAfter(bytes) => reply.sending = Sending::DropsAfter(bytes),
        Misbehaviour::LiesAboutLength(claimed) => reply.sending = Sending::LengthClaimed(claimed),
        Misbehaviour::ExtraResponse => reply.sending = Sending::ThenExtra,
        Misbehaviour::CookieFlood(cookies) => {
            let cookie = |n| ("set-cookie".to_owned(), format!("crumb{n}={n:032}; Path=/"));
            reply.headers.extend((0..cookies).map(cookie));
        }
        other if other.violates_http() => return Answer::Breach(other, reply),
        // The others replace the page for the first requests only, such as 503 once and then the page.
        _ => {}
    }
    Answer::Reply(reply)
}

/// The response of misbehaviours that do not need the page.
fn instead_of_page(misbehaviour: &Misbehaviour, request: &Request) -> Option<Reply> {
    let redirect = |to: &str| Reply::text(302, "").with_header("location", to);
    let refusal = |status: u16| Reply::text(status, format!("status {status}\n"));
    match misbehaviour {
        Misbehaviour::Status(status) => Some(refusal(*status)),
        Misbehaviour::StatusThenOk { status, times } => (request.nth <= *times).then(|| refusal(*status)),
        Misbehaviour::RetryAfter { status, value, times } => {
            (request.nth <= *times).then(|| refusal(*status).with_header("retry-after", value))
        }
        Misbehaviour::RedirectLoop => Some(redirect(&request.url())),
        Misbehaviour::RedirectsTo(url) => Some(redirect(url)),
        Misbehaviour::HtmlSoft404 => {
            let html = "<!DOCTYPE html>\n<html><head><title>Not found</title></head>\
                        <body><h1>Sorry</h1><p>We looked everywhere.</p></body></html>\n";
            Some(Reply::whole(&Page::html(""), Bytes::from_static(html.as_bytes())))
        }
        Misbehaviour::EndlessBody => Some(Reply::chunked(&Page::xml(""), Box::new(bomb::endless()), None)),
        Misbehaviour::GzipBomb { decoded_bytes } => Some(gzip_bomb(*decoded_bytes)),
        _ => None,
    }
}

fn gzip_bomb(decoded_bytes: u64) -> Reply {
    match bomb::Bomb::new(decoded_bytes) {
        Ok(bomb) => {
            let length_bytes = Some(bomb.length_bytes());
            Reply::chunked(&Page::new("application/gzip", ""), Box::new(bomb.chunks()), length_bytes)
        }
        Err(error) => Reply::text(500, error.to_string()),
    }
}
