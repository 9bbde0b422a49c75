//! Inflates and parses a body in place, a slice at a time, as its bytes come.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontier::{DocumentSummary, ErrorKind, Host, HostId, RobotsRules, Stage, normal_url};
use reqwest::header::CONTENT_ENCODING;
use sitemap::limits::{DOCUMENT_BYTES_MAX, SLICE_BYTES};
use sitemap::{
    Buffer, Child, Document, DocumentEnd, DocumentKind, DocumentReader, Entry, InflateError, Inflater,
    Limits, Problem, ProblemKind, Sink,
};
use storage::{
    Children, DocumentHead, EntryScope, FinishedChildren, FinishedRows, Rows, Scratch, SegmentError,
};
use tokio::sync::Semaphore;
use url::Url;

use crate::cpu_meter::{CpuMeter, CpuWork, thread_cpu};
use crate::engine::worker::{Body, LARGE_ROBOTS_BYTES};
use crate::fetch::{Response, Stopwatch};

/// A body that nobody wants is read up to here, so that its connection can be used again.
const DISCARD_BYTES_MAX: u64 = 64 << 10;

/// Bytes of the children's URLs of one index, which become durable at once and are all in memory then: room for the 50,000
/// that sitemaps.org allows, at over 300 bytes each. Further ones are counted like those beyond `--max-children`.
const CHILDREN_BYTES_MAX: usize = 16 << 20;

/// Content codings that are undone, told by the body's first bytes, or that are none.
const KNOWN_CODINGS: [&str; 4] = ["gzip", "x-gzip", "identity", ""];

/// CpuWork on fewer bytes is over within some ten microseconds, and its wall time counts as its CPU time: to read a thread's
/// CPU clock twice is a system call each time and takes a microsecond or two, which shows where documents are small.
const SHORT_BYTES: usize = 4 << 10;

/// Where a document comes from and where its entries go.
pub struct Reading<'a> {
    /// Its final URL, which relative ones are resolved against.
    pub base: &'a Url,
    /// What its rows have in common.
    pub head: DocumentHead,
    /// Hosts whose robots.txt names it: their URLs are not foreign.
    pub named_by: &'a [HostId],
    /// `--max-children`.
    pub children_max: u64,
}

/// Times the slices of a body by wall clock and by the thread's CPU clock.
struct Meters<'a> {
    watch: &'a Stopwatch,
    cpu: &'a CpuMeter,
}

impl Meters<'_> {
    /// Runs `f`, which has so many bytes to work on.
    fn measure<T>(&self, stage: Stage, work: CpuWork, bytes: usize, f: impl FnOnce() -> T) -> T {
        self.watch.enter(stage);
        let before = (bytes >= SHORT_BYTES).then(thread_cpu);
        let result = f();
        let cpu = before.map(|before| thread_cpu().saturating_sub(before));
        let wall = self.watch.enter(Stage::Body);
        self.cpu.add(work, cpu.unwrap_or(wall));
        result
    }
}

/// Reads the body of `response` as a sitemap.
pub async fn document(
    response: &mut Response,
    reading: Reading<'_>,
    scratch: &Scratch,
    watch: &Stopwatch,
    cpu: &CpuMeter,
) -> Body {
    let limits = Limits::default();
    let meters = Meters { watch, cpu };
    let mut inflater = Inflater::new(&limits);
    let mut reader = DocumentReader::new(reading.base, limits);
    let mut taker = Taker::new(&reading, scratch);
    let coding = foreign_coding(response);
    let (mut is_begun, mut is_unreadable) = (false, false);
    let mut take = |slice: &[u8], step| {
        is_unreadable |= coding.is_some() && !is_begun && slice.first().is_some_and(|&byte| byte != b'<');
        is_begun |= !slice.is_empty();
        if is_unreadable {
            return false;
        }
        let stopped = reader.push(slice, &mut taker).is_err();
        if matches!(step, Err(InflateError::TooLarge { .. })) {
            reader.stop_too_large();
        }
        !stopped && taker.failure.is_none()
    };
    let broken_off = pump(response, &mut inflater, &meters, &mut take).await;
    if let Some(coding) = coding.filter(|_| is_unreadable) {
        return undecodable(&coding, inflater.bytes_decoded());
    }
    let bytes = usize::try_from(inflater.bytes_decoded()).unwrap_or(usize::MAX);
    meters.measure(Stage::Parse, CpuWork::Parse, bytes, || {
        let mut rest = Buffer::new();
        let problem = inflater.finish(&mut rest);
        // A stop shows in the document.
        let _ = reader.push(&rest, &mut taker);
        if let Some(problem) = problem {
            reader.report(problem);
        }
        let document = reader.finish(&mut taker);
        taker.body(&document, inflater.bytes_decoded(), broken_off)
    })
}

/// A content coding (RFC 9110 section 8.4.1) of `response` that nobody asked for and that is not undone here. A body that
/// begins like markup is read all the same: then the label is wrong.
fn foreign_coding(response: &Response) -> Option<String> {
    let labels = response.headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = labels.flat_map(|label| label.split(',')).map(str::trim);
    codings.find(|coding| !KNOWN_CODINGS.contains(&coding.to_ascii_lowercase().as_str())).map(str::to_owned)
}

fn undecodable(coding: &str, bytes_decoded: u64) -> Body {
    let mut body = Body { bytes_decoded, ..Body::default() };
    body.answer.error = Some(ErrorKind::Decode);
    body.detail = format!("the content encoding {coding:?} was not asked for and cannot be undone");
    body
}

/// Reads the body of `response` as a robots.txt: its first [`RobotsRulesRules::BYTES_MAX`] bytes (RFC 9309 section 2.5). A large one
/// waits for one of `turns` before it is understood.
pub async fn robots(
    response: &mut Response,
    product_token: &str,
    permits: &Arc<Semaphore>,
    watch: &Stopwatch,
    cpu: &CpuMeter,
) -> Body {
    let meters = Meters { watch, cpu };
    let mut inflater = Inflater::new(&Limits::default());
    let coding = foreign_coding(response);
    let (mut text, mut is_endless) = (Vec::new(), false);
    let mut take = |slice: &[u8], step: Result<(), InflateError>| {
        text.extend_from_slice(slice);
        is_endless |= step.is_err();
        // One byte more tells that the last line was cut.
        text.len() <= RobotsRules::BYTES_MAX
    };
    let broken_off = pump(response, &mut inflater, &meters, &mut take).await;
    let permit = match text.len() > LARGE_ROBOTS_BYTES {
        true => {
            // The bytes are there: to wait for a turn is no waiting for them.
            watch.enter(Stage::Parse);
            permits.clone().acquire_owned().await.ok()
        }
        false => None,
    };
    meters.measure(Stage::Parse, CpuWork::Parse, text.len(), || {
        let mut body = Body { bytes_decoded: inflater.bytes_decoded(), permit, ..Body::default() };
        match broken_off {
            Some(error) => {
                body.answer.error = Some(error.kind);
                body.detail = error.detail;
            }
            None => {
                let mut rest = Buffer::new();
                let problem = inflater.finish(&mut rest);
                text.extend_from_slice(&rest);
                // Beyond the ceiling nobody looked, so nothing is missing.
                let is_cut = text.len() <= RobotsRules::BYTES_MAX
                    && (is_endless || problem.as_ref().is_some_and(|problem| is_damage(problem.kind)));
                match coding.filter(|_| !is_text(&text)) {
                    Some(coding) => return undecodable(&coding, body.bytes_decoded),
                    None if is_cut => {
                        body.answer.error = Some(ErrorKind::Decode);
                        body.detail = problem.map_or_else(
                            || "the gzip stream has no end".to_owned(),
                            |problem| problem.to_string(),
                        );
                    }
                    None => body.answer.robots = Some(RobotsRules::parse(&text, product_token)),
                }
            }
        }
        body
    })
}

/// Whether a gzip stream with this problem gave less than was packed into it.
fn is_damage(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::GzipCutShort | ProblemKind::GzipDamaged)
}

/// Whether the bytes read as text: UTF-8, perhaps cut at the end, without control characters. What is packed does not.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !bytes.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}

/// Reads what is left of a body that nobody wants, so far as that is cheap.
pub async fn discard(response: &mut Response) {
    while response.bytes_wire < DISCARD_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// Hands the plain bytes of a body to `take` in slices of at most [`SLICE_BYTES`] until it wants no more; gives the reason
/// why the body broke off, if it did. The ceiling of a document holds for the bytes on the wire too: a gzip stream may be
/// endless and give nothing.
async fn pump(
    response: &mut Response,
    inflater: &mut Inflater,
    meters: &Meters<'_>,
    take: &mut (impl FnMut(&[u8], Result<(), InflateError>) -> bool + Send),
) -> Option<crate::fetch::FetchError> {
    let mut slice = Buffer::new();
    let mut bytes_since_yield = 0;
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return None,
            Err(error) => return Some(error),
        };
        let over =
            usize::try_from(response.bytes_wire.saturating_sub(DOCUMENT_BYTES_MAX)).unwrap_or(usize::MAX);
        let (mut rest, mut more) = (&chunk[..chunk.len().saturating_sub(over)], false);
        while !rest.is_empty() || more {
            slice.clear();
            // What is left to come out of earlier bytes may be a whole slice.
            let bytes = if more { SLICE_BYTES } else { rest.len() };
            let step =
                meters.measure(Stage::Inflate, CpuWork::Inflate, bytes, || inflater.push(rest, &mut slice));
            let ended = step.map(|_| ());
            let goes_on = meters.measure(Stage::Parse, CpuWork::Parse, slice.len(), || take(&slice, ended));
            let Ok(inflated) = step else { return None };
            if !goes_on {
                return None;
            }
            (rest, more) = (&rest[inflated.consumed..], inflated.more);
            bytes_since_yield += slice.len();
            if bytes_since_yield >= SLICE_BYTES {
                // Two large documents must not hold up everyone else.
                bytes_since_yield = 0;
                // The bytes are there: what passes until it is our turn again is no waiting for them.
                meters.watch.enter(Stage::Parse);
                tokio::task::yield_now().await;
                meters.watch.enter(Stage::Body);
            }
        }
        if over > 0 {
            take(&[], Err(InflateError::TooLarge { limit: DOCUMENT_BYTES_MAX }));
            return None;
        }
    }
}

/// What a document holds, ready to be recorded.
#[derive(Default)]
pub struct Contents {
    /// Its entries, where it has any.
    pub rows: Option<FinishedRows>,
    /// The sitemaps that it names, where it is an index.
    pub children: Option<FinishedChildren>,
}

/// Takes what a document gives.
struct Taker<'a> {
    rows: Rows,
    scopes: Scopes<'a>,
    children: Children,
    children_max: u64,
    children_over: u64,
    failure: Option<SegmentError>,
    problem: Option<Problem>,
}

impl<'a> Taker<'a> {
    fn new(reading: &Reading<'a>, scratch: &Scratch) -> Self {
        Self {
            rows: scratch.rows(reading.head.clone()),
            scopes: Scopes::new(reading.head.host.clone(), reading.named_by),
            children: scratch.children(),
            children_max: reading.children_max,
            children_over: 0,
            failure: None,
            problem: None,
        }
    }

    fn body(
        self,
        document: &Document,
        bytes_decoded: u64,
        broken_off: Option<crate::fetch::FetchError>,
    ) -> Body {
        let mut body = Body { bytes_decoded, ..Body::default() };
        body.detail = detail(document, self.problem.as_ref(), broken_off.as_ref());
        let is_index = document.kind == Some(DocumentKind::Index);
        let bad: u64 = document.dropped().map(|(_, count)| count).sum();
        body.answer.error = broken_off.map(|error| error.kind);
        let Some(kind) = document.kind else {
            // A body may reach its ceiling before it shows what it is.
            let is_too_large = document.ended == DocumentEnd::TooLarge;
            let error = if is_too_large { ErrorKind::TooLarge } else { ErrorKind::NotASitemap };
            body.answer.error.get_or_insert(error);
            return body;
        };
        let dropped = document.dropped().map(|(reason, count)| (reason.as_str().into(), count));
        body.answer.document = Some(DocumentSummary {
            kind: kind.as_str().into(),
            entries: document.entries,
            dropped: if is_index { BTreeMap::new() } else { dropped.collect() },
            problems: document.problems,
            truncated: body.answer.error.or_else(|| cut_short(document)),
            is_index,
        });
        body.answer.children = self.children.len();
        body.answer.children_over = self.children_over;
        body.answer.children_bad = if is_index { bad } else { 0 };
        match self.failure.map_or_else(|| contents(self.rows, self.children), Err) {
            Ok(contents) => body.contents = contents,
            Err(error) => body.failure = Some(error),
        }
        body
    }
}

impl Sink for Taker<'_> {
    fn entry(&mut self, entry: &Entry<'_>) {
        if self.failure.is_none() {
            let scope = self.scopes.of(entry.loc);
            self.failure = self.rows.push(entry, scope).err();
        }
    }

    fn child(&mut self, child: &Child<'_>) {
        let bytes = self.children.bytes() + child.loc.len();
        if self.children.len() >= self.children_max || bytes > CHILDREN_BYTES_MAX {
            self.children_over += 1;
        } else if self.failure.is_none() {
            self.failure = self.children.push(child.loc).err();
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }
}

fn contents(rows: Rows, children: Children) -> Result<Contents, SegmentError> {
    let rows = if rows.is_empty() { None } else { Some(rows.finish()?) };
    let children = if children.is_empty() { None } else { Some(children.finish()?) };
    Ok(Contents { rows, children })
}

/// Why the document was not read to its end, where it was not.
fn cut_short(document: &Document) -> Option<ErrorKind> {
    let is_damaged = document.problem_counts.get(ProblemKind::GzipDamaged) > 0;
    match document.ended {
        DocumentEnd::TooLarge => Some(ErrorKind::TooLarge),
        DocumentEnd::Truncated | DocumentEnd::Broken | DocumentEnd::Whole if is_damaged => {
            Some(ErrorKind::Decode)
        }
        DocumentEnd::Truncated | DocumentEnd::Broken => Some(ErrorKind::Parse),
        DocumentEnd::Whole | DocumentEnd::Empty | DocumentEnd::NotASitemap(_) => None,
    }
}

fn detail(
    document: &Document,
    first: Option<&Problem>,
    broken_off: Option<&crate::fetch::FetchError>,
) -> String {
    match (broken_off, first) {
        (Some(error), _) => error.detail.clone(),
        (None, Some(problem)) => format!("{}; first: {problem}", document.ended),
        (None, None) => document.ended.to_string(),
    }
}

/// The scope of entries. Neighbours nearly always share their origin, so the last answer is kept.
struct Scopes<'a> {
    own: String,
    named_by: &'a [HostId],
    last: Option<(String, EntryScope)>,
}

impl<'a> Scopes<'a> {
    fn new(own: String, named_by: &'a [HostId]) -> Self {
        Self { own, named_by, last: None }
    }

    fn of(&mut self, loc: &str) -> EntryScope {
        if has_origin(loc, &self.own) {
            return EntryScope::SameHost;
        }
        if let Some((origin, scope)) = &self.last
            && has_origin(loc, origin)
        {
            return *scope;
        }
        let host = normal_url(loc).and_then(|url| Host::of(&url));
        let scope = match &host {
            Some(host) if host.to_string() == self.own => EntryScope::SameHost,
            Some(host) if self.named_by.contains(&host.id()) => EntryScope::Robots,
            _ => EntryScope::Foreign,
        };
        self.last = host.map(|host| (host.to_string(), scope));
        scope
    }
}

fn has_origin(loc: &str, origin: &str) -> bool {
    loc.strip_prefix(origin)
        .is_some_and(|rest| matches!(rest.as_bytes().first(), None | Some(b'/' | b'?' | b'#')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_of_the_same_host_or_of_one_whose_robots_txt_names_the_sitemap_or_foreign() {
        let partner = Host::of(&Url::parse("https://partner.example").unwrap()).unwrap().id();
        let named_by = [partner];
        let mut scopes = Scopes::new("https://a.example".to_owned(), &named_by);
        for (loc, scope) in [
            ("https://a.example/x", EntryScope::SameHost),
            ("https://A.EXAMPLE:443/x", EntryScope::SameHost),
            ("https://a.example", EntryScope::SameHost),
            ("https://a.example.evil.example/", EntryScope::Foreign),
            ("https://a.example:8443/", EntryScope::Foreign),
            ("http://a.example/", EntryScope::Foreign),
            ("https://partner.example/1", EntryScope::Robots),
            ("https://partner.example/2", EntryScope::Robots),
            ("https://other.example/", EntryScope::Foreign),
        ] {
            assert_eq!(scopes.of(loc), scope, "{loc}");
        }
    }
}
