//! The records of the queue that are not nouns of the trait.

use frontier::work_queue::HostRecord;
use frontier::{HostId, Outcome, Task, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;

/// What the queue knows of a URL.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TaskState {
    /// To be fetched.
    Pending(Task),
    /// Came to an outcome.
    Done {
        /// The task as it was taken on, with its attempts.
        task: Task,
        /// How it ended.
        outcome: Outcome,
    },
    /// Never a task: the URL under which another task was read.
    ReadAs,
}

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
}

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
    /// Takes `record` out of the totals of hosts.
    pub(super) fn remove(&mut self, record: &HostRecord) {
        self.hosts = self.hosts.saturating_sub(1);
        self.hosts_done = self.hosts_done.saturating_sub(u64::from(record.account.unfinished() == 0));
        self.hosts_parked = self.hosts_parked.saturating_sub(u64::from(record.parked));
        self.tasks_pending = self.tasks_pending.saturating_sub(record.account.unfinished());
        self.entries = self.entries.saturating_sub(record.account.entries);
    }

    /// Takes `record` into the totals of hosts.
    pub(super) fn add(&mut self, record: &HostRecord) {
        self.hosts += 1;
        self.hosts_done += u64::from(record.account.unfinished() == 0);
        self.hosts_parked += u64::from(record.parked);
        self.tasks_pending += record.account.unfinished();
        self.entries += record.account.entries;
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
    /// Lent.
    Lent,
}

impl Place {
    /// Where `record` belongs.
    pub(super) fn of(record: &HostRecord, is_lent: bool) -> Self {
        if is_lent {
            Self::Lent
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
            Self::Lent => Some(keys::lent(host)),
        }
    }
}
