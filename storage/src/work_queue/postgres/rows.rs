//! The nouns of the queue as values of columns, and back.

use std::time::{Duration, SystemTime};

use frontier::work_queue::{HostRecord, LeasedHost, Session, TaskState};
use frontier::{Host, HostId, Outcome, Task, TaskId, TaskKind, Timestamp};
use tokio_postgres::Row;
use url::Url;
use uuid::Uuid;

use super::connection::value;
use super::error::Failure;
use crate::codec;

/// The first and the last year that have four digits: what PostgreSQL holds and every reader understands.
const MOMENT_MIN_US: i64 = -62_135_596_800_000_000;
const MOMENT_MAX_US: i64 = 253_402_300_799_999_999;

/// What a task's column `state` says.
pub(super) mod state {
    pub(in super::super) const PENDING: i16 = 0;
    pub(in super::super) const DONE: i16 = 1;
    pub(in super::super) const GIVEN_UP: i16 = 2;
    pub(in super::super) const GIVEN_UP_FOR_WANT_OF_RULES: i16 = 3;
    pub(in super::super) const READ_AS: i16 = 4;
}

pub(super) fn moment(at: Timestamp) -> SystemTime {
    let us = at.as_micros().clamp(MOMENT_MIN_US, MOMENT_MAX_US);
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

/// The id with its sign bit turned over, so that the order stays.
pub(super) fn host_key(id: HostId) -> i64 {
    (id.0 ^ (1 << 63)).cast_signed()
}

pub(super) fn host_id(key: i64) -> HostId {
    HostId(key.cast_unsigned() ^ (1 << 63))
}

pub(super) fn task_id(host: i64, url: Uuid) -> TaskId {
    TaskId { host: host_id(host), url: url.as_u128() }
}

/// The columns `host_id` and `url_hash` of tasks.
pub(super) fn task_keys(ids: impl IntoIterator<Item = TaskId>) -> (Vec<i64>, Vec<Uuid>) {
    ids.into_iter().map(|id| (host_key(id.host), Uuid::from_u128(id.url))).unzip()
}

/// A count: none comes near the end of 63 bits.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A session's number.
pub(super) fn number(n: i32) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

pub(super) fn number_key(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

pub(super) fn kind_key(kind: TaskKind) -> i16 {
    match kind {
        TaskKind::Robots => 0,
        TaskKind::Sitemap => 1,
        TaskKind::Probe(n) => 2 + i16::from(n),
    }
}

fn kind(key: i16) -> Result<TaskKind, Failure> {
    match key {
        0 => Ok(TaskKind::Robots),
        1 => Ok(TaskKind::Sitemap),
        n => u8::try_from(n - 2).map(TaskKind::Probe).map_err(|_| damaged("task", "kind")),
    }
}

/// `{1,2}`: arrays of arrays would have to be of one length.
pub(super) fn host_array(hosts: &[HostId]) -> String {
    let keys: Vec<String> = hosts.iter().map(|&id| host_key(id).to_string()).collect();
    format!("{{{}}}", keys.join(","))
}

fn origin(text: &str) -> Result<Host, Failure> {
    let url = Url::parse(text).ok();
    url.and_then(|url| Host::of(&url)).ok_or_else(|| damaged("host", "origin"))
}

pub(super) fn damaged(table: &str, column: &str) -> Failure {
    Failure::Damaged(format!("table {table} holds a {column} that no worker wrote"))
}

/// The row of a host within a transaction that locks it.
pub(super) struct HostRow {
    pub(super) id: HostId,
    /// The session that has it.
    pub(super) owner: Option<i32>,
    /// Without its rules.
    pub(super) record: HostRecord,
}

impl HostRow {
    /// Of `hosts_lock.sql`, and of others that begin with the same columns.
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

/// Of `lease.sql`.
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

/// Of `load_tasks.sql`, and of others that begin with the same columns.
pub(super) fn task(row: &Row) -> Result<Task, Failure> {
    let small = |n: usize| -> Result<u8, Failure> {
        u8::try_from(value::<i16>(row, n)?).map_err(|_| damaged("task", "number"))
    };
    let parent: Option<i64> = value(row, 8)?;
    let parent_url: Option<Uuid> = value(row, 9)?;
    let named_by: Vec<i64> = value(row, 10)?;
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

/// Of `tasks_read.sql`.
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
        let ids = [0, 1, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX].map(HostId);
        assert!(ids.map(host_key).is_sorted());
        assert_eq!(ids.map(|id| host_id(host_key(id))), ids);
    }

    #[test]
    fn moments_come_back_to_the_microsecond_and_none_is_too_far() {
        for us in [0, 1, -1, 1_700_000_000_123_456, MOMENT_MIN_US, MOMENT_MAX_US] {
            let at = Timestamp::from_micros(us);
            assert_eq!(timestamp(moment(at)), at);
        }
        assert_eq!(timestamp(moment(Timestamp::from_micros(i64::MAX))).as_micros(), MOMENT_MAX_US);
    }

    #[test]
    fn kinds_come_back() {
        for of in [TaskKind::Robots, TaskKind::Sitemap, TaskKind::Probe(0), TaskKind::Probe(u8::MAX)] {
            assert_eq!(kind(kind_key(of)).unwrap(), of);
        }
    }
}
