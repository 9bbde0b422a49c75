//! Inflates and parses a body slice by slice while its bytes arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontier::{DocumentSummary, ErrorKind, Host, HostId, RobotsRules, Stage, normal_url};
use http::header::CONTENT_ENCODING;
use sitemap::limits::{DOCUMENT_BYTES_MAX, SLICE_BYTES};
use sitemap::{
    Buffer, Child, Document, DocumentEnd, DocumentKind, DocumentReader, Entry, InflateError, Inflater,
    Limits, Problem, ProblemKind, Sink,
};
use storage::{Children, EntryScope, Rows, Scratch, SegmentError};
use tokio::sync::Semaphore;

use super::body::{Body, Contents, DocumentContext};
use crate::cpu_meter::{CpuMeter, CpuWork, thread_cpu};
use crate::fetch::{FetchError, Response, ResponseBody, Stopwatch};

/// A robots.txt with more bytes needs a permit before it is parsed. The rules and Sitemap tasks of a file of 512,000 bytes take
/// up to forty times as much memory until they are durable, and a hundred such files may arrive at the same time.
const LARGE_ROBOTS_BYTES: usize = 32 << 10;

/// Permits for large robots.txt files: so many are parsed and not yet durable at any time.
const LARGE_ROBOTS_PERMITS: usize = 4;

/// An unneeded body is read up to this many bytes, so that its connection can be reused.
const DISCARD_BYTES_MAX: u64 = 64 << 10;

/// Bytes of the children's URLs of one index. They become durable in one commit and are all in memory then. The 50,000 children
/// that sitemaps.org allows fit with over 300 bytes each. Further children are counted like those beyond `--max-children`.
const CHILDREN_BYTES_MAX: usize = 16 << 20;

/// Content codings that are decoded. The body's first bytes decide whether it is gzip, not these names.
const KNOWN_CODINGS: [&str; 4] = ["gzip", "x-gzip", "identity", ""];

/// Work on fewer bytes takes some ten microseconds, and its wall time counts as its CPU time. Reading the CPU clock of a thread
/// is a system call and takes a microsecond or two, which is noticeable with small documents.
const SHORT_BYTES: usize = 4 << 10;

/// Measures the work on a body by wall clock and by the thread's CPU clock.
struct Meters<'a> {
    watch: &'a Stopwatch,
    cpu: &'a CpuMeter,
}

impl Meters<'_> {
    /// Runs and measures `f`, which works on `bytes` bytes.
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

/// Reads the bodies of responses.
pub struct BodyReader {
    /// Holds the rows and children of documents that are being read.
    scratch: Scratch,
    /// [`LARGE_ROBOTS_PERMITS`].
    large_robots: Arc<Semaphore>,
    meter: Arc<CpuMeter>,
}

impl BodyReader {
    /// Keeps what it reads in `scratch`, and counts CPU time in `meter`.
    pub fn new(scratch: Scratch, meter: Arc<CpuMeter>) -> Self {
        Self { scratch, large_robots: Arc::new(Semaphore::new(LARGE_ROBOTS_PERMITS)), meter }
    }

    /// Reads the body of `response` as a sitemap. Fails if its entries cannot be stored.
    pub async fn document(
        &self,
        response: &mut Response<impl ResponseBody>,
        context: DocumentContext<'_>,
        watch: &Stopwatch,
    ) -> Result<Body, SegmentError> {
        let limits = Limits::default();
        let meters = Meters { watch, cpu: &self.meter };
        let mut inflater = Inflater::new(&limits);
        let mut reader = DocumentReader::new(context.base, limits);
        let mut collector = Collector::new(&context, &self.scratch);
        let coding = unknown_coding(response);
        let (mut is_begun, mut is_unreadable) = (false, false);
        let mut take = |slice: &[u8], step| {
            is_unreadable |= coding.is_some() && !is_begun && slice.first().is_some_and(|&byte| byte != b'<');
            is_begun |= !slice.is_empty();
            if is_unreadable {
                return false;
            }
            let stopped = reader.push(slice, &mut collector).is_err();
            if matches!(step, Err(InflateError::TooLarge { .. })) {
                reader.stop_too_large();
            }
            !stopped && collector.failure.is_none()
        };
        let ended_early = pump(response, &mut inflater, &meters, &mut take).await;
        if let Some(coding) = coding.filter(|_| is_unreadable) {
            return Ok(undecodable(&coding, inflater.bytes_decoded()));
        }
        let bytes = usize::try_from(inflater.bytes_decoded()).unwrap_or(usize::MAX);
        meters.measure(Stage::Parse, CpuWork::Parse, bytes, || {
            let mut rest = Buffer::new();
            let problem = inflater.finish(&mut rest);
            // `reader.finish` says if the reader stopped early.
            let _ = reader.push(&rest, &mut collector);
            if let Some(problem) = problem {
                reader.report(problem);
            }
            let document = reader.finish(&mut collector);
            collector.body(&document, inflater.bytes_decoded(), ended_early)
        })
    }

    /// Reads the body of `response` as a robots.txt, up to [`RobotsRules::BYTES_MAX`] bytes (RFC 9309 section 2.5). A large one
    /// waits for a permit before it is parsed.
    pub async fn robots(
        &self,
        response: &mut Response<impl ResponseBody>,
        product_token: &str,
        watch: &Stopwatch,
    ) -> Body {
        let meters = Meters { watch, cpu: &self.meter };
        let mut inflater = Inflater::new(&Limits::default());
        let coding = unknown_coding(response);
        let (mut text, mut is_endless) = (Vec::new(), false);
        let mut take = |slice: &[u8], step: Result<(), InflateError>| {
            text.extend_from_slice(slice);
            is_endless |= step.is_err();
            // One byte more shows that the last line was cut.
            text.len() <= RobotsRules::BYTES_MAX
        };
        let ended_early = pump(response, &mut inflater, &meters, &mut take).await;
        let permit = match text.len() > LARGE_ROBOTS_BYTES {
            true => {
                // The whole body has arrived, so waiting for a permit does not count as waiting for the body.
                watch.enter(Stage::Parse);
                self.large_robots.clone().acquire_owned().await.ok()
            }
            false => None,
        };
        meters.measure(Stage::Parse, CpuWork::Parse, text.len(), || {
            let mut body = Body { bytes_decoded: inflater.bytes_decoded(), permit, ..Body::default() };
            match ended_early {
                Some(error) => {
                    body.answer.error = Some(error.kind);
                    body.detail = error.detail;
                }
                None => {
                    let mut rest = Buffer::new();
                    let problem = inflater.finish(&mut rest);
                    text.extend_from_slice(&rest);
                    // Bytes beyond the limit are not needed, so none are missing.
                    let is_cut = text.len() <= RobotsRules::BYTES_MAX
                        && (is_endless || problem.as_ref().is_some_and(|problem| is_damage(problem.kind)));
                    match coding.filter(|_| !is_text(&text)) {
                        Some(coding) => return undecodable(&coding, body.bytes_decoded),
                        None if is_cut => {
                            body.answer.error = Some(ErrorKind::Decode);
                            body.detail = problem.map_or_else(
                                || "the gzip stream does not end".to_owned(),
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
}

/// A content coding (RFC 9110 section 8.4.1) of `response` that was not requested and cannot be decoded. A body that begins
/// like markup is read anyway, because then the header is wrong.
fn unknown_coding(response: &Response<impl ResponseBody>) -> Option<String> {
    let labels = response.headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = labels.flat_map(|label| label.split(',')).map(str::trim);
    codings.find(|coding| !KNOWN_CODINGS.contains(&coding.to_ascii_lowercase().as_str())).map(str::to_owned)
}

fn undecodable(coding: &str, bytes_decoded: u64) -> Body {
    let mut body = Body { bytes_decoded, ..Body::default() };
    body.answer.error = Some(ErrorKind::Decode);
    body.detail = format!("the content encoding {coding:?} was not requested and cannot be decoded");
    body
}

/// Whether a gzip stream with this problem is missing some of its data.
fn is_damage(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::GzipCutShort | ProblemKind::GzipDamaged)
}

/// Whether the bytes are text: UTF-8 without control characters, perhaps cut at the end. Compressed data is not.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !bytes.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}

/// Reads the rest of an unneeded body, up to [`DISCARD_BYTES_MAX`].
pub async fn discard(response: &mut Response<impl ResponseBody>) {
    while response.bytes_wire() < DISCARD_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// Passes the decompressed bytes of a body to `take`, in slices of at most [`SLICE_BYTES`], until `take` returns `false`. Returns
/// the error if the body ended early. The size limit of a document also applies to the bytes on the wire, because an endless
/// gzip stream may contain no data.
async fn pump(
    response: &mut Response<impl ResponseBody>,
    inflater: &mut Inflater,
    meters: &Meters<'_>,
    take: &mut (impl FnMut(&[u8], Result<(), InflateError>) -> bool + Send),
) -> Option<FetchError> {
    let mut slice = Buffer::new();
    let mut bytes_since_yield = 0;
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return None,
            Err(error) => return Some(error),
        };
        let over =
            usize::try_from(response.bytes_wire().saturating_sub(DOCUMENT_BYTES_MAX)).unwrap_or(usize::MAX);
        let (mut rest, mut more) = (&chunk[..chunk.len().saturating_sub(over)], false);
        while !rest.is_empty() || more {
            slice.clear();
            // Earlier bytes may still decompress to a whole slice.
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
                // Large documents must not block the other tasks.
                bytes_since_yield = 0;
                // The bytes have arrived, so this pause does not count as waiting for the body.
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

/// Collects the entries, children and problems of a document.
struct Collector<'a> {
    rows: Rows,
    scopes: Scopes<'a>,
    children: Children,
    children_max: u64,
    children_over: u64,
    failure: Option<SegmentError>,
    problem: Option<Problem>,
}

impl<'a> Collector<'a> {
    fn new(context: &DocumentContext<'a>, scratch: &Scratch) -> Self {
        Self {
            rows: scratch.rows(context.head.clone()),
            scopes: Scopes::new(context.head.host.clone(), context.named_by),
            children: scratch.children(),
            children_max: context.children_max,
            children_over: 0,
            failure: None,
            problem: None,
        }
    }

    fn body(
        self,
        document: &Document,
        bytes_decoded: u64,
        ended_early: Option<FetchError>,
    ) -> Result<Body, SegmentError> {
        let mut body = Body { bytes_decoded, ..Body::default() };
        body.detail = detail(document, self.problem.as_ref(), ended_early.as_ref());
        let is_index = document.kind == Some(DocumentKind::Index);
        let bad: u64 = document.dropped().map(|(_, count)| count).sum();
        body.answer.error = ended_early.map(|error| error.kind);
        let Some(kind) = document.kind else {
            // A body may reach its size limit before its format is known.
            let is_too_large = document.ended == DocumentEnd::TooLarge;
            let error = if is_too_large { ErrorKind::TooLarge } else { ErrorKind::NotASitemap };
            body.answer.error.get_or_insert(error);
            return Ok(body);
        };
        let dropped = document.dropped().map(|(reason, count)| (reason.as_str().into(), count));
        body.answer.document = Some(DocumentSummary {
            kind: recorded_kind(kind),
            entries: document.entries,
            dropped: if is_index { BTreeMap::new() } else { dropped.collect() },
            problems: document.problems,
            truncated: body.answer.error.or_else(|| cut_short(document)),
        });
        body.answer.children = self.children.len();
        body.answer.children_over = self.children_over;
        body.answer.children_bad = if is_index { bad } else { 0 };
        body.contents = self.failure.map_or_else(|| contents(self.rows, self.children), Err)?;
        Ok(body)
    }
}

impl Sink for Collector<'_> {
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

/// The kind of a document as outcomes and reports name it.
fn recorded_kind(kind: DocumentKind) -> frontier::DocumentKind {
    match kind {
        DocumentKind::Urlset => frontier::DocumentKind::Urlset,
        DocumentKind::Index => frontier::DocumentKind::Index,
        DocumentKind::Text => frontier::DocumentKind::Text,
        DocumentKind::Rss => frontier::DocumentKind::Rss,
        DocumentKind::Atom => frontier::DocumentKind::Atom,
    }
}

fn contents(rows: Rows, children: Children) -> Result<Contents, SegmentError> {
    let rows = if rows.is_empty() { None } else { Some(rows.finish()?) };
    let children = if children.is_empty() { None } else { Some(children.finish()?) };
    Ok(Contents { rows, children })
}

/// Why the document was not read to its end. `None` if it was.
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

fn detail(document: &Document, first: Option<&Problem>, ended_early: Option<&FetchError>) -> String {
    match (ended_early, first) {
        (Some(error), _) => error.detail.clone(),
        (None, Some(problem)) => format!("{}; first: {problem}", document.ended),
        (None, None) => document.ended.to_string(),
    }
}

/// Determines the scope of entries. Consecutive entries nearly always have the same origin, so the last result is cached.
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
    use url::Url;

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
