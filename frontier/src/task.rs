//! A task: one URL to fetch.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::host::{Host, HostId};
use crate::timestamp::Timestamp;

/// Identifies a task: its host and the hash of its normalised URL. A URL is fetched once per crawl by this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TaskId {
    /// The host that is asked.
    pub host: HostId,
    /// The first 128 bits of the SHA-256 of the normalised URL.
    pub url: u128,
}

impl TaskId {
    /// The id of `url`, which is normalised (see [`crate::normal_url()`]) and lies on `host`.
    pub fn of(host: HostId, url: &str) -> Self {
        let digest = Sha256::digest(url);
        Self { host, url: u128::from_be_bytes(std::array::from_fn(|i| digest[i])) }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:032x}", self.host, self.url)
    }
}

/// The depth by which a robots.txt that is asked in passing is told from the one of a seed: such a task is in no
/// queue, its outcome is not recorded, and it leads to no sitemaps.
pub const REFRESH_DEPTH: u16 = u16::MAX;

/// What is expected behind a task's URL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TaskKind {
    /// The robots.txt of a seed's host: its answer yields the host's first sitemaps.
    Robots,
    /// A sitemap that a seed, a robots.txt or an index named.
    Sitemap,
    /// The nth well-known sitemap path, tried because robots.txt named none; absence is no error.
    Probe(u8),
}

/// One URL to fetch, as the queue keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Host and hash of the URL.
    pub id: TaskId,
    /// The normalised URL.
    pub url: String,
    /// What is expected there.
    pub kind: TaskKind,
    /// Index levels above it; a root sitemap has 0.
    pub depth: u16,
    /// The task whose document named this one; `None` for a seed.
    pub parent: Option<TaskId>,
    /// Redirects that led here from the first task, over hosts too; bounded by `bounds::REDIRECTS_MAX`.
    pub hops: u8,
    /// Tries already made, redirects followed in place not counted.
    pub attempts: u8,
    /// A retry does not leave before this.
    pub not_before: Option<Timestamp>,
    /// Hosts whose robots.txt names this sitemap or an index above it: it may list their URLs.
    pub named_by: Vec<HostId>,
}

impl Task {
    /// The task of `url`, which is normalised and lies on `host`: a root that no document named, not asked yet.
    pub fn new(host: &Host, url: impl Into<String>, kind: TaskKind) -> Self {
        let url = url.into();
        Self {
            id: TaskId::of(host.id(), &url),
            url,
            kind,
            depth: 0,
            parent: None,
            hops: 0,
            attempts: 0,
            not_before: None,
            named_by: Vec::new(),
        }
    }

    /// Place in the host's queue: robots.txt first, then by depth.
    pub fn priority(&self) -> u16 {
        match self.kind {
            TaskKind::Robots => 0,
            TaskKind::Sitemap | TaskKind::Probe(_) => self.depth.saturating_add(1),
        }
    }
}

/// A task found, with all that the queue needs to take it in: its host may be new.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewTask {
    /// The host that will be asked.
    pub host: Host,
    /// The task, with no attempts yet.
    pub task: Task,
    /// The host whose document named it and under which it counts when it is refused; `None` for a seed.
    pub found_on: Option<HostId>,
}
