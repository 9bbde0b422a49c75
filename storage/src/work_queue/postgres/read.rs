//! What readers are told: totals, sessions, hosts, requests and segments, a page at a time.
//!
//! No transaction stays open between pages: it would keep the server from clearing away what the crawl leaves behind, and
//! lending would slow down for everyone.

use std::time::SystemTime;

use frontier::work_queue::{Counts, HostRecord, SessionRecord, Usage};
use frontier::{FetchRecord, HostId, SessionId, Stage};
use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::value;
use super::error::{Failure, StoreError};
use super::rows::{self, HostRow};
use super::{PostgresQueue, SharedCrawl};
use crate::codec;
use crate::work_queue::sled::{SegmentPlace, SegmentRecord};

/// Up to which commit of which session requests were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchMark {
    session: i32,
    commit: i64,
}

impl Default for FetchMark {
    /// Before the first.
    fn default() -> Self {
        Self { session: -1, commit: 0 }
    }
}

impl PostgresQueue {
    pub(super) async fn try_counts(&self) -> Result<Counts, Failure> {
        let connection = self.database.connection().await?;
        counts(&connection.ask(include_str!("sql/counts.sql"), [&self.crawl, &self.given_now()]).await?)
    }
}

impl SharedCrawl {
    /// The totals.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.database
            .ask(|connection| async move {
                let now = None::<SystemTime>;
                counts(&connection.ask(include_str!("sql/counts.sql"), [&self.id, &now]).await?)
            })
            .await
    }

    /// All sessions, by number.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.database
            .ask(|connection| async move {
                let sessions = connection.ask(include_str!("sql/sessions.sql"), [&self.id]).await?;
                sessions.iter().map(session).collect()
            })
            .await
    }

    /// All registered segments in the order of their rows. Each is a whole Parquet file.
    pub async fn segments(&self) -> Result<Vec<SegmentRecord>, StoreError> {
        self.database
            .ask(|connection| async move {
                let segments = connection.ask(include_str!("sql/segments.sql"), [&self.id]).await?;
                segments.iter().map(segment).collect()
            })
            .await
    }

    /// Up to `n` hosts with their rules, those after `after` in the order of their ids.
    pub async fn hosts_after(
        &self,
        after: Option<HostId>,
        n: usize,
    ) -> Result<Vec<(HostId, HostRecord)>, StoreError> {
        let (from, n) = (after.map_or(i64::MIN, |id| rows::host_key(id).saturating_add(1)), limit(n));
        if after == Some(HostId(u64::MAX)) {
            return Ok(Vec::new());
        }
        self.database
            .ask(|connection| async move {
                let hosts =
                    connection.ask(include_str!("sql/hosts_after.sql"), [&self.id, &from, &n]).await?;
                hosts.iter().map(host).collect()
            })
            .await
    }

    /// The requests of up to `n` commits after `mark`, by session and in the order of its commits, and the mark behind
    /// them: the same as `mark` when there are no more. The `record` stage of those in the last commit of a session
    /// lacks the time of that commit.
    pub async fn fetches_after(
        &self,
        mark: FetchMark,
        n: usize,
    ) -> Result<(Vec<FetchRecord>, FetchMark), StoreError> {
        self.database
            .ask(|connection| async move {
                let after = include_str!("sql/fetched_after.sql");
                let parameters = (mark.session, mark.commit, limit(n));
                let commits =
                    connection.ask(after, [&self.id, &parameters.0, &parameters.1, &parameters.2]).await?;
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

/// Of `session_times.sql`: for [`HostRecord::keep_shared_time`], which asks for no more of a session.
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

fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
