//! The workers of a crawl: how many there are, and how one leaves.

use frontier::SessionId;
use frontier::work_queue::{QueueError, Session};
use uuid::Uuid;

use super::connection::{uuid, value};
use super::database::Database;
use super::error::{Failure, StoreError};
use super::{PostgresQueue, SharedCrawl, rows};

impl PostgresQueue {
    /// Ends a session in good order: the hosts that it has are free for others. One that is dead already is well.
    pub async fn close_session(&self, session: &Session) -> Result<(), QueueError> {
        self.database.persist(|_| self.try_close_session(session)).await
    }

    async fn try_close_session(&self, session: &Session) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        let close = connection.prepare(include_str!("sql/session_close.sql")).await?;
        let dead = vec![rows::number_key(session.number)];
        connection.enter_transaction();
        connection.begin().await?;
        if connection.execute(&close, [&self.crawl, &uuid(session.id)]).await? == 0 {
            return connection.roll_back().await;
        }
        self.take_back(&connection, &dead).await?;
        connection.commit().await?;
        connection.leave_transaction();
        Ok(())
    }

    pub(super) async fn try_workers(&self) -> Result<u64, Failure> {
        workers(&self.database, self.crawl, self.given_now()).await
    }
}

impl SharedCrawl {
    /// Sessions that are alive.
    pub async fn workers(&self) -> Result<u64, StoreError> {
        let alive = workers(&self.database, self.id, None).await;
        alive.map_err(|failure| failure.into_store_error(self.database.place()))
    }

    /// The sessions that may still commit, those that are about to be declared dead included.
    pub async fn sessions_alive(&self) -> Result<Vec<SessionId>, StoreError> {
        self.database
            .ask(async |connection| {
                let rows = connection.ask(include_str!("sql/sessions_alive.sql"), [&self.id]).await?;
                rows.iter().map(|row| Ok(SessionId(value::<Uuid>(row, 0)?.as_u128()))).collect()
            })
            .await
    }

    /// Tells this crawl from any other, those of other databases too.
    pub async fn identity(&self) -> Result<String, StoreError> {
        self.database
            .ask(async |connection| {
                let rows = connection.ask(include_str!("sql/crawl_identity.sql"), [&self.id]).await?;
                let row = rows.first().ok_or_else(|| rows::damaged("crawl", "row"))?;
                Ok(value(row, 0)?)
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
    let rows = connection.ask(include_str!("sql/workers.sql"), [&crawl, &now]).await?;
    let row = rows.first().ok_or_else(|| rows::damaged("session", "count"))?;
    Ok(rows::unsigned(value(row, 0)?))
}
