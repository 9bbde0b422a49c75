//! What is kept of each host while the fetch records pass by.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use frontier::work_queue::HostRecord;
use frontier::{Account, ErrorKind, FetchRecord, Host, HostId, Stage, Stages, Timestamp};

use super::breakdown::under_way_us;
use super::critical_line::HostLine;
use super::few::Few;
use super::host_spans::HostSpans;

/// The requests of one host, or of all, added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) count: u64,
    pub(crate) retries: u64,
    pub(crate) bytes_wire: u64,
    pub(crate) bytes_decoded: u64,
    pub(crate) statuses: Few<u16>,
    pub(crate) documents: Few<Arc<str>>,
    pub(crate) stages: Stages,
}

impl Requests {
    /// Adds a request that brought a document of this kind.
    pub(crate) fn add(&mut self, fetch: &FetchRecord, document: Option<Arc<str>>) {
        self.count += 1;
        self.retries += u64::from(is_retry(fetch));
        self.bytes_wire = self.bytes_wire.saturating_add(fetch.bytes_wire);
        self.bytes_decoded = self.bytes_decoded.saturating_add(fetch.bytes_decoded);
        fetch.status.into_iter().for_each(|status| self.statuses.add(status));
        document.into_iter().for_each(|document| self.documents.add(document));
        add_stages(&mut self.stages, &fetch.stages);
    }

    /// Answers by status.
    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        self.statuses.iter().map(|(status, count)| (*status, count)).collect()
    }

    /// Documents by kind.
    pub(crate) fn documents(&self) -> BTreeMap<String, u64> {
        self.documents.iter().map(|(kind, count)| (kind.to_string(), count)).collect()
    }
}

/// Whether a request repeats an earlier one. A redirect's target is asked within the same try, so only its first
/// request can.
pub(crate) fn is_retry(fetch: &FetchRecord) -> bool {
    fetch.attempt > 1 && fetch.hop == 0
}

/// The stages of the network.
pub(crate) const NETWORK: [Stage; 5] =
    [Stage::Dns, Stage::Connect, Stage::Tls, Stage::FirstByte, Stage::Body];

/// What a request spent in them, in microseconds.
pub(crate) fn network_us(fetch: &FetchRecord) -> u64 {
    NETWORK.iter().fold(0, |sum: u64, stage| sum.saturating_add(fetch.stages[*stage]))
}

/// What of a host's network time was the network's, whatever else the machine was busy with.
///
/// A process that is short of CPU finds bytes late that came in time, and no clock of its own tells the two apart. But the
/// host's quickest request had to wait for the network at most as long as it did, and one that timed out got no answer
/// however late it was looked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetworkFloor {
    requests: u64,
    quickest_us: u64,
    timeouts_us: u64,
}

impl NetworkFloor {
    fn add(&mut self, fetch: &FetchRecord) {
        let network_us = network_us(fetch);
        if fetch.error == Some(ErrorKind::Timeout) {
            self.timeouts_us = self.timeouts_us.saturating_add(network_us);
            return;
        }
        self.quickest_us = if self.requests == 0 { network_us } else { self.quickest_us.min(network_us) };
        self.requests += 1;
    }

    /// As if every request had been as quick as the quickest, in microseconds.
    pub(crate) fn us(&self) -> u64 {
        self.timeouts_us.saturating_add(self.requests.saturating_mul(self.quickest_us))
    }
}

/// Adds each stage of `part` to that of `sum`.
pub(crate) fn add_stages(sum: &mut Stages, part: &Stages) {
    for (stage, span_us) in part.iter() {
        sum[stage] = sum[stage].saturating_add(span_us);
    }
}

/// What a report shows of a host's record.
///
/// Its rules are left out, which can be half a megabyte a host.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) host: Host,
    pub(crate) is_seed: bool,
    pub(crate) parked: bool,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) account: Account,
    pub(crate) wall_us: u64,
    pub(crate) busy_since: Option<(u32, Timestamp)>,
}

impl From<HostRecord> for Known {
    fn from(record: HostRecord) -> Self {
        let HostRecord { host, is_seed, not_before, parked, account, wall_us, busy_since, .. } = record;
        Self { host, is_seed, parked, not_before, account, wall_us, busy_since }
    }
}

impl Known {
    /// Whether it has something to do: a task unfinished, and not put aside.
    pub(crate) fn is_busy(&self) -> bool {
        self.account.unfinished() > 0 && !self.parked
    }

    /// Final errors by kind: those of its account, and its being parked.
    pub(crate) fn errors(&self) -> BTreeMap<ErrorKind, u64> {
        let mut errors = self.account.errors.clone();
        if self.parked {
            *errors.entry(ErrorKind::RateLimited).or_default() += 1;
        }
        errors
    }

    /// Whether nothing of it is pending, parked, failed, skipped by a limit or truncated.
    pub(crate) fn is_complete(&self) -> bool {
        self.account.is_complete() && !self.parked
    }
}

/// A host with its requests added up: some 800 bytes where they were few.
#[derive(Clone, Debug)]
pub(crate) struct HostTally {
    pub(crate) known: Known,
    pub(crate) requests: Requests,
    /// What of its time was the network's for certain.
    pub(crate) network_floor: NetworkFloor,
    /// The time of its requests under way.
    pub(crate) under_way: HostSpans,
    /// What the host that ends last of its run is judged by.
    pub(crate) line: HostLine,
}

impl HostTally {
    pub(crate) fn new(known: Known) -> Self {
        Self {
            known,
            requests: Requests::default(),
            network_floor: NetworkFloor::default(),
            under_way: HostSpans::default(),
            line: HostLine::default(),
        }
    }

    /// Adds a request of this run that brought a document of this kind.
    pub(crate) fn add(&mut self, fetch: &FetchRecord, run: usize, document: Option<Arc<str>>) {
        self.line.add(fetch, run, &self.requests);
        self.requests.add(fetch, document);
        self.network_floor.add(fetch);
        self.under_way.add(under_way_us(fetch));
    }
}

/// The hosts by their identity.
///
/// Each in a place of its own: the table itself has room for many more than it holds.
pub(crate) type HostTable = HashMap<HostId, Box<HostTally>>;

/// A span in whole microseconds.
pub(crate) fn micros(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
