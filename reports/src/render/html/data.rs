//! The data from which the page's script draws.

use std::collections::BTreeMap;
use std::io;

use frontier::Stage;
use serde::Serialize;

use crate::host_report::HostReport;
use crate::report::Report;
use crate::timing::timeline::Timeline;
use crate::timing::verdict::time_by_bound::Bound;

/// Largest number of hosts on the page, slowest first. Each takes about 350 bytes. The JSON report has all hosts.
const HOSTS_MAX: usize = 10_000;

#[derive(Serialize)]
struct PageData<'a> {
    stages: [&'static str; 10],
    /// Number of hosts of the crawl. `hosts` may hold only a part of them.
    hosts_known: u64,
    timeline: TimelineData<'a>,
    hosts: Vec<HostRow<'a>>,
}

#[derive(Serialize)]
struct TimelineData<'a> {
    wall_s: f64,
    bucket_s: f64,
    sessions_at_s: &'a [f64],
    /// One list per stage, in the order of `stages`.
    in_flight: Vec<Vec<f64>>,
    entries: &'a [u64],
    requests: &'a [u64],
    errors: &'a [u64],
}

#[derive(Serialize)]
struct HostRow<'a> {
    origin: &'a str,
    complete: bool,
    bound: Option<Bound>,
    wall_s: f64,
    #[serde(flatten)]
    counts: HostCounts<'a>,
    /// Time of each stage in seconds, in the order of `stages`.
    stages_s: [f64; 10],
    /// The host's row in the chart of hosts, one character per bucket of the timeline: the index of a stage in
    /// `stages`, or a space for no stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    chart_row: Option<String>,
}

#[derive(Serialize)]
struct HostCounts<'a> {
    requests: u64,
    bytes: u64,
    sitemaps: u64,
    entries: u64,
    errors: &'a BTreeMap<&'static str, u64>,
}

/// The data as JSON for a script element. `<` is escaped, so that nothing in it looks like a tag.
pub(super) fn page_json(report: &Report, timeline: &Timeline) -> io::Result<String> {
    let slowest: Vec<(String, HostReport)> = report.hosts.slowest(HOSTS_MAX).collect();
    let data = PageData {
        stages: Stage::ALL.map(Stage::as_str),
        hosts_known: report.totals.hosts.known,
        timeline: TimelineData {
            wall_s: timeline.wall_s,
            bucket_s: timeline.bucket_s,
            sessions_at_s: &timeline.sessions_at_s,
            in_flight: timeline
                .in_flight
                .iter()
                .map(|(_, means)| means.iter().map(rounded).collect())
                .collect(),
            entries: &timeline.entries,
            requests: &timeline.requests,
            errors: &timeline.errors,
        },
        hosts: slowest.iter().map(|(origin, host)| row(origin, host, timeline)).collect(),
    };
    Ok(serde_json::to_string(&data)?.replace('<', "\\u003c"))
}

fn row<'a>(origin: &'a str, host: &'a HostReport, timeline: &Timeline) -> HostRow<'a> {
    HostRow {
        origin,
        complete: host.complete,
        bound: host.bound,
        wall_s: rounded(&host.wall_s),
        counts: HostCounts {
            requests: host.requests,
            bytes: host.bytes_wire,
            sitemaps: host.sitemaps.found,
            entries: host.entries.kept,
            errors: &host.errors,
        },
        stages_s: Stage::ALL.map(|stage| rounded(&host.stages.get(stage).total_s)),
        chart_row: timeline.rows.get(origin).map(|row| row.iter().map(|stage| digit(*stage)).collect()),
    }
}

fn digit(stage: Option<Stage>) -> char {
    stage.map_or(' ', |stage| char::from(b'0' + stage as u8))
}

/// Rounds to four decimals: to 0.1 ms, or to 0.0001 requests.
fn rounded(value: &f64) -> f64 {
    (value * 1e4).round() / 1e4
}
