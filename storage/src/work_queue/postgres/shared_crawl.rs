//! One crawl of a database, apart from its work queue.

use std::time::SystemTime;

use frontier::seed::Seed;
use frontier::work_queue::QueueBounds;
use frontier::{NewTask, TaskKind, Timestamp};

use super::connection::value;
use super::database::Database;
use super::error::{Failure, StoreError};
use super::{PostgresQueue, SESSION_TTL, rows};

/// A crawl that many machines share: its name in a [`Database`] stands for it.
#[derive(Clone)]
pub struct SharedCrawl {
    pub(super) database: Database,
    pub(super) id: i32,
}

impl SharedCrawl {
    pub(super) fn new(database: Database, id: i32) -> Self {
        Self { database, id }
    }

    /// Its work queue. The bounds are those of the crawl's scope, the same for every worker.
    pub fn queue(&self, bounds: QueueBounds) -> PostgresQueue {
        PostgresQueue {
            database: self.database.clone(),
            crawl: self.id,
            bounds,
            session_life: SESSION_TTL,
            clock: None,
        }
    }

    /// The present on the clock of the server. A worker sets its own clock by it, so that the moments that pass between
    /// machines mean the same on each.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.database
            .ask(|connection| async move {
                let rows = connection.ask(include_str!("sql/now.sql"), [&None::<SystemTime>]).await?;
                let row = rows.first().ok_or_else(|| rows::damaged("session", "clock"))?;
                Ok(rows::timestamp(value(row, 0)?))
            })
            .await
    }

    /// What the crawl remembers of its flags, as JSON.
    pub async fn settings(&self) -> Result<Option<String>, StoreError> {
        self.database
            .ask(|connection| async move {
                let rows = connection.ask(include_str!("sql/settings_read.sql"), [&self.id]).await?;
                Ok(rows.first().map(|row| value(row, 0)).transpose()?.flatten())
            })
            .await
    }

    /// Remembers this, unless it remembers something already: of several that start it at once one sets its settings.
    pub async fn set_settings(&self, json: &str) -> Result<(), StoreError> {
        self.database
            .ask(|connection| async move {
                connection.ask(include_str!("sql/settings_write.sql"), [&self.id, &json]).await?;
                Ok(())
            })
            .await
    }

    /// Remembers what it was started from; what is known already is passed over.
    pub async fn add_seeds(&self, seeds: &[NewTask]) -> Result<(), StoreError> {
        let urls: &Vec<String> = &seeds.iter().map(seed_url).collect();
        self.database
            .ask(|connection| async move {
                connection.ask(include_str!("sql/seeds_add.sql"), [&self.id, urls]).await?;
                Ok(())
            })
            .await
    }

    /// The first tasks of what it was started from, in the order of their URLs.
    pub async fn seeds(&self) -> Result<Vec<NewTask>, StoreError> {
        self.database
            .ask(|connection| async move {
                let rows = connection.ask(include_str!("sql/seeds_read.sql"), [&self.id]).await?;
                rows.iter().map(|row| seed(value(row, 0)?)).collect()
            })
            .await
    }
}

/// `https://host` stands for a site, a URL with a path for a sitemap.
fn seed_url(seed: &NewTask) -> String {
    match seed.task.kind {
        TaskKind::Robots => seed.host.to_string(),
        TaskKind::Sitemap | TaskKind::Probe(_) => seed.task.url.clone(),
    }
}

fn seed(url: &str) -> Result<NewTask, Failure> {
    let seed = Seed::parse(url).ok().flatten();
    seed.map(|seed| seed.task()).ok_or_else(|| rows::damaged("seed", "URL"))
}
