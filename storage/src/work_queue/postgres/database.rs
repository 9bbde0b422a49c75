//! A database of shared crawls: connecting, and repeating calls when the connection breaks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use frontier::work_queue::QueueError;

use super::address::Address;
use super::connection::Connection;
use super::error::{Failure, StoreError};
use super::{schema, tls};

/// Connections of one worker: one each for commits, leases, renewals and reads.
const CONNECTIONS_MAX: usize = 4;

/// How long a worker waits for one of its own connections.
const CONNECTION_WAIT: Duration = Duration::from_secs(30);

/// How long a call is repeated. It must be shorter than the time a session may fetch without renewal.
const RETRY_TIMEOUT: Duration = Duration::from_secs(40);

/// Pauses between tries. They double from the first to the longest, and each is extended by a random time of up to
/// half.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LAST: Duration = Duration::from_secs(2);

/// Maximum number of tries to create the tables. Of workers that start at the same time, all but one fail the first
/// time.
const ENSURE_TABLES_TRIES: u32 = 5;

/// Maximum number of tries for calls other than those of the queue.
const FEW_TRIES: u32 = 5;

/// A database on a PostgreSQL server (15 or later) with the tables of shared crawls. Clones share their connections.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    place: Arc<str>,
    retry_timeout: Duration,
}

impl Database {
    /// Connects to the database at `url` and creates the tables if there are none.
    ///
    /// `url` is interpreted as libpq does: `sslmode` from `disable` to `verify-full`, `sslrootcert`, and several
    /// hosts, of which the one that accepts writes is used. Fails immediately if no server answers.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let address: Address = url.parse()?;
        let place: Arc<str> = address.place.as_str().into();
        let manager = Manager::from_config(
            address.config.clone(),
            tls::connector(&address)?,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let set_up = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            let set_up = client.batch_execute(include_str!("sql/connection.sql"));
            Box::pin(async { set_up.await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECTION_WAIT))
            .post_create(set_up)
            .build()
            .map_err(|error| StoreError::Failed { place: place.to_string(), reason: error.to_string() })?;
        let database = Self { pool, place, retry_timeout: RETRY_TIMEOUT };
        database.ensure_tables().await?;
        Ok(database)
    }

    async fn ensure_tables(&self) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let connection = self.connection().await;
            let connection = connection.map_err(|failure| failure.into_store_error(&self.place))?;
            match schema::ensure_tables(connection, &self.place).await {
                // Another worker may have created the tables in between.
                Err(
                    StoreError::Failed { .. } | StoreError::Unreachable { .. } | StoreError::Foreign { .. },
                ) if tries < ENSURE_TABLES_TRIES => {
                    tokio::time::sleep(pause(tries)).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// The server and database for messages, without user and password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Runs `work`, and repeats it a few times if the error is transient. For calls other than those of the queue.
    ///
    /// A pooled connection may have been idle while the server restarted. The number of tries is small, because a
    /// user waits for the command. `work` must be idempotent.
    pub(super) async fn retry_few_times<T, F>(&self, work: impl Fn(Connection) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tries = 1;
        loop {
            let answer = match self.connection().await {
                Ok(connection) => work(connection).await,
                Err(failure) => Err(failure),
            };
            match answer {
                Err(failure) if failure.is_transient() && tries < FEW_TRIES => {
                    tokio::time::sleep(pause(tries)).await;
                    tries += 1;
                }
                answer => return answer.map_err(|failure| failure.into_store_error(&self.place)),
            }
        }
    }

    pub(super) async fn connection(&self) -> Result<Connection, Failure> {
        Connection::take(&self.pool).await
    }

    /// Repeats `attempt` until it succeeds, fails with a permanent error, or [`RETRY_TIMEOUT`] has passed.
    ///
    /// `attempt` gets the number of earlier tries and must be idempotent.
    pub(super) async fn retry_until_timeout<T, F>(
        &self,
        mut attempt: impl FnMut(u32) -> F,
    ) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut last = String::from("no answer");
        let trying = async {
            let mut tries = 0;
            loop {
                match attempt(tries).await {
                    Err(failure) if failure.is_transient() => last = failure.to_string(),
                    answer => return answer,
                }
                tries += 1;
                tokio::time::sleep(pause(tries)).await;
            }
        };
        match tokio::time::timeout(self.retry_timeout, trying).await {
            Ok(answer) => answer.map_err(|failure| failure.into_queue_error(&self.place)),
            Err(_) => {
                let (place, waited_s) = (&self.place, self.retry_timeout.as_secs());
                Err(QueueError::Unavailable(format!("{place} has been failing for {waited_s} s: {last}")))
            }
        }
    }

    /// Shortens the wait for tests.
    #[cfg(test)]
    pub(super) fn with_retry_timeout(self, retry_timeout: Duration) -> Self {
        Self { retry_timeout, ..self }
    }
}

/// The pause after this many tries.
fn pause(tries: u32) -> Duration {
    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(PAUSE_LAST);
    let mut random = [0; 1];
    // Without random bytes, two workers that collided once may collide again, but nothing worse happens.
    let _ = getrandom::fill(&mut random);
    pause + pause / 2 * u32::from(random[0]) / 255
}
