//! Which request may leave, and when: a state machine without clock, socket or file.
//!
//! The engine admits hosts that the work queue lends, loads their tasks, asks for the [`next`](Schedule::next) request, and
//! [settles](Schedule::settle) it once its outcome is durable; tests and simulations do the same with a clock of their own.
//! Hosts come in the order in which their next request became permitted, those that wait longest first, so every host
//! makes progress.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use crate::due_times::DueTimes;
use crate::host::{Host, HostId};
use crate::host_queue::{Choice, HostQueue};
use crate::outcome::SkipReason;
use crate::rules::Rules;
use crate::rules_at_hand::{self, RulesAtHand};
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::{LeasedHost, Loaded, Release};

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
    pub lane: usize,
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
pub enum Then {
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
    pub rest: usize,
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
    rules: RulesAtHand,
    in_flight: usize,
    /// Places that may want tasks, and places that may have nothing left; judged when their turn comes.
    hungry: VecDeque<usize>,
    idle: VecDeque<usize>,
}

struct Placed {
    queue: HostQueue,
    choice: Option<Choice>,
    /// The last use of its rules.
    rules_use: Option<u64>,
    in_hungry: bool,
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
            rules: RulesAtHand::default(),
            in_flight: 0,
            hungry: VecDeque::new(),
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
        let place = self.hosts.insert(Placed {
            queue,
            choice: None,
            rules_use: None,
            in_hungry: false,
            in_idle: false,
        });
        self.places.insert(id, place);
        self.rules_used(id);
        self.arrange(place, now);
    }

    /// Lent hosts that want tasks, those that have waited longest first, each with the number to load. They are not
    /// named again until [`load`](Self::load) answers; loading more than the number does no harm.
    pub fn hungry(&mut self, limit: usize) -> Vec<(HostId, usize)> {
        let mut hungry = Vec::new();
        while hungry.len() < limit {
            let Some(place) = self.hungry.pop_front() else { break };
            let Some(placed) = self.hosts.get_mut(place) else { continue };
            placed.in_hungry = false;
            if let Some(n) = placed.queue.hunger() {
                placed.queue.ask(n);
                hungry.push((placed.queue.id(), n));
            }
        }
        hungry
    }

    /// The answer to [`hungry`](Self::hungry): what a host has to do, in the queue's order.
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
    pub fn settle(&mut self, request: &Request, then: Then, now: Timestamp) {
        let goes_on = then != Then::Done;
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
    pub fn rules(&mut self, host: HostId, rules: Rules, now: Timestamp) {
        self.change(host, now, |queue| queue.set_rules(rules));
        self.rules_used(host);
    }

    /// A host asked for a rest: nothing of it starts before `until`.
    pub fn rest(&mut self, host: HostId, until: Timestamp, now: Timestamp) {
        self.change(host, now, |queue| queue.rest(until));
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
    /// for their pace so many that with those chosen before they are `n`; gives the number of these. They are
    /// [idle](Self::idle) as soon as all that was settled ahead is settled.
    pub fn spare(&mut self, n: usize, now: Timestamp) -> usize {
        let chosen = self.hosts.iter().filter(|(_, placed)| placed.queue.is_spared()).count();
        let waits = |placed: &Placed| placed.due_at().is_some_and(|due_at| due_at > now);
        let waiting = self.hosts.iter().filter(|(_, placed)| waits(placed) && placed.queue.can_be_spared());
        let more = n.saturating_sub(chosen);
        let places: Vec<usize> = waiting.map(|(place, _)| place).take(more).collect();
        for &place in &places {
            let Some(placed) = self.hosts.get_mut(place) else { continue };
            placed.queue.spare();
            self.arrange(place, now);
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
                Some(_) if queue.rests(now) => &mut waiting.rest,
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
        while let Some(oldest) = self.rules.take_oldest_beyond(rules_at_hand::BYTES_MAX) {
            if let Some(placed) = self.hosts.get_mut(oldest) {
                placed.queue.fold_rules();
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
        if !placed.in_hungry && placed.queue.hunger().is_some() {
            placed.in_hungry = true;
            self.hungry.push_back(place);
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
mod tests {
    use super::*;
    use crate::robots::Robots;
    use crate::task::{REFRESH_DEPTH, TaskKind};

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: i64) -> Timestamp {
        at_ms(seconds * 1_000)
    }

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + ms * 1_000)
    }

    fn host(name: &str) -> Host {
        Host::of(&url::Url::parse(&format!("https://{name}.example/")).unwrap()).unwrap()
    }

    fn leased(name: &str) -> LeasedHost {
        LeasedHost {
            host: host(name),
            is_seed: true,
            robots: None,
            not_before: None,
            busy_since: at(0),
            asked_before: false,
            inbox: 0,
        }
    }

    fn task(name: &str, path: &str) -> Task {
        let host = host(name);
        let kind = if path == "/robots.txt" { TaskKind::Robots } else { TaskKind::Sitemap };
        Task::new(&host, host.url(path), kind)
    }

    fn known(text: &str, fetched_at: Timestamp) -> Rules {
        Rules::Known { robots: Robots::parse(text.as_bytes(), "crawler"), fetched_at }
    }

    fn load(schedule: &mut Schedule, name: &str, paths: &[&str], now: Timestamp) {
        assert!(schedule.hungry(10).iter().any(|(id, _)| *id == host(name).id()), "{name} wants tasks");
        let tasks = paths.iter().map(|path| task(name, path)).collect();
        schedule.load(Loaded { host: host(name).id(), inbox: 1, busy_since: None, tasks }, now);
    }

    /// A schedule with one host whose rules are known and which has these tasks.
    fn with_host(text: &str, lanes: usize, paths: &[&str]) -> Schedule {
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: lanes }, at(0));
        schedule.admit(leased("a"), at(0));
        load(&mut schedule, "a", paths, at(0));
        schedule.rules(host("a").id(), known(text, at(0)), at(0));
        schedule
    }

    fn started(next: Next) -> Request {
        match next {
            Next::Start(request) => request,
            other => panic!("not started: {other:?}"),
        }
    }

    fn path(request: &Request) -> &str {
        request.url().strip_prefix(&request.host.to_string()).unwrap()
    }

    fn assert_waits(next: &Next, until: Option<Timestamp>) {
        assert!(matches!(next, Next::Wait(moment) if *moment == until), "{next:?}, expected {until:?}");
    }

    #[test]
    fn a_request_leaves_one_delay_after_the_start_before_it() {
        let mut schedule = with_host("", 1, &["/1", "/2"]);
        let first = started(schedule.next(at(5)));
        assert_eq!(
            (path(&first), first.attempt, first.begun_at, first.permitted_at),
            ("/1", 1, at(0), at(0))
        );
        assert_waits(&schedule.next(at(5)), None);
        schedule.settle(&first, Then::Done, at_ms(5_300));
        assert_waits(&schedule.next(at_ms(5_300)), Some(at(6)));
        let second = started(schedule.next(at(7)));
        assert_eq!((path(&second), second.begun_at, second.permitted_at), ("/2", at_ms(5_300), at(6)));
    }

    #[test]
    fn the_pace_counts_from_the_real_start() {
        let mut schedule = with_host("", 1, &["/1", "/2"]);
        let first = started(schedule.next(at(0)));
        schedule.started(&first, at_ms(400));
        schedule.settle(&first, Then::Done, at_ms(500));
        assert_waits(&schedule.next(at_ms(500)), Some(at_ms(1_400)));
    }

    #[test]
    fn lanes_bound_what_is_in_flight_and_do_not_hurry_the_pace() {
        let mut schedule = with_host("", 2, &["/1", "/2", "/3"]);
        let first = started(schedule.next(at(0)));
        assert_waits(&schedule.next(at(0)), Some(at(1)));
        let second = started(schedule.next(at(1)));
        assert_ne!(first.lane, second.lane);
        assert_waits(&schedule.next(at(9)), None);
        schedule.settle(&first, Then::Done, at(9));
        assert_eq!(started(schedule.next(at(9))).lane, first.lane);
    }

    #[test]
    fn a_host_without_rules_is_asked_for_them_first_though_no_queue_says_so() {
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 2 }, at(0));
        schedule.admit(leased("a"), at(0));
        load(&mut schedule, "a", &["/1"], at(0));
        let robots = started(schedule.next(at(0)));
        assert_eq!((path(&robots), robots.task.depth), ("/robots.txt", REFRESH_DEPTH));
        assert_waits(&schedule.next(at(5)), None);
        schedule.settle(&robots, Then::Retry(at(10)), at(5));
        let again = started(schedule.next(at(10)));
        assert_eq!((path(&again), again.attempt), ("/robots.txt", 2));
        schedule.rules(host("a").id(), known("User-agent: *\nCrawl-delay: 7", at(11)), at(11));
        schedule.settle(&again, Then::Done, at(11));
        assert_waits(&schedule.next(at(11)), Some(at(17)));
        assert_eq!(path(&started(schedule.next(at(17)))), "/1");
    }

    #[test]
    fn the_robots_task_of_a_seed_serves_for_its_rules() {
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
        schedule.admit(leased("a"), at(0));
        load(&mut schedule, "a", &["/robots.txt", "/1"], at(0));
        assert_eq!(*started(schedule.next(at(0))).task, task("a", "/robots.txt"));
    }

    #[test]
    fn rules_are_asked_for_again_after_a_day_and_an_old_copy_may_serve() {
        let mut schedule = with_host("", 1, &["/1", "/2", "/3"]);
        let day = 24 * 60 * 60;
        let robots = started(schedule.next(at(day)));
        assert_eq!(path(&robots), "/robots.txt");
        schedule.rules(host("a").id(), known("", at(0)), at(day));
        schedule.settle(&robots, Then::Done, at(day));
        assert_eq!(path(&started(schedule.next(at(day + 1)))), "/1");
    }

    #[test]
    fn what_the_rules_forbid_is_skipped_without_pace() {
        let mut schedule = with_host("User-agent: *\nDisallow: /x", 1, &["/1", "/x1", "/x2"]);
        let first = started(schedule.next(at(0)));
        schedule.settle(&first, Then::Done, at_ms(100));
        for _ in 0..2 {
            let Next::Skip(skipped, SkipReason::RobotsDisallowed) = schedule.next(at_ms(100)) else {
                panic!()
            };
            assert_waits(&schedule.next(at_ms(100)), None);
            schedule.settle(&skipped, Then::Done, at_ms(100));
        }
        assert_eq!(schedule.idle().len(), 1);
    }

    #[test]
    fn a_host_that_wants_a_day_between_requests_is_skipped_at_once() {
        let mut schedule = with_host("User-agent: *\nCrawl-delay: 86400", 1, &["/1"]);
        assert!(matches!(schedule.next(at(0)), Next::Skip(_, SkipReason::CrawlDelay)));
    }

    #[test]
    fn unreachable_rules_skip_all_but_robots_txt() {
        let mut schedule = with_host("", 1, &["/1", "/robots.txt"]);
        schedule.rules(host("a").id(), Rules::Unreachable { since: at(0) }, at(0));
        let Next::Skip(skipped, SkipReason::RobotsUnreachable) = schedule.next(at(0)) else { panic!() };
        schedule.settle(&skipped, Then::Done, at(0));
        assert_eq!(path(&started(schedule.next(at(0)))), "/robots.txt");
    }

    #[test]
    fn rules_that_nobody_told_are_unreachable() {
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
        schedule.admit(leased("a"), at(0));
        load(&mut schedule, "a", &["/1"], at(0));
        let robots = started(schedule.next(at(0)));
        schedule.settle(&robots, Then::Done, at(1));
        assert!(matches!(schedule.next(at(1)), Next::Skip(_, SkipReason::RobotsUnreachable)));
    }

    #[test]
    fn hops_go_first_and_are_judged_too() {
        let mut schedule = with_host("User-agent: *\nDisallow: /x", 1, &["/1", "/2"]);
        let first = started(schedule.next(at(0)));
        schedule.settle(&first, Then::Follow("https://a.example/moved".to_owned(), 1), at(0));
        let hop = started(schedule.next(at(1)));
        assert_eq!((path(&hop), hop.hop, hop.attempt, &hop.task), ("/moved", 1, 1, &first.task));
        schedule.settle(&hop, Then::Follow("https://a.example/x".to_owned(), 2), at(1));
        let Next::Skip(hop, SkipReason::RobotsDisallowed) = schedule.next(at(1)) else { panic!() };
        assert_eq!((path(&hop), hop.hop), ("/x", 2));
    }

    #[test]
    fn others_go_on_while_a_retry_waits() {
        let mut schedule = with_host("", 1, &["/1", "/2"]);
        let first = started(schedule.next(at(0)));
        schedule.settle(&first, Then::Retry(at(30)), at(0));
        let second = started(schedule.next(at(1)));
        assert_eq!(path(&second), "/2");
        schedule.settle(&second, Then::Done, at(2));
        assert_eq!(schedule.waiting_for(at(3)).retry, 1);
        let again = started(schedule.next(at(30)));
        assert_eq!((path(&again), again.attempt, again.begun_at), ("/1", 2, at(2)));
    }

    #[test]
    fn a_rest_holds_the_whole_host() {
        let mut schedule = with_host("", 1, &["/1", "/2"]);
        let first = started(schedule.next(at(0)));
        schedule.rest(host("a").id(), at(50), at(0));
        schedule.settle(&first, Then::Retry(at(50)), at(0));
        assert_waits(&schedule.next(at(49)), Some(at(50)));
        assert_eq!(schedule.waiting_for(at(49)), WaitingFor { rest: 1, ..WaitingFor::default() });
        started(schedule.next(at(50)));
    }

    #[test]
    fn a_parked_host_starts_nothing_and_is_given_back_with_its_date() {
        let mut schedule = with_host("", 1, &["/1", "/2"]);
        let first = started(schedule.next(at(0)));
        schedule.park(host("a").id(), at(9_000), at(1));
        assert!(schedule.idle().is_empty(), "a request is in flight");
        schedule.settle(&first, Then::Retry(at(9_000)), at(1));
        assert_waits(&schedule.next(at(9_000)), None);
        let release = schedule.idle().remove(0);
        assert_eq!((release.not_before, release.parked), (Some(at(9_000)), true));
        schedule.released(&[release], &[], at(1));
        assert!(schedule.is_empty());
    }

    #[test]
    fn a_host_that_a_lost_session_may_have_asked_waits_one_delay() {
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
        let record = record("User-agent: *\nCrawl-delay: 5", at(-10));
        schedule.admit(LeasedHost { robots: Some(record), asked_before: true, ..leased("a") }, at(0));
        load(&mut schedule, "a", &["/1"], at(0));
        assert_waits(&schedule.next(at(0)), Some(at(5)));
    }

    fn record(text: &str, fetched_at: Timestamp) -> crate::work_queue::RobotsRecord {
        let rules = Some(Robots::parse(text.as_bytes(), "crawler").to_text());
        crate::work_queue::RobotsRecord { fetched_at, rules, validator: crate::Validator::default() }
    }

    #[test]
    fn rules_that_an_earlier_session_fetched_serve_until_they_are_a_day_old() {
        const DAY_S: i64 = 24 * 60 * 60;
        for (age_s, path_asked) in [(DAY_S - 1, "/1"), (DAY_S, "/robots.txt"), (0, "/1")] {
            let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
            schedule.admit(LeasedHost { robots: Some(record("", at(-age_s))), ..leased("a") }, at(0));
            load(&mut schedule, "a", &["/1"], at(0));
            assert_eq!(path(&started(schedule.next(at(0)))), path_asked, "{age_s} s old");
        }
    }

    #[test]
    fn rules_of_an_unknown_age_are_asked_for_again_and_the_host_waits_one_delay() {
        // The clock was set back by two days since they were fetched.
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
        let known = record("User-agent: *\nCrawl-delay: 5", at(2 * 24 * 60 * 60));
        schedule.admit(LeasedHost { robots: Some(known), ..leased("a") }, at(0));
        load(&mut schedule, "a", &["/1"], at(0));
        assert_waits(&schedule.next(at(0)), Some(at(5)));
        assert_eq!(path(&started(schedule.next(at(5)))), "/robots.txt");
    }

    #[test]
    fn rules_of_ten_thousand_hosts_take_bounded_memory_and_go_on_being_obeyed() {
        const HOSTS: usize = 10_000;
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
        let mut rules: String = (0..60).map(|n| format!("Disallow: /private/{n}\n")).collect();
        rules.insert_str(0, "User-agent: *\nDisallow: /x\n");
        let rules = record(&rules, at(-1));
        let names: Vec<String> = (0..HOSTS).map(|n| format!("h{n}")).collect();
        for name in &names {
            schedule.admit(LeasedHost { robots: Some(rules.clone()), ..leased(name) }, at(0));
            assert!(schedule.rules.bytes() <= rules_at_hand::BYTES_MAX);
        }
        let at_hand = schedule.hosts.iter().filter(|(_, placed)| placed.queue.rules_bytes() > 0).count();
        assert!(at_hand > 1_000 && at_hand < HOSTS / 2, "{at_hand} of {HOSTS}");
        schedule.hungry(HOSTS);
        // The first have given up their rules, the last have not.
        for name in [&names[0], &names[HOSTS - 1]] {
            let tasks = vec![task(name, "/x/1"), task(name, "/open")];
            schedule.load(Loaded { host: host(name).id(), inbox: 1, busy_since: None, tasks }, at(0));
            assert!(matches!(schedule.next(at(0)), Next::Skip(_, SkipReason::RobotsDisallowed)));
        }
    }

    #[test]
    fn a_clock_set_forward_saves_up_no_burst() {
        // A year passed by the clock since the last request: each still waits for one delay.
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
        let known = record("", at(-10));
        let lent = LeasedHost {
            robots: Some(known),
            asked_before: true,
            not_before: Some(at(-31_536_000)),
            ..leased("a")
        };
        schedule.admit(lent, at(0));
        load(&mut schedule, "a", &["/1", "/2", "/3"], at(0));
        for second in 1..=3 {
            assert_waits(&schedule.next(at_ms(second * 1_000 - 1)), Some(at(second)));
            let request = started(schedule.next(at(second)));
            schedule.settle(&request, Then::Done, at(second));
        }
    }

    #[test]
    fn a_task_that_a_wrong_clock_put_off_waits_no_longer_than_a_rest_within_a_run() {
        let mut schedule = with_host("", 1, &[]);
        schedule.woken(host("a").id(), at(0));
        let far = Task { not_before: Some(at(31_536_000)), attempts: 1, ..task("a", "/1") };
        assert_eq!(schedule.hungry(1).len(), 1);
        schedule.load(
            Loaded { host: host("a").id(), inbox: 1, busy_since: Some(at(0)), tasks: vec![far] },
            at(0),
        );
        assert_waits(&schedule.next(at(0)), Some(at(120)));
    }

    #[test]
    fn hosts_permitted_longest_come_first() {
        let mut schedule = Schedule::new(Pace { spacing: SECOND, host_concurrency: 1 }, at(0));
        for (name, not_before) in [("a", 3), ("b", 1), ("c", 2)] {
            schedule.admit(LeasedHost { not_before: Some(at(not_before)), ..leased(name) }, at(0));
        }
        assert_eq!(schedule.hungry(10).len(), 3);
        for name in ["a", "b", "c"] {
            schedule.load(
                Loaded { host: host(name).id(), inbox: 0, busy_since: None, tasks: vec![task(name, "/1")] },
                at(0),
            );
        }
        let order: Vec<String> =
            (0..3).map(|_| started(schedule.next(at(10))).host.name().to_owned()).collect();
        assert_eq!(order, ["b.example", "c.example", "a.example"]);
        assert_eq!((schedule.in_flight(), schedule.waiting_for(at(10)).answer), (3, 3));
    }

    #[test]
    fn few_tasks_are_held_and_more_are_asked_for_in_time() {
        let mut schedule = Schedule::new(Pace { spacing: Duration::ZERO, host_concurrency: 1 }, at(0));
        schedule.admit(leased("a"), at(0));
        assert_eq!(schedule.hungry(10), [(host("a").id(), 9)]);
        assert!(schedule.hungry(10).is_empty(), "asked already");
        let tasks: Vec<Task> = (0..9).map(|n| task("a", &format!("/{n}"))).collect();
        schedule
            .load(Loaded { host: host("a").id(), inbox: 0, busy_since: None, tasks: tasks.clone() }, at(0));
        schedule.rules(host("a").id(), known("", at(0)), at(0));
        for _ in 0..7 {
            assert!(schedule.hungry(10).is_empty());
            let request = started(schedule.next(at(0)));
            schedule.settle(&request, Then::Done, at(0));
        }
        let request = started(schedule.next(at(0)));
        assert_eq!(schedule.hungry(10), [(host("a").id(), 2 + 9)], "what is held comes again");
        // Its outcome is committed after the queue was read: it must not be done again.
        schedule.settle(&request, Then::Done, at(0));
        schedule.load(
            Loaded { host: host("a").id(), inbox: 0, busy_since: None, tasks: tasks[7..].to_vec() },
            at(0),
        );
        assert_eq!(*started(schedule.next(at(0))).task, tasks[8]);
        assert!(schedule.hungry(10).is_empty(), "that was all");
    }

    #[test]
    fn a_host_with_nothing_left_is_given_back_once_and_stays_if_it_has_new_tasks() {
        let mut schedule = with_host("", 1, &["/1"]);
        let request = started(schedule.next(at(0)));
        schedule.settle(&request, Then::Done, at(2));
        let offered = schedule.idle();
        assert_eq!(
            offered,
            [Release { host: host("a").id(), inbox: 1, not_before: Some(at(1)), parked: false }]
        );
        assert!(schedule.idle().is_empty() && schedule.hungry(10).is_empty());
        schedule.woken(host("a").id(), at(5));
        schedule.released(&offered, &[host("a").id()], at(6));
        load(&mut schedule, "a", &["/2"], at(7));
        let request = started(schedule.next(at(7)));
        assert_eq!(
            (request.begun_at, request.permitted_at),
            (at(5), at(5)),
            "it had nothing to do from 2 to 5"
        );
    }

    #[test]
    fn a_host_that_was_done_while_it_was_asked_for_more_begins_anew() {
        let mut schedule = with_host("", 1, &["/1"]);
        let request = started(schedule.next(at(0)));
        schedule.woken(host("a").id(), at(1));
        assert_eq!(schedule.hungry(10).len(), 1);
        schedule.settle(&request, Then::Done, at(2));
        schedule.woken(host("a").id(), at(5));
        let loaded = |busy_since, tasks| Loaded { host: host("a").id(), inbox: 2, busy_since, tasks };
        // Read before the new task was committed.
        schedule.load(loaded(None, Vec::new()), at(6));
        assert_eq!(schedule.hungry(10).len(), 1);
        schedule.load(loaded(Some(at(5)), vec![task("a", "/2")]), at(7));
        assert_eq!(started(schedule.next(at(7))).begun_at, at(5), "it had nothing to do from 2 to 5");
    }

    #[test]
    fn a_task_settled_ahead_frees_its_lane_and_keeps_its_host() {
        let mut schedule = with_host("", 1, &["/1"]);
        let request = started(schedule.next(at(0)));
        schedule.settle_ahead(&request, at(1));
        assert_eq!(schedule.in_flight(), 0);
        assert!(schedule.idle().is_empty(), "the queue does not know of it yet");
        schedule.woken(host("a").id(), at(2));
        assert_eq!(
            schedule.hungry(10),
            [(host("a").id(), 1 + 9)],
            "what the queue does not know comes again"
        );
        let tasks = vec![task("a", "/1"), task("a", "/2")];
        schedule.load(Loaded { host: host("a").id(), inbox: 2, busy_since: None, tasks }, at(2));
        let second = started(schedule.next(at(2)));
        assert_eq!(path(&second), "/2");
        schedule.settle(&request, Then::Done, at(3));
        assert_eq!(schedule.in_flight(), 1, "the lane is the second one's");
        schedule.settle(&second, Then::Done, at(3));
        assert_eq!(schedule.idle().len(), 1);
    }

    #[test]
    fn a_task_recorded_while_more_are_loaded_is_not_asked_again() {
        let mut schedule = with_host("", 1, &["/1"]);
        let request = started(schedule.next(at(0)));
        schedule.settle_ahead(&request, at(1));
        schedule.woken(host("a").id(), at(1));
        assert_eq!(schedule.hungry(10).len(), 1);
        schedule.settle(&request, Then::Done, at(2));
        // Read before it was recorded.
        let tasks = vec![task("a", "/1")];
        schedule.load(Loaded { host: host("a").id(), inbox: 2, busy_since: None, tasks }, at(2));
        assert_waits(&schedule.next(at(9)), None);
        assert_eq!(schedule.idle().len(), 1);
    }

    #[test]
    fn a_host_that_waits_for_its_pace_can_be_spared_with_its_tasks() {
        let mut schedule = with_host("", 1, &["/1", "/2"]);
        let request = started(schedule.next(at(0)));
        schedule.spare(9, at(0));
        assert_waits(&schedule.next(at(0)), None);
        schedule.settle_ahead(&request, at(0));
        schedule.spare(9, at(1));
        assert_waits(&schedule.next(at(0)), Some(at(1)));
        schedule.spare(9, at(0));
        assert_waits(&schedule.next(at(9)), None);
        assert!(schedule.idle().is_empty(), "what it brought is not recorded");
        schedule.settle(&request, Then::Done, at(0));
        let spared = schedule.idle();
        assert_eq!(
            spared,
            [Release { host: host("a").id(), inbox: 1, not_before: Some(at(1)), parked: false }]
        );
        schedule.released(&spared, &[host("a").id()], at(1));
        load(&mut schedule, "a", &["/2"], at(2));
        assert_eq!(path(&started(schedule.next(at(2)))), "/2", "it stayed, since it had new tasks");
    }

    #[test]
    fn a_task_read_under_another_url_is_not_asked() {
        let mut schedule = with_host("", 1, &["/1", "/2"]);
        schedule.forget(task("a", "/1").id, at(0));
        assert_eq!(path(&started(schedule.next(at(0)))), "/2");
    }
}
