//! Which tasks a leased host wants in memory, and when it can be released.

use std::collections::VecDeque;

use crate::robots::ROBOTS_AGE_MAX;
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::{Loaded, RedirectAnswer, Release, RobotsRedirect};

use super::HostQueue;
use super::job::Job;

/// Tasks wanted in memory beyond one for each slot: enough to last until the next load, few enough for thousands of
/// hosts.
const TASKS_WANTED: usize = 8;

/// Number of a host's tasks in memory at which no more are requested, even if all of them wait for a retry.
const TASKS_HELD_MAX: usize = 64;

/// How the tasks in memory relate to those in the queue.
pub(super) enum Loading {
    /// The queue may have more tasks of the host's own, or more requests for other hosts.
    Wanted { tasks: bool, hops: bool },
    /// Up to `n` tasks were requested from the queue. Those in `settled` have been settled since. They may be in the
    /// answer, if it was read before their outcome was committed. `is_woken` says whether tasks of the host's own and
    /// requests for other hosts were committed since, `is_redirect_newer` whether the redirect in memory has changed.
    Requested { n: usize, settled: Vec<TaskId>, is_woken: (bool, bool), is_redirect_newer: bool },
    /// All tasks of the queue are in memory.
    Complete,
    /// Offered for release. `is_woken` says whether new tasks were committed since.
    Releasing { is_woken: bool },
}

impl HostQueue {
    /// How many tasks to request from the queue, or `None` for none.
    pub(crate) fn tasks_wanted(&self) -> Option<usize> {
        let Loading::Wanted { tasks, hops } = self.loading else { return None };
        let is_wanted = (tasks && self.is_low(&self.jobs.own)) || (hops && self.is_low(&self.jobs.hops));
        let held = self.jobs.own.len().max(self.jobs.hops.len()) + self.in_flight();
        is_wanted.then_some(held + self.slots.settled_ahead.len() + TASKS_WANTED + self.slots.all.len())
    }

    /// Whether more of `jobs` are needed soon.
    fn is_low(&self, jobs: &VecDeque<Job>) -> bool {
        if jobs.len() + self.in_flight() >= TASKS_HELD_MAX + self.slots.all.len() {
            return false;
        }
        let mut ready = jobs.iter().filter(|job| job.not_before.is_none());
        ready.nth(self.slots.all.len()).is_none()
    }

    /// Notes that `n` tasks were requested from the queue.
    pub(crate) fn request_tasks(&mut self, n: usize) {
        self.loading =
            Loading::Requested { n, settled: Vec::new(), is_woken: (false, false), is_redirect_newer: false };
    }

    pub(crate) fn load(&mut self, loaded: Loaded, now: Timestamp) {
        let wanted = Loading::Wanted { tasks: true, hops: true };
        let Loading::Requested { n, settled, is_woken, is_redirect_newer } =
            std::mem::replace(&mut self.loading, wanted)
        else {
            return;
        };
        self.inbox = loaded.inbox;
        self.busy_since = self.busy_since.max(loaded.busy_since.unwrap_or(self.busy_since));
        if !is_redirect_newer {
            self.load_redirect(loaded.redirect, now);
        }
        // A parked host has no request to make for another one, but tells it so.
        let takes_hops = !self.robots.are_dropped;
        let takes_tasks = takes_hops && self.hold.parked_until.is_none() && !self.waits_for_redirect();
        let tasks = if takes_tasks { loaded.tasks } else { Vec::new() };
        let hops = if takes_hops { loaded.hops } else { Vec::new() };
        let has_more =
            (takes_tasks && (tasks.len() >= n || is_woken.0), takes_hops && (hops.len() >= n || is_woken.1));
        self.loading = match has_more {
            (false, false) => Loading::Complete,
            (tasks, hops) => Loading::Wanted { tasks, hops },
        };
        self.reload_rules(!tasks.is_empty());
        for task in tasks.into_iter().chain(hops) {
            self.add(task, &settled, now);
        }
    }

    /// Takes over where the host's robots.txt was redirected to. An answer more than a day old is as good as none, and so
    /// is one whose rules are for another user agent.
    fn load_redirect(&mut self, redirect: Option<RobotsRedirect>, now: Timestamp) {
        let has_rules =
            |answer: &RedirectAnswer| matches!(answer, RedirectAnswer::Read | RedirectAnswer::Absent);
        // Rules that were committed after the lease come with the next one.
        let are_older = |since| self.robots.record.as_ref().is_none_or(|robots| robots.fetched_at < since);
        let are_rules_newer = self.inbox != self.lease.inbox
            && redirect.as_ref().is_some_and(|redirect| are_older(redirect.since));
        let is_usable = |(at, answer): &(Timestamp, RedirectAnswer)| {
            at.distance(now) < ROBOTS_AGE_MAX
                && (!has_rules(answer) || are_rules_newer || self.robots.record.is_some())
        };
        let redirect = redirect.filter(|redirect| redirect.answer.as_ref().is_none_or(is_usable));
        let answer = redirect.as_ref().and_then(|redirect| redirect.answer.as_ref());
        if are_rules_newer && answer.is_some_and(|(_, answer)| has_rules(answer)) {
            self.drop_rules();
        }
        self.robots.redirect = redirect.map(Box::new);
        if let Some(redirect) = &self.robots.redirect {
            self.busy_since = self.busy_since.max(redirect.since);
            if !redirect.is_waiting() {
                // The wait for the answer counts as politeness, up to now.
                self.due.cool_down(now);
            }
        }
    }

    /// Adds a task from the queue, unless it is in memory or was settled since the queue was read.
    fn add(&mut self, task: Task, settled: &[TaskId], now: Timestamp) {
        // A refresh of robots.txt is not a task of the queue, but may have the id of one.
        let is_same = |job: &Job| job.id() == task.id && job.is_task();
        let is_known = self.jobs.own.iter().chain(&self.jobs.hops).any(is_same)
            || self.slots.settled_ahead.contains(&task.id)
            || settled.contains(&task.id)
            || self.taken().any(|taken| taken == task.id);
        if is_known {
            return;
        }
        let job = Job::new(&self.lease.host, task, now).judged(&self.robots.rules);
        if job.kind() == TaskKind::RobotsHop {
            self.jobs.hops.push_back(job);
        } else {
            self.jobs.own.push_back(job);
        }
    }

    /// Notes that new tasks were committed for the host. `has_hop` says whether a request for another host is among them.
    pub(crate) fn wake(&mut self, has_hop: bool, now: Timestamp) {
        self.hold.is_surplus = false;
        let has_nothing = self.has_nothing();
        match &mut self.loading {
            Loading::Complete => {
                if has_nothing {
                    self.busy_since = self.busy_since.max(now);
                }
                self.loading = Loading::Wanted { tasks: true, hops: has_hop };
            }
            Loading::Releasing { is_woken } if !*is_woken => {
                self.busy_since = self.busy_since.max(now);
                *is_woken = true;
            }
            // The answer may have been read before the new tasks were committed.
            Loading::Requested { is_woken, .. } => {
                *is_woken = (true, is_woken.1 || has_hop);
            }
            Loading::Wanted { tasks, hops } => {
                *tasks = true;
                *hops |= has_hop;
            }
            Loading::Releasing { .. } => {}
        }
    }

    /// Drops a task from memory.
    pub(crate) fn forget(&mut self, task: TaskId) {
        self.jobs.own.retain(|job| job.id() != task);
    }

    /// Whether it has nothing left to do.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.loading, Loading::Complete) && self.has_nothing()
    }

    fn has_nothing(&self) -> bool {
        let has_job = !self.jobs.own.is_empty() || !self.jobs.hops.is_empty();
        !has_job && self.in_flight() == 0 && self.slots.settled_ahead.is_empty()
    }

    /// Whether it can be released together with its tasks: the queue knows all of them, or will after the next commit.
    pub(crate) fn can_be_released(&self) -> bool {
        matches!(self.loading, Loading::Wanted { .. } | Loading::Complete)
            && !(self.jobs.own.is_empty() && self.jobs.hops.is_empty())
            && self.is_known_to_queue()
    }

    /// Whether it has rules to drop and can be released after that, in any loading state.
    pub(crate) fn can_be_released_without_rules(&self) -> bool {
        self.text_bytes() > 0 && self.is_known_to_queue()
    }

    /// Whether dropping the tasks in memory loses nothing that the queue does not know.
    fn is_known_to_queue(&self) -> bool {
        let is_known = |job: &Job| {
            let step = &job.step;
            step.hop == 0
                && step.attempt == step.task.attempts.saturating_add(1)
                && (step.attempt == 1 || job.is_task())
        };
        self.in_flight() == 0 && self.jobs.own.iter().chain(&self.jobs.hops).all(is_known)
    }

    pub(crate) fn is_surplus(&self) -> bool {
        self.hold.is_surplus
    }

    /// Drops the tasks in memory, to be released with those in the queue. No request starts before `until`, in this
    /// session or another. The host is idle as soon as the outcomes of its settled tasks are committed.
    pub(crate) fn release_surplus(&mut self, until: Timestamp) {
        self.due.cool_down(until);
        self.jobs.own.clear();
        self.jobs.hops.clear();
        self.loading = Loading::Complete;
        self.hold.is_surplus = true;
    }

    /// Like [`release_surplus`](Self::release_surplus), and drops the rules, which the queue keeps. The loading
    /// state stays: tasks that are wanted or requested are still loaded, because only the answer has the mark of new
    /// work that the queue requires to take the host back.
    pub(crate) fn release_without_rules(&mut self, until: Timestamp) {
        self.due.cool_down(until);
        self.drop_rules();
        self.hold.is_surplus = true;
    }

    fn drop_rules(&mut self) {
        self.jobs.own.clear();
        self.jobs.hops.clear();
        self.robots.record = None;
        self.robots.rules.evict();
        self.robots.are_dropped = true;
    }

    /// Offers the host for release.
    pub(crate) fn begin_release(&mut self) -> Release {
        self.loading = Loading::Releasing { is_woken: false };
        let not_before = self.due.at().max(self.hold.parked_until);
        Release {
            host: self.lease.id,
            inbox: self.inbox,
            not_before,
            parked: self.hold.parked_until.is_some(),
        }
    }

    pub(crate) fn is_being_released(&self) -> bool {
        matches!(self.loading, Loading::Releasing { .. })
    }

    /// Keeps the host, which was not released because it has new tasks.
    pub(crate) fn keep_leased(&mut self, now: Timestamp) {
        self.wake(true, now);
        self.hold.is_surplus = false;
        self.loading = Loading::Wanted { tasks: true, hops: true };
    }
}
