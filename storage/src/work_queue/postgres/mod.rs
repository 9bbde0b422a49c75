//! The work queue of many machines, on PostgreSQL.
//!
//! A [`Database`] holds crawls by their names; a [`SharedCrawl`] gives its [`PostgresQueue`] and what readers need. Every
//! change of a session is one transaction that begins by locking the session's row: whoever finds it dead, or opened on
//! another timeline of the server, does nothing. A commit then locks the hosts it touches in the order of their ids, reads, has it decided
//! ([`frontier::work_queue::Changes`]) and writes. The statements lie under `sql/`, each in a file of its name.

mod address;
mod commit;
mod connection;
mod database;
mod error;
mod lease;
mod read;
mod rows;
mod schema;
mod session;
mod shared_crawl;
#[cfg(test)]
mod tests;
mod tls;
mod workers;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use frontier::work_queue::{
    Commit, Counts, GivenUp, LeasedHost, Loaded, QueueBounds, QueueError, Release, Session, WorkQueue,
};
use frontier::{Clock, HostId, TaskId, Timestamp};

pub use self::database::Database;
pub use self::error::StoreError;
pub use self::read::FetchMark;
pub use self::shared_crawl::SharedCrawl;

/// How long a session lives after its last renewal or commit; then any other may take its hosts. A worker stops fetching
/// [`frontier::work_queue::RENEWAL_MARGIN`] before.
pub const SESSION_TTL: Duration = Duration::from_secs(60);

/// The work queue of one crawl that many machines share.
///
/// Moments are on the clock of the database's server, see [`SharedCrawl::now`]. Calls outlast a restart of the server and
/// a change of the primary, and fail when it stays away for long. A commit whose answer was lost is found out by its
/// number, never applied twice. Belongs to the runtime in which its [`Database`] was opened.
#[derive(Clone)]
pub struct PostgresQueue {
    database: Database,
    crawl: i32,
    bounds: QueueBounds,
    session_life: Duration,
    /// Instead of the server's clock, in tests.
    clock: Option<Arc<dyn Clock>>,
}

impl PostgresQueue {
    /// The same queue, with sessions that live so long after their last sign of life instead of [`SESSION_TTL`].
    #[must_use]
    pub fn with_session_life(self, session_life: Duration) -> Self {
        Self { session_life, ..self }
    }

    /// What statements are given as the present: nothing, so that they ask the server's clock.
    fn given_now(&self) -> Option<SystemTime> {
        self.clock.as_ref().map(|clock| rows::moment(clock.now()))
    }
}

impl WorkQueue for PostgresQueue {
    async fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        self.open_session(worker).await
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        self.lease(session, n).await
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        self.database.persist(|_| self.try_load(session, hosts, n)).await
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        self.database.persist(|_| self.try_are_done(session, tasks)).await
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        self.database.persist(|_| self.try_given_up(session, after, n)).await
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        self.database.persist(|_| self.try_commit(session, &commit)).await
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        self.database.persist(|_| self.try_release(session, hosts)).await
    }

    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        self.database.persist(|_| self.try_renew(session)).await
    }

    async fn reap(&self) -> Result<usize, QueueError> {
        self.database.persist(|_| self.try_reap()).await
    }

    async fn workers(&self) -> Result<u64, QueueError> {
        self.database.persist(|_| self.try_workers()).await
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.database.persist(|_| self.try_counts()).await
    }
}
