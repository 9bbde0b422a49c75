//! What is constant within a document, and how its entries relate to its host.

use frontier::{TaskId, Timestamp};

/// The fields that all entries of a document share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentHead {
    /// The task that fetched the document.
    pub task: TaskId,
    /// Number of the task's attempt that fetched it, from 1.
    pub attempt: u8,
    /// Origin of the host that the task belongs to.
    pub host: String,
    /// Final URL of the document.
    pub sitemap: String,
    /// When it was fetched.
    pub fetched_at: Timestamp,
}

/// How the URL of an entry relates to the host of its sitemap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryScope {
    /// It is on the same host.
    SameHost,
    /// It is on another host, whose robots.txt names this sitemap.
    Robots,
    /// It is on another host, whose robots.txt does not name this sitemap.
    Foreign,
}

impl EntryScope {
    /// The name in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameHost => "same-host",
            Self::Robots => "robots",
            Self::Foreign => "foreign",
        }
    }
}
