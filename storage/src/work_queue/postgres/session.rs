//! Opens and renews sessions, and ends those that stopped renewing.

use std::time::SystemTime;

use frontier::work_queue::{QueueError, RENEWAL_MARGIN, Session, Usage};
use frontier::{SessionId, Timestamp};

use super::error::Failure;
use super::queue::{PostgresQueue, SESSION_TTL};
use super::rows;
use super::rows::value;
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
            connection.prepare_and_query(include_str!("sql/session_number.sql"), [&self.crawl]).await?;
        let row = numbers.first().ok_or_else(|| Failure::Damaged("the crawl was removed".to_owned()))?;
        let number: i32 = value(row, 0)?;
        let ttl_s = SESSION_TTL.as_secs_f64();
        let open = connection.prepare(include_str!("sql/session_open.sql")).await?;
        connection
            .execute(
                &open,
                [&self.crawl, &number, &rows::session_key(id), &worker, &ttl_s, &usage, &self.now_override()],
            )
            .await?;
        let session = self.find_session(&connection, id).await?;
        connection.commit().await?;
        connection.leave_transaction();
        session.ok_or_else(|| rows::damaged("session", "row"))
    }

    async fn find_session(
        &self,
        connection: &super::connection::Connection,
        id: SessionId,
    ) -> Result<Option<Session>, Failure> {
        let rows = connection
            .prepare_and_query(include_str!("sql/session_find.sql"), [&self.crawl, &rows::session_key(id)])
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let started_at: SystemTime = value(row, 1)?;
        Ok(Some(Session {
            id,
            number: rows::number(value(row, 0)?),
            started_at: rows::timestamp(started_at),
        }))
    }

    pub(super) async fn try_renew(&self, session: &Session) -> Result<Timestamp, Failure> {
        let connection = self.database.connection().await?;
        let ttl_s = SESSION_TTL.as_secs_f64();
        let rows = connection
            .prepare_and_query(
                include_str!("sql/session_renew.sql"),
                [&self.crawl, &rows::session_key(session.id), &self.now_override(), &ttl_s],
            )
            .await?;
        let Some(row) = rows.first() else { return Err(QueueError::Fenced(session.id).into()) };
        let now: SystemTime = value(row, 0)?;
        Ok(rows::timestamp(now) + SESSION_TTL.saturating_sub(RENEWAL_MARGIN))
    }

    pub(super) async fn try_reap(&self) -> Result<usize, Failure> {
        let mut connection = self.database.connection().await?;
        let sessions = connection.prepare(include_str!("sql/reap_sessions.sql")).await?;
        let now = self.now_override();
        connection.enter_transaction();
        let (_, dead) = tokio::try_join!(
            biased;
            connection.begin(),
            connection.query(&sessions, [&self.crawl, &now]),
        )?;
        let dead: Vec<i32> = dead.iter().map(|row| value(row, 0)).collect::<Result<_, _>>()?;
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
