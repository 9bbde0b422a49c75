//! The indexes of hosts by state and due time.

use frontier::work_queue::{HostRecord, QueueError};
use frontier::{HostId, Timestamp};

use super::keys;
use crate::work_queue::store::Writes;

/// The index that a host belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HostIndex {
    /// No index: the host has no work ([`HostRecord::has_work`]).
    NotIndexed,
    /// Not leased, and due at this time.
    Due(Timestamp),
    /// Parked until this time.
    Parked(Timestamp),
    /// Leased to a session.
    Leased,
}

impl HostIndex {
    /// The index that `record` belongs to.
    pub(super) fn of(record: &HostRecord, is_leased: bool) -> Self {
        if is_leased {
            Self::Leased
        } else if record.parked {
            Self::Parked(record.due_at())
        } else if record.has_work() {
            Self::Due(record.due_at())
        } else {
            Self::NotIndexed
        }
    }

    /// The key of `host` in this index.
    pub(super) fn key(self, host: HostId) -> Option<Vec<u8>> {
        match self {
            Self::NotIndexed => None,
            Self::Due(at) => Some(keys::due(keys::DUE, at, host)),
            Self::Parked(at) => Some(keys::due(keys::PARKED, at, host)),
            Self::Leased => Some(keys::leased(host)),
        }
    }
}

/// Moves a host from one index to another.
pub(super) fn move_host(
    writes: &mut Writes,
    id: HostId,
    from: HostIndex,
    to: HostIndex,
) -> Result<(), QueueError> {
    if from == to {
        return Ok(());
    }
    if let Some(key) = from.key(id) {
        writes.remove(&key);
    }
    match to.key(id) {
        Some(key) => writes.put(&key, &()),
        None => Ok(()),
    }
}
