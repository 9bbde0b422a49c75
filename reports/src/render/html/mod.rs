//! The report as one HTML file that loads nothing else.
//!
//! The first screen and all tables of fixed length are written here. `script.js` draws the timeline, the chart of
//! hosts and the table of hosts from data in the page. The content security policy allows the page's own style and
//! script by their hashes, and nothing else.

mod bar;
mod data;

use std::io::{self, Write};

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frontier::Timestamp;
use sha2::{Digest, Sha256};

use self::bar::Bar;
use self::data::page_json;
use super::advice::{by_frequency, suggestions};
use super::text::{reasons, sessions, sitemap_counts};
use crate::escape::Printable;
use crate::figures::{Breakdown, Group, Hosts, State, Times};
use crate::report::Report;
use crate::timing::timeline::Timeline;
use crate::units::{count, counted, per_second, percent, size, span_s};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes a report as one HTML file.
pub fn report_html(report: &Report, timeline: &Timeline, out: &mut impl Write) -> io::Result<()> {
    let page = Page::new(report, timeline)?;
    let mut buffered = io::BufWriter::new(out);
    page.write_into(&mut buffered)?;
    buffered.flush()
}

/// The values that the template shows. Text from remote servers is made printable here and escaped by the template.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    style: Embedded,
    script: Embedded,
    /// JSON without `<`, so that nothing in it ends its script element.
    data: String,
    header: Header,
    figures: Vec<Figure>,
    time: TimeSection,
    errors: ErrorSection,
    results: ResultSection,
    footer: Footer<'a>,
}

/// A style or script, with the source expression that allows it in the content security policy.
struct Embedded {
    text: &'static str,
    hash: String,
}

/// The head of the page: the crawl and its verdict.
struct Header {
    state: &'static str,
    is_complete: bool,
    started: String,
    heading: String,
    sentence: String,
}

/// The section on where the time went.
struct TimeSection {
    bars: Vec<Bar>,
    stages: Vec<StageRow>,
}

/// The section on errors and what to do about them.
struct ErrorSection {
    rows: Vec<ErrorRow>,
    suggestions: Vec<String>,
}

/// The section on results: labels with their texts, and requests by result.
struct ResultSection {
    counts: Vec<(&'static str, String)>,
    groups: Vec<(&'static str, Vec<GroupRow>)>,
}

/// The foot of the page: what wrote it, and the saved flags of the crawl.
struct Footer<'a> {
    version: &'a str,
    settings: String,
}

/// A key figure.
struct Figure {
    label: &'static str,
    value: String,
    detail: String,
}

/// A row of the table of stages.
struct StageRow {
    name: &'static str,
    meaning: &'static str,
    total: String,
    share: String,
    quantiles: [String; 4],
}

/// A row of the table of requests by result.
struct GroupRow {
    kind: String,
    cells: Vec<String>,
}

/// A row of the table of errors.
struct ErrorRow {
    kind: &'static str,
    count: String,
    example: String,
}

impl<'a> Page<'a> {
    fn new(report: &'a Report, timeline: &Timeline) -> io::Result<Self> {
        let crawl = &report.crawl;
        Ok(Self {
            style: Embedded::new(STYLE),
            script: Embedded::new(SCRIPT),
            data: page_json(report, timeline)?,
            header: Header::new(report),
            figures: figures(report),
            time: TimeSection { bars: bar::bars(report), stages: stages(report) },
            errors: ErrorSection { rows: errors(report), suggestions: suggestions(report) },
            results: ResultSection { counts: counts(report), groups: groups(report) },
            footer: Footer {
                version: crawl.version,
                settings: Printable(&crawl.settings.to_string()).to_string(),
            },
        })
    }
}

impl Embedded {
    fn new(text: &'static str) -> Self {
        Self { text, hash: hash(text) }
    }
}

impl Header {
    fn new(report: &Report) -> Self {
        let (crawl, bound) = (&report.crawl, report.verdict.bound);
        Self {
            state: crawl.state.as_str(),
            is_complete: crawl.state == State::Complete,
            started: crawl
                .started_at
                .map_or_else(|| "not started".to_owned(), |started| format!("started {}", moment(started))),
            heading: bound
                .map_or_else(|| "No bound".to_owned(), |bound| format!("Bound by {}", bound.as_str())),
            sentence: Printable(&report.verdict.sentence).to_string(),
        }
    }
}

/// The source expression that allows this text in a content security policy (CSP level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

fn figures(report: &Report) -> Vec<Figure> {
    let (crawl, totals, cpu) = (&report.crawl, &report.totals, &report.cpu);
    let figure = |label, value, detail| Figure { label, value, detail };
    vec![
        figure("Wall time", span_s(crawl.wall_s), format!("in {}", sessions(crawl))),
        figure(
            "Entries kept",
            count(totals.entries.kept),
            format!("{} per second", per_second(totals.entries.kept, crawl.wall_s)),
        ),
        figure(
            "Sites complete",
            format!("{} of {}", count(totals.hosts.complete), count(totals.hosts.known)),
            incomplete(&totals.hosts),
        ),
        figure(
            "Requests",
            count(totals.requests),
            format!(
                "{} per second, {} retries",
                per_second(totals.requests, crawl.wall_s),
                count(totals.retries)
            ),
        ),
        figure("Received", size(totals.bytes_wire), format!("{} decoded", size(totals.bytes_decoded))),
        figure(
            "CPU time",
            span_s(cpu.process_s),
            format!("{} of {}", percent(cpu.utilisation), counted(u64::from(cpu.cores), "core")),
        ),
        figure("Peak memory", size(cpu.peak_rss_bytes), "resident".to_owned()),
    ]
}

/// `5 incomplete (2 parked)`.
fn incomplete(hosts: &Hosts) -> String {
    match (hosts.incomplete(), hosts.parked) {
        (0, _) => "0 incomplete".to_owned(),
        (incomplete, 0) => format!("{} incomplete", count(incomplete)),
        (incomplete, parked) => {
            format!("{} incomplete ({} parked)", count(incomplete), count(parked))
        }
    }
}

/// Formats a moment to the second: `2026-11-21 09:00:57 UTC`.
fn moment(moment: Timestamp) -> String {
    let text = moment.to_string();
    let second = text.split(['.', 'Z']).next().unwrap_or_default();
    format!("{} UTC", second.replace('T', " "))
}

fn stages(report: &Report) -> Vec<StageRow> {
    let row = |(stage, spans): (frontier::Stage, &Times)| StageRow {
        name: stage.as_str(),
        meaning: bar::meaning(stage),
        total: span_s(spans.total_s),
        share: percent(spans.share),
        quantiles: [spans.p50_ms, spans.p90_ms, spans.p99_ms, spans.max_ms].map(|ms| span_s(ms / 1e3)),
    };
    report.stages.iter().map(row).collect()
}

/// Results of the crawl: label and text.
fn counts(report: &Report) -> Vec<(&'static str, String)> {
    let totals = &report.totals;
    let cpu = &report.cpu;
    vec![
        ("Sitemaps", sitemap_counts(&totals.sitemaps)),
        ("Entries dropped", reasons("", &totals.entries.dropped)),
        (
            "CPU time",
            format!(
                "inflate {}, parse {}, record {}, other {}",
                span_s(cpu.inflate_s),
                span_s(cpu.parse_s),
                span_s(cpu.record_s),
                span_s(cpu.other_s)
            ),
        ),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .collect()
}

/// Requests by result.
fn groups(report: &Report) -> Vec<(&'static str, Vec<GroupRow>)> {
    let Breakdown { documents, statuses, errors } = &report.breakdown;
    let all = [
        ("Document", documents.iter().map(|(kind, group)| row(kind, group)).collect()),
        ("Status", statuses.iter().map(|(status, group)| row(&status.to_string(), group)).collect()),
        ("Failed request", errors.iter().map(|(kind, group)| row(kind, group)).collect()),
    ];
    all.into_iter().filter(|(_, rows): &(_, Vec<GroupRow>)| !rows.is_empty()).collect()
}

fn row(kind: &str, group: &Group) -> GroupRow {
    let times = &group.times;
    let [p50, p90, p99, longest] =
        [times.p50_ms, times.p90_ms, times.p99_ms, times.max_ms].map(|ms| span_s(ms / 1e3));
    let (requests, entries) = (count(group.requests), count(group.entries));
    let (total, share) = (span_s(times.total_s), percent(times.share));
    let cells = vec![requests, entries, size(group.bytes_wire), total, share, p50, p90, p99, longest];
    GroupRow { kind: Printable(kind).to_string(), cells }
}

fn errors(report: &Report) -> Vec<ErrorRow> {
    let example = |kind| report.answers.examples.get(kind).map_or("", String::as_str);
    by_frequency(&report.answers.errors)
        .into_iter()
        .map(|(kind, number)| ErrorRow {
            kind,
            count: count(number),
            example: Printable(example(kind)).to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::records::{fetch, host, host_with_invalid_name, session};
    use crate::fixture::tally::tally;
    use crate::timing::sessions::Sessions;
    use crate::timing::timeline::TimelineTally;

    fn page(report: &Report) -> String {
        let mut out = Vec::new();
        report_html(report, &TimelineTally::new(Sessions::default(), []).finish(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_policy_allows_what_the_page_holds_and_nothing_else() {
        let page = page(&tally(Vec::new(), []).finish(serde_json::Value::Null, false));
        let between =
            |from: &str, to: &str| page.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned();
        let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\"");
        let style = hash(&between("<style>", "</style>"));
        let script = hash(&between("<script>", "</script>"));
        let expected = format!(
            "default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
        );
        assert_eq!(policy, expected);
        assert!(!page.contains(" style=\"") && !page.contains(" src=\""), "{page}");
        let markup = page.split("<script").next().unwrap();
        let is_handler = |word: &&str| word.starts_with("on") && word.contains("=\"");
        assert_eq!(markup.split_whitespace().find(is_handler), None);
    }

    #[test]
    fn text_of_remote_servers_stays_text() {
        let hostile = host_with_invalid_name("</script><script>alert(1)</script>.example");
        let hosts = [host("https://a.example"), hostile];
        let mut tally = tally(vec![session(0, 0, 1_000, 10, 10)], hosts);
        tally.add_fetch(&fetch("https://a.example", 0, &[(frontier::Stage::Body, 900)]));
        let mut report = tally.finish(serde_json::json!({"include": "</script><i>"}), false);
        report.answers.errors.insert("timeout", 1);
        report.answers.examples.insert("timeout", "<img src=x onerror=alert(1)>\u{202e}".to_owned());
        report.verdict.sentence = "<script>alert(1)</script> ended last".to_owned();
        let page = page(&report);
        assert_eq!(page.matches("<script").count(), 2, "the data and the script");
        assert!(!page.contains("<i>") && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
        assert!(page.contains("\\u003c/script>\\u003cscript>alert(1)"), "the host is in the data");
    }
}
