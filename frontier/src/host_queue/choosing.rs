//! Which request of a leased host starts next, and what follows from its end.

use std::collections::VecDeque;

use crate::outcome::SkipReason;
use crate::request::{NextStep, Request, Step};
use crate::robots::{ROBOTS_AGE_MAX, RobotsState};
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::RobotsRedirect;

use super::job::Job;
use super::loading::Loading;
use super::{HostQueue, Slot};

/// The job that starts next, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Choice {
    job: usize,
    /// Whether it is a request for another host.
    is_hop: bool,
    slot: usize,
    begun_at: Timestamp,
    pub(crate) permitted_at: Timestamp,
}

impl HostQueue {
    /// The job that starts next, and when it may start.
    pub(crate) fn choose(&mut self, session_started_at: Timestamp, now: Timestamp) -> Option<Choice> {
        if self.hold.waits_for_address {
            return None;
        }
        let (free_since, slot) = self.free_slot()?;
        let (job, is_hop) = self.next_job(session_started_at, now)?;
        let begun_at = free_since.max(self.busy_since);
        let mut choice = Choice { job, is_hop, slot, begun_at, permitted_at: begun_at };
        let job = self.job(choice)?;
        if self.in_flight() > 0 {
            // While other slots are in use, a slot without a task does not count as waiting.
            choice.begun_at = begun_at.max(job.known_at);
        }
        let is_request = job.skip.is_none() && !self.is_known(job, now);
        let withheld_until = if is_request { self.due.at().max(job.not_before) } else { None };
        choice.permitted_at = choice.begun_at.max(withheld_until.unwrap_or(begun_at));
        Some(choice)
    }

    pub(super) fn job(&self, choice: Choice) -> Option<&Job> {
        if choice.is_hop { self.jobs.hops.get(choice.job) } else { self.jobs.own.get(choice.job) }
    }

    /// The index of the next job, and whether it is in `hops`.
    fn next_job(&mut self, session_started_at: Timestamp, now: Timestamp) -> Option<(usize, bool)> {
        let has_rules = self.has_current_rules(session_started_at, now);
        if let Some(index) = self.jobs.hops.iter().position(|job| self.can_conclude_hop(job, has_rules)) {
            return Some((index, true));
        }
        let own = if self.waits_for_redirect() {
            None
        } else if has_rules && self.robots.redirect.is_none() {
            first_ready(&self.jobs.own, now, |_| true)
        } else {
            self.robots_job(now)
        };
        // All wait for the host's own robots.txt while it is on its way, because of its Crawl-delay. One for the host's own
        // robots.txt waits until that was read.
        let hop = first_ready(&self.jobs.hops, now, |job| !self.robots.is_requested && !job.is_own_robots);
        match (own, hop) {
            (Some(own), Some(hop)) => {
                let is_hop = self.is_hop_before(own, hop, now);
                Some((if is_hop { hop } else { own }, is_hop))
            }
            (Some(own), None) => Some((own, false)),
            (None, Some(hop)) => Some((hop, true)),
            (None, None) => None,
        }
    }

    /// Whether the request for another host comes before the host's own. They alternate, so that neither waits long.
    fn is_hop_before(&self, own: usize, hop: usize, now: Timestamp) -> bool {
        let not_before = |jobs: &VecDeque<Job>, index: usize| {
            jobs.get(index).and_then(|job| job.not_before).filter(|not_before| *not_before > now)
        };
        match (not_before(&self.jobs.own, own), not_before(&self.jobs.hops, hop)) {
            (None, None) => self.jobs.is_hop_next,
            (own, hop) => hop < own,
        }
    }

    /// Whether the answer to `job` is known, so that no request is made. See [`crate::conclude::conclude_known`].
    fn is_known(&self, job: &Job, now: Timestamp) -> bool {
        match job.kind() {
            TaskKind::RobotsHop => self.hold.parked_until.is_some() || job.is_own_robots,
            TaskKind::Robots if job.step.hop == 0 => {
                let is_young = |fetched_at: Timestamp| fetched_at.distance(now) < ROBOTS_AGE_MAX;
                let has_rules =
                    matches!(*self.robots.rules, RobotsState::Known { .. } | RobotsState::Evicted { .. })
                        && self.robots.rules.requested_at().is_some_and(is_young);
                self.robots.redirect.is_some() || (has_rules && job.is_task())
            }
            _ => false,
        }
    }

    /// Whether the request for another host can end now without being made.
    fn can_conclude_hop(&self, job: &Job, has_rules: bool) -> bool {
        let is_answered = has_rules || self.redirect().is_some_and(|redirect| redirect.next().is_some());
        self.hold.parked_until.is_some() || (is_answered && job.is_own_robots)
    }

    /// Whether the chosen slot is free and the chosen job exists and may start.
    pub(crate) fn is_available(&self, choice: Choice) -> bool {
        let is_free = matches!(self.slots.all.get(choice.slot), Some(Slot::Free { .. }));
        let may_start = |job: &Job| {
            job.not_before <= Some(choice.permitted_at) || self.is_known(job, choice.permitted_at)
        };
        is_free && self.job(choice).is_some_and(may_start)
    }

    /// Whether the chosen job may still start. Rules can expire while a host waits for a free worker.
    pub(crate) fn is_current(&self, choice: Choice, session_started_at: Timestamp, now: Timestamp) -> bool {
        let has_rules = self.has_current_rules(session_started_at, now);
        self.job(choice).is_some_and(|job| match job.kind() {
            TaskKind::Robots => true,
            TaskKind::RobotsHop => !job.is_own_robots || self.can_conclude_hop(job, has_rules),
            _ => has_rules,
        })
    }

    fn has_current_rules(&self, session_started_at: Timestamp, now: Timestamp) -> bool {
        let Some(requested_at) = self.robots.requested_at else { return false };
        let is_young = now.since(requested_at) < ROBOTS_AGE_MAX;
        let are_unreachable = matches!(*self.robots.rules, RobotsState::Unreachable { .. });
        is_young || (are_unreachable && requested_at >= session_started_at)
    }

    /// The job for the host's robots.txt, which is fetched before everything else: the robots.txt task if it is in
    /// memory, else a refresh, which is in no queue. `None` while it is already requested, or if nothing waits for it.
    fn robots_job(&mut self, now: Timestamp) -> Option<usize> {
        let hop = self.jobs.hops.iter().find(|job| job.is_own_robots);
        if self.robots.is_requested || (self.jobs.own.is_empty() && hop.is_none()) {
            return None;
        }
        let loaded = self.jobs.own.iter().position(|job| job.kind() == TaskKind::Robots);
        loaded.or_else(|| {
            let on_behalf_of = hop.filter(|_| self.jobs.own.is_empty()).map(|hop| &*hop.step.task);
            let step = Step::robots_refresh(&self.lease.host, on_behalf_of);
            self.jobs.own.push_front(Job::of(step, now));
            Some(0)
        })
    }

    /// Starts the chosen job. Returns its request, and the reason if it must be skipped.
    pub(crate) fn start(
        &mut self,
        place: usize,
        choice: Choice,
        now: Timestamp,
    ) -> Option<(Request, Option<SkipReason>)> {
        let is_known = self.is_known(self.job(choice)?, now);
        let jobs = if choice.is_hop { &mut self.jobs.hops } else { &mut self.jobs.own };
        let job = jobs.remove(choice.job)?;
        *self.slots.all.get_mut(choice.slot)? = Slot::Taken(job.id());
        self.robots.is_requested |= job.kind() == TaskKind::Robots;
        if job.skip.is_none() && !is_known {
            self.due.start(now);
            self.jobs.is_hop_next = !choice.is_hop;
        }
        let request = Request {
            step: job.step,
            is_seed: self.lease.is_seed,
            is_known,
            slot: choice.slot,
            begun_at: choice.begun_at,
            permitted_at: choice.permitted_at,
            place,
        };
        Some((request, job.skip))
    }

    /// Notes that a request left at `now`, later than it was returned.
    pub(crate) fn started(&mut self, now: Timestamp) {
        self.due.start(now);
    }

    /// Ends a task and frees its slot before the outcome is committed.
    pub(crate) fn settle_ahead(&mut self, request: &Request, now: Timestamp) {
        self.settle(request, NextStep::Done, now);
        self.slots.settled_ahead.push(request.step.id);
    }

    /// Notes that the outcome of a task settled ahead is committed. Returns false for any other task.
    pub(crate) fn recorded(&mut self, task: TaskId) -> bool {
        let Some(index) = self.slots.settled_ahead.iter().position(|ahead| *ahead == task) else {
            return false;
        };
        self.slots.settled_ahead.swap_remove(index);
        if let Loading::Requested { settled, .. } = &mut self.loading {
            settled.push(task);
        }
        true
    }

    /// Frees the slot of a request and continues its task with `next`.
    pub(crate) fn settle(&mut self, request: &Request, next: NextStep, now: Timestamp) {
        if let Some(slot) = self.slots.all.get_mut(request.slot) {
            // A wait for an answer that came from another host is not over before the next request.
            *slot = Slot::Free { since: if request.is_known { request.begun_at } else { now } };
        }
        let step = &request.step;
        let is_robots = step.kind == TaskKind::Robots;
        let is_hop = step.kind == TaskKind::RobotsHop;
        if is_robots {
            self.robots.is_requested = false;
        }
        self.reload_rules(next != NextStep::Done && self.hold.parked_until.is_none());
        match next {
            NextStep::Done => {
                if let Loading::Requested { settled, .. } = &mut self.loading {
                    settled.push(step.id);
                }
                // If only other hosts need the robots.txt, they may have come too far to follow its redirect.
                let is_kept = step.is_on_behalf() && self.redirect().is_some_and(RobotsRedirect::leads_on);
                if is_robots && !is_kept {
                    self.set_redirect(None);
                    self.robots_ended(now);
                }
            }
            NextStep::Wait => {}
            // The task is dropped here and stays pending in the queue.
            _ if !is_hop && (self.hold.parked_until.is_some() || self.waits_for_redirect()) => {}
            NextStep::Follow(url, hop) => {
                let step = Step { url: Some(url), hop, ..step.clone() };
                self.put_back(Job::of(step, now));
            }
            NextStep::Retry(not_before) => {
                // The queue counts the attempts too.
                let task = Task { attempts: step.attempt, ..Task::clone(&step.task) };
                let step = Step { purpose: step.purpose, ..Step::new(&self.lease.host, task) };
                self.put_back(Job { not_before: Some(not_before), ..Job::of(step, now) });
            }
        }
    }

    /// Puts back a request that was not sent, because its address has as many requests in flight as are allowed. The host
    /// starts no request until [`resume`](Self::resume) is called.
    pub(crate) fn withdraw(&mut self, request: &Request, now: Timestamp) {
        if let Some(slot) = self.slots.all.get_mut(request.slot) {
            // The wait goes on.
            *slot = Slot::Free { since: request.begun_at };
        }
        self.robots.is_requested &= request.step.kind != TaskKind::Robots;
        self.hold.waits_for_address = true;
        if self.hold.parked_until.is_none() {
            self.put_back(Job::of(request.step.clone(), now));
        }
    }

    /// Lets requests start again, from `now` on. Returns whether it waited for its address.
    pub(crate) fn resume(&mut self, now: Timestamp) -> bool {
        if self.hold.waits_for_address {
            self.due.cool_down(now);
        }
        std::mem::take(&mut self.hold.waits_for_address)
    }

    fn put_back(&mut self, job: Job) {
        let job = job.judged(&self.robots.rules);
        if job.kind() == TaskKind::RobotsHop {
            self.jobs.hops.push_front(job);
        } else {
            self.jobs.own.push_front(job);
        }
    }

    /// Sets where the host's robots.txt was redirected to. While it waits for another host, none of its own tasks starts.
    pub(crate) fn set_redirect(&mut self, redirect: Option<RobotsRedirect>) {
        self.robots.redirect = redirect.map(Box::new);
        if let Loading::Requested { is_redirect_newer, .. } = &mut self.loading {
            *is_redirect_newer = true;
        }
        if self.waits_for_redirect() {
            self.start_no_tasks();
        }
    }

    /// Drops the host's own tasks from memory. They stay pending in the queue.
    fn start_no_tasks(&mut self) {
        self.jobs.own.clear();
        match self.loading {
            Loading::Wanted { hops: true, .. } => self.loading = Loading::Wanted { tasks: false, hops: true },
            Loading::Wanted { .. } => self.loading = Loading::Complete,
            _ => {}
        }
    }

    /// Starts a cooldown: no request starts before `until`.
    pub(crate) fn cool_down(&mut self, until: Timestamp) {
        self.due.cool_down(until);
    }

    /// Parks the host until `until`: no further request starts. Its own tasks stay pending in the queue. Requests for
    /// other hosts end, so that these learn of it.
    pub(crate) fn park(&mut self, until: Timestamp) {
        self.hold.parked_until = self.hold.parked_until.max(Some(until));
        self.start_no_tasks();
    }
}

/// The first of the jobs that `is_candidate` and do not wait for a retry, else the one whose retry comes first.
fn first_ready(jobs: &VecDeque<Job>, now: Timestamp, is_candidate: impl Fn(&Job) -> bool) -> Option<usize> {
    let candidates = || jobs.iter().enumerate().filter(|(_, job)| is_candidate(job));
    let is_ready = |job: &Job| job.not_before.is_none_or(|not_before| not_before <= now);
    let ready = candidates().find(|(_, job)| is_ready(job));
    ready.or_else(|| candidates().min_by_key(|(_, job)| job.not_before)).map(|(index, _)| index)
}
