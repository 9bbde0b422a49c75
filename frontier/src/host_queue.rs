//! A leased host in memory: its next tasks, its slots, its robots rules and its due time.

mod job;
mod rules;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::host::{Host, HostId};
use crate::outcome::SkipReason;
use crate::politeness::{self, DueTime};
use crate::request::{NextStep, Pace, Purpose, Request};
use crate::robots::{ROBOTS_AGE_MAX, RobotsState};
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::{LeasedHost, Loaded, Release, RobotsRecord};

use job::Job;

/// Tasks wanted in memory beyond one for each slot: enough to last until the next load, few enough for thousands of
/// hosts.
const TASKS_WANTED: usize = 8;

/// Number of a host's tasks in memory at which no more are requested, even if all of them wait for a retry.
const TASKS_HELD_MAX: usize = 64;

/// One host, from its lease to its release.
pub(crate) struct HostQueue {
    id: HostId,
    host: Arc<Host>,
    is_seed: bool,
    /// The robots rules with their text, as the queue keeps them.
    robots: Option<RobotsRecord>,
    rules: Box<RobotsState>,
    /// When robots.txt was last requested. The rules may have been fetched earlier: an older copy serves while
    /// robots.txt is unreachable.
    rules_requested_at: Option<Timestamp>,
    /// Whether a request for robots.txt is in flight.
    is_requesting_robots: bool,
    due: DueTime,
    spacing: Duration,
    jobs: VecDeque<Job>,
    slots: SmallVec<[Slot; 1]>,
    busy_since: Timestamp,
    parked_until: Option<Timestamp>,
    /// Tasks that have ended but are still pending in the queue. Their slots are free, and they do not start again.
    settled_ahead: Vec<TaskId>,
    /// Whether it is to be released together with its tasks.
    is_surplus: bool,
    /// Whether its rules and their text were dropped. It starts no request until it has been released and leased again.
    is_without_rules: bool,
    loading: Loading,
    /// The queue's mark of new work, see [`Release::inbox`].
    inbox: u64,
}

/// Room for one request in flight.
enum Slot {
    Free { since: Timestamp },
    Taken(TaskId),
}

/// How the tasks in memory relate to those in the queue.
enum Loading {
    /// The queue may have more tasks.
    Wanted,
    /// Up to `n` tasks were requested from the queue. Those in `settled` have been settled since. They may be in the
    /// answer, if it was read before their outcome was committed.
    Requested { n: usize, settled: Vec<TaskId> },
    /// All tasks of the queue are in memory.
    Complete,
    /// Offered for release. `is_woken` says whether new tasks were committed since.
    Releasing { is_woken: bool },
}

/// The job that starts next, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Choice {
    job: usize,
    slot: usize,
    begun_at: Timestamp,
    pub(crate) permitted_at: Timestamp,
}

impl HostQueue {
    pub(crate) fn new(leased: LeasedHost, pace: Pace, now: Timestamp) -> Self {
        let rules = RobotsState::from_record(leased.robots.as_ref());
        let delay = politeness::delay(pace.spacing, rules.crawl_delay());
        // If the clock has been set back since, neither the age of the rules nor the host's last request is known.
        let rules_requested_at = rules.requested_at().filter(|at| at.distance(now) < ROBOTS_AGE_MAX);
        let is_of_future = rules.requested_at() > Some(now);
        let slots = (0..pace.host_concurrency.max(1)).map(|_| Slot::Free { since: leased.busy_since });
        Self {
            id: leased.host.id(),
            is_seed: leased.is_seed,
            rules_requested_at: rules_requested_at.map(|at| at.min(now)),
            robots: leased.robots,
            rules: Box::new(rules),
            is_requesting_robots: false,
            due: DueTime::of_leased(leased.not_before, leased.asked_before || is_of_future, delay, now),
            spacing: pace.spacing,
            jobs: VecDeque::new(),
            slots: slots.collect(),
            busy_since: leased.busy_since,
            parked_until: None,
            settled_ahead: Vec::new(),
            is_surplus: false,
            is_without_rules: false,
            loading: Loading::Wanted,
            inbox: leased.inbox,
            host: Arc::new(leased.host),
        }
    }

    pub(crate) fn id(&self) -> HostId {
        self.id
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.taken().count()
    }

    fn taken(&self) -> impl Iterator<Item = TaskId> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Taken(task) => Some(*task),
            Slot::Free { .. } => None,
        })
    }

    /// The free slot that was freed last, with the moment. With nothing else in flight, the host's time then continues
    /// without a gap.
    fn free_slot(&self) -> Option<(Timestamp, usize)> {
        let free = self.slots.iter().enumerate().filter_map(|(index, slot)| match slot {
            Slot::Free { since } => Some((*since, index)),
            Slot::Taken(_) => None,
        });
        free.max()
    }

    pub(crate) fn is_cooling_down(&self, now: Timestamp) -> bool {
        self.due.is_cooling_down(now)
    }

    pub(crate) fn waits_for_retry(&self, choice: Choice) -> bool {
        let not_before = self.jobs.get(choice.job).and_then(|job| job.not_before);
        not_before > self.due.at()
    }
}

/// Loading and releasing tasks.
impl HostQueue {
    /// How many tasks to request from the queue, or `None` for none.
    pub(crate) fn tasks_wanted(&self) -> Option<usize> {
        if !matches!(self.loading, Loading::Wanted) {
            return None;
        }
        let held = self.jobs.len() + self.in_flight();
        if held >= TASKS_HELD_MAX + self.slots.len() {
            return None;
        }
        let mut ready = self.jobs.iter().filter(|job| job.not_before.is_none());
        let is_low = ready.nth(self.slots.len()).is_none();
        is_low.then_some(held + self.settled_ahead.len() + TASKS_WANTED + self.slots.len())
    }

    /// Notes that `n` tasks were requested from the queue.
    pub(crate) fn request_tasks(&mut self, n: usize) {
        self.loading = Loading::Requested { n, settled: Vec::new() };
    }

    pub(crate) fn load(&mut self, loaded: Loaded, now: Timestamp) {
        let Loading::Requested { n, settled } = std::mem::replace(&mut self.loading, Loading::Wanted) else {
            return;
        };
        self.inbox = loaded.inbox;
        self.busy_since = self.busy_since.max(loaded.busy_since.unwrap_or(self.busy_since));
        let starts_nothing = self.parked_until.is_some() || self.is_without_rules;
        if loaded.tasks.len() < n || starts_nothing {
            self.loading = Loading::Complete;
        }
        if starts_nothing {
            return;
        }
        self.reload_rules(!loaded.tasks.is_empty());
        for task in loaded.tasks {
            // A refresh of robots.txt is not a task of the queue, but may have the id of one.
            let is_held = self.jobs.iter().any(|job| job.id == task.id && job.purpose == Purpose::Task);
            let is_held = is_held || self.settled_ahead.contains(&task.id);
            if !is_held && !settled.contains(&task.id) && !self.taken().any(|taken| taken == task.id) {
                self.jobs.push_back(Job::new(&self.host, task, now).judged(&self.rules));
            }
        }
    }

    /// Notes that new tasks were committed for the host.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        self.is_surplus = false;
        let has_something = !self.jobs.is_empty() || self.in_flight() > 0 || !self.settled_ahead.is_empty();
        match &mut self.loading {
            Loading::Complete if has_something => self.loading = Loading::Wanted,
            Loading::Complete => {
                self.busy_since = self.busy_since.max(now);
                self.loading = Loading::Wanted;
            }
            Loading::Releasing { is_woken } if !*is_woken => {
                self.busy_since = self.busy_since.max(now);
                *is_woken = true;
            }
            // The answer may have been read before the new tasks were committed. Zero makes `load` want tasks again.
            Loading::Requested { n, .. } => *n = 0,
            Loading::Wanted | Loading::Releasing { .. } => {}
        }
    }

    /// Drops a task from memory.
    pub(crate) fn forget(&mut self, task: TaskId) {
        self.jobs.retain(|job| job.id != task);
    }

    /// Whether it has nothing left to do.
    pub(crate) fn is_idle(&self) -> bool {
        let has_nothing = self.jobs.is_empty() && self.in_flight() == 0 && self.settled_ahead.is_empty();
        matches!(self.loading, Loading::Complete) && has_nothing
    }

    /// Whether it can be released together with its tasks: the queue knows all of them, or will after the next commit.
    pub(crate) fn can_be_released(&self) -> bool {
        matches!(self.loading, Loading::Wanted | Loading::Complete)
            && !self.jobs.is_empty()
            && self.is_known_to_queue()
    }

    /// Whether it has rules to drop and can be released after that, in any loading state.
    pub(crate) fn can_be_released_without_rules(&self) -> bool {
        self.text_bytes() > 0 && self.is_known_to_queue()
    }

    /// Whether dropping the tasks in memory loses nothing that the queue does not know.
    fn is_known_to_queue(&self) -> bool {
        let is_known = |job: &Job| {
            let is_first = job.attempt == 1;
            job.moved_to.is_none()
                && job.attempt == job.task.attempts.saturating_add(1)
                && (is_first || job.purpose == Purpose::Task)
        };
        self.in_flight() == 0 && self.jobs.iter().all(is_known)
    }

    pub(crate) fn is_surplus(&self) -> bool {
        self.is_surplus
    }

    /// Drops the tasks in memory, to be released with those in the queue. No request starts before `until`, in this
    /// session or another. The host is idle as soon as the outcomes of its settled tasks are committed.
    pub(crate) fn release_surplus(&mut self, until: Timestamp) {
        self.due.cool_down(until);
        self.jobs.clear();
        self.loading = Loading::Complete;
        self.is_surplus = true;
    }

    /// Like [`release_surplus`](Self::release_surplus), and drops the rules, which the queue keeps. The loading
    /// state stays: tasks that are wanted or requested are still loaded, because only the answer has the mark of new
    /// work that the queue requires to take the host back.
    pub(crate) fn release_without_rules(&mut self, until: Timestamp) {
        self.due.cool_down(until);
        self.jobs.clear();
        self.robots = None;
        self.rules.evict();
        self.is_surplus = true;
        self.is_without_rules = true;
    }

    /// Offers the host for release.
    pub(crate) fn begin_release(&mut self) -> Release {
        self.loading = Loading::Releasing { is_woken: false };
        let not_before = self.due.at().max(self.parked_until);
        Release { host: self.id, inbox: self.inbox, not_before, parked: self.parked_until.is_some() }
    }

    pub(crate) fn is_being_released(&self) -> bool {
        matches!(self.loading, Loading::Releasing { .. })
    }

    /// Keeps the host, which was not released because it has new tasks.
    pub(crate) fn keep_leased(&mut self, now: Timestamp) {
        self.wake(now);
        self.is_surplus = false;
        self.loading = Loading::Wanted;
    }
}

/// Choosing, starting and settling requests.
impl HostQueue {
    /// The job that starts next, and when it may start.
    pub(crate) fn choose(&mut self, session_started_at: Timestamp, now: Timestamp) -> Option<Choice> {
        let (free_since, slot) = self.free_slot()?;
        let index = if self.has_current_rules(session_started_at, now) {
            self.first_ready(now)?
        } else {
            self.robots_job(now)?
        };
        let job = self.jobs.get(index)?;
        let mut begun_at = free_since.max(self.busy_since);
        if self.in_flight() > 0 {
            // While other slots are in use, a slot without a task does not count as waiting.
            begun_at = begun_at.max(job.known_at);
        }
        let withheld_until = if job.skip.is_none() { self.due.at().max(job.not_before) } else { None };
        let permitted_at = begun_at.max(withheld_until.unwrap_or(begun_at));
        Some(Choice { job: index, slot, begun_at, permitted_at })
    }

    /// Whether the chosen slot is free and the chosen job exists and may start.
    pub(crate) fn is_available(&self, choice: Choice) -> bool {
        let is_free = matches!(self.slots.get(choice.slot), Some(Slot::Free { .. }));
        is_free && self.jobs.get(choice.job).is_some_and(|job| job.not_before <= Some(choice.permitted_at))
    }

    /// Whether the chosen job may still start. Rules can expire while a host waits for a free worker.
    pub(crate) fn is_current(&self, choice: Choice, session_started_at: Timestamp, now: Timestamp) -> bool {
        let is_robots = |job: &Job| job.kind == TaskKind::Robots;
        self.has_current_rules(session_started_at, now) || self.jobs.get(choice.job).is_some_and(is_robots)
    }

    fn has_current_rules(&self, session_started_at: Timestamp, now: Timestamp) -> bool {
        let Some(requested_at) = self.rules_requested_at else { return false };
        let is_young = now.since(requested_at) < ROBOTS_AGE_MAX;
        let are_unreachable = matches!(*self.rules, RobotsState::Unreachable { .. });
        is_young || (are_unreachable && requested_at >= session_started_at)
    }

    /// The first job that does not wait for a retry, else the one whose retry comes first.
    fn first_ready(&self, now: Timestamp) -> Option<usize> {
        let is_ready = |job: &Job| job.not_before.is_none_or(|not_before| not_before <= now);
        self.jobs.iter().position(is_ready).or_else(|| {
            let waiting = self.jobs.iter().enumerate().min_by_key(|(_, job)| job.not_before);
            waiting.map(|(index, _)| index)
        })
    }

    /// The job for the host's robots.txt, which is fetched before everything else: the robots.txt task if it is in
    /// memory, else a refresh, which is in no queue. `None` while it is already requested, or if there is nothing
    /// else to do.
    fn robots_job(&mut self, now: Timestamp) -> Option<usize> {
        if self.is_requesting_robots || self.jobs.is_empty() {
            return None;
        }
        let loaded = self.jobs.iter().position(|job| job.kind == TaskKind::Robots);
        loaded.or_else(|| {
            self.jobs.push_front(Job::robots_refresh(&self.host, now));
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
        let job = self.jobs.remove(choice.job)?;
        *self.slots.get_mut(choice.slot)? = Slot::Taken(job.id);
        self.is_requesting_robots |= job.kind == TaskKind::Robots;
        if job.skip.is_none() {
            self.due.start(now);
        }
        let request = Request {
            host: job.host,
            is_seed: self.is_seed,
            id: job.id,
            kind: job.kind,
            purpose: job.purpose,
            task: job.task,
            moved_to: job.moved_to,
            hop: job.hop,
            attempt: job.attempt,
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
        self.settled_ahead.push(request.id);
    }

    /// Notes that the outcome of a task settled ahead is committed. Returns false for any other task.
    pub(crate) fn recorded(&mut self, task: TaskId) -> bool {
        let Some(index) = self.settled_ahead.iter().position(|ahead| *ahead == task) else { return false };
        self.settled_ahead.swap_remove(index);
        if let Loading::Requested { settled, .. } = &mut self.loading {
            settled.push(task);
        }
        true
    }

    /// Frees the slot of a request and continues its task with `next`.
    pub(crate) fn settle(&mut self, request: &Request, next: NextStep, now: Timestamp) {
        if let Some(slot) = self.slots.get_mut(request.slot) {
            *slot = Slot::Free { since: now };
        }
        let is_robots = request.kind == TaskKind::Robots;
        if is_robots {
            self.is_requesting_robots = false;
        }
        self.reload_rules(next != NextStep::Done && self.parked_until.is_none());
        let again =
            || Job { purpose: request.purpose, ..Job::new(&self.host, Task::clone(&request.task), now) };
        match next {
            NextStep::Done => {
                if let Loading::Requested { settled, .. } = &mut self.loading {
                    settled.push(request.id);
                }
                if is_robots {
                    self.robots_ended(now);
                }
            }
            // The task is dropped here and stays pending in the queue.
            _ if self.parked_until.is_some() => {}
            NextStep::Follow(url, hop) => {
                let job = Job { moved_to: Some(url), hop, attempt: request.attempt, ..again() };
                self.jobs.push_front(job.judged(&self.rules));
            }
            NextStep::Retry(not_before) => {
                // The queue counts the attempts too.
                let task = Task { attempts: request.attempt, ..Task::clone(&request.task) };
                let job = Job {
                    not_before: Some(not_before),
                    purpose: request.purpose,
                    ..Job::new(&self.host, task, now)
                };
                self.jobs.push_front(job.judged(&self.rules));
            }
        }
    }

    /// Starts a cooldown: no request starts before `until`.
    pub(crate) fn cool_down(&mut self, until: Timestamp) {
        self.due.cool_down(until);
    }

    /// Parks the host until `until`: no further request starts. Its tasks stay pending in the queue.
    pub(crate) fn park(&mut self, until: Timestamp) {
        self.parked_until = self.parked_until.max(Some(until));
        self.jobs.clear();
        if matches!(self.loading, Loading::Wanted) {
            self.loading = Loading::Complete;
        }
    }
}
