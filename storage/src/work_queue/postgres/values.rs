//! Converts the types of the queue to column values and back.

use std::time::{Duration, SystemTime};

use frontier::{HostId, SessionId, TaskId, Timestamp};
use uuid::Uuid;

/// Limits of stored times: the years 1 to 9999, which PostgreSQL and all readers support.
const TIME_MIN_US: i64 = -62_135_596_800_000_000;
const TIME_MAX_US: i64 = 253_402_300_799_999_999;

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

/// Reads a session's or segment's number.
pub(super) fn number(n: i32) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

/// Stores a session's or segment's number.
pub(super) fn number_key(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
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
}
