//! The report of a crawl, as `crawl report --format json` writes it.
//!
//! Keys and their order are part of the command line's contract. Durations are in seconds or milliseconds, as the key
//! says; shares are between 0 and 1.

use std::collections::BTreeMap;

use frontier::Timestamp;
use serde::Serialize;

use crate::figures::{Breakdown, Cpu, Entries, Hosts, PerStage, Sitemaps, State, Times, rfc3339};
use crate::timing::hosts::HostReports;
use crate::timing::verdict::Verdict;

/// Time, results and errors of a crawl. [`Tally`](crate::Tally) has an example.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The crawl itself: release, times, state and settings.
    pub crawl: Crawl,
    /// What limited the crawl, and what would shorten it.
    pub verdict: Verdict,
    /// All hosts together.
    pub totals: Totals,
    /// Time of all requests by stage.
    pub stages: PerStage<Times>,
    /// Requests by result.
    pub breakdown: Breakdown,
    /// CPU time and memory.
    pub cpu: Cpu,
    /// What servers answered, and what failed.
    #[serde(flatten)]
    pub answers: Answers,
    /// Each host by its origin.
    pub hosts: HostReports,
    /// The command that continues the crawl.
    #[serde(skip)]
    pub resumed_by: String,
}

/// The crawl itself: release, times, state and settings.
#[derive(Clone, Debug, Serialize)]
pub struct Crawl {
    /// The release that writes the report.
    pub version: &'static str,
    /// Start of the first session.
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Option<Timestamp>,
    /// Last commit of the last session.
    #[serde(serialize_with = "rfc3339")]
    pub ended_at: Option<Timestamp>,
    /// Wall time in seconds: the sum over all sessions of the time from start to last commit. Pauses between sessions
    /// do not count, and time in which several workers ran counts once.
    pub wall_s: f64,
    /// Number of sessions.
    pub sessions: u64,
    /// Largest number of sessions that ran at the same time: 1, unless several machines share the crawl.
    pub workers: u64,
    /// State of the crawl.
    pub state: State,
    /// Unfinished tasks, including those of parked hosts.
    pub tasks_pending: u64,
    /// The saved flags of the crawl.
    pub settings: serde_json::Value,
}

/// What servers answered, and what failed.
#[derive(Clone, Debug, Serialize)]
pub struct Answers {
    /// Number of responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Final errors by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// One example of each error kind, as text.
    pub examples: BTreeMap<&'static str, String>,
}

/// All hosts together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Hosts by how far they are.
    #[serde(flatten)]
    pub hosts: Hosts,
    /// Requests made, including robots.txt, redirects and retries.
    pub requests: u64,
    /// Body bytes as received.
    pub bytes_wire: u64,
    /// Body bytes after decompression.
    pub bytes_decoded: u64,
    /// Documents by kind. A document read in several attempts counts once for each attempt.
    pub documents: BTreeMap<String, u64>,
    /// Sitemaps by outcome.
    pub sitemaps: Sitemaps,
    /// Entries kept and dropped.
    pub entries: Entries,
    /// Requests that repeated an earlier one.
    pub retries: u64,
}
