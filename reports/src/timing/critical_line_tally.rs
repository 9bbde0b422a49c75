//! Finds the host that ended last.

use std::time::Duration;

use frontier::{FetchRecord, HostId, Timestamp};

use super::critical_line::CriticalLine;
use super::host_table::HostTable;

/// Finds the host that ended last in each run (see [`super::Sessions`]) and adds up their lines.
///
/// Each run has its own wall time and its own last host, so lines are added up as wall times are. Requests come in the
/// order of the runs, so each host needs to keep only the sums from before its latest run.
#[derive(Clone, Debug, Default)]
pub(crate) struct CriticalLineTally {
    run: usize,
    /// The host whose requests ended last in the current run. Ties are decided by the host's id, so the same records
    /// always give the same host.
    last: Option<(Timestamp, HostId)>,
    /// The sum of the lines of earlier runs.
    earlier: Option<CriticalLine>,
}

impl CriticalLineTally {
    /// Adds a request. Must be called before the request is added to its host.
    pub(crate) fn add(&mut self, fetch: &FetchRecord, run: usize, hosts: &HostTable) {
        if self.run != run {
            self.earlier = self.finish(hosts);
            (self.run, self.last) = (run, None);
        }
        let ended_at = fetch.begun_at + Duration::from_micros(fetch.stages.total_us());
        self.last = self.last.max(Some((ended_at, fetch.task.host)));
    }

    /// The sum of the lines of all runs; `None` without a request.
    pub(crate) fn finish(&self, hosts: &HostTable) -> Option<CriticalLine> {
        let last = self.last.and_then(|(_, id)| Some(hosts.get(&id)?.line(id)));
        match (self.earlier.clone(), last) {
            (Some(earlier), Some(last)) => Some(earlier.and(&last)),
            (earlier, last) => earlier.or(last),
        }
    }
}
