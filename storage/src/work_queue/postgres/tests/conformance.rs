//! Runs the conformance suite on the PostgreSQL queue.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use frontier::work_queue::{HostRecord, QueueBounds};
use frontier::{Clock, FetchRecord, Timestamp};
use queue_suite::{HandClock, Harness};
use tokio::runtime::Runtime;

use super::super::{Database, PostgresQueue, SESSION_TTL, SharedCrawl};
use super::support;
use crate::work_queue::FetchMark;

struct PostgresHarness {
    crawl: SharedCrawl,
    url: String,
    clock: Arc<HandClock>,
    bounds: QueueBounds,
    queue: PostgresQueue,
}

impl Harness for PostgresHarness {
    type Queue = PostgresQueue;

    const SESSION_TTL: Option<Duration> = Some(SESSION_TTL);

    fn is_available() -> bool {
        pgserver::shared_url().is_some()
    }

    /// One runtime serves all calls, because the tasks that drive the connections run in it.
    fn block_on<F: Future>(future: F) -> F::Output {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(support::runtime);
        RUNTIME.block_on(future)
    }

    async fn fresh(bounds: QueueBounds) -> Self {
        let (crawl, url) = support::fresh_crawl().await.unwrap();
        let clock = HandClock::at(Timestamp::from_micros(1_700_000_000_000_000));
        let queue = support::queue(&crawl, bounds, clock.clone());
        Self { crawl, url, clock, bounds, queue }
    }

    fn queue(&self) -> &PostgresQueue {
        &self.queue
    }

    async fn reopen(&mut self) {
        self.crawl = Database::open(&self.url).await.unwrap().crawl("test").await.unwrap();
        self.queue = support::queue(&self.crawl, self.bounds, self.clock.clone());
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Reads one page at a time.
    async fn hosts(&mut self) -> Vec<HostRecord> {
        let (mut hosts, mut after) = (Vec::new(), None);
        loop {
            let page = self.crawl.hosts_after(after, 2).await.unwrap();
            let Some((last, _)) = page.last() else { return hosts };
            after = Some(*last);
            hosts.extend(page.into_iter().map(|(_, record)| record));
        }
    }

    async fn fetches(&mut self) -> Vec<FetchRecord> {
        let (mut fetches, mut mark) = (Vec::new(), FetchMark::default());
        loop {
            let (page, next) = self.crawl.fetches_after(mark, 3).await.unwrap();
            if next == mark {
                return fetches;
            }
            (mark, _) = (next, fetches.extend(page));
        }
    }
}

queue_suite::work_queue_suite!(PostgresHarness);
