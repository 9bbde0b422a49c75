//! A task of a leased host in memory, with what the robots rules say of it.

use std::sync::Arc;

use crate::bounds::RETRY_AFTER_MAX;
use crate::host::Host;
use crate::outcome::SkipReason;
use crate::request::{Purpose, Step};
use crate::robots::RobotsState;
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;

/// A task in memory, or a further request of one.
///
/// The fields that a scheduling decision reads are copied out of the boxed task. With 100,000 hosts, a decision costs
/// what its memory accesses cost, so it must not follow the box.
pub(super) struct Job {
    pub(super) step: Step,
    /// Whether it is a request for another host, for the robots.txt of this one.
    pub(super) is_own_robots: bool,
    pub(super) not_before: Option<Timestamp>,
    /// When it was loaded into memory.
    pub(super) known_at: Timestamp,
    /// Why it must be skipped under the host's robots rules. Computed when the rules or the URL change and not at each
    /// choice, since it costs more than everything else in a choice.
    pub(super) skip: Option<SkipReason>,
}

impl Job {
    /// The next attempt of `task`.
    pub(super) fn new(host: &Arc<Host>, task: Task, now: Timestamp) -> Self {
        // A moment further away than RETRY_AFTER_MAX comes from a clock that has been set back since.
        let not_before = task.not_before.map(|at| at.min(now + RETRY_AFTER_MAX));
        Self { not_before, ..Self::of(Step::new(host, task), now) }
    }

    /// A step that may be taken at once.
    pub(super) fn of(step: Step, now: Timestamp) -> Self {
        let is_own_robots = step.kind == TaskKind::RobotsHop && step.task.url == step.host.url("/robots.txt");
        Self { step, is_own_robots, not_before: None, known_at: now, skip: None }
    }

    pub(super) fn id(&self) -> TaskId {
        self.step.id
    }

    pub(super) fn kind(&self) -> TaskKind {
        self.step.kind
    }

    /// Whether it is a task of the queue.
    pub(super) fn is_task(&self) -> bool {
        self.step.purpose == Purpose::Task
    }

    /// Applies `rules` to the job's URL.
    pub(super) fn judge(&mut self, rules: &RobotsState) {
        self.skip = rules.verdict(self.step.kind, self.step.url.as_deref());
    }

    pub(super) fn judged(mut self, rules: &RobotsState) -> Self {
        self.judge(rules);
        self
    }
}
