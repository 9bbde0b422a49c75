//! The records of the queue that are not nouns of the trait.

use frontier::work_queue::{Counts, HostRecord, SessionRecord, TotalsChange};
use frontier::{FetchRecord, HostId, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;
use crate::segment::name::SegmentName;

/// A segment and what of it counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// The file's name within `segments/`.
    pub name: String,
    /// Registered length.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// CRC-32C of it.
    pub crc32c: u32,
    /// Where its rows begin in the order of the crawl.
    pub first: SegmentPlace,
    /// The last place of which it holds the rows: later than `first` where a sealed segment stands for several.
    pub last: SegmentPlace,
}

impl SegmentRecord {
    /// Whether it is a Parquet file, which never changes.
    pub fn is_sealed(&self) -> bool {
        self.name.parse().is_ok_and(|name: SegmentName| name.sealed.is_some())
    }

    /// Whether it stands for the segment that was begun at `place`.
    pub(crate) fn covers(&self, place: SegmentPlace) -> bool {
        (self.first..=self.last).contains(&place)
    }
}

/// Where a segment was begun. The order of places is the order of the rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SegmentPlace {
    /// Number of the session that wrote it.
    pub session: u32,
    /// Segments of that session before it.
    pub seq: u32,
}

/// The state of the queue at one moment, but for its tasks, and the requests committed since another.
#[derive(Clone, Debug)]
pub struct QueueView<H> {
    /// All registered segments, in the order of their rows.
    pub segments: Vec<SegmentRecord>,
    /// All sessions, by number.
    pub sessions: Vec<SessionRecord>,
    /// The totals.
    pub counts: Counts,
    /// What all hosts, without their rules, were added to one by one: there may be too many to hold them all.
    pub hosts: H,
    /// Requests in the order of their commits. The `record` stage of those in the last commit lacks the time of that commit.
    pub fetches: Vec<FetchRecord>,
    /// For the next view: those requests are seen.
    pub mark: ViewMark,
    /// Whether there are more requests than were asked for.
    pub has_more: bool,
}

/// Up to which request the queue was viewed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ViewMark(pub(super) Vec<u8>);

/// Totals that are kept up to date with every change, since counting takes a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) hosts: u64,
    pub(super) hosts_done: u64,
    /// Parked ones, those whose date has come included.
    pub(super) hosts_parked: u64,
    pub(super) tasks: u64,
    pub(super) tasks_pending: u64,
    pub(super) entries: u64,
    pub(super) requests: u64,
}

impl Counters {
    /// After that change.
    pub(super) fn changed(self, by: TotalsChange) -> Self {
        Self {
            hosts: self.hosts.saturating_add_signed(by.hosts),
            hosts_done: self.hosts_done.saturating_add_signed(by.hosts_done),
            hosts_parked: self.hosts_parked.saturating_add_signed(by.hosts_parked),
            tasks: self.tasks.saturating_add_signed(by.tasks),
            tasks_pending: self.tasks_pending.saturating_add_signed(by.tasks_pending),
            entries: self.entries.saturating_add_signed(by.entries),
            requests: self.requests,
        }
    }
}

/// In which index a host stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Nothing to do.
    Nowhere,
    /// To be lent from then on.
    Due(Timestamp),
    /// Put aside until then.
    Parked(Timestamp),
    /// Leased.
    Leased,
}

impl Place {
    /// Where `record` belongs.
    pub(super) fn of(record: &HostRecord, is_lent: bool) -> Self {
        if is_lent {
            Self::Leased
        } else if record.parked {
            Self::Parked(record.due_at())
        } else if record.is_busy() {
            Self::Due(record.due_at())
        } else {
            Self::Nowhere
        }
    }

    /// Its key in that index.
    pub(super) fn key(self, host: HostId) -> Option<Vec<u8>> {
        match self {
            Self::Nowhere => None,
            Self::Due(at) => Some(keys::due(keys::DUE, at, host)),
            Self::Parked(at) => Some(keys::due(keys::PARKED, at, host)),
            Self::Leased => Some(keys::leased(host)),
        }
    }
}
