//! The report of a crawl, as `crawl report --format json` writes it.
//!
//! Keys and their order are part of the command line's contract. Spans are in seconds or milliseconds, as the key
//! says; shares are between 0 and 1.

use std::collections::BTreeMap;

use frontier::{Account, ErrorKind, Stage, Timestamp};
use serde::{Serialize, Serializer};

use crate::timing::{Bound, HostReports, Verdict};

/// Where a crawl stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is left to do but on hosts that the server's wish put aside until a later date.
    Complete,
    /// Tasks are left, and nobody is at work.
    Interrupted,
    /// Somebody is at work.
    Running,
}

impl State {
    /// The state of a crawl, any of its hosts being busy or not, and somebody being at work or not.
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

/// Time, results and errors of a crawl.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The crawl as such.
    pub crawl: Crawl,
    /// What held it, and what would help.
    pub verdict: Verdict,
    /// All hosts together.
    pub totals: Totals,
    /// Where the time of all requests went.
    pub stages: PerStage<Times>,
    /// The requests by what came of them.
    pub breakdown: Breakdown,
    /// What the processor did.
    pub cpu: Cpu,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Final errors by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// One error of each kind, in words.
    pub examples: BTreeMap<&'static str, String>,
    /// Hosts that are not below: none, but of a large crawl that still runs the quickest ones.
    pub hosts_left_out: u64,
    /// Each host by its origin.
    pub hosts: HostReports,
    /// The command that goes on with the crawl.
    #[serde(skip)]
    pub resumed_by: String,
}

impl Report {
    /// The same with the slowest `count` hosts alone; the totals stay those of all.
    pub fn with_slowest_hosts(mut self, count: usize) -> Self {
        self.hosts.shorten(count);
        self.hosts_left_out = self.totals.hosts.saturating_sub(self.hosts.len() as u64);
        self
    }
}

/// The requests by what came of them. Their time is that under way, from `dns` to `record`; what withheld them before
/// belongs to the host, not to the answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Breakdown {
    /// By the kind of document that came.
    pub documents: BTreeMap<String, Group>,
    /// By the status of the answer.
    pub statuses: BTreeMap<u16, Group>,
    /// By what went wrong, those that a retry made good included.
    pub errors: BTreeMap<&'static str, Group>,
}

/// Requests of one kind.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Group {
    /// How many.
    pub requests: u64,
    /// Body bytes as they came.
    pub bytes_wire: u64,
    /// Body bytes after inflating.
    pub bytes_decoded: u64,
    /// Entries read.
    pub entries: u64,
    /// Their time under way.
    #[serde(flatten)]
    pub times: Times,
}

/// The crawl as such.
#[derive(Clone, Debug, Serialize)]
pub struct Crawl {
    /// The release that reports.
    pub version: &'static str,
    /// When its first session began.
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Option<Timestamp>,
    /// When its last session made its last commit.
    #[serde(serialize_with = "rfc3339")]
    pub ended_at: Option<Timestamp>,
    /// Time from the start of a session to its last commit, of all of them, in seconds: pauses between them do not count,
    /// and where several workers were at it together, the time counts once.
    pub wall_s: f64,
    /// Its sessions.
    pub sessions: u64,
    /// The most of them that were at work at a time: one, but in a crawl of many machines.
    pub workers: u64,
    /// Where it stands.
    pub state: State,
    /// Tasks still to do, those of parked hosts included.
    pub tasks_pending: u64,
    /// What the crawl remembers of its flags.
    pub settings: serde_json::Value,
}

/// All hosts together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Hosts known.
    pub hosts: u64,
    /// Of them, those with nothing pending, parked, failed, skipped by a limit or truncated.
    pub hosts_complete: u64,
    /// Of them, those put aside by the server's wish.
    pub hosts_parked: u64,
    /// Requests made, robots.txt, redirects and retries included.
    pub requests: u64,
    /// Body bytes as they came.
    pub bytes_wire: u64,
    /// Body bytes after inflating.
    pub bytes_decoded: u64,
    /// Documents by kind; one that was read in several tries counts for each.
    pub documents: BTreeMap<String, u64>,
    /// The sitemaps by what became of them.
    pub sitemaps: Sitemaps,
    /// The entries.
    pub entries: Entries,
    /// Requests that repeated an earlier one.
    pub retries: u64,
}

/// Sitemaps by what became of them: found is the sum of all others.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sitemaps {
    /// All of the below.
    pub found: u64,
    /// Read, perhaps not to the end.
    pub fetched: u64,
    /// Of those, not read to the end.
    pub truncated: u64,
    /// Unchanged since last read.
    pub not_modified: u64,
    /// Given up.
    pub failed: u64,
    /// Not asked, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Named again, or the same final URL.
    pub duplicate: u64,
    /// Passed on to another host.
    pub redirected: u64,
    /// Still to do.
    pub pending: u64,
}

/// Entries kept, and dropped by reason.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Entries {
    /// Kept.
    pub kept: u64,
    /// Dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
}

impl Sitemaps {
    /// Adds what became of a host's sitemaps.
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
    /// Adds a host's entries.
    pub(crate) fn add(&mut self, account: &Account) {
        self.kept += account.entries;
        for (reason, count) in &account.dropped {
            *self.dropped.entry(reason.to_string()).or_default() += count;
        }
    }
}

/// One host.
#[derive(Clone, Debug, Serialize)]
pub struct HostReport {
    /// Whether nothing of it is pending, parked, failed, skipped by a limit or truncated.
    pub complete: bool,
    /// Whether a seed names it.
    pub seed: bool,
    /// Until when the server asked to be left alone, if it did.
    #[serde(serialize_with = "rfc3339", skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    /// Requests made.
    pub requests: u64,
    /// Body bytes as they came.
    pub bytes_wire: u64,
    /// Body bytes after inflating.
    pub bytes_decoded: u64,
    /// Documents by kind.
    pub documents: BTreeMap<String, u64>,
    /// Its sitemaps.
    pub sitemaps: Sitemaps,
    /// Their entries.
    pub entries: Entries,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Final errors by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Where the time of its requests went.
    pub stages: PerStage<StageTotal>,
    /// The time of its requests under way, from `dns` to `record`; quantiles within 7 %.
    pub under_way: Times,
    /// What held it; `None` without a request.
    pub bound: Option<Bound>,
    /// Time in which it had a task known and unfinished, in seconds.
    pub wall_s: f64,
}

/// The time of some requests. Quantiles are over requests; of a stage, those that did not need it included.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Times {
    /// The sum.
    pub total_s: f64,
    /// The sum's share of the same of all requests.
    pub share: f64,
    /// Half of the requests took no longer.
    pub p50_ms: f64,
    /// Nine in ten took no longer.
    pub p90_ms: f64,
    /// Ninety-nine in a hundred took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Times {
    /// Spans in microseconds: their sum, their maximum, the sum of all requests, and the span that a share of them do not
    /// exceed.
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

/// The time of a host's requests in one stage.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct StageTotal {
    /// The sum.
    pub total_s: f64,
    /// The sum's share of all stages.
    pub share: f64,
}

/// What the processor did, by the clocks of process and machine.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Cpu {
    /// CPU time of the process, or of all workers: user and system.
    pub process_s: f64,
    /// Of that, inflating.
    pub inflate_s: f64,
    /// Of that, parsing.
    pub parse_s: f64,
    /// Of that, making outcomes durable.
    pub record_s: f64,
    /// Of that, all else.
    pub other_s: f64,
    /// Cores the process may use; of several workers the most that they had together at a time.
    pub cores: u32,
    /// The process's share of what the cores could have done while it was at work.
    pub utilisation: f64,
    /// The whole machine's share of it; that of the process where the machine's could not be read.
    pub machine_utilisation: f64,
    /// The most memory the process, or one of the workers, had resident.
    pub peak_rss_bytes: u64,
}

/// A value for each of the ten stages.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PerStage<T>([T; 10]);

impl<T> PerStage<T> {
    /// The value that `of` gives for each stage.
    pub fn new(of: impl FnMut(Stage) -> T) -> Self {
        Self(Stage::ALL.map(of))
    }

    /// Each stage with its value, in the order of the path.
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

/// Counts by kind of error, under the names of the output.
pub(crate) fn named(errors: &BTreeMap<ErrorKind, u64>) -> BTreeMap<&'static str, u64> {
    errors.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}

/// Microseconds in seconds.
pub(crate) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// What part `part` is of `whole`; 0 where there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A moment in RFC 3339, UTC.
pub(crate) fn rfc3339<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}
