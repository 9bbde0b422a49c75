//! A connection for transactions of two round trips: the first one reads everything, the second one writes everything.

use std::time::SystemTime;

use deadpool_postgres::{Object, Pool};
use frontier::Timestamp;
use frontier::work_queue::{QueueError, Session};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::error::Failure;
use super::rows;

/// Parameters of a statement. They are passed by value, so that calls can be joined.
pub(super) type Parameters<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

/// A connection from the pool.
///
/// If it is dropped within a transaction, the connection is closed: the server rolls back, and the connection does
/// not return to the pool in that state. The futures of its calls send when they are first polled, so joined calls
/// share a round trip.
pub(super) struct Connection {
    /// `None` only while this is being dropped.
    client: Option<Object>,
    is_in_transaction: bool,
}

impl Connection {
    pub(super) async fn take(pool: &Pool) -> Result<Self, Failure> {
        Ok(Self { client: Some(pool.get().await?), is_in_transaction: false })
    }

    fn client(&self) -> Result<&Object, Failure> {
        self.client.as_ref().ok_or_else(|| Failure::Damaged("the connection is closed".to_owned()))
    }

    /// Prepares the statement `sql`. Only the first call on a connection sends it to the server.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        Ok(self.client()?.prepare_cached(sql).await?)
    }

    /// Makes a drop close the connection, which rolls back. Must be called before [`Connection::begin`].
    pub(super) fn enter_transaction(&mut self) {
        self.is_in_transaction = true;
    }

    /// Begins a transaction in which each statement sees everything that was committed before it. The level is set
    /// explicitly, because the server's default may differ.
    pub(super) async fn begin(&self) -> Result<(), Failure> {
        Ok(self.client()?.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
    }

    /// Commits the transaction. All of its statements must have succeeded: after a failed one the server rolls back
    /// without an error.
    pub(super) async fn commit(&self) -> Result<(), Failure> {
        Ok(self.client()?.batch_execute("COMMIT").await?)
    }

    /// Marks the transaction as committed, so that a drop returns the connection to the pool.
    pub(super) fn leave_transaction(&mut self) {
        self.is_in_transaction = false;
    }

    /// Rolls the transaction back.
    pub(super) async fn roll_back(mut self) -> Result<(), Failure> {
        self.client()?.batch_execute("ROLLBACK").await?;
        self.is_in_transaction = false;
        Ok(())
    }

    pub(super) async fn query<const N: usize>(
        &self,
        statement: &Statement,
        parameters: Parameters<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        Ok(self.client()?.query(statement, &parameters).await?)
    }

    pub(super) async fn execute<const N: usize>(
        &self,
        statement: &Statement,
        parameters: Parameters<'_, N>,
    ) -> Result<u64, Failure> {
        Ok(self.client()?.execute(statement, &parameters).await?)
    }

    /// Like [`Self::execute`], but does nothing if `is_needed` is false.
    pub(super) async fn execute_if<const N: usize>(
        &self,
        is_needed: bool,
        statement: &Statement,
        parameters: Parameters<'_, N>,
    ) -> Result<u64, Failure> {
        if is_needed { self.execute(statement, parameters).await } else { Ok(0) }
    }

    /// Prepares and runs a statement, in two round trips the first time.
    pub(super) async fn prepare_and_query<const N: usize>(
        &self,
        sql: &str,
        parameters: Parameters<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        self.query(&statement, parameters).await
    }

    /// Runs statements without parameters or results.
    pub(super) async fn batch_execute(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client()?.batch_execute(sql).await?)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_in_transaction
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}

/// The number of the session's last commit and the current time, read from the session's row.
pub(super) struct Fence {
    pub(super) commit_seq: u64,
    pub(super) now: Timestamp,
}

impl Fence {
    /// Reads the result of `session_fence.sql` or `session_lock.sql`. Without a row, the session has ended or was
    /// opened before another server was promoted.
    pub(super) fn of(rows: &[Row], session: &Session) -> Result<Self, Failure> {
        let Some(row) = rows.first() else { return Err(QueueError::Fenced(session.id).into()) };
        let now: SystemTime = row.try_get(1)?;
        Ok(Self { commit_seq: rows::unsigned(row.try_get(0)?), now: rows::timestamp(now) })
    }
}
