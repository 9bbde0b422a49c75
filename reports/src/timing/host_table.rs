//! The hosts of a crawl with the sums over their requests.

use std::collections::{BTreeMap, HashMap};

use frontier::work_queue::HostRecord;
use frontier::{Account, ErrorKind, FetchRecord, Host, HostId, Timestamp};

use super::breakdown::under_way_us;
use super::critical_line::{CriticalLine, LatestRun};
use super::host_spans::HostSpans;
use super::network::NetworkFloor;
use super::requests::Requests;

/// The fields of a host's record that a report needs.
///
/// Its robots.txt rules are left out, because they can take half a megabyte per host.
#[derive(Clone, Debug)]
pub(crate) struct HostSummary {
    pub(crate) host: Host,
    pub(crate) is_seed: bool,
    pub(crate) parked: bool,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) account: Account,
    pub(crate) wall_us: u64,
    pub(crate) busy_since: Option<(u32, Timestamp)>,
}

impl From<HostRecord> for HostSummary {
    fn from(record: HostRecord) -> Self {
        let HostRecord { host, is_seed, not_before, parked, account, wall_us, busy_since, .. } = record;
        Self { host, is_seed, parked, not_before, account, wall_us, busy_since }
    }
}

impl HostSummary {
    /// Whether the host has unfinished tasks and is not parked.
    pub(crate) fn is_busy(&self) -> bool {
        self.account.unfinished() > 0 && !self.parked
    }

    /// Final errors by kind. A parked host counts as one `rate_limited` error.
    pub(crate) fn errors(&self) -> BTreeMap<ErrorKind, u64> {
        let mut errors = self.account.errors.clone();
        if self.parked {
            *errors.entry(ErrorKind::RateLimited).or_default() += 1;
        }
        errors
    }

    /// Whether nothing of the host is pending, parked, failed, skipped by a limit or truncated.
    pub(crate) fn is_complete(&self) -> bool {
        self.account.is_complete() && !self.parked
    }
}

/// A host with the sums over its requests. Takes about 800 bytes for a host with few requests.
#[derive(Clone, Debug)]
pub(crate) struct HostTally {
    pub(crate) summary: HostSummary,
    pub(crate) requests: Requests,
    /// The part of its network time that was certainly spent waiting for the network.
    pub(crate) network_floor: NetworkFloor,
    /// Time of its requests from `dns` to `record`.
    pub(crate) under_way: HostSpans,
    latest_run: LatestRun,
}

impl HostTally {
    pub(crate) fn new(summary: HostSummary) -> Self {
        Self {
            summary,
            requests: Requests::default(),
            network_floor: NetworkFloor::default(),
            under_way: HostSpans::default(),
            latest_run: LatestRun::default(),
        }
    }

    /// Adds a request of this run.
    pub(crate) fn add(&mut self, fetch: &FetchRecord, run: usize) {
        self.latest_run.add(fetch, run, &self.requests);
        self.requests.add(fetch);
        self.network_floor.add(fetch);
        self.under_way.add(under_way_us(fetch));
    }

    /// The critical line of the host's latest run, if it ended last. `id` is the host's id.
    pub(crate) fn line(&self, id: HostId) -> CriticalLine {
        self.latest_run.line(id, &self.requests)
    }
}

/// The hosts by id.
///
/// Hosts are boxed, because a hash table reserves room for many more items than it holds.
pub(crate) type HostTable = HashMap<HostId, Box<HostTally>>;
