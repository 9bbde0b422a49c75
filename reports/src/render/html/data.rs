//! What the page's script draws from.

use std::io;

use frontier::Stage;
use serde::Serialize;

use crate::report::HostReport;
use crate::{Bound, Report, Timeline};

/// Hosts on the page, those that took longest first, at about 350 bytes each; the JSON report has all.
const HOSTS_MAX: usize = 10_000;

#[derive(Serialize)]
struct PageData<'a> {
    stages: [&'static str; 10],
    /// Hosts of the crawl, of which `hosts` may hold a part.
    hosts_known: u64,
    timeline: TimelineData<'a>,
    hosts: Vec<HostRow<'a>>,
}

#[derive(Serialize)]
struct TimelineData<'a> {
    wall_s: f64,
    bucket_s: f64,
    sessions_at_s: &'a [f64],
    /// Of each stage, in the order of `stages`.
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
    requests: u64,
    bytes: u64,
    sitemaps: u64,
    entries: u64,
    errors: &'a std::collections::BTreeMap<&'static str, u64>,
    /// Seconds of each stage, in the order of `stages`.
    stages_s: [f64; 10],
    /// A character for each bucket of the timeline: the place of a stage in `stages`, or a blank.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
}

/// The data as JSON that may stand in a script element: `<` is escaped, so that nothing in it looks like a tag.
pub(super) fn page_json(report: &Report, timeline: &Timeline) -> io::Result<String> {
    let slowest: Vec<(String, HostReport)> = report.hosts.slowest(HOSTS_MAX).collect();
    let data = PageData {
        stages: Stage::ALL.map(Stage::as_str),
        hosts_known: report.totals.hosts,
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
        requests: host.requests,
        bytes: host.bytes_wire,
        sitemaps: host.sitemaps.found,
        entries: host.entries.kept,
        errors: &host.errors,
        stages_s: Stage::ALL.map(|stage| rounded(&host.stages.get(stage).total_s)),
        lane: timeline.lanes.get(origin).map(|lane| lane.iter().map(|stage| letter(*stage)).collect()),
    }
}

fn letter(stage: Option<Stage>) -> char {
    stage.map_or(' ', |stage| char::from(b'0' + stage as u8))
}

/// To a tenth of a millisecond, or of a thousandth of a request.
fn rounded(value: &f64) -> f64 {
    (value * 1e4).round() / 1e4
}
