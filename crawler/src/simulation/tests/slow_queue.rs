//! A queue that takes its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueError, Release, Session,
};
use frontier::{Clock, HostId, TaskId, Timestamp, WorkQueue};

use super::random::Random;
use crate::simulation::VirtualClock;

/// Delays each call before and after its effect, so that everything else can happen in between, a kill included.
pub struct SlowQueue<Q> {
    pub queue: Q,
    pub clock: Arc<VirtualClock>,
    /// The longest of the two delays of a call, in milliseconds.
    pub delay_ms_max: u64,
    pub calls: AtomicU64,
}

impl<Q: WorkQueue> SlowQueue<Q> {
    async fn delayed<T>(&self, call: impl Future<Output = T>) -> T {
        self.delay().await;
        let answer = call.await;
        self.delay().await;
        answer
    }

    async fn delay(&self) {
        if self.delay_ms_max > 0 {
            let delay_ms = Random(self.calls.fetch_add(1, Ordering::Relaxed)).below(self.delay_ms_max);
            self.clock.sleep_until(self.clock.now() + Duration::from_millis(delay_ms)).await;
        }
    }
}

impl<Q: WorkQueue> WorkQueue for SlowQueue<Q> {
    async fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        self.delayed(self.queue.open_session(worker)).await
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        self.delayed(self.queue.lease(session, n)).await
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        self.delayed(self.queue.load(session, hosts, n)).await
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        self.delayed(self.queue.are_done(session, tasks)).await
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        self.delayed(self.queue.given_up(session, after, n)).await
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        self.delayed(self.queue.commit(session, commit)).await
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        self.delayed(self.queue.release(session, hosts)).await
    }

    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        self.delayed(self.queue.renew(session)).await
    }

    async fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        self.delayed(self.queue.records(hosts)).await
    }

    async fn reap(&self) -> Result<usize, QueueError> {
        self.queue.reap().await
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.queue.counts().await
    }
}
