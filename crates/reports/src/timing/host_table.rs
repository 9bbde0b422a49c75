//! What is kept of each host while the fetch records pass by.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use frontier::work_queue::{HostRecord, SessionRecord};
use frontier::{ErrorKind, FetchRecord, HostId, Stages};

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
        // A redirect's target is asked within the same try, so only its first request can repeat an earlier one.
        self.retries += u64::from(fetch.attempt > 1 && fetch.hop == 0);
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
    /// Its requests under way, from the first one on: hosts that were never asked need none.
    pub(crate) under_way: Option<Spans>,
}

impl HostTally {
    pub(crate) fn new(record: HostRecord) -> Self {
        Self { record, requests: Requests::default(), under_way: None }
    }

    pub(crate) fn add(&mut self, fetch: &FetchRecord) {
        self.requests.add(fetch);
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
