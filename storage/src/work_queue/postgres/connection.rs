//! A connection for transactions of two round trips: the first one reads everything, the second one writes everything.

use deadpool_postgres::{Object, Pool};
use tokio_postgres::{Row, Statement};

use super::columns::Columns;
use super::error::Failure;
use super::sql::{Parameter, Sql};

/// Values for the parameters of a statement. They are passed by value, so that calls can be joined.
pub(super) type Parameters<'a, const N: usize> = [Parameter<'a>; N];

/// A statement that a connection has prepared.
pub(super) struct Prepared {
    sql: &'static Sql,
    statement: Statement,
}

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
    pub(super) async fn prepare(&self, sql: &'static Sql) -> Result<Prepared, Failure> {
        Ok(Prepared { sql, statement: self.client()?.prepare_cached(sql.text()).await? })
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
        prepared: &Prepared,
        parameters: Parameters<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        let values = prepared.sql.values(&parameters)?;
        Ok(self.client()?.query(&prepared.statement, &values).await?)
    }

    pub(super) async fn execute<const N: usize>(
        &self,
        prepared: &Prepared,
        parameters: Parameters<'_, N>,
    ) -> Result<u64, Failure> {
        let values = prepared.sql.values(&parameters)?;
        Ok(self.client()?.execute(&prepared.statement, &values).await?)
    }

    /// Like [`Self::execute`], but does nothing if `is_needed` is false.
    pub(super) async fn execute_if<const N: usize>(
        &self,
        is_needed: bool,
        prepared: &Prepared,
        parameters: Parameters<'_, N>,
    ) -> Result<u64, Failure> {
        if is_needed { self.execute(prepared, parameters).await } else { Ok(0) }
    }

    /// Executes a statement for all of `rows`, or does nothing if there are none. `parameters` are the same for all
    /// rows.
    pub(super) async fn execute_rows<const N: usize>(
        &self,
        prepared: &Prepared,
        rows: &Columns,
        parameters: Parameters<'_, N>,
    ) -> Result<u64, Failure> {
        if rows.is_empty() {
            return Ok(0);
        }
        let parameters: Vec<Parameter<'_>> = parameters.into_iter().chain(rows.parameters()).collect();
        let values = prepared.sql.values(&parameters)?;
        Ok(self.client()?.execute(&prepared.statement, &values).await?)
    }

    /// Runs a statement if `is_needed`, and returns its rows.
    pub(super) async fn query_if<const N: usize>(
        &self,
        is_needed: bool,
        prepared: &Prepared,
        parameters: Parameters<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        if is_needed { self.query(prepared, parameters).await } else { Ok(Vec::new()) }
    }

    /// Prepares and runs a statement, in two round trips the first time.
    pub(super) async fn prepare_and_query<const N: usize>(
        &self,
        sql: &'static Sql,
        parameters: Parameters<'_, N>,
    ) -> Result<Vec<Row>, Failure> {
        let prepared = self.prepare(sql).await?;
        self.query(&prepared, parameters).await
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
