//! Reads totals, sessions, hosts, requests and segments, one page at a time.
//!
//! No transaction stays open between pages. It would keep the server from removing dead rows, which would slow down
//! leases for every worker.

use std::time::SystemTime;

use frontier::work_queue::{Counts, HostRecord, SessionRecord, Usage};
use frontier::{FetchRecord, HostId, SessionId, Stage};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Failure, StoreError};
use super::queue::PostgresQueue;
use super::rows::value;
use super::rows::{self, HostRow};
use super::shared_crawl::SharedCrawl;
use crate::codec;
use crate::segment::record::{SegmentPlace, SegmentRecord};

/// Position after the last commit whose requests were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchMark {
    session: i32,
    commit: i64,
}

impl Default for FetchMark {
    /// The position before the first commit.
    fn default() -> Self {
        Self { session: -1, commit: 0 }
    }
}

impl PostgresQueue {
    pub(super) async fn try_counts(&self) -> Result<Counts, Failure> {
        let connection = self.database.connection().await?;
        counts(
            &connection
                .prepare_and_query(include_str!("sql/counts.sql"), [&self.crawl, &self.now_override()])
                .await?,
        )
    }
}

impl SharedCrawl {
    /// The totals.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let now = None::<SystemTime>;
                counts(&connection.prepare_and_query(include_str!("sql/counts.sql"), [&self.id, &now]).await?)
            })
            .await
    }

    /// All sessions, by number.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let sessions =
                    connection.prepare_and_query(include_str!("sql/sessions.sql"), [&self.id]).await?;
                sessions.iter().map(session).collect()
            })
            .await
    }

    /// All registered segments in the order of their rows. Each is a complete Parquet file.
    pub async fn segments(&self) -> Result<Vec<SegmentRecord>, StoreError> {
        self.database
            .retry_few_times(|connection| async move {
                let segments =
                    connection.prepare_and_query(include_str!("sql/segments.sql"), [&self.id]).await?;
                segments.iter().map(segment).collect()
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
        let (from, n) = (rows::host_key(HostId(first)), rows::limit(n));
        self.database
            .retry_few_times(|connection| async move {
                let hosts = connection
                    .prepare_and_query(include_str!("sql/hosts_after.sql"), [&self.id, &from, &n])
                    .await?;
                hosts.iter().map(host).collect()
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
                let after = include_str!("sql/fetched_after.sql");
                let parameters = (mark.session, mark.commit, rows::limit(n));
                let commits = connection
                    .prepare_and_query(after, [&self.id, &parameters.0, &parameters.1, &parameters.2])
                    .await?;
                let (mut fetches, mut mark) = (Vec::new(), mark);
                for row in &commits {
                    mark = FetchMark { session: value(row, 0)?, commit: value(row, 1)? };
                    add_fetches(row, &mut fetches)?;
                }
                Ok((fetches, mark))
            })
            .await
    }
}

/// Reads the result of `session_times.sql`, for [`HostRecord::keep_shared_time`], which needs only these fields.
pub(super) fn session_times(rows: &[Row]) -> Result<Vec<SessionRecord>, Failure> {
    let time = |row: &Row| {
        Ok(SessionRecord {
            session: frontier::work_queue::Session {
                id: SessionId(0),
                number: rows::number(value(row, 0)?),
                started_at: rows::timestamp(value(row, 1)?),
            },
            last_commit_at: rows::timestamp(value(row, 2)?),
            commit_seq: 0,
            usage: Usage::default(),
        })
    };
    rows.iter().map(time).collect()
}

fn counts(rows: &[Row]) -> Result<Counts, Failure> {
    let row = rows.first().ok_or_else(|| rows::damaged("session", "total"))?;
    let count = |n| Ok::<_, Failure>(rows::unsigned(value(row, n)?));
    Ok(Counts {
        hosts: count(0)?,
        hosts_done: count(1)?,
        tasks: count(2)?,
        tasks_pending: count(3)?,
        entries: count(4)?,
        requests: count(5)?,
        hosts_parked: count(6)?,
        hosts_leased: count(7)?,
        next_due_at: value::<Option<SystemTime>>(row, 8)?.map(rows::timestamp),
    })
}

fn session(row: &Row) -> Result<SessionRecord, Failure> {
    Ok(SessionRecord {
        session: frontier::work_queue::Session {
            id: SessionId(value::<Uuid>(row, 1)?.as_u128()),
            number: rows::number(value(row, 0)?),
            started_at: rows::timestamp(value(row, 2)?),
        },
        last_commit_at: rows::timestamp(value(row, 3)?),
        commit_seq: rows::unsigned(value(row, 4)?),
        usage: codec::decode(value(row, 5)?)?,
    })
}

fn segment(row: &Row) -> Result<SegmentRecord, Failure> {
    let seq: i32 = value(row, 1)?;
    let place = SegmentPlace { session: rows::number(value(row, 0)?), seq: rows::number(seq) };
    Ok(SegmentRecord {
        name: value(row, 2)?,
        bytes: rows::unsigned(value(row, 3)?),
        rows: rows::unsigned(value(row, 4)?),
        crc32c: u32::try_from(value::<i64>(row, 5)?).map_err(|_| rows::damaged("segment", "checksum"))?,
        first: place,
        last: place,
    })
}

fn host(row: &Row) -> Result<(HostId, HostRecord), Failure> {
    let HostRow { id, mut record, .. } = HostRow::of(row)?;
    let robots: Option<&[u8]> = value(row, 12)?;
    record.robots = robots.map(codec::decode).transpose()?;
    Ok((id, record))
}

fn add_fetches(row: &Row, fetches: &mut Vec<FetchRecord>) -> Result<(), Failure> {
    let commit_us = rows::unsigned(value::<Option<i64>>(row, 3)?.unwrap_or_default());
    for mut fetch in codec::decode::<Vec<FetchRecord>>(value(row, 2)?)? {
        let record = &mut fetch.stages[Stage::Record];
        *record = record.saturating_add(commit_us);
        fetches.push(fetch);
    }
    Ok(())
}
