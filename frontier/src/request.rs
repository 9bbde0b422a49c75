//! A request that the schedule starts, the pace that it obeys, and the next step of its task.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

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

/// One step of a task: the URL that is requested next, and what led to it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The host that receives the request.
    pub host: Arc<Host>,
    /// The task.
    pub task: Box<Task>,
    /// The task's id. A copy, so that a scheduling decision does not have to read the boxed task.
    pub(crate) id: TaskId,
    /// The task's kind. A copy, as with `id`.
    pub(crate) kind: TaskKind,
    /// What the request is made for.
    pub purpose: Purpose,
    /// The normalised URL, parsed once: the task's, or the one that redirects within the host led to. `None` if the task's
    /// cannot be parsed, so that it cannot be requested.
    pub url: Option<Arc<Url>>,
    /// Redirects followed before this request within the same attempt.
    pub hop: u8,
    /// Attempt number, from 1. Redirects followed within the attempt do not count.
    pub attempt: u8,
}

impl Step {
    /// Whether it is for the robots.txt of its host, and only other hosts need it.
    pub(crate) fn is_on_behalf(&self) -> bool {
        self.purpose == Purpose::RobotsRefresh && self.task.parent.is_some()
    }

    /// The first step of the next attempt of `task`, which is on `host`.
    pub fn new(host: &Arc<Host>, task: Task) -> Self {
        Self {
            host: host.clone(),
            id: task.id,
            kind: task.kind,
            purpose: Purpose::Task,
            url: Url::parse(&task.url).ok().map(Arc::new),
            hop: 0,
            attempt: task.attempts.saturating_add(1),
            task: Box::new(task),
        }
    }

    /// The same for the robots.txt of `host`, in no queue. If only other hosts need it, `on_behalf_of` is the request for one
    /// of them. Its redirects count here too, so that no chain of hosts goes on for ever.
    pub(crate) fn robots_refresh(host: &Arc<Host>, on_behalf_of: Option<&Task>) -> Self {
        let task = Task::new(host, host.url("/robots.txt"), TaskKind::Robots);
        let parent = on_behalf_of.and_then(|hop| hop.parent);
        let task = Task { parent, hops: on_behalf_of.map_or(0, |hop| hop.hops), ..task };
        Self { purpose: Purpose::RobotsRefresh, ..Self::new(host, task) }
    }

    /// The URL as text.
    pub fn url(&self) -> &str {
        self.url.as_deref().map_or(&self.task.url, Url::as_str)
    }
}

/// One request to make, or one task to skip. It holds a slot of its host until it is settled.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is requested. It uses a slot of its host and counts against its pace.
    pub step: Step,
    /// Whether a seed names the host.
    pub is_seed: bool,
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
        self.step.id.host
    }

    /// Its task.
    pub fn task(&self) -> &Task {
        &self.step.task
    }

    /// The URL of this hop: the task's, or the one that a redirect led to.
    pub fn url(&self) -> &str {
        self.step.url()
    }
}

/// How the task of a request continues.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum NextStep {
    /// The task has ended.
    #[default]
    Done,
    /// Follow a redirect within the same attempt: the next URL, and the number of redirects followed before it.
    Follow(Arc<Url>, u8),
    /// Wait until another host has made the request that a robots.txt was redirected to.
    Wait,
    /// Make another attempt, not before this moment.
    Retry(Timestamp),
}
