//! Sums over requests.

use std::collections::BTreeMap;

use frontier::{DocumentKind, FetchRecord, Stages};

use super::small_counter::SmallCounter;

/// Sums over the requests of one host, or of all hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) count: u64,
    pub(crate) retries: u64,
    pub(crate) bytes_wire: u64,
    pub(crate) bytes_decoded: u64,
    pub(crate) statuses: SmallCounter<u16>,
    pub(crate) documents: SmallCounter<DocumentKind>,
    pub(crate) stages: Stages,
}

impl Requests {
    /// Adds a request.
    pub(crate) fn add(&mut self, fetch: &FetchRecord) {
        self.count += 1;
        self.retries += u64::from(is_retry(fetch));
        self.bytes_wire = self.bytes_wire.saturating_add(fetch.bytes_wire);
        self.bytes_decoded = self.bytes_decoded.saturating_add(fetch.bytes_decoded);
        fetch.status.into_iter().for_each(|status| self.statuses.add(status));
        fetch.document.into_iter().for_each(|document| self.documents.add(document));
        add_stages(&mut self.stages, &fetch.stages);
    }

    /// Number of responses by status.
    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        self.statuses.iter().map(|(status, count)| (*status, count)).collect()
    }

    /// Documents by kind.
    pub(crate) fn documents(&self) -> BTreeMap<String, u64> {
        self.documents.iter().map(|(kind, count)| (kind.to_string(), count)).collect()
    }
}

/// Whether a request repeats an earlier one. Redirects are followed within the same attempt, so only the first
/// request of an attempt can be a retry.
pub(crate) fn is_retry(fetch: &FetchRecord) -> bool {
    fetch.attempt > 1 && fetch.hop == 0
}

/// Adds each stage of `part` to `sum`.
pub(crate) fn add_stages(sum: &mut Stages, part: &Stages) {
    for (stage, span_us) in part.iter() {
        sum[stage] = sum[stage].saturating_add(span_us);
    }
}
