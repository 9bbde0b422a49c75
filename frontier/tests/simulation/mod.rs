//! Whole crawls in virtual time: the schedule and the model queue against a generated web, with crashes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use frontier::work_queue::{
    Commit, HostCooldown, HostUpdate, Loaded, QueueBounds, RobotsRecord, Session, WorkQueue,
};
use frontier::{
    Account, Clock, DocumentKind, ErrorKind, FetchedDocument, Host, HostId, NewTask, Next, NextStep, Outcome,
    Pace, Purpose, Request, RobotsRules, Schedule, Task, TaskId, TaskKind, TaskOutcome, Timestamp, Validator,
};
use proptest::prelude::*;
use queue_suite::ModelQueue;

const ATTEMPTS_MAX: u8 = 3;
const COOLDOWN_S_MAX: u64 = 120;
const BACKOFF: Duration = Duration::from_secs(1);
/// Maximum number of steps of a simulated crawl. One that takes more never ends.
const STEPS_MAX: usize = 200_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 768, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_crawl_is_polite_and_comes_to_the_same_end_however_often_it_crashes(
        web in web(),
        pace in pace(),
        crashes in proptest::collection::vec(crash(), 1..5),
    ) {
        let undisturbed = Crawl::run(&web, pace, Vec::new());
        let disturbed = Crawl::run(&web, pace, crashes);
        prop_assert_eq!(undisturbed.accounts(), disturbed.accounts());
        undisturbed.assert_paths_tile_the_busy_time();
    }
}

#[test]
fn one_slow_host_holds_nobody_up() {
    let mut hosts = vec![HostPlan { latency_ms: 5, ..HostPlan::default() }; 20];
    hosts[7] = HostPlan { latency_ms: 60_000, ..HostPlan::default() };
    let pages = (0..200).map(|n| Page { host: n % 20, parent: None, answer: Answer::Document }).collect();
    let web = Web { hosts, pages };
    let pace = SimulatedPace { spacing_ms: 1_000, host_concurrency: 1, concurrency: 3 };
    let crawl = Crawl::run(&web, pace, Vec::new());
    for (index, ended_at) in crawl.last_settled_at() {
        // robots.txt and ten sitemaps at one per second, plus a short wait for workers.
        let seconds = ended_at.since(Timestamp::from_micros(0)).as_secs();
        assert!(index == 7 || seconds <= 12, "host {index} took {seconds} s");
    }
}

/// A generated web. Page `n` is `/n` on its host, named by its parent or by its host's robots.txt.
#[derive(Clone, Debug)]
struct Web {
    hosts: Vec<HostPlan>,
    pages: Vec<Page>,
}

#[derive(Clone, Debug, Default)]
struct HostPlan {
    /// Whether it is known only from a document, and not from a seed.
    is_foreign: bool,
    crawl_delay_s: Option<u32>,
    /// Number of requests for robots.txt that fail before one succeeds.
    robots_fails: u32,
    latency_ms: u64,
}

#[derive(Clone, Debug)]
struct Page {
    host: usize,
    parent: Option<usize>,
    answer: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Document,
    /// Fails this many times, then succeeds.
    FailsFirst(u32),
    Missing,
    /// Asks once for a cooldown of this many seconds.
    CoolsDownFirst(u64),
    /// Redirects to another path of the host.
    Moved,
    Disallowed,
}

#[derive(Clone, Copy, Debug)]
struct SimulatedPace {
    spacing_ms: u64,
    host_concurrency: usize,
    concurrency: usize,
}

#[derive(Clone, Copy, Debug)]
struct Crash {
    after_starts: usize,
    downtime_ms: u64,
}

fn web() -> impl Strategy<Value = Web> {
    let host = (
        any::<bool>(),
        prop_oneof![4 => Just(None), 2 => (1_u32..20).prop_map(Some), 1 => Just(Some(61))],
        prop_oneof![5 => Just(0_u32), 1 => Just(2), 1 => Just(1_000)],
        prop_oneof![Just(0_u64), 1_u64..200, 500_u64..8_000],
    );
    let host = host.prop_map(|(is_foreign, crawl_delay_s, robots_fails, latency_ms)| HostPlan {
        is_foreign,
        crawl_delay_s,
        robots_fails,
        latency_ms,
    });
    let answer = prop_oneof![
        8 => Just(Answer::Document),
        1 => Just(Answer::FailsFirst(1)),
        1 => Just(Answer::FailsFirst(1_000)),
        1 => Just(Answer::Missing),
        1 => (1_u64..120).prop_map(Answer::CoolsDownFirst),
        1 => Just(Answer::CoolsDownFirst(3_600)),
        1 => Just(Answer::Moved),
        1 => Just(Answer::Disallowed),
    ];
    let page = (any::<usize>(), proptest::option::of(any::<usize>()), answer);
    (proptest::collection::vec(host, 1..8), proptest::collection::vec(page, 1..60)).prop_map(
        |(mut hosts, pages)| {
            hosts[0].is_foreign = false;
            let placed = pages.into_iter().enumerate().map(|(n, (host, parent, answer))| {
                let host = host % hosts.len();
                let parent = parent.filter(|_| n > 0).map(|parent| parent % n);
                Page { host, parent: parent.or((hosts[host].is_foreign && n > 0).then_some(0)), answer }
            });
            let pages = placed.collect();
            Web { hosts, pages }
        },
    )
}

fn pace() -> impl Strategy<Value = SimulatedPace> {
    let spacing_ms = prop_oneof![Just(0_u64), Just(50), Just(1_000)];
    (spacing_ms, 1_usize..4, 1_usize..6).prop_map(|(spacing_ms, host_concurrency, concurrency)| {
        SimulatedPace { spacing_ms, host_concurrency, concurrency }
    })
}

fn crash() -> impl Strategy<Value = Crash> {
    (0_usize..60, prop_oneof![Just(0_u64), Just(1), 10_u64..5_000])
        .prop_map(|(after_starts, downtime_ms)| Crash { after_starts, downtime_ms })
}

impl Web {
    fn host(&self, index: usize) -> Host {
        let url = format!("https://h{index}.example/");
        Host::of(&url::Url::parse(&url).unwrap()).unwrap()
    }

    fn host_index(&self, host: &Host) -> usize {
        host.name().trim_start_matches('h').split('.').next().unwrap().parse().unwrap()
    }

    fn path(&self, page: usize) -> String {
        let private = if self.pages[page].answer == Answer::Disallowed { "/private" } else { "" };
        format!("{private}/{page}")
    }

    fn parks(&self, host: usize) -> bool {
        let is_long = |answer| matches!(answer, Answer::CoolsDownFirst(seconds) if seconds > COOLDOWN_S_MAX);
        self.pages.iter().any(|page| page.host == host && is_long(page.answer))
    }

    fn robots(&self, host: usize) -> RobotsRules {
        let delay = self.hosts[host].crawl_delay_s.map(|s| format!("Crawl-delay: {s}\n")).unwrap_or_default();
        RobotsRules::parse(format!("User-agent: *\nDisallow: /private/\n{delay}").as_bytes(), "crawler")
    }

    fn found(&self, parent: Option<usize>, on: &Task, host: usize) -> Vec<NewTask> {
        let named = self.pages.iter().enumerate().filter(|(_, page)| {
            if parent.is_some() { page.parent == parent } else { page.parent.is_none() && page.host == host }
        });
        named.map(|(n, page)| self.task(page.host, &self.path(n), Some(on))).collect()
    }

    fn task(&self, host: usize, path: &str, parent: Option<&Task>) -> NewTask {
        let host = self.host(host);
        let kind = if path == "/robots.txt" { TaskKind::Robots } else { TaskKind::Sitemap };
        let task = Task { parent: parent.map(|parent| parent.id), ..Task::new(&host, host.url(path), kind) };
        NewTask { host, task, found_on: parent.map(|parent| parent.id.host) }
    }
}

/// The result of a request.
struct Conclusion {
    outcome: Option<Outcome>,
    next: NextStep,
    found: Vec<NewTask>,
    rules: Option<RobotsRecord>,
    cooldown: Option<Duration>,
    read_as: Option<TaskId>,
}

impl Conclusion {
    fn new(outcome: Outcome) -> Self {
        let next = match outcome {
            Outcome::Retry(at) => NextStep::Retry(at),
            _ => NextStep::Done,
        };
        Self { outcome: Some(outcome), next, found: Vec::new(), rules: None, cooldown: None, read_as: None }
    }
}

/// A finished request, with the part of the host's time that it took.
struct Visit {
    host: usize,
    begun_at: Timestamp,
    settled_at: Timestamp,
}

struct Crawl<'a> {
    web: &'a Web,
    pace: SimulatedPace,
    clock: Arc<VirtualClock>,
    queue: ModelQueue,
    session: Session,
    seq: u64,
    schedule: Schedule,
    /// Future events, by time and number.
    events: BinaryHeap<Reverse<(Timestamp, usize)>>,
    pending_events: BTreeMap<usize, Event>,
    numbers: usize,
    crashes: Vec<Crash>,
    starts: usize,
    /// Number of requests for each URL.
    requested: BTreeMap<String, u32>,
    last_start: BTreeMap<usize, Timestamp>,
    cooldown_until: BTreeMap<usize, Timestamp>,
    in_flight: BTreeMap<usize, usize>,
    visits: Vec<Visit>,
    final_outcomes: BTreeMap<TaskId, u32>,
}

enum Event {
    Answered(Request),
    Loaded(Loaded),
}

impl<'a> Crawl<'a> {
    fn run(web: &'a Web, pace: SimulatedPace, mut crashes: Vec<Crash>) -> Self {
        crashes.sort_by_key(|crash| Reverse(crash.after_starts));
        let clock = Arc::new(VirtualClock::default());
        let queue = ModelQueue::new(clock.clone(), QueueBounds { sitemaps_max: 1_000 });
        let session = at_once(queue.open_session("simulated")).unwrap();
        let schedule = Schedule::new(pace.of_schedule(), clock.now());
        let mut crawl = Self {
            web,
            pace,
            clock,
            queue,
            session,
            seq: 0,
            schedule,
            events: BinaryHeap::new(),
            pending_events: BTreeMap::new(),
            numbers: 0,
            crashes,
            starts: 0,
            requested: BTreeMap::new(),
            last_start: BTreeMap::new(),
            cooldown_until: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            visits: Vec::new(),
            final_outcomes: BTreeMap::new(),
        };
        crawl.plant_seeds();
        crawl.drive();
        crawl.assert_all_ended_once();
        crawl
    }

    fn plant_seeds(&mut self) {
        let seeds = (0..self.web.hosts.len()).filter(|&host| !self.web.hosts[host].is_foreign);
        let found = seeds.map(|host| self.web.task(host, "/robots.txt", None)).collect();
        self.commit(Commit { found, ..Commit::default() });
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn commit(&mut self, commit: Commit) {
        self.seq += 1;
        at_once(self.queue.commit(&self.session, Commit { seq: self.seq, ..commit })).unwrap();
    }

    fn drive(&mut self) {
        for _ in 0..STEPS_MAX {
            let wake_at = self.start_permitted();
            self.release_idle_hosts();
            self.lease_hosts();
            let next_event = self.events.peek().map(|Reverse((at, _))| *at);
            let counts = at_once(self.queue.counts()).unwrap();
            if counts.tasks_pending == 0 && self.schedule.is_empty() {
                return;
            }
            if self.crashes.last().is_some_and(|crash| self.starts >= crash.after_starts) {
                self.crash();
                continue;
            }
            // A released host may be due at once. A host whose tasks are all settled was released above.
            let next_due_at = counts.next_due_at.filter(|_| self.has_room());
            match [next_event, wake_at, next_due_at].into_iter().flatten().min() {
                Some(at) => self.clock.set(at.max(self.now())),
                None => self.resume_after_parking(),
            }
            self.handle_due_events();
        }
        panic!("the crawl does not end: {:?}", at_once(self.queue.counts()));
    }

    fn has_room(&self) -> bool {
        self.schedule.hosts() < 8 * self.pace.concurrency
    }

    fn lease_hosts(&mut self) {
        let room = (8 * self.pace.concurrency).saturating_sub(self.schedule.hosts());
        for leased in at_once(self.queue.lease(&self.session, room)).unwrap() {
            self.schedule.admit(leased, self.now());
        }
        for (host, n) in self.schedule.wanting_tasks(usize::MAX) {
            let loaded = at_once(self.queue.load(&self.session, &[host], n)).unwrap();
            // The answer is delayed, so that outcomes are committed and settled before it arrives.
            let delay = Duration::from_millis(self.chance(host, 30));
            for loaded in loaded {
                self.later(delay, Event::Loaded(loaded));
            }
        }
    }

    fn start_permitted(&mut self) -> Option<Timestamp> {
        while self.schedule.in_flight() < self.pace.concurrency {
            match self.schedule.next(self.now()) {
                Next::Start(request) => self.start(request),
                Next::Skip(request, reason) => {
                    self.settle(&request, Conclusion::new(Outcome::Skipped(reason)));
                }
                Next::Wait(until) => return until,
            }
        }
        None
    }

    fn release_idle_hosts(&mut self) {
        let idle = self.schedule.idle();
        let stay = at_once(self.queue.release(&self.session, &idle)).unwrap();
        self.schedule.released(&idle, &stay, self.now());
    }

    fn start(&mut self, request: Request) {
        let now = self.now();
        let host = self.web.host_index(&request.host);
        assert!(
            request.begun_at <= request.permitted_at && request.permitted_at <= now,
            "{request:?} at {now}"
        );
        self.assert_polite(host, now);
        self.last_start.insert(host, now);
        *self.requested.entry(request.url().to_owned()).or_default() += 1;
        self.starts += 1;
        let in_flight = self.in_flight.entry(host).or_default();
        *in_flight += 1;
        assert!(*in_flight <= self.pace.host_concurrency, "{in_flight} in flight on host {host}");
        let latency_ms = self.web.hosts[host].latency_ms;
        let latency_ms = latency_ms / 2 + self.chance(request.host.id(), latency_ms.max(1));
        self.later(Duration::from_millis(latency_ms), Event::Answered(request));
    }

    fn assert_polite(&self, host: usize, now: Timestamp) {
        let crawl_delay = self.web.hosts[host].crawl_delay_s.map_or(0, u64::from);
        // The Crawl-delay is unknown before robots.txt was read.
        let record =
            self.queue.hosts().into_iter().find(|record| record.host == self.web.host(host)).unwrap();
        let is_known = record.robots.is_some_and(|robots| robots.rules.is_some()) && crawl_delay <= 60;
        let spacing = Duration::from_millis(self.pace.spacing_ms);
        let delay = if is_known { spacing.max(Duration::from_secs(crawl_delay)) } else { spacing };
        if let Some(last) = self.last_start.get(&host) {
            let span = now.since(*last);
            assert!(span >= delay, "request to host {host} after {span:?}, its delay is {delay:?}");
        }
        if let Some(cooldown_until) = self.cooldown_until.get(&host) {
            assert!(
                now >= *cooldown_until,
                "request to host {host} at {now}, during its cooldown until {cooldown_until}"
            );
        }
    }

    fn later(&mut self, delay: Duration, event: Event) {
        self.numbers += 1;
        self.pending_events.insert(self.numbers, event);
        self.events.push(Reverse((self.now() + delay, self.numbers)));
    }

    /// A pseudo-random number below `bound`. It changes with each event and each start.
    fn chance(&self, host: HostId, bound: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (host, self.numbers, self.starts).hash(&mut hasher);
        hasher.finish() % bound
    }

    fn handle_due_events(&mut self) {
        while let Some(&Reverse((at, number))) = self.events.peek() {
            if at > self.now() {
                return;
            }
            self.events.pop();
            match self.pending_events.remove(&number).unwrap() {
                Event::Loaded(loaded) => self.schedule.load(loaded, at),
                Event::Answered(request) => {
                    *self.in_flight.entry(self.web.host_index(&request.host)).or_default() -= 1;
                    let conclusion = self.conclude(&request);
                    self.settle(&request, conclusion);
                }
            }
        }
    }

    fn conclude(&self, request: &Request) -> Conclusion {
        let host = self.web.host_index(&request.host);
        let requests = self.requested[request.url()];
        if request.task.kind == TaskKind::Robots {
            return self.conclude_robots(request, host, requests);
        }
        let moved = request.url().ends_with("-moved");
        let page: usize =
            request.url().trim_end_matches("-moved").rsplit('/').next().unwrap().parse().unwrap();
        match self.web.pages[page].answer {
            Answer::Missing => Conclusion::new(Outcome::Failed(ErrorKind::HttpStatus)),
            Answer::FailsFirst(times) if requests <= times => self.fail(request),
            Answer::CoolsDownFirst(seconds) if requests == 1 => {
                let cooldown = Duration::from_secs(seconds);
                let retry = Outcome::Retry(self.now() + cooldown);
                Conclusion { cooldown: Some(cooldown), ..Conclusion::new(retry) }
            }
            Answer::Moved if !moved => {
                let next = NextStep::Follow(format!("{}-moved", request.url()), request.hop + 1);
                Conclusion { outcome: None, next, ..Conclusion::new(Outcome::NotModified) }
            }
            Answer::Disallowed => panic!("{} is disallowed", request.url()),
            _ => {
                let fetched = Outcome::Fetched(FetchedDocument {
                    document: DocumentKind::Urlset,
                    entries: 1,
                    ..FetchedDocument::default()
                });
                let found = self.web.found(Some(page), &request.task, host);
                let read_as = moved.then(|| TaskId::of(request.host.id(), request.url()));
                Conclusion { found, read_as, ..Conclusion::new(fetched) }
            }
        }
    }

    fn conclude_robots(&self, request: &Request, host: usize, requests: u32) -> Conclusion {
        let record = |rules| RobotsRecord { fetched_at: self.now(), rules, validator: Validator::default() };
        if requests <= self.web.hosts[host].robots_fails {
            let failed = self.fail(request);
            let rules = (failed.next == NextStep::Done).then(|| record(None));
            return Conclusion { rules, ..failed };
        }
        let is_seed = request.purpose == Purpose::Task;
        let found = if is_seed { self.web.found(None, &request.task, host) } else { Vec::new() };
        let rules = Some(record(Some(self.web.robots(host).to_text())));
        Conclusion { found, rules, ..Conclusion::new(Outcome::Fetched(FetchedDocument::default())) }
    }

    fn fail(&self, request: &Request) -> Conclusion {
        let retry_at = self.now() + BACKOFF * u32::from(request.attempt);
        Conclusion::new(if request.attempt < ATTEMPTS_MAX {
            Outcome::Retry(retry_at)
        } else {
            Outcome::Failed(ErrorKind::HttpStatus)
        })
    }

    fn settle(&mut self, request: &Request, conclusion: Conclusion) {
        let now = self.now();
        let host = request.host.id();
        let mut commit = Commit { found: conclusion.found.clone(), ..Commit::default() };
        if let (Some(outcome), false) = (conclusion.outcome, request.purpose == Purpose::RobotsRefresh) {
            if !matches!(outcome, Outcome::Retry(_)) {
                *self.final_outcomes.entry(request.task.id).or_default() += 1;
            }
            commit.outcomes.push(TaskOutcome {
                task: request.task.id,
                outcome,
                attempts: request.attempt,
                read_as: conclusion.read_as,
                refused: BTreeMap::new(),
            });
        }
        commit.hosts.extend(conclusion.rules.clone().map(|robots| HostUpdate { host, robots }));
        let until = conclusion.cooldown.map(|cooldown| now + cooldown);
        commit.cooldowns.extend(until.map(|until| HostCooldown { host, until }));
        self.commit(commit);
        if let Some(rules) = &conclusion.rules {
            self.schedule.set_robots(host, rules.clone(), now);
        }
        self.cool_down(request, conclusion.cooldown);
        for new in conclusion.found {
            self.schedule.woken(new.task.id.host, now);
        }
        self.schedule.settle(request, conclusion.next, now);
        let index = self.web.host_index(&request.host);
        self.visits.push(Visit { host: index, begun_at: request.begun_at, settled_at: now });
    }

    fn cool_down(&mut self, request: &Request, cooldown: Option<Duration>) {
        let Some(cooldown) = cooldown else { return };
        let (now, until) = (self.now(), self.now() + cooldown);
        if cooldown <= Duration::from_secs(COOLDOWN_S_MAX) {
            self.schedule.cool_down(request.host.id(), until, now);
        } else {
            self.schedule.park(request.host.id(), until, now);
        }
        // Other requests in flight left before the cooldown began.
        self.cooldown_until.insert(self.web.host_index(&request.host), until);
    }

    /// Ends the run, because all pending hosts are parked, and continues with a later one.
    fn resume_after_parking(&mut self) {
        let dates = self
            .queue
            .hosts()
            .into_iter()
            .filter(|record| record.parked)
            .filter_map(|record| record.not_before);
        let date = dates.min().expect("a pending host that is not due is parked");
        assert!(date > self.now());
        self.clock.set(date);
        self.open_session();
    }

    fn crash(&mut self) {
        let crash = self.crashes.pop().unwrap();
        self.clock.set(self.now() + Duration::from_millis(crash.downtime_ms));
        self.open_session();
    }

    fn open_session(&mut self) {
        self.events.clear();
        self.pending_events.clear();
        self.in_flight.clear();
        self.seq = 0;
        self.session = at_once(self.queue.open_session("again")).unwrap();
        self.schedule = Schedule::new(self.pace.of_schedule(), self.now());
    }

    fn assert_all_ended_once(&self) {
        let counts = at_once(self.queue.counts()).unwrap();
        assert_eq!(counts.tasks, self.final_outcomes.len() as u64, "every accepted task has a final outcome");
        assert!(self.final_outcomes.values().all(|&times| times == 1), "{:?}", self.final_outcomes);
        assert_eq!(counts.hosts_done, counts.hosts);
        for record in self.queue.hosts() {
            assert!(record.account.adds_up() && record.busy_since.is_none(), "{record:?}");
        }
    }

    fn accounts(&self) -> BTreeMap<String, Account> {
        self.queue.hosts().into_iter().map(|record| (record.host.to_string(), record.account)).collect()
    }

    fn last_settled_at(&self) -> BTreeMap<usize, Timestamp> {
        let mut last = BTreeMap::new();
        for visit in &self.visits {
            last.insert(visit.host, visit.settled_at);
        }
        last
    }

    /// Asserts that the paths of a host's requests, each from `begun_at` to its settling, cover the host's wall
    /// time. With one slot every moment belongs to exactly one request, with more slots to at least one.
    fn assert_paths_tile_the_busy_time(&self) {
        for record in self.queue.hosts() {
            let host = self.web.host_index(&record.host);
            let mut paths: Vec<(Timestamp, Timestamp)> = self
                .visits
                .iter()
                .filter(|visit| visit.host == host)
                .map(|visit| (visit.begun_at, visit.settled_at))
                .collect();
            paths.sort_unstable();
            let mut covered = Duration::ZERO;
            let mut sum = Duration::ZERO;
            let mut end = Timestamp::from_micros(0);
            for (begun_at, settled_at) in paths {
                covered += settled_at.since(end.max(begun_at));
                sum += settled_at.since(begun_at);
                end = end.max(settled_at);
            }
            let wall = Duration::from_micros(record.wall_us);
            if self.web.parks(host) {
                // Its wall time ends when the queue takes it back, after one more check for new tasks.
                assert!(covered <= wall, "host {host}: {covered:?} of {wall:?}");
            } else {
                assert_eq!(covered, wall, "host {host}");
            }
            if self.pace.host_concurrency == 1 {
                assert_eq!(sum, covered, "host {host}: paths overlap");
            }
        }
    }
}

impl SimulatedPace {
    fn of_schedule(self) -> Pace {
        Pace { spacing: Duration::from_millis(self.spacing_ms), host_concurrency: self.host_concurrency }
    }
}

#[derive(Default)]
struct VirtualClock(AtomicI64);

impl VirtualClock {
    fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, _moment: Timestamp) {
        panic!("the model queue must not wait")
    }
}

/// The output of a future of the model queue, which never waits.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the model queue must not wait"),
    }
}
