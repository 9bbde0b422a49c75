//! Collects what a document contains while it is read.

use std::collections::BTreeMap;

use frontier::{DocumentSummary, ErrorKind, Host, HostId, SkipReason, normal_url};
use sitemap::{Child, Document, DocumentEnd, DocumentKind, Entry, Problem, ProblemKind, Sink};
use storage::{Children, EntryScope, Rows, Scratch, SegmentError};

use super::body::{Body, Contents, DocumentContext};
use crate::fetch::FetchError;

/// Bytes of the children's URLs of one index. They become durable in one commit and are all in memory then. The 50,000 children
/// that sitemaps.org allows fit with over 300 bytes each. Further children are counted like those beyond `--max-children`.
const CHILDREN_BYTES_MAX: usize = 16 << 20;

/// Collects the entries, children and problems of a document.
pub struct Collector<'a> {
    rows: Rows,
    scopes: Scopes<'a>,
    children: Children,
    children_max: u64,
    children_over: u64,
    /// Entries that look like sitemaps.
    listed: Vec<String>,
    listed_bytes: usize,
    failure: Option<SegmentError>,
    problem: Option<Problem>,
}

impl<'a> Collector<'a> {
    /// Starts to collect. What does not fit in memory goes to `scratch`.
    pub fn new(context: &DocumentContext<'a>, scratch: &Scratch) -> Self {
        Self {
            rows: scratch.rows(context.head.clone()),
            scopes: Scopes::new(context.head.host.clone(), context.named_by),
            children: scratch.children(),
            children_max: context.children_max,
            children_over: 0,
            listed: Vec::new(),
            listed_bytes: 0,
            failure: None,
            problem: None,
        }
    }

    /// Bytes of memory.
    pub fn held_bytes(&self) -> usize {
        self.rows.held_bytes() + self.children.held_bytes() + self.listed_bytes
    }

    /// Whether something could not be stored.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What was read. Fails if something could not be stored.
    pub fn body(
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
            // A body may be cut before its format is known.
            body.answer.error.get_or_insert(cut_short(document).unwrap_or(ErrorKind::NotASitemap));
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
        let refused = [
            (SkipReason::CountLimit, self.children_over),
            (SkipReason::BadUrl, if is_index { bad } else { 0 }),
        ];
        body.answer.children_refused = refused.into_iter().filter(|(_, count)| *count > 0).collect();
        body.contents = self.failure.map_or_else(|| contents(self.rows, self.children), Err)?;
        body.contents.listed = self.listed;
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
        if child.is_entry {
            self.listed_bytes += child.loc.len();
            return self.listed.push(child.loc.to_owned());
        }
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
    Ok(Contents { rows, children, listed: Vec::new() })
}

/// Why the document was not read to its end. `None` if it was.
fn cut_short(document: &Document) -> Option<ErrorKind> {
    let damages = [ProblemKind::GzipDamaged, ProblemKind::GzipCutShort];
    let is_damaged = damages.iter().any(|&kind| document.problem_counts.get(kind) > 0);
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
