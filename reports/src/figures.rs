//! The parts that reports and statuses consist of.
//!
//! Keys and their order are part of the command line's contract, as for [`crate::Report`].

use std::collections::BTreeMap;
use std::time::Duration;

use frontier::{Account, ErrorKind, Stage, Timestamp};
use serde::{Serialize, Serializer};

/// State of a crawl.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No tasks are left, except on hosts that are parked until a later date.
    Complete,
    /// Tasks are left, and no worker is running.
    Interrupted,
    /// A worker is running.
    Running,
}

impl State {
    /// The state of a crawl, given whether any host has work left and whether a worker is running.
    pub(crate) fn of(is_any_busy: bool, is_running: bool) -> Self {
        match (is_running, is_any_busy) {
            (true, _) => Self::Running,
            (false, true) => Self::Interrupted,
            (false, false) => Self::Complete,
        }
    }

    /// The name in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Running => "running",
        }
    }
}

/// Requests by result. Their time is that from `dns` to `record`; the wait before it depends on the host, not on the
/// response.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Breakdown {
    /// By the kind of document received.
    pub documents: BTreeMap<String, Group>,
    /// By response status.
    pub statuses: BTreeMap<u16, Group>,
    /// By error kind, including errors of requests that succeeded on retry.
    pub errors: BTreeMap<&'static str, Group>,
}

/// Requests of one kind.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Group {
    /// Number of requests.
    pub requests: u64,
    /// Body bytes as received.
    pub bytes_wire: u64,
    /// Body bytes after decompression.
    pub bytes_decoded: u64,
    /// Entries read.
    pub entries: u64,
    /// Time of the requests from `dns` to `record`.
    #[serde(flatten)]
    pub times: Times,
}

/// Hosts by how far they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Hosts {
    /// Known hosts.
    #[serde(rename = "hosts")]
    pub known: u64,
    /// Hosts with nothing pending, parked, failed, skipped by a limit or truncated.
    #[serde(rename = "hosts_complete")]
    pub complete: u64,
    /// Hosts parked because the server asked for a long pause.
    #[serde(rename = "hosts_parked")]
    pub parked: u64,
}

impl Hosts {
    /// Known hosts that are not complete.
    pub fn incomplete(&self) -> u64 {
        self.known - self.complete
    }
}

/// Sitemaps by outcome: `found` is the sum of `fetched`, `not_modified`, `failed`, `skipped`, `duplicate`,
/// `redirected` and `pending`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sitemaps {
    /// All sitemaps.
    pub found: u64,
    /// Read, completely or in part.
    pub fetched: u64,
    /// Part of `fetched`: not read to the end.
    pub truncated: u64,
    /// Unchanged since last read.
    pub not_modified: u64,
    /// Given up.
    pub failed: u64,
    /// Not requested, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Named again, or redirected to a final URL that was read already.
    pub duplicate: u64,
    /// Redirected to another host.
    pub redirected: u64,
    /// Not finished yet.
    pub pending: u64,
}

/// Entries kept, and entries dropped by reason.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Entries {
    /// Entries kept.
    pub kept: u64,
    /// Entries dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
}

impl Sitemaps {
    /// Adds the sitemaps of a host.
    pub(crate) fn add(&mut self, account: &Account) {
        self.found += account.found;
        self.fetched += account.fetched;
        self.truncated += account.truncated;
        self.not_modified += account.not_modified;
        self.failed += account.failed;
        for (reason, count) in &account.skipped {
            *self.skipped.entry(reason.as_str()).or_default() += count;
        }
        self.duplicate += account.duplicate;
        self.redirected += account.redirected;
        self.pending += account.pending;
    }
}

impl Entries {
    /// Adds the entries of a host.
    pub(crate) fn add(&mut self, account: &Account) {
        self.kept += account.entries;
        for (reason, count) in &account.dropped {
            *self.dropped.entry(reason.to_string()).or_default() += count;
        }
    }
}

/// Time of a set of requests. Quantiles are over requests; those of a stage include the requests that skipped it.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Times {
    /// The sum.
    pub total_s: f64,
    /// Share of the same sum over all requests.
    pub share: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Maximum.
    pub max_ms: f64,
}

impl Times {
    /// Converts durations in microseconds: their sum and maximum, the sum over all requests, and the duration that a
    /// given share of them does not exceed.
    pub(crate) fn of(total_us: u64, max_us: u64, whole_us: u64, quantile_us: impl Fn(f64) -> u64) -> Self {
        let ms = |us: u64| us as f64 / 1e3;
        Self {
            total_s: seconds(total_us),
            share: share(total_us, whole_us),
            p50_ms: ms(quantile_us(0.5)),
            p90_ms: ms(quantile_us(0.9)),
            p99_ms: ms(quantile_us(0.99)),
            max_ms: ms(max_us),
        }
    }
}

/// Time of a host's requests in one stage.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct StageTotal {
    /// The sum.
    pub total_s: f64,
    /// Share of the host's time in all stages.
    pub share: f64,
}

/// CPU time by the clocks of the process and the machine, and memory.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Cpu {
    /// User and system CPU time of the process, or of all workers.
    pub process_s: f64,
    /// Part of `process_s`: decompression.
    pub inflate_s: f64,
    /// Part of `process_s`: parsing.
    pub parse_s: f64,
    /// Part of `process_s`: making outcomes durable.
    pub record_s: f64,
    /// Part of `process_s`: everything else.
    pub other_s: f64,
    /// Cores that the process may use. With several workers: the most cores that they had at the same time.
    pub cores: u32,
    /// CPU time of the process as a share of the time of all cores while it ran.
    pub utilisation: f64,
    /// The same for the whole machine; equal to `utilisation` if the machine's CPU time could not be read.
    pub machine_utilisation: f64,
    /// Peak resident memory of the process; with several workers, of the largest one.
    pub peak_rss_bytes: u64,
}

/// A value for each of the ten stages.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PerStage<T>([T; 10]);

impl<T> PerStage<T> {
    /// Calls `of` for each stage.
    pub fn new(of: impl FnMut(Stage) -> T) -> Self {
        Self(Stage::ALL.map(of))
    }

    /// Each stage with its value, in the order in which a request passes them.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, &T)> {
        Stage::ALL.into_iter().zip(&self.0)
    }

    /// The value of `stage`.
    pub fn get(&self, stage: Stage) -> &T {
        &self.0[stage as usize]
    }
}

impl<T: Serialize> Serialize for PerStage<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(stage, value)| (stage.as_str(), value)))
    }
}

/// Error counts under the names used in the output.
pub(crate) fn by_name(errors: &BTreeMap<ErrorKind, u64>) -> BTreeMap<&'static str, u64> {
    errors.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}

/// Converts microseconds to seconds.
pub(crate) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// Converts a duration to whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// `part` divided by `whole`; 0 if `whole` is 0.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Serializes a moment as RFC 3339 in UTC.
pub(crate) fn rfc3339<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}
