//! The crawls of a database: listing, finding and creating them.

use super::database::Database;
use super::error::StoreError;
use super::fields::Fields;
use super::shared_crawl::SharedCrawl;
use super::sql::sql;

impl Database {
    /// The names of all crawls.
    pub async fn crawls(&self) -> Result<Vec<String>, StoreError> {
        self.retry_few_times(|connection| async move {
            let rows = connection.prepare_and_query(sql!("sql/crawl_names.sql"), []).await?;
            rows.iter().map(|row| Fields::of("crawl", row).get("name")).collect()
        })
        .await
    }

    /// The crawl called `name`. Fails with [`StoreError::NoCrawl`] if there is none.
    pub async fn crawl(&self, name: &str) -> Result<SharedCrawl, StoreError> {
        match self.find(name).await? {
            Some(id) => Ok(SharedCrawl::new(self.clone(), id)),
            None => {
                let known = match self.crawls().await?.as_slice() {
                    [] => "it has no crawls".to_owned(),
                    names => format!("its crawls are: {}", names.join(", ")),
                };
                Err(StoreError::NoCrawl { place: self.place().to_owned(), name: name.to_owned(), known })
            }
        }
    }

    /// The crawl called `name`, which is created if there is none.
    pub async fn crawl_or_new(&self, name: &str) -> Result<SharedCrawl, StoreError> {
        loop {
            if let Some(id) = self.find(name).await? {
                return Ok(SharedCrawl::new(self.clone(), id));
            }
            self.retry_few_times(|mut connection| async move {
                connection.enter_transaction();
                connection.begin().await?;
                connection.prepare_and_query(sql!("sql/schema_version_lock.sql"), []).await?;
                connection.prepare_and_query(sql!("sql/crawl_create.sql"), [("name", &name)]).await?;
                connection.commit().await?;
                connection.leave_transaction();
                Ok(())
            })
            .await?;
        }
    }

    async fn find(&self, name: &str) -> Result<Option<i32>, StoreError> {
        self.retry_few_times(|connection| async move {
            let rows = connection.prepare_and_query(sql!("sql/crawl_find.sql"), [("name", &name)]).await?;
            rows.first().map(|row| Fields::of("crawl", row).get("id")).transpose()
        })
        .await
    }
}
