//! A database of shared crawls: connecting, and going on when the connection breaks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use frontier::work_queue::QueueError;

use super::address::Address;
use super::connection::{Connection, value};
use super::error::{Failure, StoreError};
use super::shared_crawl::SharedCrawl;
use super::{schema, tls};

/// Connections of one worker: one commits, one lends, one renews, one looks.
const CONNECTIONS_MAX: usize = 4;

/// How long a worker waits for one of its own connections.
const CONNECTION_WAIT: Duration = Duration::from_secs(30);

/// How long a call goes on trying: shorter than a session may fetch without renewal.
const PATIENCE: Duration = Duration::from_secs(40);

/// Pauses between tries: doubled from the first to the last, each by chance up to half as long again.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LAST: Duration = Duration::from_secs(2);

/// How often the making of tables is tried: of workers that start at once each but one fails the first time.
const MAKE_READY_TRIES: u32 = 5;

/// How often something is asked besides the queue.
const ASK_TRIES: u32 = 5;

/// A database on a PostgreSQL server (15 or later) with the tables of shared crawls. Clones share their connections.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    place: Arc<str>,
    patience: Duration,
}

impl Database {
    /// Connects to the database at `url` and makes the tables where there are none.
    ///
    /// `url` is understood as libpq does it: `sslmode` from `disable` to `verify-full`, `sslrootcert`, several hosts, of
    /// which the one is taken that takes writes. Fails at once where nobody answers.
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
        let database = Self { pool, place, patience: PATIENCE };
        database.make_ready().await?;
        Ok(database)
    }

    async fn make_ready(&self) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let connection = self.connection().await;
            let connection = connection.map_err(|failure| failure.into_store_error(&self.place))?;
            match schema::make_ready(connection, &self.place).await {
                // Another worker made the tables in between.
                Err(
                    StoreError::Failed { .. } | StoreError::Unreachable { .. } | StoreError::Foreign { .. },
                ) if tries < MAKE_READY_TRIES => {
                    tokio::time::sleep(pause(tries)).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// The server and database in messages: without user and password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The names of all crawls.
    pub async fn crawls(&self) -> Result<Vec<String>, StoreError> {
        self.ask(|connection| async move {
            let rows = connection.ask(include_str!("sql/crawl_names.sql"), []).await?;
            Ok(rows.iter().map(|row| value(row, 0)).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The crawl called `name`, or [`StoreError::NoCrawl`].
    pub async fn crawl(&self, name: &str) -> Result<SharedCrawl, StoreError> {
        match self.find(name).await? {
            Some(id) => Ok(SharedCrawl::new(self.clone(), id)),
            None => {
                let known = match self.crawls().await?.as_slice() {
                    [] => "are none".to_owned(),
                    names => format!("are: {}", names.join(", ")),
                };
                Err(StoreError::NoCrawl { place: self.place.to_string(), name: name.to_owned(), known })
            }
        }
    }

    /// The crawl called `name`, made where there is none.
    pub async fn crawl_or_new(&self, name: &str) -> Result<SharedCrawl, StoreError> {
        loop {
            if let Some(id) = self.find(name).await? {
                return Ok(SharedCrawl::new(self.clone(), id));
            }
            self.ask(|mut connection| async move {
                connection.enter_transaction();
                connection.begin().await?;
                connection.ask(include_str!("sql/schema_version_lock.sql"), []).await?;
                connection.ask(include_str!("sql/crawl_create.sql"), [&name]).await?;
                connection.commit().await?;
                connection.leave_transaction();
                Ok(())
            })
            .await?;
        }
    }

    async fn find(&self, name: &str) -> Result<Option<i32>, StoreError> {
        self.ask(|connection| async move {
            let rows = connection.ask(include_str!("sql/crawl_find.sql"), [&name]).await?;
            Ok(rows.first().map(|row| value(row, 0)).transpose()?)
        })
        .await
    }

    /// Has something asked or changed besides the queue. Tries a few times, since a connection may have been idle while the
    /// server came back, but not for long: who types a command waits for it. `work` must come to the same however often
    /// it is done.
    pub(super) async fn ask<T, F>(&self, work: impl Fn(Connection) -> F) -> Result<T, StoreError>
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
                Err(failure) if failure.passes() && tries < ASK_TRIES => {
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

    /// Tries until there is an answer, or what stands in the way does not pass. `attempt` is told how often it was tried
    /// before, and must come to the same however often it is made.
    pub(super) async fn persist<T, F>(&self, mut attempt: impl FnMut(u32) -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut last = String::from("no answer");
        let trying = async {
            let mut tries = 0;
            loop {
                match attempt(tries).await {
                    Err(failure) if failure.passes() => last = failure.to_string(),
                    answer => return answer,
                }
                tries += 1;
                tokio::time::sleep(pause(tries)).await;
            }
        };
        match tokio::time::timeout(self.patience, trying).await {
            Ok(answer) => answer.map_err(|failure| failure.into_queue_error(&self.place)),
            Err(_) => {
                let (place, waited_s) = (&self.place, self.patience.as_secs());
                Err(QueueError::Away(format!("{place} was of no use for {waited_s} s: {last}")))
            }
        }
    }

    /// For tests that would not wait as long.
    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

/// The pause after so many tries.
fn pause(tries: u32) -> Duration {
    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(PAUSE_LAST);
    let mut chance = [0; 1];
    // Without chance, two that met once meet again; nothing worse.
    let _ = getrandom::fill(&mut chance);
    pause + pause / 2 * u32::from(chance[0]) / 255
}
