//! A task: one URL to fetch.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::host::{Host, HostId};
use crate::timestamp::Timestamp;

/// The [`Task::priority`] of a [`TaskKind::RobotsHop`], and of nothing else.
pub const HOP_PRIORITY: u16 = u16::MAX;

/// Identifies a task by its host and the hash of its normalised URL, so that a URL is fetched once per crawl.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TaskId {
    /// The host that receives the request.
    pub host: HostId,
    /// The first 128 bits of the SHA-256 of the normalised URL.
    pub url: u128,
}

impl TaskId {
    /// The id of `url`, which must be normalised (see [`crate::normal_url()`]) and on `host`.
    pub fn of(host: HostId, url: &str) -> Self {
        let digest = Sha256::digest(url);
        Self { host, url: u128::from_be_bytes(std::array::from_fn(|i| digest[i])) }
    }

    /// The id of the request of `host` for `url`, which the robots.txt of `waiting` redirects to. It is never the id of a
    /// sitemap: no URL has a space.
    pub fn of_hop(host: HostId, url: &str, waiting: HostId) -> Self {
        Self::of(host, &format!("{url} {waiting}"))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:032x}", self.host, self.url)
    }
}

/// The kind of document that is expected at a task's URL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TaskKind {
    /// The robots.txt of a seed's host, which leads to the host's first sitemaps.
    Robots,
    /// A sitemap that a seed, a robots.txt or an index named.
    Sitemap,
    /// A guess: the nth well-known sitemap path. Its absence is not an error.
    Probe(u8),
    /// The last guess, after which no other follows: a well-known path redirected to this URL, which is on another host and
    /// has another path, or a document of pages lists it, although it looks like a sitemap. No failure of it is an error.
    LastProbe,
    /// A request for another host: the robots.txt of that host redirects here. [`Task::parent`] is that robots.txt.
    RobotsHop,
}

impl TaskKind {
    /// Whether the URL is a guess, so that its absence is not an error.
    pub fn is_probe(self) -> bool {
        matches!(self, Self::Probe(_) | Self::LastProbe)
    }

    /// Whether a document may name many of them, so that `--max-sitemaps` bounds their number.
    pub fn is_named(self) -> bool {
        matches!(self, Self::Sitemap | Self::LastProbe)
    }
}

/// One URL to fetch, as the queue keeps it.
///
/// ```
/// use frontier::{Host, Task, TaskId, TaskKind};
///
/// let host = Host::of(&"https://a.example".parse()?).ok_or("it has no host")?;
/// let robots = Task::new(&host, host.url("/robots.txt"), TaskKind::Robots);
/// let sitemap = Task::new(&host, host.url("/sitemap.xml"), TaskKind::Sitemap);
/// assert!(robots.priority() < sitemap.priority());
/// assert_eq!(sitemap.id, TaskId::of(host.id(), "https://a.example/sitemap.xml"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Host and hash of the URL.
    pub id: TaskId,
    /// The normalised URL to fetch.
    pub url: String,
    /// The expected kind of document.
    pub kind: TaskKind,
    /// Number of index levels above it. A root sitemap has 0.
    pub depth: u16,
    /// The task whose document named this one; `None` for a seed.
    pub parent: Option<TaskId>,
    /// Number of redirects since the first task, including those to other hosts. At most `bounds::REDIRECTS_MAX`.
    pub hops: u8,
    /// Number of attempts already made. Redirects followed within an attempt are not counted.
    pub attempts: u8,
    /// Earliest time of the next attempt.
    pub not_before: Option<Timestamp>,
    /// Hosts whose robots.txt names this sitemap or an index above it: the first ones, at most `bounds::NAMED_BY_MAX`. It
    /// may list the URLs of these hosts.
    pub named_by: Vec<HostId>,
}

impl Task {
    /// Creates a root task for `url`, which must be normalised and on `host`. It has no parent and no attempts.
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

    /// The request that `host` makes for `waiting`, whose robots.txt redirects to `url`. `url` must be normalised and on
    /// `host`; `hops` is the number of redirects up to it.
    pub fn robots_hop(host: &Host, url: &str, hops: u8, waiting: &Host) -> Self {
        let parent = TaskId::of(waiting.id(), &waiting.url("/robots.txt"));
        let id = TaskId::of_hop(host.id(), url, waiting.id());
        Self { id, hops, parent: Some(parent), ..Self::new(host, url, TaskKind::RobotsHop) }
    }

    /// For a [`TaskKind::RobotsHop`], the host that waits for it. `None` for any other kind.
    pub fn waiting(&self) -> Option<HostId> {
        self.parent.filter(|_| self.kind == TaskKind::RobotsHop).map(|parent| parent.host)
    }

    /// Position in the host's queue, lowest first: robots.txt, then sitemaps by depth, then requests for other hosts
    /// ([`HOP_PRIORITY`]).
    pub fn priority(&self) -> u16 {
        match self.kind {
            TaskKind::Robots => 0,
            TaskKind::Sitemap | TaskKind::Probe(_) | TaskKind::LastProbe => {
                self.depth.saturating_add(1).min(HOP_PRIORITY - 1)
            }
            TaskKind::RobotsHop => HOP_PRIORITY,
        }
    }
}

/// A task that was found, with everything that the queue needs to add it. Its host may be new.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewTask {
    /// The host that will receive the request.
    pub host: Host,
    /// The task, with no attempts yet.
    pub task: Task,
    /// The host whose document named it. If the task is refused, it counts under this host. `None` for a seed.
    pub found_on: Option<HostId>,
}
