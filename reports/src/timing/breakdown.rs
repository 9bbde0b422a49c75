//! Requests by result.

use std::collections::BTreeMap;

use frontier::{DocumentKind, ErrorKind, FetchRecord, Stage};

use super::histogram::Spans;
use crate::figures::{Breakdown, Group};

/// Adds up requests by document, status and error. Memory grows with the number of kinds, not with the number of
/// requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct BreakdownTally {
    documents: BTreeMap<DocumentKind, GroupTally>,
    statuses: BTreeMap<u16, GroupTally>,
    errors: BTreeMap<ErrorKind, GroupTally>,
    under_way_us: u64,
}

#[derive(Clone, Debug)]
struct GroupTally {
    group: Group,
    spans: Spans,
}

impl Default for GroupTally {
    fn default() -> Self {
        Self { group: Group::default(), spans: Spans::new() }
    }
}

impl BreakdownTally {
    pub(crate) fn add(&mut self, fetch: &FetchRecord) {
        self.under_way_us = self.under_way_us.saturating_add(under_way_us(fetch));
        if let Some(document) = fetch.document {
            self.documents.entry(document).or_default().add(fetch);
        }
        if let Some(status) = fetch.status {
            self.statuses.entry(status).or_default().add(fetch);
        }
        if let Some(error) = fetch.error {
            self.errors.entry(error).or_default().add(fetch);
        }
    }

    /// Time of all requests from `dns` to `record`, in microseconds.
    pub(crate) fn under_way_us(&self) -> u64 {
        self.under_way_us
    }

    pub(crate) fn finish(&self) -> Breakdown {
        let whole_us = self.under_way_us;
        Breakdown {
            documents: self
                .documents
                .iter()
                .map(|(kind, tally)| (kind.to_string(), tally.finish(whole_us)))
                .collect(),
            statuses: self.statuses.iter().map(|(status, tally)| (*status, tally.finish(whole_us))).collect(),
            errors: self.errors.iter().map(|(kind, tally)| (kind.as_str(), tally.finish(whole_us))).collect(),
        }
    }
}

impl GroupTally {
    fn add(&mut self, fetch: &FetchRecord) {
        let group = &mut self.group;
        group.requests += 1;
        group.bytes_wire = group.bytes_wire.saturating_add(fetch.bytes_wire);
        group.bytes_decoded = group.bytes_decoded.saturating_add(fetch.bytes_decoded);
        group.entries = group.entries.saturating_add(fetch.entries);
        self.spans.add(under_way_us(fetch));
    }

    fn finish(&self, whole_us: u64) -> Group {
        Group { times: self.spans.times(whole_us), ..self.group }
    }
}

/// Time of a request from `dns` to `record`, in microseconds: all stages except `politeness` and `slot`.
pub(crate) fn under_way_us(fetch: &FetchRecord) -> u64 {
    let waited_us = fetch.stages[Stage::Politeness].saturating_add(fetch.stages[Stage::Slot]);
    fetch.stages.total_us().saturating_sub(waited_us)
}
