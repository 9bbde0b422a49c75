//! The keys of the records: a letter for the kind of record, then big-endian numbers. The host comes first, so that
//! records that are written together are stored together.
//!
//! ```text
//! C                            counters
//! S number                     a session
//! G number seq                 a segment that this session began
//! F number commit 0            how long this commit took
//! F number commit chunk        the requests of this commit, chunks from 1
//! H host                       a host
//! R host                       its robots.txt rules
//! D due_at host                a host that has work and is not leased
//! P due_at host                a host that is parked
//! L host                       a host that is leased
//! U host url                   a task
//! T host priority url          a pending task, in the order within its host
//! W site                       number of hosts of a site that were found and not seeded
//! ```
//! Keys of one kind have one length, so no key is the beginning of another, as [`crate::Store`] requires.

use frontier::task::HOP_PRIORITY;
use frontier::{HostId, Site, TaskId, Timestamp};

use crate::segment::record::SegmentPlace;
use crate::work_queue::FetchMark;

pub(super) const COUNTERS: &[u8] = b"C";
pub(super) const SESSIONS: &[u8] = b"S";
pub(super) const SEGMENTS: &[u8] = b"G";
pub(super) const FETCHES: &[u8] = b"F";
pub(super) const HOSTS: &[u8] = b"H";
pub(super) const DUE: &[u8] = b"D";
pub(super) const PARKED: &[u8] = b"P";
pub(super) const LEASED: &[u8] = b"L";
pub(super) const TASKS: &[u8] = b"U";

pub(super) fn session(number: u32) -> Vec<u8> {
    [SESSIONS, &number.to_be_bytes()].concat()
}

pub(super) fn segment(place: SegmentPlace) -> Vec<u8> {
    [SEGMENTS, &place.session.to_be_bytes(), &place.seq.to_be_bytes()].concat()
}

/// Key of a commit's duration (`chunk` 0) or of its requests.
pub(super) fn fetches(session: u32, commit: u64, chunk: u32) -> Vec<u8> {
    [FETCHES, &session.to_be_bytes(), &commit.to_be_bytes(), &chunk.to_be_bytes()].concat()
}

/// The session's number in a [`FETCHES`] key.
pub(super) fn session_part(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*key.get(1..)?.first_chunk()?))
}

/// The mark after the commit of a [`FETCHES`] key.
pub(super) fn commit_part(key: &[u8]) -> Option<FetchMark> {
    let commit_seq = u64::from_be_bytes(*key.get(5..)?.first_chunk()?);
    Some(FetchMark { session: session_part(key)?, commit_seq })
}

/// Whether this [`FETCHES`] key is that of a commit's duration.
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
    [LEASED, &id.0.to_be_bytes()].concat()
}

/// Key in the index `space`, which is [`DUE`] or [`PARKED`].
pub(super) fn due(space: &[u8], at: Timestamp, id: HostId) -> Vec<u8> {
    // The sign bit is flipped, so that times before the epoch come first.
    let at = at.as_micros().cast_unsigned() ^ (1 << 63);
    [space, &at.to_be_bytes(), &id.0.to_be_bytes()].concat()
}

/// Time and host of a [`DUE`] or [`PARKED`] key.
pub(super) fn due_parts(key: &[u8]) -> Option<(Timestamp, HostId)> {
    let at = u64::from_be_bytes(*key.get(1..9)?.first_chunk()?) ^ (1 << 63);
    Some((Timestamp::from_micros(at.cast_signed()), host_at(key, 9)?))
}

/// The host of a [`HOSTS`] or [`LEASED`] key.
pub(super) fn host_part(key: &[u8]) -> Option<HostId> {
    host_at(key, 1)
}

fn host_at(key: &[u8], place: usize) -> Option<HostId> {
    Some(HostId(u128::from_be_bytes(*key.get(place..)?.first_chunk()?)))
}

pub(super) fn task(id: TaskId) -> Vec<u8> {
    [TASKS, &id.host.0.to_be_bytes(), &id.url.to_be_bytes()].concat()
}

pub(super) fn site(site: &Site) -> Vec<u8> {
    [&b"W"[..], &site.id().to_be_bytes()].concat()
}

/// The task of a [`TASKS`] key.
pub(super) fn task_part(key: &[u8]) -> Option<TaskId> {
    Some(TaskId { host: host_at(key, 1)?, url: url_at(key, 17)? })
}

pub(super) fn pending(id: TaskId, priority: u16) -> Vec<u8> {
    [&pending_of(id.host)[..], &priority.to_be_bytes(), &id.url.to_be_bytes()].concat()
}

/// Prefix of the keys of a host's pending tasks.
pub(super) fn pending_of(host: HostId) -> Vec<u8> {
    [&b"T"[..], &host.0.to_be_bytes()].concat()
}

/// Prefix of the keys of a host's pending requests for other hosts.
pub(super) fn hops_of(host: HostId) -> Vec<u8> {
    [&pending_of(host)[..], &HOP_PRIORITY.to_be_bytes()].concat()
}

/// The task of a pending task's key.
pub(super) fn pending_part(key: &[u8]) -> Option<TaskId> {
    Some(TaskId { host: host_at(key, 1)?, url: url_at(key, 19)? })
}

fn url_at(key: &[u8], place: usize) -> Option<u128> {
    Some(u128::from_be_bytes(*key.get(place..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_length_of_their_kind_and_their_parts_are_read_back() {
        let host = HostId(0x0102_0304_0506_0708 << 64);
        let id = TaskId { host, url: 7 << 100 };
        for (key, length) in [
            (COUNTERS.to_vec(), 1),
            (session(1), 1 + 4),
            (segment(SegmentPlace { session: 1, seq: 2 }), 1 + 4 + 4),
            (fetches(1, 2, 3), 1 + 4 + 8 + 4),
            (super::host(host), 1 + 16),
            (robots(host), 1 + 16),
            (leased(host), 1 + 16),
            (due(DUE, Timestamp::default(), host), 1 + 8 + 16),
            (due(PARKED, Timestamp::default(), host), 1 + 8 + 16),
            (task(id), 1 + 16 + 16),
            (pending(id, 3), 1 + 16 + 2 + 16),
            (
                site(&Site::of(&frontier::Host::of(&url::Url::parse("https://a.example").unwrap()).unwrap())),
                1 + 16,
            ),
        ] {
            assert_eq!(key.len(), length, "{key:?}");
        }
        assert_eq!(task_part(&task(id)), Some(id));
        assert_eq!(pending_part(&pending(id, 3)), Some(id));
        assert_eq!(host_part(&leased(host)), Some(host));
        assert_eq!(session_part(&fetches(9, 2, 3)), Some(9));
        assert_eq!(commit_part(&fetches(9, 2, 3)), Some(FetchMark { session: 9, commit_seq: 2 }));
        assert_eq!(task_part(b"U"), None);
    }

    #[test]
    fn due_keys_are_ordered_by_time() {
        let moments = [i64::MIN, -1, 0, 1, i64::MAX].map(Timestamp::from_micros);
        let keys = moments.map(|at| due(DUE, at, HostId(9)));
        assert!(keys.is_sorted());
        for (key, at) in keys.iter().zip(moments) {
            assert_eq!(due_parts(key), Some((at, HostId(9))));
        }
    }
}
