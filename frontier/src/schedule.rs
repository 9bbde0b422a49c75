//! Decides which request may leave next, and when: a state machine without clock, socket or file.
//!
//! The engine admits the hosts that the work queue leases, loads their tasks, takes the [`next`](Schedule::next)
//! request and [settles](Schedule::settle) it once its outcome is durable. Tests and simulations do the same with a
//! clock of their own. Hosts are served in the order in which their next request became permitted. The host that has
//! waited longest comes first, so every host makes progress.
//!
//! Here is the state of all hosts and the policy of who is next. `rules` bounds the memory of the robots rules, `releasing`
//! gives hosts back to the queue, `accounting` counts.

mod accounting;
mod releasing;
mod rules;
mod sites;

use std::collections::{HashMap, VecDeque};

use slab::Slab;

use crate::due_times::DueTimes;
use crate::host::HostId;
use crate::host_queue::{Choice, HostQueue};
use crate::outcome::SkipReason;
pub use crate::request::{NextStep, Pace, Request, Step};
use crate::robots::loaded_rules::LoadedRules;
use crate::task::TaskId;
use crate::timestamp::Timestamp;
use crate::work_queue::{LeasedHost, Loaded, RobotsRedirect};

use sites::Sites;

pub use accounting::WaitingFor;
pub use rules::{TEXT_BYTES_MAX, TEXT_BYTES_WANTED};

/// What the engine does next.
#[derive(Debug)]
pub enum Next {
    /// Make this request.
    /// If its answer is known ([`Request::is_known`]), draw the conclusion instead.
    Start(Request),
    /// Record that this task is skipped. No request is made. Settle it like any other.
    Skip(Request, SkipReason),
    /// Nothing may start before this moment. `None` means that nothing may start until something is settled, loaded or
    /// admitted.
    Wait(Option<Timestamp>),
}

/// The hosts leased to this session, ordered by when their next request may start.
///
/// A host's *place* is its key in `hosts`.
///
/// ```
/// use std::time::Duration;
///
/// use frontier::work_queue::{LeasedHost, Loaded};
/// use frontier::{Next, NextStep, Pace, Schedule, Seed, Timestamp};
///
/// let now = Timestamp::from_micros(1_700_000_000_000_000);
/// let pace = Pace::of_hosts(Duration::from_secs(1), 1);
/// let mut schedule = Schedule::new(pace, now);
///
/// // The work queue leases a host, then loads its tasks.
/// let seed = Seed::parse("https://a.example")?.ok_or("an empty line")?.task();
/// let (robots, not_before) = (None, None);
/// let leased =
///     LeasedHost { host: seed.host, is_seed: true, robots, not_before, busy_since: now, asked_before: false, inbox: 1 };
/// schedule.admit(leased, now);
/// for (host, _) in schedule.wanting_tasks(100) {
///     let (tasks, hops, redirect) = (vec![seed.task.clone()], Vec::new(), None);
///     schedule.load(Loaded { host, inbox: 1, busy_since: Some(now), tasks, hops, redirect }, now);
/// }
///
/// let Next::Start(request) = schedule.next(now) else { return Err("nothing to do".into()) };
/// assert_eq!(request.url(), "https://a.example/robots.txt");
///
/// // It failed. The next attempt waits until the host's pace permits it.
/// schedule.settle(&request, NextStep::Retry(now), now);
/// let Next::Wait(Some(until)) = schedule.next(now) else { return Err("it does not wait".into()) };
/// assert_eq!(until, now + Duration::from_secs(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Schedule {
    pace: Pace,
    session_started_at: Timestamp,
    hosts: Slab<HostEntry>,
    places: HashMap<HostId, usize>,
    due: DueTimes,
    sites: Sites,
    rules: HeldRules,
    in_flight: usize,
    queued: QueuedPlaces,
}

/// Places to look at. Each is checked when it is taken out.
#[derive(Default)]
struct QueuedPlaces {
    /// Those that may want tasks.
    wanting_tasks: VecDeque<usize>,
    /// Those that may have nothing left to do.
    idle: VecDeque<usize>,
}

/// The robots rules of all hosts.
#[derive(Default)]
struct HeldRules {
    loaded: LoadedRules,
    /// Bytes of their texts.
    text_bytes: usize,
}

struct HostEntry {
    queue: HostQueue,
    /// The key of its site.
    site: Option<u32>,
    choice: Option<Choice>,
    /// Whether its next request is due and waits for its site.
    waits_for_site: bool,
    /// The number of the last use of its rules in [`LoadedRules`].
    rules_use: Option<u64>,
    is_queued_for_tasks: bool,
    is_queued_as_idle: bool,
}

impl Schedule {
    /// Creates an empty schedule for a session that started at `session_started_at`.
    pub fn new(pace: Pace, session_started_at: Timestamp) -> Self {
        Self {
            pace,
            session_started_at,
            hosts: Slab::new(),
            places: HashMap::new(),
            due: DueTimes::default(),
            sites: Sites::new(pace),
            rules: HeldRules::default(),
            in_flight: 0,
            queued: QueuedPlaces::default(),
        }
    }

    /// Adds a leased host. A host that is already in the schedule stays as it is.
    pub fn admit(&mut self, leased: LeasedHost, now: Timestamp) {
        let queue = HostQueue::new(leased, self.pace, now);
        let id = queue.id();
        if self.places.contains_key(&id) {
            return;
        }
        self.rules.text_bytes += queue.text_bytes();
        let site = self.sites.join(queue.host());
        let place = self.hosts.insert(HostEntry {
            queue,
            site,
            choice: None,
            waits_for_site: false,
            rules_use: None,
            is_queued_for_tasks: false,
            is_queued_as_idle: false,
        });
        self.places.insert(id, place);
        self.rules_used(id);
        self.reschedule(place, now);
    }

    /// Hosts that want tasks, longest-waiting first, each with the number of tasks to load.
    ///
    /// A host is not named again until [`load`](Self::load) is called for it. Loading more tasks than the number is
    /// harmless.
    pub fn wanting_tasks(&mut self, limit: usize) -> Vec<(HostId, usize)> {
        let mut wanting_tasks = Vec::new();
        while wanting_tasks.len() < limit {
            let Some(place) = self.queued.wanting_tasks.pop_front() else { break };
            let Some(entry) = self.hosts.get_mut(place) else { continue };
            entry.is_queued_for_tasks = false;
            if let Some(n) = entry.queue.tasks_wanted() {
                entry.queue.request_tasks(n);
                wanting_tasks.push((entry.queue.id(), n));
            }
        }
        wanting_tasks
    }

    /// Adds the tasks that [`wanting_tasks`](Self::wanting_tasks) requested for a host, in the queue's order.
    pub fn load(&mut self, loaded: Loaded, now: Timestamp) {
        let host = loaded.host;
        let mut dropped = 0;
        self.update(host, now, |queue| {
            let before = queue.text_bytes();
            queue.load(loaded, now);
            dropped = before - queue.text_bytes();
        });
        self.rules.text_bytes -= dropped;
        self.rules_used(host);
    }

    /// Notes that new tasks were committed for this host. `has_hop` says whether a request for another host is among them.
    /// Hosts that are not in the schedule are ignored.
    pub fn woken(&mut self, host: HostId, has_hop: bool, now: Timestamp) {
        self.update(host, now, |queue| queue.wake(has_hop, now));
    }

    /// Drops a task that the queue counts as done because another task was read under its URL. A request that has
    /// already left is not affected.
    pub fn forget(&mut self, task: TaskId, now: Timestamp) {
        self.update(task.host, now, |queue| queue.forget(task));
    }

    /// Decides what to do at `now`. Call it only when a request can leave at once: a returned request counts as
    /// started.
    pub fn next(&mut self, now: Timestamp) -> Next {
        loop {
            let place = match self.site_waiter(now) {
                Some(place) => place,
                None => match self.first_due() {
                    Some((at, place)) if at <= now => {
                        self.due.take_first();
                        place
                    }
                    due => {
                        let due_at = due.map(|(at, _)| at);
                        return Next::Wait(due_at.into_iter().chain(self.sites.next_at()).min());
                    }
                },
            };
            match self.start(place as usize, now) {
                Some((request, None)) => return Next::Start(request),
                Some((request, Some(reason))) => return Next::Skip(request, reason),
                None => {}
            }
        }
    }

    /// A host that waited for its site and may start now.
    fn site_waiter(&mut self, now: Timestamp) -> Option<u32> {
        let Self { hosts, sites, .. } = self;
        sites.take(now, |(at, place)| is_due(hosts, place, at))
    }

    fn first_due(&mut self) -> Option<(Timestamp, u32)> {
        let Self { hosts, due, .. } = self;
        due.first(|(at, place)| is_due(hosts, place, at))
    }

    fn start(&mut self, place: usize, now: Timestamp) -> Option<(Request, Option<SkipReason>)> {
        let entry = self.hosts.get_mut(place)?;
        let choice = entry.choice?;
        let admitted_at = self.sites.admit(entry.site, (choice.permitted_at, to_u32(place)), now);
        entry.waits_for_site = admitted_at.is_none();
        let admitted_at = admitted_at?;
        entry.choice = None;
        let is_current = entry.queue.is_current(choice, self.session_started_at, now);
        let mut started = if is_current { entry.queue.start(place, choice, now) } else { None };
        if let Some((request, skipped)) = &mut started {
            let is_sent = skipped.is_none() && !request.is_known;
            self.sites.start(entry.site, is_sent, now);
            if is_sent {
                request.permitted_at = request.permitted_at.max(admitted_at);
            }
            self.in_flight += 1;
        }
        self.reschedule(place, now);
        started
    }

    /// Notes that a request left at `now`, later than [`next`](Self::next) returned it. The host's pace counts from
    /// `now`.
    pub fn started(&mut self, request: &Request, now: Timestamp) {
        if let Some(entry) = self.entry(request) {
            entry.queue.started(now);
            let site = entry.site;
            self.sites.started(site, now);
            self.reschedule(request.place, now);
        }
    }

    /// Ends a request whose outcome is durable, and frees its slot unless [`settle_ahead`](Self::settle_ahead) did
    /// so before.
    ///
    /// Rules, a cooldown or new tasks that the request brought must be reported before this call.
    pub fn settle(&mut self, request: &Request, next: NextStep, now: Timestamp) {
        let goes_on = next != NextStep::Done;
        if let Some(entry) = self.entry(request) {
            if !entry.queue.recorded(request.step.id) {
                entry.queue.settle(request, next, now);
                let site = entry.site;
                self.slot_freed(site, now);
            }
            self.reschedule(request.place, now);
            if goes_on {
                self.rules_used(request.host_id());
            }
        }
    }

    /// Frees the slot of a request whose task has ended, before its outcome is durable. The host stays in the
    /// schedule until the request is [settled](Self::settle).
    pub fn settle_ahead(&mut self, request: &Request, now: Timestamp) {
        if let Some(entry) = self.entry(request) {
            entry.queue.settle_ahead(request, now);
            let site = entry.site;
            self.slot_freed(site, now);
            self.reschedule(request.place, now);
        }
    }

    fn slot_freed(&mut self, site: Option<u32>, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.sites.settle(site, now);
    }

    /// Takes back a request that was not sent, because its address has as many requests in flight as are allowed. Its host
    /// waits until it is [resumed](Self::resume). The wait counts as `politeness`.
    pub fn withdraw(&mut self, request: &Request, now: Timestamp) {
        if let Some(entry) = self.entry(request) {
            entry.queue.withdraw(request, now);
            let site = entry.site;
            self.slot_freed(site, now);
            self.reschedule(request.place, now);
        }
    }

    /// Lets a host whose request was withdrawn start requests again. Returns whether it waited for that.
    pub fn resume(&mut self, host: HostId, now: Timestamp) -> bool {
        let mut has_waited = false;
        self.update(host, now, |queue| has_waited = queue.resume(now));
        has_waited
    }

    /// Notes that a host's robots.txt was redirected to another host, for which it waits.
    pub fn set_redirect(&mut self, host: HostId, redirect: RobotsRedirect, now: Timestamp) {
        self.update(host, now, |queue| queue.set_redirect(Some(redirect)));
    }

    /// Where a host's robots.txt was redirected to, if it waits for another host or has the answer.
    pub fn redirect(&self, host: HostId) -> Option<&RobotsRedirect> {
        self.hosts.get(*self.places.get(&host)?)?.queue.redirect()
    }

    /// Until when a host is parked.
    pub fn parked_until(&self, host: HostId) -> Option<Timestamp> {
        self.hosts.get(*self.places.get(&host)?)?.queue.parked_until()
    }

    /// Whether `host` is in the schedule.
    pub fn contains(&self, host: HostId) -> bool {
        self.places.contains_key(&host)
    }

    /// Starts a cooldown that a host asked for: no request to it starts before `until`.
    pub fn cool_down(&mut self, host: HostId, until: Timestamp, now: Timestamp) {
        self.update(host, now, |queue| queue.cool_down(until));
    }

    /// Parks a host until `until`, which lies beyond this run. None of its requests starts any more. Once none is in
    /// flight, and all hosts that wait for it have been told, the host is [idle](Self::idle).
    pub fn park(&mut self, host: HostId, until: Timestamp, now: Timestamp) {
        self.update(host, now, |queue| queue.park(until));
    }

    fn entry(&mut self, request: &Request) -> Option<&mut HostEntry> {
        // A place is reused only when its host has nothing in flight.
        self.hosts.get_mut(request.place).filter(|entry| entry.queue.id() == request.host_id())
    }

    fn update(&mut self, host: HostId, now: Timestamp, change: impl FnOnce(&mut HostQueue)) {
        let Some(&place) = self.places.get(&host) else { return };
        if let Some(entry) = self.hosts.get_mut(place) {
            change(&mut entry.queue);
            self.reschedule(place, now);
        }
    }

    /// Finds the next request of a host again after a change, and puts the host into the lists it belongs to.
    fn reschedule(&mut self, place: usize, now: Timestamp) {
        let Some(entry) = self.hosts.get_mut(place) else { return };
        let before = entry.due_at();
        entry.choice = entry.queue.choose(self.session_started_at, now);
        if let Some(due_at) = entry.due_at().filter(|&due_at| Some(due_at) != before) {
            entry.waits_for_site = false;
            self.due.add(due_at, to_u32(place));
        }
        if !entry.is_queued_for_tasks && entry.queue.tasks_wanted().is_some() {
            entry.is_queued_for_tasks = true;
            self.queued.wanting_tasks.push_back(place);
        }
        if !entry.is_queued_as_idle && entry.queue.is_idle() {
            entry.is_queued_as_idle = true;
            self.queued.idle.push_back(place);
        }
        let Self { hosts, due, .. } = self;
        due.sweep(hosts.len(), |(at, place)| is_due(hosts, place, at));
    }
}

impl HostEntry {
    fn due_at(&self) -> Option<Timestamp> {
        self.choice.map(|choice| choice.permitted_at)
    }

    /// Whether it waits for its pace, that of its site, a cooldown or a backoff.
    fn waits(&self, now: Timestamp) -> bool {
        self.waits_for_site || self.due_at().is_some_and(|due_at| due_at > now)
    }
}

/// Whether the host at `place` is due at `at`, and not at another moment.
fn is_due(hosts: &Slab<HostEntry>, place: u32, at: Timestamp) -> bool {
    let choice = hosts.get(place as usize).and_then(|entry| Some((entry, entry.choice?)));
    choice.is_some_and(|(entry, choice)| choice.permitted_at == at && entry.queue.is_available(choice))
}

/// The place as a `u32`. A session leases far fewer than 2^32 hosts.
fn to_u32(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod redirect_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod site_tests;
#[cfg(test)]
mod tests;
