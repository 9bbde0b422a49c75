//! A work queue that waits while its server is away.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueError, Release, Session,
};
use frontier::{Clock, HostId, TaskId, Timestamp, WorkQueue};
use storage::PostgresQueue;
use tokio_util::sync::CancellationToken;

/// Pause before a call is repeated.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Repeats every call except [`WorkQueue::lease`] while the server is away, until there is an answer or the worker must stop.
/// If the server is away for long, the session's lease deadline passes, and no further requests are sent.
pub struct RetryingQueue<C> {
    queue: PostgresQueue,
    clock: Arc<C>,
    /// How far the worker's clock may be ahead of the server's. It is added to times that the server sends.
    lead: Duration,
    shutdown: CancellationToken,
}

/// Evaluates to the answer of a call, which is repeated while the server is away.
macro_rules! retry {
    ($self:ident, $call:expr) => {
        loop {
            match $call.await {
                Err(QueueError::Unavailable(reason)) if !$self.shutdown.is_cancelled() => {
                    tracing::warn!(reason, "waiting for the store");
                    $self.clock.sleep_until($self.clock.now() + PAUSE).await;
                }
                answer => break answer,
            }
        }
    };
}

impl<C: Clock> RetryingQueue<C> {
    /// Wraps `queue`. Calls are no longer repeated after `shutdown`.
    pub fn new(queue: PostgresQueue, lead: Duration, clock: Arc<C>, shutdown: CancellationToken) -> Self {
        Self { queue, clock, lead, shutdown }
    }

    /// Ends the session and releases its hosts.
    pub async fn close(&self, session: &Session) -> Result<(), QueueError> {
        retry!(self, self.queue.close_session(session))
    }
}

impl<C: Clock + 'static> WorkQueue for RetryingQueue<C> {
    async fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        retry!(self, self.queue.open_session(worker))
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        // Not repeated: an earlier call may have leased hosts, and the session would never learn of them.
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
        retry!(self, self.queue.commit_ref(session, &commit))
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        retry!(self, self.queue.release(session, hosts))
    }

    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        retry!(self, self.queue.renew(session))
    }

    async fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        retry!(self, self.queue.records(hosts))
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
