//! Records that only this queue has.

use frontier::work_queue::{Counts, SessionRecord, TotalsChange};
use serde::{Deserialize, Serialize};

use crate::segment::record::SegmentRecord;

/// The state of the queue at one moment, without its hosts, tasks and requests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueView {
    /// All registered segments, in the order of their rows.
    pub segments: Vec<SegmentRecord>,
    /// All sessions, by number.
    pub sessions: Vec<SessionRecord>,
    /// The totals.
    pub counts: Counts,
}

/// Totals that are updated with every change, because counting would take a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) hosts: u64,
    pub(super) hosts_done: u64,
    /// Parked hosts, including those whose date has passed.
    pub(super) hosts_parked: u64,
    pub(super) tasks: u64,
    pub(super) tasks_pending: u64,
    pub(super) entries: u64,
    pub(super) requests: u64,
}

impl Counters {
    /// The totals after a change.
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
