//! Reads totals, sessions, hosts, requests and segments, one page at a time.
//!
//! No transaction stays open between pages. It would keep the server from removing dead rows, which would slow down
//! leases for every worker.

use std::collections::HashMap;

use frontier::work_queue::{Counts, HostRecord, SessionRecord, TaskState};
use frontier::{FetchRecord, HostId, TaskId};
use uuid::Uuid;

use super::connection::Connection;
use super::error::{Failure, StoreError};
use super::queue::PostgresQueue;
use super::shared_crawl::SharedCrawl;
use super::sql::{Parameter, sql};
use super::tables::{self, HostRow, Moment, TASK};
use super::values::{host_key, limit, number_key, signed};
use crate::segment::record::SegmentRecord;
use crate::work_queue::FetchMark;

impl PostgresQueue {
    pub(super) async fn try_records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, Failure> {
        let connection = self.database.connection().await?;
        let ids: Vec<Uuid> = hosts.iter().map(|id| host_key(*id)).collect();
        let found = connection
            .prepare_and_query(
                sql!("sql/hosts_read.sql", HostRow::TABLE.select_list()),
                [("crawl", &self.crawl), ("host_id", &ids)],
            )
            .await?;
        let mut known = HashMap::with_capacity(found.len());
        for row in &found {
            let HostRow { id, record, .. } = HostRow::read(row)?;
            known.insert(id, record);
        }
        Ok(hosts.iter().filter_map(|id| known.remove(id)).collect())
    }

    pub(super) async fn try_counts(&self) -> Result<Counts, Failure> {
        let connection = self.database.connection().await?;
        counts(&connection, self.crawl, self.now_override()).await
    }
}

impl SharedCrawl {
    /// The totals.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.database
            .retry_few_times(|connection| async move { counts(&connection, self.id, None).await })
            .await
    }

    /// All sessions, by number.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let sessions =
                    connection.prepare_and_query(sql!("sql/sessions.sql"), [("crawl", &self.id)]).await?;
                sessions.iter().map(tables::session_record).collect()
            })
            .await
    }

    /// All registered segments in the order of their rows. Each is a complete Parquet file.
    pub async fn segments(&self) -> Result<Vec<SegmentRecord>, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let segments =
                    connection.prepare_and_query(sql!("sql/segments.sql"), [("crawl", &self.id)]).await?;
                segments.iter().map(tables::segment_record).collect()
            })
            .await
    }

    /// Up to `n` hosts with their robots.txt rules, in the order of their ids, starting after `after`.
    pub async fn hosts_after(
        &self,
        after: Option<HostId>,
        n: usize,
    ) -> Result<Vec<(HostId, HostRecord)>, StoreError> {
        let first = after.map_or(Some(0), |id| id.0.checked_add(1));
        let Some(first) = first else { return Ok(Vec::new()) };
        let (first, n) = (host_key(HostId(first)), limit(n));
        self.database
            .retry_few_times(|connection| async move {
                let hosts = connection
                    .prepare_and_query(
                        sql!("sql/hosts_after.sql", HostRow::TABLE.select_list()),
                        [("crawl", &self.id), ("first", &first), ("limit", &n)],
                    )
                    .await?;
                let host = |row| HostRow::read_with_robots(row).map(|host| (host.id, host.record));
                hosts.iter().map(host).collect()
            })
            .await
    }

    /// The states of up to `n` tasks after `after`, by host and then by the hash of the URL.
    pub async fn tasks_after(
        &self,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<(TaskId, TaskState)>, StoreError> {
        let n = limit(n);
        self.database
            .retry_few_times(|connection| async move {
                let tasks = match after {
                    None => {
                        let first = sql!("sql/tasks_first.sql", TASK.select_list());
                        connection.prepare_and_query(first, [("crawl", &self.id), ("limit", &n)]).await?
                    }
                    Some(id) => {
                        let (host, url) = (host_key(id.host), Uuid::from_u128(id.url));
                        let next = sql!("sql/tasks_after.sql", TASK.select_list());
                        let parameters: [Parameter<'_>; 4] =
                            [("crawl", &self.id), ("host_id", &host), ("url_hash", &url), ("limit", &n)];
                        connection.prepare_and_query(next, parameters).await?
                    }
                };
                tasks.iter().map(tables::task_state).collect()
            })
            .await
    }

    /// The requests of up to `n` commits after `mark`, by session and commit, and the mark after them.
    ///
    /// The mark equals `mark` if there are no more commits. For the requests of a session's last commit, the `record`
    /// stage lacks the time of that commit.
    pub async fn fetches_after(
        &self,
        mark: FetchMark,
        n: usize,
    ) -> Result<(Vec<FetchRecord>, FetchMark), StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let (session, seq, n) = (number_key(mark.session), signed(mark.commit_seq), limit(n));
                let parameters: [Parameter<'_>; 4] =
                    [("crawl", &self.id), ("session", &session), ("commit_seq", &seq), ("limit", &n)];
                let commits = connection.prepare_and_query(sql!("sql/fetched_after.sql"), parameters).await?;
                let (mut fetches, mut mark) = (Vec::new(), mark);
                for row in &commits {
                    mark = tables::add_fetches(row, &mut fetches)?;
                }
                Ok((fetches, mark))
            })
            .await
    }
}

async fn counts(connection: &Connection, crawl: i32, now: Moment) -> Result<Counts, Failure> {
    let totals = sql!("sql/counts.sql");
    tables::counts(&connection.prepare_and_query(totals, [("crawl", &crawl), ("now", &now)]).await?)
}
