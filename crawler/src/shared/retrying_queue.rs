//! A work queue that outlasts its server's absence.

use std::time::Duration;

use frontier::work_queue::{Commit, Counts, GivenUp, LeasedHost, Loaded, QueueError, Release, Session};
use frontier::{HostId, TaskId, Timestamp, WorkQueue};
use storage::PostgresQueue;
use tokio_util::sync::CancellationToken;

/// Between two rounds of tries.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Sends every call but [`WorkQueue::lease`] again while nobody answers, until there is an answer or the worker is told to
/// stop. Meanwhile the session's tenure ends, and no request leaves.
pub struct RetryingQueue<Q> {
    queue: Q,
    /// How far the worker's clock may be ahead of the queue's: what is due on that is due so much later on this.
    lead: Duration,
    shutdown: CancellationToken,
}

/// The call's answer, however often it takes.
macro_rules! retry {
    ($self:ident, $call:expr) => {
        loop {
            match $call.await {
                Err(QueueError::Away(reason)) if !$self.shutdown.is_cancelled() => {
                    tracing::warn!(reason, "waiting for the store");
                    tokio::time::sleep(PAUSE).await;
                }
                answer => break answer,
            }
        }
    };
}

impl<Q> RetryingQueue<Q> {
    /// Steadies `queue` until `shutdown`.
    pub fn new(queue: Q, lead: Duration, shutdown: CancellationToken) -> Self {
        Self { queue, lead, shutdown }
    }
}

impl RetryingQueue<PostgresQueue> {
    /// Ends the session; its hosts are free for others.
    pub async fn close(&self, session: &Session) -> Result<(), QueueError> {
        retry!(self, self.queue.close_session(session))
    }
}

impl<Q: WorkQueue> WorkQueue for RetryingQueue<Q> {
    async fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        retry!(self, self.queue.open_session(worker))
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        // Not sent again: what became of it would stay lent to a session that does not know of it.
        let mut leased = self.queue.lease(session, n).await?;
        for host in &mut leased {
            host.not_before = host.not_before.map(|moment| moment + self.lead);
        }
        Ok(leased)
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        retry!(self, self.queue.load(session, hosts, n))
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        retry!(self, self.queue.are_done(session, tasks))
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        retry!(self, self.queue.given_up(session, after, n))
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        retry!(self, self.queue.commit(session, commit.clone()))
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        retry!(self, self.queue.release(session, hosts))
    }

    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        retry!(self, self.queue.renew(session))
    }

    async fn reap(&self) -> Result<usize, QueueError> {
        retry!(self, self.queue.reap())
    }

    async fn workers(&self) -> Result<u64, QueueError> {
        retry!(self, self.queue.workers())
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        retry!(self, self.queue.counts())
    }
}
