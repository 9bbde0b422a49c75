//! A request that the schedule starts, the pace that it obeys, and the next step of its task.

use std::sync::Arc;
use std::time::Duration;

use crate::host::{Host, HostId};
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;

/// How fast requests to a host, and to all hosts of a [`Site`](crate::Site), may follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Minimum time between the starts of two requests to a host: 1/`--rate`. Zero means no limit.
    pub spacing: Duration,
    /// Maximum number of requests in flight per host. Zero counts as one.
    pub host_concurrency: usize,
    /// Minimum time between the starts of two requests to a site: 1/`--site-rate`. Zero means no limit.
    pub site_spacing: Duration,
    /// Maximum number of requests in flight per site; `usize::MAX` means no limit. Zero counts as one.
    pub site_concurrency: usize,
}

impl Pace {
    /// The pace of hosts, with no limit for sites.
    pub fn of_hosts(spacing: Duration, host_concurrency: usize) -> Self {
        Self { spacing, host_concurrency, site_spacing: Duration::ZERO, site_concurrency: usize::MAX }
    }

    /// Whether it has a limit for sites.
    pub(crate) fn limits_sites(&self) -> bool {
        self.site_concurrency != usize::MAX || !self.site_spacing.is_zero()
    }
}

/// What a request is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A task of the work queue. Its outcome is committed.
    Task,
    /// The robots.txt of a host whose rules are unknown or too old. It is in no queue, its outcome is not committed, and
    /// it leads to no sitemaps.
    RobotsRefresh,
}

/// One request to make, or one task to skip. It holds a slot of its host until it is settled.
#[derive(Clone, Debug)]
pub struct Request {
    /// The host that receives it. It uses a slot of this host and counts against its pace.
    pub host: Arc<Host>,
    /// Whether a seed names the host.
    pub is_seed: bool,
    /// What it is made for.
    pub purpose: Purpose,
    /// The task it is made for.
    pub task: Box<Task>,
    /// The task's id. A copy, so that a scheduling decision does not have to read the boxed task.
    pub(crate) id: TaskId,
    /// The task's kind. A copy, as with `id`.
    pub(crate) kind: TaskKind,
    /// The URL that a redirect led to, if the request follows one.
    pub(crate) moved_to: Option<String>,
    /// Redirects followed before this request within the same attempt.
    pub hop: u8,
    /// Attempt number, from 1.
    pub attempt: u8,
    /// Whether its answer is known ([`crate::conclude::conclude_known`]), so that no request is made and the pace does
    /// not apply.
    pub is_known: bool,
    /// Index of the host's slot that it uses.
    pub slot: usize,
    /// Start of its path: when its slot was free and the host had something to do.
    pub begun_at: Timestamp,
    /// When pace, cooldowns and backoff permitted it. The stage `politeness` lasts from `begun_at` until here, the
    /// stage `slot` from here to the start of the request.
    pub permitted_at: Timestamp,
    /// The host's key in the schedule.
    pub(crate) place: usize,
}

impl Request {
    /// The id of its host.
    pub fn host_id(&self) -> HostId {
        self.id.host
    }

    /// The URL of this hop: the task's, or the one that a redirect led to.
    pub fn url(&self) -> &str {
        self.moved_to.as_deref().unwrap_or(&self.task.url)
    }
}

/// How the task of a request continues.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum NextStep {
    /// The task has ended.
    #[default]
    Done,
    /// Follow a redirect within the same attempt: the next URL, and the number of redirects followed before it.
    Follow(String, u8),
    /// Wait until another host has made the request that a robots.txt was redirected to.
    Wait,
    /// Make another attempt, not before this moment.
    Retry(Timestamp),
}
