//! The figures behind a verdict.

use serde::Serialize;

use super::time_by_bound::{Bound, TimeByBound};

/// The figures behind a verdict.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// The host that ended last; with several runs, the one of those hosts that took the longest.
    pub critical_host: Option<String>,
    /// Requests of that host, plus those of the last hosts of the other runs.
    pub critical_requests: u64,
    /// Time of those requests, in seconds.
    pub critical_line_s: TimeByBound,
    /// Time of the requests of all hosts, in seconds.
    pub all_hosts_s: TimeByBound,
    /// The largest part of `all_hosts_s`, which may differ from the verdict.
    pub all_hosts_bound: Option<Bound>,
    /// Wall time of the crawl, in seconds.
    pub wall_s: f64,
    /// CPU time of the process, in seconds.
    pub process_s: f64,
    /// Share of the cores' time in which any program kept them busy.
    pub machine_utilisation: f64,
    /// Share of the cores' time in which the crawl kept them busy.
    pub utilisation: f64,
}
