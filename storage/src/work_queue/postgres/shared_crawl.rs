//! One crawl of a database: its queue, settings and seeds.

use std::time::SystemTime;

use frontier::seed::Seed;
use frontier::work_queue::QueueBounds;
use frontier::{NewTask, TaskKind, Timestamp};

use super::database::Database;
use super::error::{Failure, StoreError};
use super::queue::PostgresQueue;
use super::rows;
use super::rows::value;

/// A crawl that many machines share. It is identified by its name in a [`Database`].
#[derive(Clone)]
pub struct SharedCrawl {
    pub(super) database: Database,
    pub(super) id: i32,
}

impl SharedCrawl {
    pub(super) fn new(database: Database, id: i32) -> Self {
        Self { database, id }
    }

    /// The work queue of the crawl. `bounds` come from the crawl's scope and must be the same for every worker.
    pub fn queue(&self, bounds: QueueBounds) -> PostgresQueue {
        PostgresQueue { database: self.database.clone(), crawl: self.id, bounds, clock: None }
    }

    /// The current time of the server's clock. A worker sets its own clock by it, so that times exchanged between
    /// machines mean the same on each.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let rows =
                    connection.prepare_and_query(include_str!("sql/now.sql"), [&None::<SystemTime>]).await?;
                let row = rows.first().ok_or_else(|| rows::damaged("session", "clock"))?;
                Ok(rows::timestamp(value(row, 0)?))
            })
            .await
    }

    /// The stored settings of the crawl, as JSON.
    pub async fn settings(&self) -> Result<Option<String>, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let rows =
                    connection.prepare_and_query(include_str!("sql/settings_read.sql"), [&self.id]).await?;
                Ok(rows.first().map(|row| value(row, 0)).transpose()?.flatten())
            })
            .await
    }

    /// Stores the settings if there are none yet. Of several workers that start the crawl at the same time, one sets
    /// them.
    pub async fn set_settings(&self, json: &str) -> Result<(), StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                connection
                    .prepare_and_query(include_str!("sql/settings_write.sql"), [&self.id, &json])
                    .await?;
                Ok(())
            })
            .await
    }

    /// Stores the seeds of the crawl. Known ones are ignored.
    pub async fn add_seeds(&self, seeds: &[NewTask]) -> Result<(), StoreError> {
        let urls: &Vec<String> = &seeds.iter().map(seed_url).collect();
        self.database
            .retry_few_times(|connection| async move {
                connection.prepare_and_query(include_str!("sql/seeds_add.sql"), [&self.id, urls]).await?;
                Ok(())
            })
            .await
    }

    /// The first tasks of the stored seeds, in the order of their URLs.
    pub async fn seeds(&self) -> Result<Vec<NewTask>, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let rows =
                    connection.prepare_and_query(include_str!("sql/seeds_read.sql"), [&self.id]).await?;
                rows.iter().map(|row| seed(value(row, 0)?)).collect()
            })
            .await
    }
}

/// The stored URL of a seed: `https://host` for a site, a URL with a path for a sitemap.
fn seed_url(seed: &NewTask) -> String {
    match seed.task.kind {
        TaskKind::Robots => seed.host.to_string(),
        TaskKind::Sitemap | TaskKind::Probe(_) | TaskKind::LastProbe => seed.task.url.clone(),
    }
}

fn seed(url: &str) -> Result<NewTask, Failure> {
    let seed = Seed::parse(url).ok().flatten();
    seed.map(|seed| seed.task()).ok_or_else(|| rows::damaged("seed", "URL"))
}
