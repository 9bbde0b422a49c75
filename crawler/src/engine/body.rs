//! What was read from the body of a response.

use frontier::{Answer, HostId};
use storage::{DocumentHead, FinishedChildren, FinishedRows};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

/// Where a document comes from, and what is known about it before it is read.
pub struct DocumentContext<'a> {
    /// The final URL of the document, against which relative URLs are resolved.
    pub base: &'a Url,
    /// The columns that all its rows have in common.
    pub head: DocumentHead,
    /// Hosts whose robots.txt names the document. Their URLs are not foreign.
    pub named_by: &'a [HostId],
    /// `--max-children`.
    pub children_max: u64,
}

/// What was read of an answer.
#[derive(Default)]
pub struct Body {
    /// What it means. Without a request, what it would mean.
    pub answer: Answer,
    /// The entries or children.
    pub contents: Contents,
    /// The permit of a large robots.txt, held until the rules are durable.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Bytes after decompression.
    pub bytes_decoded: u64,
    /// Description of an error, for people.
    pub detail: String,
}

/// The contents of a document, ready to be recorded.
#[derive(Default)]
pub struct Contents {
    /// Its entries, if it has any.
    pub rows: Option<FinishedRows>,
    /// The sitemaps that it names, if it is an index.
    pub children: Option<FinishedChildren>,
    /// Entries that look like sitemaps, at most [`SITEMAP_ENTRIES_MAX`](sitemap::limits::SITEMAP_ENTRIES_MAX).
    pub listed: Vec<String>,
}
