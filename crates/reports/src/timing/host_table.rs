//! What is kept of each host while the fetch records pass by.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use frontier::work_queue::{HostRecord, SessionRecord};
use frontier::{ErrorKind, FetchRecord, HostId, Stage, Stages};

use super::breakdown::under_way_us;
use super::histogram::Spans;

/// The requests of one host, or of all, added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) count: u64,
    pub(crate) retries: u64,
    pub(crate) bytes_wire: u64,
    pub(crate) bytes_decoded: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) documents: BTreeMap<Cow<'static, str>, u64>,
    pub(crate) stages: Stages,
}

impl Requests {
    pub(crate) fn add(&mut self, fetch: &FetchRecord) {
        self.count += 1;
        self.retries += u64::from(is_retry(fetch));
        self.bytes_wire = self.bytes_wire.saturating_add(fetch.bytes_wire);
        self.bytes_decoded = self.bytes_decoded.saturating_add(fetch.bytes_decoded);
        if let Some(status) = fetch.status {
            *self.statuses.entry(status).or_default() += 1;
        }
        if let Some(document) = &fetch.document {
            *self.documents.entry(document.clone()).or_default() += 1;
        }
        add_stages(&mut self.stages, &fetch.stages);
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

/// A host with its requests added up.
#[derive(Clone, Debug)]
pub(crate) struct HostTally {
    pub(crate) record: HostRecord,
    pub(crate) requests: Requests,
    /// What of its time was the network's for certain.
    pub(crate) network_floor: NetworkFloor,
    /// Its requests under way, from the first one on: hosts that were never asked need none.
    pub(crate) under_way: Option<Spans>,
}

impl HostTally {
    pub(crate) fn new(record: HostRecord) -> Self {
        let (requests, network_floor) = (Requests::default(), NetworkFloor::default());
        Self { record, requests, network_floor, under_way: None }
    }

    pub(crate) fn add(&mut self, fetch: &FetchRecord) {
        self.requests.add(fetch);
        self.network_floor.add(fetch);
        self.under_way.get_or_insert_with(Spans::of_host).add(under_way_us(fetch));
    }

    /// Final errors by kind: those of its account, and its being parked.
    pub(crate) fn errors(&self) -> BTreeMap<ErrorKind, u64> {
        let mut errors = self.record.account.errors.clone();
        if self.record.parked {
            *errors.entry(ErrorKind::RateLimited).or_default() += 1;
        }
        errors
    }

    /// Whether nothing of it is pending, parked, failed, skipped by a limit or truncated.
    pub(crate) fn is_complete(&self) -> bool {
        self.record.account.is_complete() && !self.record.parked
    }

    /// Time in which it had a task known and unfinished, up to the last commit of the last session, in microseconds.
    pub(crate) fn wall_us(&self, sessions: &[SessionRecord]) -> u64 {
        let last = sessions.iter().max_by_key(|record| record.session.number);
        last.map_or(self.record.wall_us, |last| {
            self.record.wall_us_at((last.session.number, last.last_commit_at), sessions)
        })
    }
}

/// The hosts by their identity.
pub(crate) type HostTable = HashMap<HostId, HostTally>;

/// A span in whole microseconds.
pub(crate) fn micros(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
