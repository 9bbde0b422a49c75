//! Runs the conformance suite on the queue of one machine, on disk and in memory.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{Commit, HostCooldown, HostRecord, QueueBounds, QueueError};
use frontier::{Clock, FetchRecord, Host, NewTask, Task, TaskKind, Timestamp, WorkQueue};
use queue_suite::{HandClock, Harness, at_once};
use tempfile::TempDir;

use super::queue_state::QueueState;
use super::{LocalQueue, keys, read};
use crate::data_dir::DataDir;
use crate::work_queue::store::{MemoryStore, SledStore, Store};

struct SledHarness {
    folder: TempDir,
    clock: Arc<HandClock>,
    bounds: QueueBounds,
    queue: Option<LocalQueue<SledStore>>,
}

impl SledHarness {
    fn open(&self) -> LocalQueue<SledStore> {
        DataDir::open(self.folder.path(), self.clock.clone(), self.bounds).unwrap().queue()
    }
}

impl Harness for SledHarness {
    type Queue = LocalQueue<SledStore>;

    const SESSION_TTL: Option<Duration> = None;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    async fn fresh(bounds: QueueBounds) -> Self {
        let clock = HandClock::at(Timestamp::from_micros(1_700_000_000_000_000));
        let mut harness = Self { folder: tempfile::tempdir().unwrap(), clock, bounds, queue: None };
        harness.queue = Some(harness.open());
        harness
    }

    fn queue(&self) -> &LocalQueue<SledStore> {
        self.queue.as_ref().unwrap()
    }

    async fn reopen(&mut self) {
        self.queue = None;
        self.queue = Some(self.open());
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    async fn hosts(&mut self) -> Vec<HostRecord> {
        hosts(self.queue()).await
    }

    async fn fetches(&mut self) -> Vec<FetchRecord> {
        fetches(self.queue()).await
    }
}

struct MemoryHarness {
    store: MemoryStore,
    clock: Arc<HandClock>,
    bounds: QueueBounds,
    queue: LocalQueue<MemoryStore>,
}

impl Harness for MemoryHarness {
    type Queue = LocalQueue<MemoryStore>;

    const SESSION_TTL: Option<Duration> = None;

    /// Fails if the future waits for anything: everything must be run by the caller.
    fn block_on<F: Future>(future: F) -> F::Output {
        at_once(future)
    }

    async fn fresh(bounds: QueueBounds) -> Self {
        let clock = HandClock::at(Timestamp::from_micros(1_700_000_000_000_000));
        let store = MemoryStore::default();
        let queue = LocalQueue::in_memory(&store, clock.clone(), bounds).unwrap();
        Self { store, clock, bounds, queue }
    }

    fn queue(&self) -> &Self::Queue {
        &self.queue
    }

    /// The earlier queue still exists while the next one is opened.
    async fn reopen(&mut self) {
        self.queue = LocalQueue::in_memory(&self.store, self.clock.clone(), self.bounds).unwrap();
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    async fn hosts(&mut self) -> Vec<HostRecord> {
        hosts(self.queue()).await
    }

    async fn fetches(&mut self) -> Vec<FetchRecord> {
        fetches(self.queue()).await
    }
}

/// All hosts with their robots.txt rules.
async fn hosts<S: Store>(queue: &LocalQueue<S>) -> Vec<HostRecord> {
    let with_rules = |state: &mut QueueState<S>| -> Result<Vec<HostRecord>, QueueError> {
        let rules = |id| state.store.get(&keys::robots(id));
        read::hosts(&state.store)
            .map(|host| host.and_then(|(id, host)| Ok(HostRecord { robots: rules(id)?, ..host })))
            .collect()
    };
    queue.call(with_rules).await.unwrap()
}

async fn fetches<S: Store>(queue: &LocalQueue<S>) -> Vec<FetchRecord> {
    queue.call(|state| read::fetches(&state.store, &state.sessions.all).collect()).await.unwrap()
}

mod on_disk {
    use super::SledHarness;
    queue_suite::work_queue_suite!(SledHarness);
}

mod in_memory {
    use super::MemoryHarness;
    queue_suite::work_queue_suite!(MemoryHarness);
}

/// The clock was a year ahead and was corrected between two runs. Times that the first run wrote must not delay the
/// second.
#[test]
fn a_clock_set_back_between_sessions_makes_no_host_wait_for_its_future() {
    SledHarness::block_on(async {
        let mut harness =
            SledHarness::fresh(QueueBounds { sitemaps_max: 10, hosts_per_site_max: u64::MAX }).await;
        let year = Duration::from_secs(365 * 24 * 3600);
        let right = harness.now();
        harness.advance(year);
        let hosts = ["busy", "cooling", "parked"]
            .map(|name| Host::of(&url::Url::parse(&format!("https://{name}.example/")).unwrap()).unwrap());
        let found = hosts.iter().map(|host| {
            let task = Task::new(host, host.url("/s.xml"), TaskKind::Sitemap);
            NewTask { host: host.clone(), task, found_on: None }
        });
        let session = harness.queue().open_session("ahead").await.unwrap();
        let cooldown = |host: &Host, seconds| HostCooldown {
            host: host.id(),
            until: harness.now() + Duration::from_secs(seconds),
        };
        let cooldowns = vec![cooldown(&hosts[1], 100), cooldown(&hosts[2], 3_600)];
        let seeded = Commit { seq: 1, found: found.collect(), ..Commit::default() };
        harness.queue().commit(&session, seeded).await.unwrap();
        assert_eq!(harness.queue().lease(&session, 9).await.unwrap().len(), 3);
        harness.queue().commit(&session, Commit { seq: 2, cooldowns, ..Commit::default() }).await.unwrap();

        harness.clock.set(right);
        harness.reopen().await;
        let session = harness.queue().open_session("right").await.unwrap();
        let mut leased = Vec::new();
        for (wait_s, name) in [(60, "busy.example"), (40, "cooling.example"), (3_500, "parked.example")] {
            assert!(harness.queue().lease(&session, 9).await.unwrap().is_empty(), "{name} must wait");
            harness.advance(Duration::from_secs(wait_s));
            leased.extend(harness.queue().lease(&session, 9).await.unwrap());
            assert_eq!(leased.last().unwrap().host.name(), name);
        }
        assert!(leased.iter().all(|leased| leased.busy_since >= right && leased.busy_since <= harness.now()));
    });
}
