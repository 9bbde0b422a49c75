//! The calls of [`WorkQueue`], each repeated until it succeeds or times out.

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueError, Release, Session, WorkQueue,
};
use frontier::{HostId, TaskId, Timestamp};

use super::queue::PostgresQueue;

impl WorkQueue for PostgresQueue {
    async fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        self.open_session(worker).await
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        self.lease(session, n).await
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        self.database.retry_until_timeout(|_| self.try_load(session, hosts, n)).await
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        self.database.retry_until_timeout(|_| self.try_are_done(session, tasks)).await
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        self.database.retry_until_timeout(|_| self.try_given_up(session, after, n)).await
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        self.commit_ref(session, &commit).await
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        self.database.retry_until_timeout(|_| self.try_release(session, hosts)).await
    }

    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        self.database.retry_until_timeout(|_| self.try_renew(session)).await
    }

    async fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        self.database.retry_until_timeout(|_| self.try_records(hosts)).await
    }

    async fn reap(&self) -> Result<usize, QueueError> {
        self.database.retry_until_timeout(|_| self.try_reap()).await
    }

    async fn workers(&self) -> Result<u64, QueueError> {
        self.database.retry_until_timeout(|_| self.try_workers()).await
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.database.retry_until_timeout(|_| self.try_counts()).await
    }
}
