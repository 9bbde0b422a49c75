//! Which request may leave, and when: a state machine without clock, socket or file.
//!
//! The engine admits hosts that the work queue lends, loads their tasks, asks for the [`next`](Schedule::next) request, and
//! [settles](Schedule::settle) it once its outcome is durable; tests and simulations do the same with a clock of their own.
//! Hosts come in the order in which their next request became permitted, those that wait longest first, so every host
//! makes progress.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use crate::due_times::DueTimes;
use crate::host::{Host, HostId};
use crate::host_queue::{Choice, HostQueue};
use crate::outcome::SkipReason;
use crate::robots::loaded_rules::{self, LoadedRules};
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::{LeasedHost, Loaded, Release, RobotsRecord};

/// Bytes that the texts of the rules of all hosts in work take together, besides those of hosts with something in flight. A
/// host's own is at most about three times [`crate::robots::RobotsRules::BYTES_MAX`].
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// Beyond so many, hosts that wait are given back and few others are lent.
pub const TEXT_BYTES_WANTED: usize = TEXT_BYTES_MAX / 2;

/// How fast hosts are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// The least span between two starts of a host: 1/`--rate`; zero for no limit.
    pub spacing: Duration,
    /// Requests in flight per host; at least one is let go.
    pub host_concurrency: usize,
}

/// One request to make, or a task to skip. It holds a lane of its host until it is settled.
#[derive(Clone, Debug)]
pub struct Request {
    /// The host whose lane and pace it takes.
    pub host: Arc<Host>,
    /// Whether a seed names the host.
    pub is_seed: bool,
    /// The task it is made for. A robots.txt of [`crate::task::REFRESH_DEPTH`] is in no queue: its outcome is not
    /// to be committed.
    pub task: Box<Task>,
    /// The task's, at hand where a decision is taken.
    pub(crate) id: TaskId,
    pub(crate) kind: TaskKind,
    pub(crate) moved_to: Option<String>,
    /// Redirects followed before it within this try.
    pub hop: u8,
    /// The how manieth try of the task, from 1.
    pub attempt: u8,
    /// Which of the host's lanes it takes.
    pub slot: usize,
    /// When its path began: its lane was free and the host had something to do.
    pub begun_at: Timestamp,
    /// When pace, rests and backoff let it go. The stage `politeness` lasts from `begun_at` until here, `slot` from here
    /// to the start.
    pub permitted_at: Timestamp,
    pub(crate) place: usize,
}

impl Request {
    /// The URL of this hop: the task's, or where a redirect led.
    pub fn url(&self) -> &str {
        self.moved_to.as_deref().unwrap_or(&self.task.url)
    }

    /// The host that is asked: another one than [`Request::host`] only where redirects of a robots.txt led there.
    pub fn asked(&self) -> Option<Host> {
        self.moved_to.as_ref().map_or_else(
            || Some(Host::clone(&self.host)),
            |moved_to| Host::of(&url::Url::parse(moved_to).ok()?),
        )
    }
}

/// What to do now.
#[derive(Debug)]
pub enum Next {
    /// Make this request.
    Start(Request),
    /// Record that this task is skipped; no request is made. Settle it like any other.
    Skip(Request, SkipReason),
    /// Nothing may start before this moment; `None`: nothing at all, unless something is settled, loaded or admitted.
    Wait(Option<Timestamp>),
}

/// How a request's task goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NextStep {
    /// It ended.
    Done,
    /// The next hop of the same try: its URL, and the redirects followed before it.
    Follow(String, u8),
    /// Another try, not before this moment.
    Retry(Timestamp),
}

/// What the hosts in work are waiting for; a host counts once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WaitingFor {
    /// An answer.
    pub answer: usize,
    /// A free worker.
    pub slot: usize,
    /// Their pace.
    pub pace: usize,
    /// The end of a rest that the server asked for.
    pub cooldown: usize,
    /// The backoff before a retry.
    pub retry: usize,
    /// Tasks from the work queue.
    pub tasks: usize,
}

/// The hosts lent to this session, and what of theirs may start when.
pub struct Schedule {
    pace: Pace,
    session_started_at: Timestamp,
    hosts: Slab<Placed>,
    places: HashMap<HostId, usize>,
    due: DueTimes,
    rules: LoadedRules,
    /// Bytes of the rules' texts of all hosts.
    text_bytes: usize,
    in_flight: usize,
    /// Places that may want tasks, and places that may have nothing left; judged when their turn comes.
    wanting_tasks: VecDeque<usize>,
    idle: VecDeque<usize>,
}

struct Placed {
    queue: HostQueue,
    choice: Option<Choice>,
    /// The last use of its rules.
    rules_use: Option<u64>,
    is_queued_for_tasks: bool,
    in_idle: bool,
}

impl Schedule {
    /// An empty one, for a session that started at that moment.
    pub fn new(pace: Pace, session_started_at: Timestamp) -> Self {
        Self {
            pace,
            session_started_at,
            hosts: Slab::new(),
            places: HashMap::new(),
            due: DueTimes::default(),
            rules: LoadedRules::default(),
            text_bytes: 0,
            in_flight: 0,
            wanting_tasks: VecDeque::new(),
            idle: VecDeque::new(),
        }
    }

    /// Takes in a host that was lent. One that is here already stays as it is.
    pub fn admit(&mut self, leased: LeasedHost, now: Timestamp) {
        let queue = HostQueue::new(leased, self.pace, now);
        let id = queue.id();
        if self.places.contains_key(&id) {
            return;
        }
        self.text_bytes += queue.text_bytes();
        let place = self.hosts.insert(Placed {
            queue,
            choice: None,
            rules_use: None,
            is_queued_for_tasks: false,
            in_idle: false,
        });
        self.places.insert(id, place);
        self.rules_used(id);
        self.arrange(place, now);
    }

    /// Lent hosts that want tasks, those that have waited longest first, each with the number to load. They are not
    /// named again until [`load`](Self::load) answers; loading more than the number does no harm.
    pub fn wanting_tasks(&mut self, limit: usize) -> Vec<(HostId, usize)> {
        let mut wanting_tasks = Vec::new();
        while wanting_tasks.len() < limit {
            let Some(place) = self.wanting_tasks.pop_front() else { break };
            let Some(placed) = self.hosts.get_mut(place) else { continue };
            placed.is_queued_for_tasks = false;
            if let Some(n) = placed.queue.tasks_wanted() {
                placed.queue.ask(n);
                wanting_tasks.push((placed.queue.id(), n));
            }
        }
        wanting_tasks
    }

    /// The answer to [`wanting_tasks`](Self::wanting_tasks): what a host has to do, in the queue's order.
    pub fn load(&mut self, loaded: Loaded, now: Timestamp) {
        let host = loaded.host;
        self.change(host, now, |queue| queue.load(loaded, now));
        self.rules_used(host);
    }

    /// New tasks were committed for this host. Hosts that are not lent are passed over.
    pub fn woken(&mut self, host: HostId, now: Timestamp) {
        self.change(host, now, |queue| queue.wake(now));
    }

    /// The queue knows this task as done, since another was read under its URL: it is not asked if it has not left.
    pub fn forget(&mut self, task: TaskId, now: Timestamp) {
        self.change(task.host, now, |queue| queue.forget(task));
    }

    /// What to do at `now`. To be called when a request could leave at once: what it gives has started.
    pub fn next(&mut self, now: Timestamp) -> Next {
        while let Some((at, place)) = self.first_due() {
            if at > now {
                return Next::Wait(Some(at));
            }
            self.due.take_first();
            match self.start(place as usize, now) {
                Some((request, None)) => return Next::Start(request),
                Some((request, Some(reason))) => return Next::Skip(request, reason),
                None => {}
            }
        }
        Next::Wait(None)
    }

    fn first_due(&mut self) -> Option<(Timestamp, u32)> {
        let Self { hosts, due, .. } = self;
        due.first(|(at, place)| is_due(hosts, place, at))
    }

    fn start(&mut self, place: usize, now: Timestamp) -> Option<(Request, Option<SkipReason>)> {
        let placed = self.hosts.get_mut(place)?;
        let choice = placed.choice.take()?;
        let is_current = placed.queue.is_current(choice, self.session_started_at, now);
        let started = if is_current { placed.queue.start(place, choice, now) } else { None };
        self.in_flight += usize::from(started.is_some());
        self.arrange(place, now);
        started
    }

    /// The request left at `now`, later than [`next`](Self::next) gave it: the host's pace counts from here.
    pub fn started(&mut self, request: &Request, now: Timestamp) {
        if let Some(placed) = self.placed(request) {
            placed.queue.started(now);
            self.arrange(request.place, now);
        }
    }

    /// A request ended and what came of it is durable; its lane is free, if it has not been since
    /// [`settle_ahead`](Self::settle_ahead). Where it brought rules, a rest or new tasks, tell those first.
    pub fn settle(&mut self, request: &Request, then: NextStep, now: Timestamp) {
        let goes_on = then != NextStep::Done;
        if let Some(placed) = self.placed(request) {
            if !placed.queue.recorded(request.id) {
                placed.queue.settle(request, then, now);
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            self.arrange(request.place, now);
            if goes_on {
                self.rules_used(request.id.host);
            }
        }
    }

    /// A request ended for good and will be durable some time later: its lane is free at once, and its host stays until
    /// it is [settled](Self::settle).
    pub fn settle_ahead(&mut self, request: &Request, now: Timestamp) {
        if let Some(placed) = self.placed(request) {
            placed.queue.settle_ahead(request, now);
            self.in_flight = self.in_flight.saturating_sub(1);
            self.arrange(request.place, now);
        }
    }

    /// The rules of a host were fetched, or turned out to be unreachable.
    pub fn rules(&mut self, host: HostId, robots: RobotsRecord, now: Timestamp) {
        let (mut before, mut after) = (0, 0);
        self.change(host, now, |queue| {
            before = queue.text_bytes();
            queue.set_robots(robots);
            after = queue.text_bytes();
        });
        self.text_bytes = self.text_bytes + after - before;
        self.rules_used(host);
    }

    /// The rules of a host in work, as the queue keeps them; `None` where none were ever fetched.
    pub fn robots(&self, host: HostId) -> Option<&RobotsRecord> {
        self.hosts.get(*self.places.get(&host)?)?.queue.robots()
    }

    /// Whether `host` is in work.
    pub fn has(&self, host: HostId) -> bool {
        self.places.contains_key(&host)
    }

    /// Whether the texts of the hosts' rules leave room for those of many further hosts.
    pub fn has_room_for_rules(&self) -> bool {
        self.text_bytes < TEXT_BYTES_WANTED
    }

    /// Sees to it that hosts are given back with what they have to do where the texts of their rules take too much together:
    /// beyond [`TEXT_BYTES_WANTED`] of those that wait for their pace, beyond [`TEXT_BYTES_MAX`] of all with nothing in flight,
    /// the longest first. The texts are given up at once: the queue knows them. Gives the number of hosts chosen.
    pub fn evict_rules(&mut self, now: Timestamp) -> usize {
        if self.has_room_for_rules() {
            return 0;
        }
        let free = self.hosts.iter().filter(|(_, placed)| placed.queue.can_give_up_rules());
        let mut heavy: Vec<(bool, usize, usize)> =
            free.map(|(place, placed)| (placed.waits(now), placed.queue.text_bytes(), place)).collect();
        heavy.sort_unstable_by_key(|&heaviest| Reverse(heaviest));
        let mut chosen = 0;
        for (waits, _, place) in heavy {
            if self.text_bytes >= if waits { TEXT_BYTES_WANTED } else { TEXT_BYTES_MAX } {
                chosen += 1;
                self.release_without_rules(place, now);
            }
        }
        chosen
    }

    fn release_without_rules(&mut self, place: usize, now: Timestamp) {
        if let Some(placed) = self.hosts.get_mut(place) {
            self.text_bytes -= placed.queue.text_bytes();
            if let Some(rules_use) = placed.rules_use.take() {
                self.rules.forget(rules_use);
            }
            placed.queue.give_up_rules(placed.due_at().unwrap_or(now));
            self.arrange(place, now);
        }
    }

    fn give_back(&mut self, place: usize, now: Timestamp) {
        if let Some(placed) = self.hosts.get_mut(place) {
            placed.queue.release_surplus(placed.due_at().unwrap_or(now));
            self.arrange(place, now);
        }
    }

    /// A host asked for a rest: nothing of it starts before `until`.
    pub fn cool_down(&mut self, host: HostId, until: Timestamp, now: Timestamp) {
        self.change(host, now, |queue| queue.cool_down(until));
    }

    /// A host is put aside until `until`, beyond this run: nothing of it starts any more, and when nothing of it is in
    /// flight it is [idle](Self::idle).
    pub fn park(&mut self, host: HostId, until: Timestamp, now: Timestamp) {
        self.change(host, now, |queue| queue.park(until));
    }

    /// Hosts with nothing left to do, ready to be given back. Each is named once; [`released`](Self::released) tells
    /// what became of it.
    pub fn idle(&mut self) -> Vec<Release> {
        let mut idle = Vec::new();
        for place in std::mem::take(&mut self.idle) {
            let Some(placed) = self.hosts.get_mut(place) else { continue };
            placed.in_idle = false;
            if placed.queue.is_idle() {
                idle.push(placed.queue.leave());
            }
        }
        idle
    }

    /// Sees to it that about `n` hosts are given back with what they have to do, since others want them: of those that wait
    /// for their pace, and where no worker is free (`is_full`) of those that wait for one, so many that with those chosen
    /// before they are `n`; gives the number of these. They are [idle](Self::idle) as soon as all that was settled ahead
    /// is settled.
    pub fn release_surplus(&mut self, n: usize, is_full: bool, now: Timestamp) -> usize {
        let chosen = self.hosts.iter().filter(|(_, placed)| placed.queue.is_surplus()).count();
        let waits = |placed: &Placed| (is_full || placed.waits(now)) && placed.queue.can_be_released();
        let waiting = self.hosts.iter().filter(|(_, placed)| waits(placed));
        let more = n.saturating_sub(chosen);
        let places: Vec<usize> = waiting.map(|(place, _)| place).take(more).collect();
        for &place in &places {
            self.give_back(place, now);
        }
        places.len()
    }

    /// The queue took back `offered`, but for those that `stay` since they have new tasks.
    pub fn released(&mut self, offered: &[Release], stay: &[HostId], now: Timestamp) {
        for &host in stay {
            self.change(host, now, |queue| queue.stay(now));
        }
        for release in offered {
            let Some(&place) = self.places.get(&release.host) else { continue };
            if self.hosts.get(place).is_some_and(|placed| placed.queue.is_leaving()) {
                self.places.remove(&release.host);
                let placed = self.hosts.remove(place);
                self.text_bytes -= placed.queue.text_bytes();
                if let Some(rules_use) = placed.rules_use {
                    self.rules.forget(rules_use);
                }
            }
        }
    }

    /// Hosts in work.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Requests and skips not settled yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether no host is in work.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// What the hosts are waiting for, for the progress line. Looks at every host.
    pub fn waiting_for(&self, now: Timestamp) -> WaitingFor {
        let mut waiting = WaitingFor::default();
        for (_, Placed { queue, choice, .. }) in &self.hosts {
            let reason = match choice {
                _ if queue.in_flight() > 0 => &mut waiting.answer,
                None => &mut waiting.tasks,
                Some(choice) if choice.permitted_at <= now => &mut waiting.slot,
                Some(choice) if queue.waits_for_retry(*choice) => &mut waiting.retry,
                Some(_) if queue.is_cooling_down(now) => &mut waiting.cooldown,
                Some(_) => &mut waiting.pace,
            };
            *reason += 1;
        }
        waiting
    }

    fn placed(&mut self, request: &Request) -> Option<&mut Placed> {
        // A place is given anew only when nothing of its host is in flight.
        self.hosts.get_mut(request.place).filter(|placed| placed.queue.id() == request.id.host)
    }

    /// The rules of `host` may have been read; where too many are at hand, those unused longest are given up.
    fn rules_used(&mut self, host: HostId) {
        let Some(&place) = self.places.get(&host) else { return };
        if let Some(placed) = self.hosts.get_mut(place) {
            if let Some(rules_use) = placed.rules_use.take() {
                self.rules.forget(rules_use);
            }
            let bytes = placed.queue.rules_bytes();
            placed.rules_use = (bytes > 0).then(|| self.rules.used(place, bytes));
        }
        while let Some(oldest) = self.rules.take_oldest_beyond(loaded_rules::BYTES_MAX) {
            if let Some(placed) = self.hosts.get_mut(oldest) {
                placed.queue.evict_rules();
                placed.rules_use = None;
            }
        }
    }

    fn change(&mut self, host: HostId, now: Timestamp, change: impl FnOnce(&mut HostQueue)) {
        let Some(&place) = self.places.get(&host) else { return };
        if let Some(placed) = self.hosts.get_mut(place) {
            change(&mut placed.queue);
            self.arrange(place, now);
        }
    }

    /// Finds a host's place in the order again after anything of it has changed.
    fn arrange(&mut self, place: usize, now: Timestamp) {
        let Some(placed) = self.hosts.get_mut(place) else { return };
        let before = placed.due_at();
        placed.choice = placed.queue.choose(self.session_started_at, now);
        if let Some(due_at) = placed.due_at().filter(|&due_at| Some(due_at) != before) {
            self.due.add(due_at, index(place));
        }
        if !placed.is_queued_for_tasks && placed.queue.tasks_wanted().is_some() {
            placed.is_queued_for_tasks = true;
            self.wanting_tasks.push_back(place);
        }
        if !placed.in_idle && placed.queue.is_idle() {
            placed.in_idle = true;
            self.idle.push_back(place);
        }
        let Self { hosts, due, .. } = self;
        due.sweep(hosts.len(), |(at, place)| is_due(hosts, place, at));
    }
}

impl Placed {
    fn due_at(&self) -> Option<Timestamp> {
        self.choice.map(|choice| choice.permitted_at)
    }

    /// Whether it waits for its pace, a rest or a backoff.
    fn waits(&self, now: Timestamp) -> bool {
        self.due_at().is_some_and(|due_at| due_at > now)
    }
}

/// Whether that is the moment at which the host at `place` is due.
fn is_due(hosts: &Slab<Placed>, place: u32, at: Timestamp) -> bool {
    let choice = hosts.get(place as usize).and_then(|placed| Some((placed, placed.choice?)));
    choice.is_some_and(|(placed, choice)| choice.permitted_at == at && placed.queue.holds(choice))
}

/// Hosts in work are bounded far below 2^32 by what a session leases.
fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
