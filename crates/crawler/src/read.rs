//! Inflates and parses a body in place, a slice at a time, as its bytes come.

use std::collections::BTreeMap;

use frontier::{DocumentSummary, ErrorKind, Host, HostId, Robots, Stage, normal_url};
use sitemap::limits::SLICE_BYTES;
use sitemap::{
    Buffer, Child, Document, DocumentKind, DocumentReader, Ended, Entry, InflateError, Inflater, Limits,
    Problem, ProblemKind, Sink,
};
use storage::{DataDir, DocumentHead, EntryScope, Rows, SegmentError};
use url::Url;

use crate::fetch::{Response, Stopwatch};
use crate::usage::{CpuMeter, Work, thread_cpu};
use crate::worker::Body;

/// A body that nobody wants is read up to here, so that its connection can be used again.
const DISCARD_BYTES_MAX: u64 = 64 << 10;

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
    fn measure<T>(&self, stage: Stage, work: Work, f: impl FnOnce() -> T) -> T {
        self.watch.enter(stage);
        let before = thread_cpu();
        let result = f();
        self.cpu.add(work, thread_cpu().saturating_sub(before));
        self.watch.enter(Stage::Body);
        result
    }
}

/// Reads the body of `response` as a sitemap.
pub async fn document(
    response: &mut Response,
    reading: Reading<'_>,
    data_dir: &DataDir,
    watch: &Stopwatch,
    cpu: &CpuMeter,
) -> Body {
    let limits = Limits::default();
    let meters = Meters { watch, cpu };
    let mut inflater = Inflater::new(&limits);
    let mut reader = DocumentReader::new(reading.base, limits);
    let mut taker = Taker::new(&reading, data_dir.rows(reading.head.clone()));
    let mut take = |slice: &[u8], step| {
        let stopped = reader.push(slice, &mut taker).is_err();
        if matches!(step, Err(InflateError::TooLarge { .. })) {
            reader.stop_too_large();
        }
        !stopped && taker.failure.is_none()
    };
    let broken_off = pump(response, &mut inflater, &meters, &mut take).await;
    meters.measure(Stage::Parse, Work::Parse, || {
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

/// Reads the body of `response` as a robots.txt: its first [`Robots::BYTES_MAX`] bytes (RFC 9309 section 2.5).
pub async fn robots(response: &mut Response, product_token: &str, watch: &Stopwatch, cpu: &CpuMeter) -> Body {
    let meters = Meters { watch, cpu };
    let mut inflater = Inflater::new(&Limits::default());
    let mut text = Vec::new();
    let mut take = |slice: &[u8], _| {
        text.extend_from_slice(slice);
        // One byte more tells that the last line was cut.
        text.len() <= Robots::BYTES_MAX
    };
    let broken_off = pump(response, &mut inflater, &meters, &mut take).await;
    meters.measure(Stage::Parse, Work::Parse, || {
        let mut body = Body { bytes_decoded: inflater.bytes_decoded(), ..Body::default() };
        match broken_off {
            Some(error) => {
                body.answer.error = Some(error.kind);
                body.detail = error.detail;
            }
            None => {
                let mut rest = Buffer::new();
                inflater.finish(&mut rest);
                text.extend_from_slice(&rest);
                body.answer.robots = Some(Robots::parse(&text, product_token));
            }
        }
        body
    })
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
/// why the body broke off, if it did.
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
        let (mut rest, mut more) = (chunk.as_ref(), false);
        while !rest.is_empty() || more {
            slice.clear();
            let step = meters.measure(Stage::Inflate, Work::Inflate, || inflater.push(rest, &mut slice));
            let ended = step.map(|_| ());
            let goes_on = meters.measure(Stage::Parse, Work::Parse, || take(&slice, ended));
            let Ok(inflated) = step else { return None };
            if !goes_on {
                return None;
            }
            (rest, more) = (&rest[inflated.consumed..], inflated.more);
            bytes_since_yield += slice.len();
            if bytes_since_yield >= SLICE_BYTES {
                // Two large documents must not hold up everyone else.
                bytes_since_yield = 0;
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Takes what a document gives: entries to the rows, children to the answer.
struct Taker<'a> {
    rows: Rows,
    scopes: Scopes<'a>,
    children: Vec<String>,
    children_max: u64,
    children_over: u64,
    failure: Option<SegmentError>,
    problem: Option<Problem>,
}

impl<'a> Taker<'a> {
    fn new(reading: &Reading<'a>, rows: Rows) -> Self {
        Self {
            rows,
            scopes: Scopes::new(reading.head.host.clone(), reading.named_by),
            children: Vec::new(),
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
        let mut body = Body { bytes_decoded, failure: self.failure, ..Body::default() };
        body.detail = detail(document, self.problem.as_ref(), broken_off.as_ref());
        let is_index = document.kind == Some(DocumentKind::Index);
        let bad: u64 = document.dropped().map(|(_, count)| count).sum();
        body.answer.error = broken_off.map(|error| error.kind);
        let Some(kind) = document.kind else {
            body.answer.error.get_or_insert(ErrorKind::NotASitemap);
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
        body.answer.children = self.children;
        body.answer.children_over = self.children_over;
        body.answer.children_bad = if is_index { bad } else { 0 };
        match self.rows.finish() {
            Ok(rows) => body.rows = Some(rows),
            Err(error) => body.failure = body.failure.or(Some(error)),
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
        if self.children.len() as u64 >= self.children_max {
            self.children_over += 1;
        } else {
            self.children.push(child.loc.to_owned());
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }
}

/// Why the document was not read to its end, where it was not.
fn cut_short(document: &Document) -> Option<ErrorKind> {
    let is_damaged = document.problem_counts.get(ProblemKind::GzipDamaged) > 0;
    match document.ended {
        Ended::TooLarge => Some(ErrorKind::TooLarge),
        Ended::Truncated | Ended::Broken | Ended::Whole if is_damaged => Some(ErrorKind::Decode),
        Ended::Truncated | Ended::Broken => Some(ErrorKind::Parse),
        Ended::Whole | Ended::Empty | Ended::NotASitemap(_) => None,
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
