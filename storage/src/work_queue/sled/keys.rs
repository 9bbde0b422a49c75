//! The keys of the one tree: a letter for the space, then big-endian numbers, the host first, so that what is written
//! together lies together.
//!
//! ```text
//! C                            counters
//! S number                     a session
//! G number seq                 a segment that was begun by that session
//! F number commit 0            how long that commit took
//! F number commit chunk        the requests it brought, chunks from 1
//! H host                       a host
//! R host                       its rules
//! D due_at host                a host that is busy and not lent
//! P due_at host                a host that is parked
//! L host                       a host that is lent
//! U host url                   a task
//! T host priority url          a pending task, in the order of its host
//! ```
//! A key that is longer than those of its space is a further piece of a long value, see [`super::store`].

use frontier::{HostId, TaskId, Timestamp};

use super::records::SegmentPlace;

pub(super) const COUNTERS: &[u8] = b"C";
pub(super) const SESSIONS: &[u8] = b"S";
pub(super) const SEGMENTS: &[u8] = b"G";
pub(super) const FETCHES: &[u8] = b"F";
pub(super) const HOSTS: &[u8] = b"H";
pub(super) const DUE: &[u8] = b"D";
pub(super) const PARKED: &[u8] = b"P";
pub(super) const LENT: &[u8] = b"L";
pub(super) const TASKS: &[u8] = b"U";

/// Length of all keys in the space of this one, pieces apart; 0 for a space we do not know.
pub(super) fn length(key: &[u8]) -> usize {
    match key.first() {
        Some(b'C') => 1,
        Some(b'S') => 1 + 4,
        Some(b'G') => 1 + 4 + 4,
        Some(b'F') => 1 + 4 + 8 + 4,
        Some(b'H' | b'R' | b'L') => 1 + 8,
        Some(b'D' | b'P') => 1 + 8 + 8,
        Some(b'U') => 1 + 8 + 16,
        Some(b'T') => 1 + 8 + 2 + 16,
        _ => 0,
    }
}

pub(super) fn session(number: u32) -> Vec<u8> {
    [SESSIONS, &number.to_be_bytes()].concat()
}

pub(super) fn segment(place: SegmentPlace) -> Vec<u8> {
    [SEGMENTS, &place.session.to_be_bytes(), &place.seq.to_be_bytes()].concat()
}

/// What a commit took (`chunk` 0) or brought.
pub(super) fn fetches(session: u32, commit: u64, chunk: u32) -> Vec<u8> {
    [FETCHES, &session.to_be_bytes(), &commit.to_be_bytes(), &chunk.to_be_bytes()].concat()
}

/// The session's number in a key in [`FETCHES`].
pub(super) fn session_part(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*key.get(1..)?.first_chunk()?))
}

/// Whether this is the key of what a commit took.
pub(super) fn is_commit_time(fetches: &[u8]) -> bool {
    fetches.ends_with(&[0; 4])
}

pub(super) fn host(id: HostId) -> Vec<u8> {
    [HOSTS, &id.0.to_be_bytes()].concat()
}

pub(super) fn robots(id: HostId) -> Vec<u8> {
    [&b"R"[..], &id.0.to_be_bytes()].concat()
}

pub(super) fn leased(id: HostId) -> Vec<u8> {
    [LENT, &id.0.to_be_bytes()].concat()
}

/// In the space [`DUE`] or [`PARKED`].
pub(super) fn due(space: &[u8], at: Timestamp, id: HostId) -> Vec<u8> {
    // The sign bit turned over puts moments before the epoch first.
    let at = at.as_micros().cast_unsigned() ^ (1 << 63);
    [space, &at.to_be_bytes(), &id.0.to_be_bytes()].concat()
}

/// Moment and host of a key in [`DUE`] or [`PARKED`].
pub(super) fn due_parts(key: &[u8]) -> Option<(Timestamp, HostId)> {
    let at = u64::from_be_bytes(*key.get(1..9)?.first_chunk()?) ^ (1 << 63);
    Some((Timestamp::from_micros(at.cast_signed()), host_at(key, 9)?))
}

/// The host of a key in [`HOSTS`] or [`LENT`].
pub(super) fn host_part(key: &[u8]) -> Option<HostId> {
    host_at(key, 1)
}

fn host_at(key: &[u8], place: usize) -> Option<HostId> {
    Some(HostId(u64::from_be_bytes(*key.get(place..)?.first_chunk()?)))
}

pub(super) fn task(id: TaskId) -> Vec<u8> {
    [TASKS, &id.host.0.to_be_bytes(), &id.url.to_be_bytes()].concat()
}

/// The task of a key in [`TASKS`].
pub(super) fn task_part(key: &[u8]) -> Option<TaskId> {
    Some(TaskId { host: host_at(key, 1)?, url: url_at(key, 9)? })
}

pub(super) fn pending(id: TaskId, priority: u16) -> Vec<u8> {
    [&pending_of(id.host)[..], &priority.to_be_bytes(), &id.url.to_be_bytes()].concat()
}

/// What the keys of a host's pending tasks begin with.
pub(super) fn pending_of(host: HostId) -> Vec<u8> {
    [&b"T"[..], &host.0.to_be_bytes()].concat()
}

/// The task of a key of a pending task.
pub(super) fn pending_part(key: &[u8]) -> Option<TaskId> {
    Some(TaskId { host: host_at(key, 1)?, url: url_at(key, 11)? })
}

fn url_at(key: &[u8], place: usize) -> Option<u128> {
    Some(u128::from_be_bytes(*key.get(place..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_long_as_their_space_says_and_give_their_parts_back() {
        let host = HostId(0x0102_0304_0506_0708);
        let id = TaskId { host, url: 7 << 100 };
        for key in [
            COUNTERS.to_vec(),
            session(1),
            segment(SegmentPlace { session: 1, seq: 2 }),
            fetches(1, 2, 3),
            super::host(host),
            robots(host),
            leased(host),
            due(DUE, Timestamp::default(), host),
            task(id),
            pending(id, 3),
        ] {
            assert_eq!(key.len(), length(&key), "{key:?}");
        }
        assert_eq!(task_part(&task(id)), Some(id));
        assert_eq!(pending_part(&pending(id, 3)), Some(id));
        assert_eq!(host_part(&leased(host)), Some(host));
        assert_eq!(session_part(&fetches(9, 2, 3)), Some(9));
        assert_eq!(task_part(b"U"), None);
    }

    #[test]
    fn hosts_are_ordered_by_their_moments() {
        let moments = [i64::MIN, -1, 0, 1, i64::MAX].map(Timestamp::from_micros);
        let keys = moments.map(|at| due(DUE, at, HostId(9)));
        assert!(keys.is_sorted());
        for (key, at) in keys.iter().zip(moments) {
            assert_eq!(due_parts(key), Some((at, HostId(9))));
        }
    }
}
