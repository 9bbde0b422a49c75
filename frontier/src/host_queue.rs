//! What a lent host has to do: its tasks in memory, its lanes, its rules and its due time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::bounds::RETRY_AFTER_MAX;
use crate::host::{Host, HostId};
use crate::outcome::SkipReason;
use crate::politeness::{self, DueTime};
use crate::robots::{ROBOTS_AGE_MAX, RobotsState};
use crate::schedule::{NextStep, Pace, Request};
use crate::task::{REFRESH_DEPTH, Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::{LeasedHost, Loaded, Release, RobotsRecord};

/// Tasks wanted in memory beyond one for each lane: enough to bridge a load, few enough for thousands of hosts.
const TASKS_WANTED: usize = 8;

/// Tasks of a host in memory at which no more are asked for, though all of them may be waiting for a retry.
const TASKS_HELD_MAX: usize = 64;

/// One host, from its lease to its release.
pub(crate) struct HostQueue {
    id: HostId,
    host: Arc<Host>,
    is_seed: bool,
    /// The rules as the queue keeps them, text and all.
    robots: Option<RobotsRecord>,
    rules: Box<RobotsState>,
    /// When the rules were last asked for: an older copy may serve while they cannot be had.
    rules_asked_at: Option<Timestamp>,
    /// A robots.txt is on its way.
    asks_robots: bool,
    due: DueTime,
    spacing: Duration,
    jobs: VecDeque<Job>,
    slots: SmallVec<[Slot; 1]>,
    busy_since: Timestamp,
    parked_until: Option<Timestamp>,
    /// Tasks that ended but are still pending in the queue: their lanes are free, and they are not asked again.
    ahead: Vec<TaskId>,
    /// It is to be given back with what it has to do.
    is_surplus: bool,
    /// Its rules were left to the queue: nothing of it is asked before it was given back and lent again.
    is_without_rules: bool,
    loading: Loading,
    inbox: u64,
}

/// A place for one request in flight.
enum Slot {
    Free { since: Timestamp },
    Taken(TaskId),
}

/// A task in memory, or a further request of one.
///
/// What a decision looks at lies here, beside the task: letting it go then looks into no other place in memory, which
/// with 100,000 hosts is what a decision costs.
struct Job {
    host: Arc<Host>,
    id: TaskId,
    kind: TaskKind,
    task: Box<Task>,
    /// Where a redirect led.
    moved_to: Option<String>,
    hop: u8,
    attempt: u8,
    not_before: Option<Timestamp>,
    /// Since when it is in memory.
    known_at: Timestamp,
    /// What the host's rules say of it. Found out when either changes, not at each choice: it costs more than all else.
    skip: Option<SkipReason>,
}

/// How memory stands to the queue.
enum Loading {
    /// The queue may hold more.
    Wanted,
    /// Up to so many tasks were asked for; these were settled since and may come again, read before their outcome
    /// was committed.
    Asked { n: usize, settled: Vec<TaskId> },
    /// All there was is in memory.
    Complete,
    /// Offered for release; perhaps woken since.
    Leaving { is_woken: bool },
}

/// The request that leaves next.
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
        // The clock may have been set back since: then their age is not known, nor when the host was asked last.
        let rules_asked_at = rules.asked_at().filter(|asked_at| asked_at.distance(now) < ROBOTS_AGE_MAX);
        let is_of_future = rules.asked_at() > Some(now);
        let slots = (0..pace.host_concurrency.max(1)).map(|_| Slot::Free { since: leased.busy_since });
        Self {
            id: leased.host.id(),
            is_seed: leased.is_seed,
            rules_asked_at: rules_asked_at.map(|asked_at| asked_at.min(now)),
            robots: leased.robots,
            rules: Box::new(rules),
            asks_robots: false,
            due: DueTime::of_leased(leased.not_before, leased.asked_before || is_of_future, delay, now),
            spacing: pace.spacing,
            jobs: VecDeque::new(),
            slots: slots.collect(),
            busy_since: leased.busy_since,
            parked_until: None,
            ahead: Vec::new(),
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

    /// The lane freed last, so that with nothing else in flight its time goes on without a gap.
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

/// Tasks in and out.
impl HostQueue {
    /// How many tasks to ask for, if any should be.
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
        is_low.then_some(held + self.ahead.len() + TASKS_WANTED + self.slots.len())
    }

    pub(crate) fn ask(&mut self, n: usize) {
        self.loading = Loading::Asked { n, settled: Vec::new() };
    }

    pub(crate) fn load(&mut self, loaded: Loaded, now: Timestamp) {
        let Loading::Asked { n, settled } = std::mem::replace(&mut self.loading, Loading::Wanted) else {
            return;
        };
        self.inbox = loaded.inbox;
        self.busy_since = self.busy_since.max(loaded.busy_since.unwrap_or(self.busy_since));
        let is_leaving = self.parked_until.is_some() || self.is_without_rules;
        if loaded.tasks.len() < n || is_leaving {
            self.loading = Loading::Complete;
        }
        if is_leaving {
            return;
        }
        self.reload_rules(!loaded.tasks.is_empty());
        for task in loaded.tasks {
            // A refresh of the rules is no task of the queue, though it has the id of one.
            let is_held = self.jobs.iter().any(|job| job.id == task.id && !is_refresh(&job.task));
            let is_held = is_held || self.ahead.contains(&task.id);
            if !is_held && !settled.contains(&task.id) && !self.taken().any(|taken| taken == task.id) {
                self.jobs.push_back(Job::new(&self.host, task, now).judged(&self.rules));
            }
        }
    }

    /// New tasks were committed for it.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        self.is_surplus = false;
        let has_something = !self.jobs.is_empty() || self.in_flight() > 0 || !self.ahead.is_empty();
        match &mut self.loading {
            Loading::Complete if has_something => self.loading = Loading::Wanted,
            Loading::Complete => {
                self.busy_since = self.busy_since.max(now);
                self.loading = Loading::Wanted;
            }
            Loading::Leaving { is_woken } if !*is_woken => {
                self.busy_since = self.busy_since.max(now);
                *is_woken = true;
            }
            // What is asked for may have been read before; ask again.
            Loading::Asked { n, .. } => *n = 0,
            Loading::Wanted | Loading::Leaving { .. } => {}
        }
    }

    pub(crate) fn forget(&mut self, task: TaskId) {
        self.jobs.retain(|job| job.id != task);
    }

    pub(crate) fn is_idle(&self) -> bool {
        let has_nothing = self.jobs.is_empty() && self.in_flight() == 0 && self.ahead.is_empty();
        matches!(self.loading, Loading::Complete) && has_nothing
    }

    /// Whether it can be given back with what it has to do: the queue knows all of it, or will before long.
    pub(crate) fn can_be_released(&self) -> bool {
        matches!(self.loading, Loading::Wanted | Loading::Complete)
            && !self.jobs.is_empty()
            && self.is_known_to_queue()
    }

    /// Whether it can be given back without its rules, loaded or not.
    pub(crate) fn can_give_up_rules(&self) -> bool {
        self.text_bytes() > 0 && self.is_known_to_queue()
    }

    fn is_known_to_queue(&self) -> bool {
        let is_known = |job: &Job| {
            let is_first = job.attempt == 1;
            job.moved_to.is_none()
                && job.attempt == job.task.attempts.saturating_add(1)
                && (is_first || !is_refresh(&job.task))
        };
        self.in_flight() == 0 && self.jobs.iter().all(is_known)
    }

    pub(crate) fn is_surplus(&self) -> bool {
        self.is_surplus
    }

    /// Nothing more of it is started, here or elsewhere, before `until`; it is idle as soon as the queue knows how its tasks
    /// ended.
    pub(crate) fn release_surplus(&mut self, until: Timestamp) {
        self.due.cool_down(until);
        self.jobs.clear();
        self.loading = Loading::Complete;
        self.is_surplus = true;
    }

    /// The same, and its rules are the queue's alone from now on. Where tasks are asked for or wanted, the answer tells its
    /// mark of new work, without which it would not be taken back.
    pub(crate) fn give_up_rules(&mut self, until: Timestamp) {
        self.due.cool_down(until);
        self.jobs.clear();
        self.robots = None;
        self.rules.evict();
        self.is_surplus = true;
        self.is_without_rules = true;
    }

    pub(crate) fn leave(&mut self) -> Release {
        self.loading = Loading::Leaving { is_woken: false };
        let not_before = self.due.at().max(self.parked_until);
        Release { host: self.id, inbox: self.inbox, not_before, parked: self.parked_until.is_some() }
    }

    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.loading, Loading::Leaving { .. })
    }

    /// It was not released: it has new tasks.
    pub(crate) fn stay(&mut self, now: Timestamp) {
        self.wake(now);
        self.is_surplus = false;
        self.loading = Loading::Wanted;
    }
}

/// What is next, and when.
impl HostQueue {
    pub(crate) fn choose(&mut self, session_started_at: Timestamp, now: Timestamp) -> Option<Choice> {
        let (free_since, slot) = self.free_slot()?;
        let index = if self.rules_hold(session_started_at, now) {
            self.first_ready(now)?
        } else {
            self.robots_job(now)?
        };
        let job = self.jobs.get(index)?;
        let mut begun_at = free_since.max(self.busy_since);
        if self.in_flight() > 0 {
            // A lane beside others waits for nothing while there is no task for it.
            begun_at = begun_at.max(job.known_at);
        }
        let withheld_until = if job.skip.is_none() { self.due.at().max(job.not_before) } else { None };
        let permitted_at = begun_at.max(withheld_until.unwrap_or(begun_at));
        Some(Choice { job: index, slot, begun_at, permitted_at })
    }

    /// Whether what is chosen is there.
    pub(crate) fn holds(&self, choice: Choice) -> bool {
        let is_free = matches!(self.slots.get(choice.slot), Some(Slot::Free { .. }));
        is_free && self.jobs.get(choice.job).is_some_and(|job| job.not_before <= Some(choice.permitted_at))
    }

    /// Whether what is chosen may still be asked: rules grow old while a host waits for a slot.
    pub(crate) fn is_current(&self, choice: Choice, session_started_at: Timestamp, now: Timestamp) -> bool {
        let is_robots = |job: &Job| job.kind == TaskKind::Robots;
        self.rules_hold(session_started_at, now) || self.jobs.get(choice.job).is_some_and(is_robots)
    }

    fn rules_hold(&self, session_started_at: Timestamp, now: Timestamp) -> bool {
        let Some(asked_at) = self.rules_asked_at else { return false };
        let is_young = now.since(asked_at) < ROBOTS_AGE_MAX;
        is_young || (matches!(*self.rules, RobotsState::Unreachable { .. }) && asked_at >= session_started_at)
    }

    /// The first task that need not wait for a retry, else the one that waits least.
    fn first_ready(&self, now: Timestamp) -> Option<usize> {
        let is_ready = |job: &Job| job.not_before.is_none_or(|not_before| not_before <= now);
        self.jobs.iter().position(is_ready).or_else(|| {
            let waiting = self.jobs.iter().enumerate().min_by_key(|(_, job)| job.not_before);
            waiting.map(|(index, _)| index)
        })
    }

    /// The host's robots.txt, which comes before all else: its own task if it is at hand, else one that is in no
    /// queue. `None` while it is on its way, or there is nothing else to do.
    fn robots_job(&mut self, now: Timestamp) -> Option<usize> {
        if self.asks_robots || self.jobs.is_empty() {
            return None;
        }
        let at_hand = self.jobs.iter().position(|job| job.kind == TaskKind::Robots);
        at_hand.or_else(|| {
            self.jobs.push_front(Job::new(&self.host, refresh(&self.host), now));
            Some(0)
        })
    }

    /// Takes what was chosen.
    pub(crate) fn start(
        &mut self,
        place: usize,
        choice: Choice,
        now: Timestamp,
    ) -> Option<(Request, Option<SkipReason>)> {
        let job = self.jobs.remove(choice.job)?;
        *self.slots.get_mut(choice.slot)? = Slot::Taken(job.id);
        self.asks_robots |= job.kind == TaskKind::Robots;
        if job.skip.is_none() {
            self.due.start(now);
        }
        let request = Request {
            host: job.host,
            is_seed: self.is_seed,
            id: job.id,
            kind: job.kind,
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

    /// The request left later than it was let go.
    pub(crate) fn started(&mut self, now: Timestamp) {
        self.due.start(now);
    }

    /// It ended, and the queue will know of it later.
    pub(crate) fn settle_ahead(&mut self, request: &Request, now: Timestamp) {
        self.settle(request, NextStep::Done, now);
        self.ahead.push(request.id);
    }

    /// The queue knows now how a task ended that was settled ahead; false for any other.
    pub(crate) fn recorded(&mut self, task: TaskId) -> bool {
        let Some(index) = self.ahead.iter().position(|ahead| *ahead == task) else { return false };
        self.ahead.swap_remove(index);
        if let Loading::Asked { settled, .. } = &mut self.loading {
            settled.push(task);
        }
        true
    }

    pub(crate) fn settle(&mut self, request: &Request, then: NextStep, now: Timestamp) {
        if let Some(slot) = self.slots.get_mut(request.slot) {
            *slot = Slot::Free { since: now };
        }
        let is_robots = request.kind == TaskKind::Robots;
        if is_robots {
            self.asks_robots = false;
        }
        self.reload_rules(then != NextStep::Done && self.parked_until.is_none());
        let again = || Job::new(&self.host, Task::clone(&request.task), now);
        match then {
            NextStep::Done => {
                if let Loading::Asked { settled, .. } = &mut self.loading {
                    settled.push(request.id);
                }
                if is_robots {
                    self.robots_ended(now);
                }
            }
            // What is dropped here is pending in the queue.
            _ if self.parked_until.is_some() => {}
            NextStep::Follow(url, hop) => {
                let job = Job { moved_to: Some(url), hop, attempt: request.attempt, ..again() };
                self.jobs.push_front(job.judged(&self.rules));
            }
            NextStep::Retry(not_before) => {
                // The queue counts the tries too.
                let task = Task { attempts: request.attempt, ..Task::clone(&request.task) };
                let job = Job { not_before: Some(not_before), ..Job::new(&self.host, task, now) };
                self.jobs.push_front(job.judged(&self.rules));
            }
        }
    }

    /// Asked and answered: whatever the rules are now, they serve for a day. Rules that were young enough not to be asked
    /// for grow no younger.
    fn robots_ended(&mut self, now: Timestamp) {
        let is_young = |fetched_at: Timestamp| fetched_at.distance(now) < ROBOTS_AGE_MAX;
        let are_known = matches!(*self.rules, RobotsState::Known { .. } | RobotsState::Evicted { .. });
        if !are_known || !self.rules.asked_at().is_some_and(is_young) {
            self.rules_asked_at = Some(now);
        }
        if matches!(*self.rules, RobotsState::Unknown) {
            self.set_rules(RobotsState::Unreachable { since: now });
        }
    }

    /// The rules were fetched, or turned out to be unreachable.
    pub(crate) fn set_robots(&mut self, robots: RobotsRecord) {
        let rules = RobotsState::from_record(Some(&robots));
        self.robots = Some(robots);
        self.is_without_rules = false;
        self.set_rules(rules);
    }

    /// What the queue keeps of its rules.
    pub(crate) fn robots(&self) -> Option<&RobotsRecord> {
        self.robots.as_ref()
    }

    /// Bytes of the rules' text.
    pub(crate) fn text_bytes(&self) -> usize {
        self.robots.as_ref().and_then(|robots| robots.rules.as_ref()).map_or(0, String::len)
    }

    fn set_rules(&mut self, rules: RobotsState) {
        self.due.set_delay(politeness::delay(self.spacing, rules.crawl_delay()));
        self.rules_asked_at = self.rules_asked_at.max(rules.asked_at());
        *self.rules = rules;
        // What was to ask for them on the way is not needed, or is made anew.
        self.jobs.retain(|job| !is_refresh(&job.task));
        for job in &mut self.jobs {
            job.judge(&self.rules);
        }
    }

    /// Reads the rules again, if they were given up and `are_wanted`.
    fn reload_rules(&mut self, are_wanted: bool) {
        if are_wanted && matches!(*self.rules, RobotsState::Evicted { .. }) {
            *self.rules = RobotsState::from_record(self.robots.as_ref());
        }
    }

    /// Gives the rules up but for their text.
    pub(crate) fn evict_rules(&mut self) {
        self.rules.evict();
    }

    /// What the rules take while they are at hand; 0 else.
    pub(crate) fn rules_bytes(&self) -> usize {
        match &*self.rules {
            RobotsState::Known { robots, .. } => robots.bytes(),
            RobotsState::Unknown | RobotsState::Evicted { .. } | RobotsState::Unreachable { .. } => 0,
        }
    }

    pub(crate) fn cool_down(&mut self, until: Timestamp) {
        self.due.cool_down(until);
    }

    /// Nothing more is started; what is in memory stays pending in the queue.
    pub(crate) fn park(&mut self, until: Timestamp) {
        self.parked_until = self.parked_until.max(Some(until));
        self.jobs.clear();
        if matches!(self.loading, Loading::Wanted) {
            self.loading = Loading::Complete;
        }
    }
}

impl Job {
    fn new(host: &Arc<Host>, task: Task, now: Timestamp) -> Self {
        Self {
            host: host.clone(),
            id: task.id,
            kind: task.kind,
            moved_to: None,
            hop: 0,
            attempt: task.attempts.saturating_add(1),
            // A later moment than a lent host may be waited for was named by a clock that was set back since.
            not_before: task.not_before.map(|at| at.min(now + RETRY_AFTER_MAX)),
            known_at: now,
            skip: None,
            task: Box::new(task),
        }
    }

    fn judge(&mut self, rules: &RobotsState) {
        let url = self.moved_to.as_ref().unwrap_or(&self.task.url);
        self.skip = rules.verdict(self.kind, url);
    }

    fn judged(mut self, rules: &RobotsState) -> Self {
        self.judge(rules);
        self
    }
}

/// Whether it is a robots.txt asked for on the way, not a task of the queue.
fn is_refresh(task: &Task) -> bool {
    task.kind == TaskKind::Robots && task.depth == REFRESH_DEPTH
}

fn refresh(host: &Host) -> Task {
    Task { depth: REFRESH_DEPTH, ..Task::new(host, host.url("/robots.txt"), TaskKind::Robots) }
}
