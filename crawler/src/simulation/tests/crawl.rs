//! A simulated crawl: session after session of the real engine, some of them killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontier::work_queue::{HostRecord, QueueBounds};
use frontier::{Clock, FetchRecord, HostId, Scope, Timestamp};
use storage::{FetchMark, LocalQueue, LocalWorkQueue, MemorySegments, MemoryStore, QueueView};
use tokio_util::sync::CancellationToken;

use super::plan::{Plan, PlannedWeb};
use super::random::Random;
use super::slow_queue::SlowQueue;
use crate::engine::Ended;
use crate::engine::jitter::Jitter;
use crate::engine::observers::Observers;
use crate::settings::{Identity, Settings};
use crate::simulation::{Exchange, SimulatedWeb, VirtualClock, open_session};

/// When the first session begins.
const BEGIN: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const BOUNDS: QueueBounds = QueueBounds { sitemaps_max: 50_000, hosts_per_site_max: u64::MAX };
/// Maximum number of sessions besides the killed ones. They go on when parked hosts are due.
const SESSIONS_MAX: usize = 100;

/// How fast a crawl may be.
#[derive(Clone, Copy, Debug)]
pub struct TestPace {
    /// Time between two requests to a host. Zero means no limit.
    pub spacing_ms: u64,
    pub host_concurrency: usize,
    pub concurrency: usize,
    /// Time limit of each stage of a request.
    pub timeout_s: u64,
    /// The longest delay before and after each call of the queue.
    pub queue_ms_max: u64,
}

/// Kills the session some time after its request number `after_requests`.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    pub after_requests: usize,
    pub later_ms: u64,
    /// Time until the next session begins.
    pub downtime_ms: u64,
}

/// The requests of a session, and how it ended.
pub struct SessionLog {
    pub requests: Vec<Exchange>,
    pub began_at: Timestamp,
    pub ended_at: Timestamp,
    pub was_killed: bool,
}

/// What a crawl has left behind.
pub struct Crawled {
    pub plan: Arc<Plan>,
    pub pace: TestPace,
    pub sessions: Vec<SessionLog>,
    pub hosts: BTreeMap<HostId, HostRecord>,
    pub fetches: Vec<FetchRecord>,
    /// The number of entries of each document.
    pub entries: BTreeMap<String, usize>,
    pub view: QueueView,
}

/// What outlives a kill.
struct Crawl {
    pace: TestPace,
    plan: Arc<Plan>,
    clock: Arc<VirtualClock>,
    store: MemoryStore,
    segments: MemorySegments,
    planned: Arc<PlannedWeb>,
    web: SimulatedWeb<Arc<PlannedWeb>>,
    sessions: Vec<SessionLog>,
}

impl Crawled {
    /// Crawls the planned web to its end.
    pub fn run(plan: &Arc<Plan>, pace: TestPace, kills: &[Kill]) -> Self {
        let clock = VirtualClock::at(BEGIN);
        let planned = Arc::new(PlannedWeb::new(plan.clone()));
        let web = SimulatedWeb::new(planned.clone(), clock.clone(), Duration::from_secs(pace.timeout_s));
        let (store, segments, sessions) = (MemoryStore::default(), MemorySegments::default(), Vec::new());
        let mut crawl = Crawl { pace, plan: plan.clone(), clock, store, segments, planned, web, sessions };
        crawl.run_to_end(kills);
        crawl.finish()
    }

    /// All requests with the number of their session, in the order in which they were sent.
    pub fn requests(&self) -> impl Iterator<Item = (usize, &Exchange)> {
        let sessions = self.sessions.iter().enumerate();
        sessions.flat_map(|(number, session)| session.requests.iter().map(move |request| (number, request)))
    }
}

impl Crawl {
    fn run_to_end(&mut self, kills: &[Kill]) {
        let mut kills = kills.iter();
        for _ in 0..SESSIONS_MAX + kills.len() {
            let kill = kills.next();
            if self.run_session(kill.copied()) {
                self.clock.advance(Duration::from_millis(kill.map_or(0, |kill| kill.downtime_ms)));
                continue;
            }
            let view = self.view();
            if view.counts.tasks_pending == 0 {
                return;
            }
            // Only parked hosts are left.
            let hosts = self.hosts();
            let parked = hosts.values().filter(|host| host.parked);
            let due = parked.filter_map(|host| host.not_before).min();
            let due = due.expect("a pending host of a complete crawl is parked");
            assert!(due > self.clock.now(), "a session ended although a parked host was due");
            self.clock.advance(due.since(self.clock.now()));
        }
        panic!("the crawl does not end: {:?}", self.view().counts);
    }

    /// Runs a session. Returns whether it was killed.
    fn run_session(&mut self, kill: Option<Kill>) -> bool {
        let began_at = self.clock.now();
        let session = self.session();
        let killed = self.killed(kill);
        let ended = self.clock.run(async {
            tokio::select! {
                biased;
                ended = session => Some(ended),
                () = killed => None,
            }
        });
        let ended = ended.unwrap().unwrap_or_else(|stalled| panic!("{stalled}: {:?}", self.view().counts));
        assert!(ended.is_none_or(|ended| ended == Ended::Complete));
        let (requests, ended_at) = (self.web.take_log(), self.clock.now());
        self.sessions.push(SessionLog { requests, began_at, ended_at, was_killed: ended.is_none() });
        ended.is_none()
    }

    fn killed(&self, kill: Option<Kill>) -> impl Future<Output = ()> + use<> {
        let (planned, clock) = (self.planned.clone(), self.clock.clone());
        async move {
            let Some(kill) = kill else { return std::future::pending().await };
            planned.ring_after(kill.after_requests).await;
            clock.sleep_until(clock.now() + Duration::from_millis(kill.later_ms)).await;
        }
    }

    fn session(&self) -> impl Future<Output = Ended> + use<> {
        let queue = SlowQueue {
            queue: self.queue(),
            clock: self.clock.clone(),
            delay_ms_max: self.pace.queue_ms_max,
            calls: AtomicU64::new(self.sessions.len() as u64),
        };
        let (segments, web, seeds) = (self.segments.clone(), self.web.clone(), self.plan.seeds());
        let (settings, jitter) = (Arc::new(self.pace.settings()), Jitter::seeded(self.sessions.len() as u64));
        async move {
            let open_session = open_session(Arc::new(queue), &segments, web, &seeds, jitter).await.unwrap();
            // Nobody looks at progress and events.
            let (observers, ..) = Observers::new(1);
            let scope = Scope { max_depth: 1_000, max_sitemaps: BOUNDS.sitemaps_max, ..Scope::default() };
            let never = std::future::pending();
            open_session.crawl(settings, scope, CancellationToken::new(), observers, never).await.unwrap()
        }
    }

    fn queue(&self) -> LocalQueue<MemoryStore> {
        LocalQueue::in_memory(&self.store, self.clock.clone(), BOUNDS).unwrap()
    }

    fn view(&self) -> QueueView {
        let queue = self.queue();
        self.clock.run(queue.view()).unwrap().unwrap().unwrap()
    }

    fn hosts(&self) -> BTreeMap<HostId, HostRecord> {
        let queue = self.queue();
        let hosts = self.clock.run(queue.hosts_after(None, usize::MAX)).unwrap().unwrap().unwrap();
        hosts.into_iter().collect()
    }

    fn fetches(&self) -> Vec<FetchRecord> {
        let queue = self.queue();
        self.clock.run(queue.fetches_after(FetchMark::default(), usize::MAX)).unwrap().unwrap().unwrap().0
    }

    fn finish(self) -> Crawled {
        let mut view = self.view();
        let mut entries: BTreeMap<String, usize> = BTreeMap::new();
        for batch in self.segments.entries(std::mem::take(&mut view.segments)) {
            let batch = batch.unwrap();
            for row in storage::BatchView::new(&batch).unwrap().rows() {
                match entries.get_mut(row.sitemap) {
                    Some(number) => *number += 1,
                    None => drop(entries.insert(row.sitemap.to_owned(), 1)),
                }
            }
        }
        let (hosts, fetches) = (self.hosts(), self.fetches());
        let Self { plan, pace, sessions, .. } = self;
        Crawled { plan, pace, sessions, hosts, fetches, entries, view }
    }
}

impl TestPace {
    /// Any pace, with a queue that takes its time.
    pub fn any(random: &mut Random) -> Self {
        Self {
            spacing_ms: random.of(&[0, 50, 1_000]),
            host_concurrency: 1 + random.index(3),
            concurrency: 1 + random.index(5),
            timeout_s: 30,
            queue_ms_max: random.of(&[0, 5, 30]),
        }
    }

    pub fn spacing(self) -> Duration {
        Duration::from_millis(self.spacing_ms)
    }

    fn settings(self) -> Settings {
        Settings {
            rate: if self.spacing_ms == 0 { 0.0 } else { 1_000.0 / self.spacing_ms as f64 },
            concurrency: self.concurrency,
            host_concurrency: self.host_concurrency,
            connections_max: self.concurrency,
            timeout: Duration::from_secs(self.timeout_s),
            identity: Identity::of("simulated/1.0").unwrap(),
            ..Settings::default()
        }
    }
}

impl PlannedWeb {
    /// Waits for so many further requests.
    async fn ring_after(&self, requests: usize) {
        if requests > 0 {
            let replies = self.replies.load(Ordering::Relaxed);
            self.ring_at.store(replies + requests, Ordering::Relaxed);
            self.bell.notified().await;
        }
    }
}
