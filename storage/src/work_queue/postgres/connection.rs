//! A connection on which a transaction is made in two trips: everything that is read, then everything that is written.

use std::time::SystemTime;

use deadpool_postgres::{Object, Pool};
use frontier::work_queue::{QueueError, Session};
use frontier::{SessionId, Timestamp};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};
use uuid::Uuid;

use super::error::Failure;
use super::rows;

/// What a statement is given. By value, so that calls can be joined.
pub(super) type Parameters<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

/// A connection from the pool.
///
/// Whoever drops it within a transaction closes it: the server rolls back, and nobody else gets it in that state. The futures
/// of its calls send when they are first polled, so that those that are joined travel together.
pub(super) struct Connection {
    /// There until it is dropped.
    client: Option<Object>,
    is_in_transaction: bool,
}

impl Connection {
    pub(super) async fn take(pool: &Pool) -> Result<Self, Failure> {
        Ok(Self { client: Some(pool.get().await?), is_in_transaction: false })
    }

    fn client(&self) -> Result<&Object, Failure> {
        self.client.as_ref().ok_or_else(|| Failure::Damaged("the connection is gone".to_owned()))
    }

    /// The statement `sql`; asks the server only when the connection sees it for the first time.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        Ok(self.client()?.prepare_cached(sql).await?)
    }

    /// From here on dropping it undoes what was done. To be called before [`Connection::begin`].
    pub(super) fn enter_transaction(&mut self) {
        self.is_in_transaction = true;
    }

    /// Each statement sees what was committed before it, whatever the server's default.
    pub(super) async fn begin(&self) -> Result<(), Failure> {
        Ok(self.client()?.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
    }

    /// Makes the transaction true. Only with all of its statements well answered: a failed one makes this a
    /// rollback, without an error.
    pub(super) async fn commit(&self) -> Result<(), Failure> {
        Ok(self.client()?.batch_execute("COMMIT").await?)
    }

    /// The transaction was committed, and the connection can be used by others.
    pub(super) fn leave_transaction(&mut self) {
        self.is_in_transaction = false;
    }

    /// Undoes the transaction.
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

    /// The same, unless there is nothing to do.
    pub(super) async fn execute_if<const N: usize>(
        &self,
        is_needed: bool,
        statement: &Statement,
        parameters: Parameters<'_, N>,
    ) -> Result<u64, Failure> {
        if is_needed { self.execute(statement, parameters).await } else { Ok(0) }
    }

    /// Prepares and runs a statement outside any transaction.
    pub(super) async fn ask<const N: usize>(
        &self,
        sql: &str,
        parameters: Parameters<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        self.query(&statement, parameters).await
    }

    /// Statements without parameters or answers.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Failure> {
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

/// What the session's row says: its last commit and the present moment.
pub(super) struct Fence {
    pub(super) commit_seq: u64,
    pub(super) now: Timestamp,
}

impl Fence {
    /// Of the rows of `session_fence.sql` or `session_lock.sql`; without one the session is dead, or was opened before
    /// another server was promoted.
    pub(super) fn of(rows: &[Row], session: &Session) -> Result<Self, Failure> {
        let Some(row) = rows.first() else { return Err(QueueError::Fenced(session.id).into()) };
        let now: SystemTime = row.try_get(1)?;
        Ok(Self { commit_seq: rows::unsigned(row.try_get(0)?), now: rows::timestamp(now) })
    }
}

pub(super) fn uuid(id: SessionId) -> Uuid {
    Uuid::from_u128(id.0)
}

/// A value of a row.
pub(super) fn value<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, n: usize) -> Result<T, Error> {
    row.try_get(n)
}
