//! The sled queue under the conformance suite.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::suite::{HandClock, Harness};
use frontier::work_queue::{HostRecord, QueueBounds};
use frontier::{Clock, FetchRecord, Timestamp};
use tempfile::TempDir;

use super::{SledQueue, read};
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
        let hosts =
            self.queue().call(|engine| read::hosts(&engine.store).collect::<Result<Vec<_>, _>>()).await;
        hosts.unwrap().into_iter().map(|(_, record)| record).collect()
    }

    async fn fetches(&mut self) -> Vec<FetchRecord> {
        self.queue().call(|engine| read::fetches(&engine.store).collect()).await.unwrap()
    }
}

frontier::work_queue_suite!(SledHarness);
