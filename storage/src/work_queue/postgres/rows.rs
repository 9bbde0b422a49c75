//! Converts the types of the queue to column values and back.

use std::time::{Duration, SystemTime};

use frontier::work_queue::{HostRecord, LeasedHost, Session, TaskState};
use frontier::{Host, HostId, Outcome, SessionId, Task, TaskId, TaskKind, Timestamp};
use tokio_postgres::types::FromSql;
use tokio_postgres::{Error, Row};
use url::Url;
use uuid::Uuid;

use super::error::Failure;
use crate::codec;

/// Limits of stored times: the years 1 to 9999, which PostgreSQL and all readers support.
const TIME_MIN_US: i64 = -62_135_596_800_000_000;
const TIME_MAX_US: i64 = 253_402_300_799_999_999;

/// Values of a task's column `state`.
pub(super) mod state {
    pub(in super::super) const PENDING: i16 = 0;
    pub(in super::super) const DONE: i16 = 1;
    pub(in super::super) const GIVEN_UP: i16 = 2;
    pub(in super::super) const GIVEN_UP_ROBOTS_UNAVAILABLE: i16 = 3;
    pub(in super::super) const READ_AS: i16 = 4;
}

/// The value of column `n`, counted from 0.
pub(super) fn value<'a, T: FromSql<'a>>(row: &'a Row, n: usize) -> Result<T, Error> {
    row.try_get(n)
}

/// The number of rows for a LIMIT clause.
pub(super) fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn session_key(id: SessionId) -> Uuid {
    Uuid::from_u128(id.0)
}

pub(super) fn moment(at: Timestamp) -> SystemTime {
    let us = at.as_micros().clamp(TIME_MIN_US, TIME_MAX_US);
    let span = Duration::from_micros(us.unsigned_abs());
    if us < 0 { SystemTime::UNIX_EPOCH - span } else { SystemTime::UNIX_EPOCH + span }
}

pub(super) fn timestamp(at: SystemTime) -> Timestamp {
    let epoch = Timestamp::default();
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(span) => epoch + span,
        Err(before) => epoch - before.duration(),
    }
}

/// The id as a column. PostgreSQL orders values of the type `uuid` by their bytes, which is the order of ids.
pub(super) fn host_key(id: HostId) -> Uuid {
    Uuid::from_u128(id.0)
}

pub(super) fn host_id(key: Uuid) -> HostId {
    HostId(key.as_u128())
}

pub(super) fn task_id(host: Uuid, url: Uuid) -> TaskId {
    TaskId { host: host_id(host), url: url.as_u128() }
}

/// The columns `host_id` and `url_hash` of tasks.
pub(super) fn task_keys(ids: impl IntoIterator<Item = TaskId>) -> (Vec<Uuid>, Vec<Uuid>) {
    ids.into_iter().map(|id| (host_key(id.host), Uuid::from_u128(id.url))).unzip()
}

/// Stores a count. No count comes close to 63 bits.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Reads a session's number.
pub(super) fn number(n: i32) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

/// Stores a session's or segment's number.
pub(super) fn number_key(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

pub(super) fn kind_key(kind: TaskKind) -> i16 {
    match kind {
        TaskKind::Robots => 0,
        TaskKind::Sitemap => 1,
        TaskKind::LastProbe => 2,
        TaskKind::Probe(n) => 3 + i16::from(n),
    }
}

fn kind(key: i16) -> Result<TaskKind, Failure> {
    match key {
        0 => Ok(TaskKind::Robots),
        1 => Ok(TaskKind::Sitemap),
        2 => Ok(TaskKind::LastProbe),
        n => u8::try_from(n - 3).map(TaskKind::Probe).map_err(|_| damaged("task", "kind")),
    }
}

/// An array as text, such as `{a,b}`. PostgreSQL requires all inner arrays of a nested array to have the same length,
/// so the arrays of several tasks are sent as texts.
pub(super) fn host_array(hosts: &[HostId]) -> String {
    let keys: Vec<String> = hosts.iter().map(|&id| host_key(id).to_string()).collect();
    format!("{{{}}}", keys.join(","))
}

fn origin(text: &str) -> Result<Host, Failure> {
    let url = Url::parse(text).ok();
    url.and_then(|url| Host::of(&url)).ok_or_else(|| damaged("host", "origin"))
}

pub(super) fn damaged(table: &str, column: &str) -> Failure {
    Failure::Damaged(format!("table {table} has an invalid or missing {column}"))
}

/// The row of a host.
pub(super) struct HostRow {
    pub(super) id: HostId,
    /// Number of the session that leases it.
    pub(super) owner: Option<i32>,
    /// The record, without robots.txt rules.
    pub(super) record: HostRecord,
}

impl HostRow {
    /// Reads a row of `hosts_lock.sql`, or of another statement that begins with the same columns.
    pub(super) fn of(row: &Row) -> Result<Self, Failure> {
        let busy_session: Option<i32> = value(row, 9)?;
        let busy_since: Option<SystemTime> = value(row, 10)?;
        let record = HostRecord {
            host: origin(value(row, 2)?)?,
            is_seed: value(row, 3)?,
            robots: None,
            not_before: value::<Option<SystemTime>>(row, 4)?.map(timestamp),
            parked: value(row, 5)?,
            account: codec::decode(value(row, 11)?)?,
            accepted: unsigned(value(row, 7)?),
            inbox: unsigned(value(row, 6)?),
            wall_us: unsigned(value(row, 8)?),
            busy_since: busy_session.map(number).zip(busy_since.map(timestamp)),
        };
        Ok(Self { id: host_id(value(row, 0)?), owner: value(row, 1)?, record })
    }
}

/// Reads a row of `lease.sql` or `lease_again.sql`.
pub(super) fn leased_host(row: &Row, session: &Session) -> Result<LeasedHost, Failure> {
    let robots: Option<&[u8]> = value(row, 6)?;
    let busy_since: SystemTime = value(row, 5)?;
    Ok(LeasedHost {
        host: origin(value(row, 0)?)?,
        is_seed: value(row, 1)?,
        asked_before: value(row, 2)?,
        not_before: value::<Option<SystemTime>>(row, 3)?.map(timestamp),
        inbox: unsigned(value(row, 4)?),
        busy_since: timestamp(busy_since).max(session.started_at),
        robots: robots.map(codec::decode).transpose()?,
    })
}

/// Reads a row of `load_tasks.sql`, or of another statement that begins with the same columns.
pub(super) fn task(row: &Row) -> Result<Task, Failure> {
    let small = |n: usize| -> Result<u8, Failure> {
        u8::try_from(value::<i16>(row, n)?).map_err(|_| damaged("task", "number"))
    };
    let parent: Option<Uuid> = value(row, 8)?;
    let parent_url: Option<Uuid> = value(row, 9)?;
    let named_by: Vec<Uuid> = value(row, 10)?;
    Ok(Task {
        id: task_id(value(row, 0)?, value(row, 1)?),
        url: value(row, 7)?,
        kind: kind(value(row, 2)?)?,
        depth: u16::try_from(value::<i32>(row, 3)?).map_err(|_| damaged("task", "depth"))?,
        parent: parent.zip(parent_url).map(|(host, url)| task_id(host, url)),
        hops: small(4)?,
        attempts: small(5)?,
        not_before: value::<Option<SystemTime>>(row, 6)?.map(timestamp),
        named_by: named_by.into_iter().map(host_id).collect(),
    })
}

/// Reads a row of `tasks_read.sql`.
pub(super) fn task_state(row: &Row) -> Result<(TaskId, TaskState), Failure> {
    let task = task(row)?;
    let id = task.id;
    let state = match value::<i16>(row, 11)? {
        state::PENDING => TaskState::Pending(task),
        state::READ_AS => TaskState::ReadAs,
        _ => {
            let outcome: &[u8] = value::<Option<&[u8]>>(row, 12)?.unwrap_or_default();
            TaskState::Done { task, outcome: codec::decode::<Outcome>(outcome)? }
        }
    };
    Ok((id, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_hosts_have_the_order_of_their_ids() {
        let ids = [0, 1, 1 << 63, (1 << 127) - 1, 1 << 127, u128::MAX].map(HostId);
        assert!(ids.map(host_key).is_sorted());
        assert_eq!(ids.map(|id| host_id(host_key(id))), ids);
    }

    #[test]
    fn times_are_read_back_to_the_microsecond_and_clamped() {
        for us in [0, 1, -1, 1_700_000_000_123_456, TIME_MIN_US, TIME_MAX_US] {
            let at = Timestamp::from_micros(us);
            assert_eq!(timestamp(moment(at)), at);
        }
        assert_eq!(timestamp(moment(Timestamp::from_micros(i64::MAX))).as_micros(), TIME_MAX_US);
    }

    #[test]
    fn kinds_are_read_back() {
        for of in [
            TaskKind::Robots,
            TaskKind::Sitemap,
            TaskKind::LastProbe,
            TaskKind::Probe(0),
            TaskKind::Probe(u8::MAX),
        ] {
            assert_eq!(kind(kind_key(of)).unwrap(), of);
        }
    }
}
