//! The workers of a crawl: counts live sessions and closes one.

use std::time::Duration;

use frontier::work_queue::{QueueError, Session};
use frontier::{SessionId, Timestamp};

use super::database::Database;
use super::error::{Failure, StoreError};
use super::fields::Fields;
use super::queue::{PostgresQueue, SESSION_TTL};
use super::shared_crawl::SharedCrawl;
use super::sql::{Parameter, sql};
use super::tables::session_id;
use super::values::{number_key, session_key};

impl PostgresQueue {
    /// Closes a session and makes its hosts available to others. Does nothing if the session has already ended.
    pub async fn close_session(&self, session: &Session) -> Result<(), QueueError> {
        self.database.retry_until_timeout(|_| self.try_close_session(session)).await
    }

    async fn try_close_session(&self, session: &Session) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        let close = connection.prepare(sql!("sql/session_close.sql")).await?;
        let dead = vec![number_key(session.number)];
        connection.enter_transaction();
        connection.begin().await?;
        let id = session_key(session.id);
        if connection.execute(&close, [("crawl", &self.crawl), ("id", &id)]).await? == 0 {
            return connection.roll_back().await;
        }
        self.reclaim_hosts(&connection, &dead).await?;
        connection.commit().await?;
        connection.leave_transaction();
        Ok(())
    }

    pub(super) async fn try_workers(&self) -> Result<u64, Failure> {
        workers(&self.database, self.crawl, self.now_override()).await
    }
}

impl SharedCrawl {
    /// Number of live sessions.
    pub async fn workers(&self) -> Result<u64, StoreError> {
        let alive = workers(&self.database, self.id, None).await;
        alive.map_err(|failure| failure.into_store_error(self.database.place()))
    }

    /// Number of live sessions that were not renewed for `silence`, or not since the server's clock was set back, and when
    /// the last of them expires. Their workers may have ended.
    pub async fn silent_workers(&self, silence: Duration) -> Result<(u64, Option<Timestamp>), StoreError> {
        let ttl_s = SESSION_TTL.as_secs_f64();
        let renewed_s = SESSION_TTL.saturating_sub(silence).as_secs_f64();
        self.database
            .retry_few_times(async |connection| {
                let given: [Parameter<'_>; 3] =
                    [("crawl", &self.id), ("renewed_s", &renewed_s), ("ttl_s", &ttl_s)];
                let rows = connection.prepare_and_query(sql!("sql/workers_silent.sql"), given).await?;
                let row = rows.first().ok_or_else(|| Failure::damaged("session", "count"))?;
                let mut fields = Fields::of("session", row);
                Ok((fields.count("workers")?, fields.time_if_any("until")?))
            })
            .await
    }

    /// The sessions that may still commit, including expired ones that were not reaped yet.
    pub async fn sessions_alive(&self) -> Result<Vec<SessionId>, StoreError> {
        self.database
            .retry_few_times(async |connection| {
                let rows = connection
                    .prepare_and_query(sql!("sql/sessions_alive.sql"), [("crawl", &self.id)])
                    .await?;
                rows.iter().map(session_id).collect()
            })
            .await
    }

    /// A string that identifies this crawl among all crawls, also of other databases.
    pub async fn identity(&self) -> Result<String, StoreError> {
        self.database
            .retry_few_times(async |connection| {
                let rows = connection
                    .prepare_and_query(sql!("sql/crawl_identity.sql"), [("crawl", &self.id)])
                    .await?;
                let row = rows.first().ok_or_else(|| Failure::damaged("crawl", "row"))?;
                Fields::of("crawl", row).get("identity")
            })
            .await
    }
}

async fn workers(
    database: &Database,
    crawl: i32,
    now: Option<std::time::SystemTime>,
) -> Result<u64, Failure> {
    let connection = database.connection().await?;
    let rows =
        connection.prepare_and_query(sql!("sql/workers.sql"), [("crawl", &crawl), ("now", &now)]).await?;
    let row = rows.first().ok_or_else(|| Failure::damaged("session", "count"))?;
    Fields::of("session", row).count("workers")
}
