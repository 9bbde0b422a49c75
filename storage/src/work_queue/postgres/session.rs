//! Opens and renews sessions, and ends those that stopped renewing.

use frontier::work_queue::{QueueError, RENEWAL_MARGIN, Session, Usage};
use frontier::{SessionId, Timestamp};

use super::connection::Connection;
use super::error::Failure;
use super::fields::Fields;
use super::queue::{PostgresQueue, SESSION_TTL};
use super::sql::sql;
use super::tables;
use super::values::session_key;
use crate::codec;

impl PostgresQueue {
    pub(super) async fn open_session(&self, worker: &str) -> Result<Session, QueueError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| QueueError::Storage(format!("failed to get random bytes: {error}")))?;
        let id = SessionId(u128::from_be_bytes(id));
        // Text in PostgreSQL cannot contain NUL.
        let worker = worker.replace('\0', "");
        self.database.retry_until_timeout(|_| self.try_open_session(id, &worker)).await
    }

    async fn try_open_session(&self, id: SessionId, worker: &str) -> Result<Session, Failure> {
        let usage = codec::encode(&Usage::default())?;
        let mut connection = self.database.connection().await?;
        // An earlier try may have succeeded, with its answer lost.
        if let Some(session) = self.find_session(&connection, id).await? {
            return Ok(session);
        }
        connection.enter_transaction();
        connection.begin().await?;
        let numbers =
            connection.prepare_and_query(sql!("sql/session_number.sql"), [("crawl", &self.crawl)]).await?;
        let row = numbers.first().ok_or_else(|| Failure::Damaged("the crawl was removed".to_owned()))?;
        let number: i32 = Fields::of("crawl", row).get("number")?;
        let ttl_s = SESSION_TTL.as_secs_f64();
        let open = connection.prepare(sql!("sql/session_open.sql")).await?;
        connection
            .execute(
                &open,
                [
                    ("crawl", &self.crawl),
                    ("number", &number),
                    ("id", &session_key(id)),
                    ("worker", &worker),
                    ("ttl_s", &ttl_s),
                    ("usage", &usage),
                    ("now", &self.now_override()),
                ],
            )
            .await?;
        let session = self.find_session(&connection, id).await?;
        connection.commit().await?;
        connection.leave_transaction();
        session.ok_or_else(|| Failure::damaged("session", "row"))
    }

    async fn find_session(&self, connection: &Connection, id: SessionId) -> Result<Option<Session>, Failure> {
        let rows = connection
            .prepare_and_query(
                sql!("sql/session_find.sql"),
                [("crawl", &self.crawl), ("id", &session_key(id))],
            )
            .await?;
        rows.first().map(|row| tables::session(row, id)).transpose()
    }

    pub(super) async fn try_renew(&self, session: &Session) -> Result<Timestamp, Failure> {
        let connection = self.database.connection().await?;
        let ttl_s = SESSION_TTL.as_secs_f64();
        let rows = connection
            .prepare_and_query(
                sql!("sql/session_renew.sql"),
                [
                    ("crawl", &self.crawl),
                    ("id", &session_key(session.id)),
                    ("now", &self.now_override()),
                    ("ttl_s", &ttl_s),
                ],
            )
            .await?;
        let Some(row) = rows.first() else { return Err(QueueError::Fenced(session.id).into()) };
        let now = Fields::of("session", row).time("now")?;
        Ok(now + SESSION_TTL.saturating_sub(RENEWAL_MARGIN))
    }

    pub(super) async fn try_reap(&self) -> Result<usize, Failure> {
        let mut connection = self.database.connection().await?;
        let sessions = connection.prepare(sql!("sql/reap_sessions.sql")).await?;
        let now = self.now_override();
        connection.enter_transaction();
        let (_, dead) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&sessions, [("crawl", &self.crawl), ("now", &now)]),
        )?;
        let dead: Vec<i32> =
            dead.iter().map(|row| Fields::of("session", row).get("number")).collect::<Result<_, _>>()?;
        if dead.is_empty() {
            connection.roll_back().await?;
            return Ok(0);
        }
        self.reclaim_hosts(&connection, &dead).await?;
        connection.commit().await?;
        connection.leave_transaction();
        Ok(dead.len())
    }
}
