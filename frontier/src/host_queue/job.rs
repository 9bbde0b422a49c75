//! A task of a leased host in memory, with what the robots rules say of it.

use std::sync::Arc;

use crate::bounds::RETRY_AFTER_MAX;
use crate::host::Host;
use crate::outcome::SkipReason;
use crate::request::Purpose;
use crate::robots::RobotsState;
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;

/// A task in memory, or a further request of one.
///
/// The fields that a scheduling decision reads are copied out of the boxed task. With 100,000 hosts, a decision costs
/// what its memory accesses cost, so it must not follow the box.
pub(super) struct Job {
    pub(super) host: Arc<Host>,
    pub(super) id: TaskId,
    pub(super) kind: TaskKind,
    pub(super) purpose: Purpose,
    /// Whether it is a request for another host, for the robots.txt of this one.
    pub(super) is_own_robots: bool,
    pub(super) task: Box<Task>,
    /// The URL that a redirect led to, if the job follows one.
    pub(super) moved_to: Option<String>,
    pub(super) hop: u8,
    pub(super) attempt: u8,
    pub(super) not_before: Option<Timestamp>,
    /// When it was loaded into memory.
    pub(super) known_at: Timestamp,
    /// Why it must be skipped under the host's robots rules. Computed when the rules or the URL change and not at each
    /// choice, since it costs more than everything else in a choice.
    pub(super) skip: Option<SkipReason>,
}

impl Job {
    pub(super) fn new(host: &Arc<Host>, task: Task, now: Timestamp) -> Self {
        Self {
            host: host.clone(),
            id: task.id,
            kind: task.kind,
            purpose: Purpose::Task,
            is_own_robots: task.kind == TaskKind::RobotsHop && task.url == host.url("/robots.txt"),
            moved_to: None,
            hop: 0,
            attempt: task.attempts.saturating_add(1),
            // A moment further away than RETRY_AFTER_MAX comes from a clock that has been set back since.
            not_before: task.not_before.map(|at| at.min(now + RETRY_AFTER_MAX)),
            known_at: now,
            skip: None,
            task: Box::new(task),
        }
    }

    /// A refresh of the robots.txt of `host`. If only another host needs it, `on_behalf_of` is the robots.txt of that one.
    pub(super) fn robots_refresh(host: &Arc<Host>, on_behalf_of: Option<TaskId>, now: Timestamp) -> Self {
        let task = Task::new(host, host.url("/robots.txt"), TaskKind::Robots);
        let task = Task { parent: on_behalf_of, ..task };
        Self { purpose: Purpose::RobotsRefresh, ..Self::new(host, task, now) }
    }

    /// Applies `rules` to the job's URL.
    pub(super) fn judge(&mut self, rules: &RobotsState) {
        let url = self.moved_to.as_ref().unwrap_or(&self.task.url);
        self.skip = rules.verdict(self.kind, url);
    }

    pub(super) fn judged(mut self, rules: &RobotsState) -> Self {
        self.judge(rules);
        self
    }
}
