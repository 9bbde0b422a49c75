//! The part of a report about one host.

use std::collections::BTreeMap;

use frontier::Timestamp;
use serde::Serialize;

use crate::figures::{Entries, PerStage, Sitemaps, StageTotal, Times, rfc3339};
use crate::timing::verdict::time_by_bound::Bound;

/// The part of a report about one host.
#[derive(Clone, Debug, Serialize)]
pub struct HostReport {
    /// Whether nothing of the host is pending, parked, failed, skipped by a limit or truncated.
    pub complete: bool,
    /// Whether a seed names the host.
    pub seed: bool,
    /// End of the pause that the server asked for, if the host is parked.
    #[serde(serialize_with = "rfc3339", skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    /// Requests made.
    pub requests: u64,
    /// Body bytes as received.
    pub bytes_wire: u64,
    /// Body bytes after decompression.
    pub bytes_decoded: u64,
    /// Documents by kind.
    pub documents: BTreeMap<String, u64>,
    /// Sitemaps by outcome.
    pub sitemaps: Sitemaps,
    /// Entries kept and dropped.
    pub entries: Entries,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Number of responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Final errors by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Time of the host's requests by stage.
    pub stages: PerStage<StageTotal>,
    /// Time of the host's requests from `dns` to `record`. Quantiles are within 7 %.
    pub under_way: Times,
    /// What limited the host; `None` without a request.
    pub bound: Option<Bound>,
    /// Time in which the host had a known, unfinished task, in seconds.
    pub wall_s: f64,
}
