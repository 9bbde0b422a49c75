//! One crawl of a database: its queue, settings and seeds.

use std::time::SystemTime;

use frontier::seed::Seed;
use frontier::work_queue::QueueBounds;
use frontier::{NewTask, TaskKind, Timestamp};

use super::database::Database;
use super::error::{Failure, StoreError};
use super::fields::Fields;
use super::queue::PostgresQueue;
use super::sql::sql;

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
                    connection.prepare_and_query(sql!("sql/now.sql"), [("now", &None::<SystemTime>)]).await?;
                let row = rows.first().ok_or_else(|| Failure::damaged("session", "clock"))?;
                Fields::of("session", row).time("now")
            })
            .await
    }

    /// The stored settings of the crawl, as JSON.
    pub async fn settings(&self) -> Result<Option<String>, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let rows = connection
                    .prepare_and_query(sql!("sql/settings_read.sql"), [("crawl", &self.id)])
                    .await?;
                let settings = rows.first().map(|row| Fields::of("crawl", row).get("settings"));
                Ok(settings.transpose()?.flatten())
            })
            .await
    }

    /// Stores the settings if there are none yet. Of several workers that start the crawl at the same time, one sets
    /// them.
    pub async fn set_settings(&self, json: &str) -> Result<(), StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                connection
                    .prepare_and_query(
                        sql!("sql/settings_write.sql"),
                        [("crawl", &self.id), ("settings", &json)],
                    )
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
                connection
                    .prepare_and_query(sql!("sql/seeds_add.sql"), [("crawl", &self.id), ("url", urls)])
                    .await?;
                Ok(())
            })
            .await
    }

    /// Whether there is any seed.
    pub async fn has_seeds(&self) -> Result<bool, StoreError> {
        self.seeds_exist("has_any").await
    }

    /// Whether there is a seed that is not marked as added to the queue.
    pub async fn has_new_seeds(&self) -> Result<bool, StoreError> {
        self.seeds_exist("has_new").await
    }

    async fn seeds_exist(&self, which: &'static str) -> Result<bool, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let rows =
                    connection.prepare_and_query(sql!("sql/seeds_exist.sql"), [("crawl", &self.id)]).await?;
                let row = rows.first().ok_or_else(|| Failure::damaged("seed", which))?;
                Fields::of("seed", row).get(which)
            })
            .await
    }

    /// The first tasks of up to `n` seeds that are not marked as added to the queue. No other worker gets them for 60 s.
    pub async fn claim_seeds(&self, n: usize) -> Result<Vec<NewTask>, StoreError> {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        self.database
            .retry_few_times(|connection| async move {
                let claim = sql!("sql/seeds_claim.sql");
                let rows = connection.prepare_and_query(claim, [("crawl", &self.id), ("n", &n)]).await?;
                rows.iter().map(|row| seed(Fields::of("seed", row).get("url")?)).collect()
            })
            .await
    }

    /// Marks `seeds` as added to the queue, so that no worker gets them again.
    pub async fn mark_seeds_added(&self, seeds: &[NewTask]) -> Result<(), StoreError> {
        let urls: &Vec<String> = &seeds.iter().map(seed_url).collect();
        self.database
            .retry_few_times(|connection| async move {
                connection
                    .prepare_and_query(sql!("sql/seeds_added.sql"), [("crawl", &self.id), ("url", urls)])
                    .await?;
                Ok(())
            })
            .await
    }
}

/// The stored URL of a seed: `https://host` for a site, a URL with a path for a sitemap.
fn seed_url(seed: &NewTask) -> String {
    match seed.task.kind {
        TaskKind::Robots => seed.host.to_string(),
        TaskKind::Sitemap | TaskKind::Probe(_) | TaskKind::LastProbe | TaskKind::RobotsHop => {
            seed.task.url.clone()
        }
    }
}

fn seed(url: &str) -> Result<NewTask, Failure> {
    let seed = Seed::parse(url).ok().flatten();
    seed.map(|seed| seed.task()).ok_or_else(|| Failure::damaged("seed", "URL"))
}
