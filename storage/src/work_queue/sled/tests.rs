//! Runs the conformance suite on the sled queue.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::suite::{HandClock, Harness};
use frontier::work_queue::{Commit, HostCooldown, HostRecord, QueueBounds, QueueError};
use frontier::{Clock, FetchRecord, Host, NewTask, Task, TaskKind, Timestamp, WorkQueue};
use tempfile::TempDir;

use super::queue_state::QueueState;
use super::{SledQueue, keys, read};
use crate::data_dir::DataDir;

struct SledHarness {
    folder: TempDir,
    clock: Arc<HandClock>,
    bounds: QueueBounds,
    queue: Option<SledQueue>,
}

impl SledHarness {
    fn open(&self) -> SledQueue {
        DataDir::open(self.folder.path(), self.clock.clone(), self.bounds).unwrap().queue()
    }
}

impl Harness for SledHarness {
    type Queue = SledQueue;

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

    fn queue(&self) -> &SledQueue {
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
        let with_rules = |state: &mut QueueState| -> Result<Vec<HostRecord>, QueueError> {
            let rules = |id| state.store.get(&keys::robots(id));
            read::hosts(&state.store)
                .map(|host| host.and_then(|(id, host)| Ok(HostRecord { robots: rules(id)?, ..host })))
                .collect()
        };
        self.queue().call(with_rules).await.unwrap()
    }

    async fn fetches(&mut self) -> Vec<FetchRecord> {
        self.queue().call(|state| read::fetches(&state.store, &state.sessions).collect()).await.unwrap()
    }
}

frontier::work_queue_suite!(SledHarness);

/// The clock was a year ahead and was corrected between two runs. Times that the first run wrote must not delay the
/// second.
#[test]
fn a_clock_set_back_between_sessions_makes_no_host_wait_for_its_future() {
    SledHarness::block_on(async {
        let mut harness = SledHarness::fresh(QueueBounds { sitemaps_max: 10 }).await;
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
