//! The report as text in 80 columns, with the verdict first.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::advice::{self, by_frequency};
use super::table::{bar, fitted, paragraph};
use crate::escape::Printable;
use crate::figures::{Sitemaps, Times};
use crate::host_report::HostReport;
use crate::report::{Answers, Crawl, Report};
use crate::units::{count, counted, per_second, percent, size, span, span_s};

/// Number of hosts shown, slowest first. The JSON report has all hosts.
const HOSTS_SHOWN: usize = 10;

/// Longest example, in characters. The fetch records have the full text.
const EXAMPLE_CHARS_MAX: usize = 240;

/// Width of a stage's bar, in columns.
const BAR_COLUMNS: usize = 12;

/// Width of the host column in the table of hosts. A longer name gets its own line.
const HOST_COLUMNS: usize = 30;

/// Formats a report as text.
pub fn report_text(report: &Report) -> String {
    let mut text = verdict(report);
    text.push_str(&headline(report));
    text.push_str(&stages(report));
    text.push_str(&hosts(report));
    text.push_str(&errors(report));
    text.push_str(&suggestions(report));
    text
}

fn verdict(report: &Report) -> String {
    let bound = report
        .verdict
        .bound
        .map_or_else(|| "No bound".to_owned(), |bound| format!("Bound by {}", bound.as_str()));
    let sentence = Printable(&report.verdict.sentence).to_string();
    format!("{bound}\n{}", paragraph("", &sentence))
}

fn headline(report: &Report) -> String {
    let (crawl, totals, cpu) = (&report.crawl, &report.totals, &report.cpu);
    let mut text = String::from("\n");
    let mut line = |head: &str, body: &str| text.push_str(&paragraph(&format!("{head:<10}"), body));
    let started =
        crawl.started_at.map_or_else(|| "not started".to_owned(), |moment| format!("started {moment}"));
    let took = span((crawl.wall_s * 1e6) as u64);
    line("Crawl", &format!("{}, {started}, took {took}, {}", crawl.state.as_str(), sessions(crawl)));
    line(
        "Hosts",
        &format!(
            "{}: {} complete, {} incomplete ({} parked)",
            count(totals.hosts.known),
            count(totals.hosts.complete),
            count(totals.hosts.incomplete()),
            count(totals.hosts.parked),
        ),
    );
    line("Sitemaps", &sitemap_counts(&totals.sitemaps));
    line(
        "Entries",
        &format!("{} kept{}", count(totals.entries.kept), reasons(", dropped: ", &totals.entries.dropped)),
    );
    line(
        "Requests",
        &format!(
            "{} ({}); {} received, {} decoded",
            count(totals.requests),
            counted_retries(totals.retries),
            size(totals.bytes_wire),
            size(totals.bytes_decoded),
        ),
    );
    line("Statuses", &statuses(&report.answers.statuses));
    line(
        "Speed",
        &format!(
            "{} entries/s, {} requests/s",
            per_second(totals.entries.kept, crawl.wall_s),
            per_second(totals.requests, crawl.wall_s),
        ),
    );
    line(
        "CPU",
        &format!(
            "{:.1} s ({} of {}): inflate {:.1} s, parse {:.1} s, record {:.1} s, other {:.1} s",
            cpu.process_s,
            percent(cpu.utilisation),
            counted(u64::from(cpu.cores), "core"),
            cpu.inflate_s,
            cpu.parse_s,
            cpu.record_s,
            cpu.other_s,
        ),
    );
    line("Memory", &format!("{} peak", size(cpu.peak_rss_bytes)));
    text
}

/// `3 sessions`; for a crawl shared by several workers `3 sessions, up to 2 workers at a time`.
pub(super) fn sessions(crawl: &Crawl) -> String {
    let sessions = counted(crawl.sessions, "session");
    match crawl.workers {
        0 | 1 => sessions,
        workers => format!("{sessions}, up to {} at a time", counted(workers, "worker")),
    }
}

fn counted_retries(retries: u64) -> String {
    format!("{} {}", count(retries), if retries == 1 { "retry" } else { "retries" })
}

/// Sitemaps by outcome: `12 found: 10 fetched, 2 skipped (depth_limit 2)`.
pub(super) fn sitemap_counts(sitemaps: &Sitemaps) -> String {
    let skipped = sitemaps.skipped.values().sum();
    let outcomes = [
        (sitemaps.fetched, "fetched"),
        (sitemaps.not_modified, "not modified"),
        (sitemaps.failed, "failed"),
        (skipped, "skipped"),
        (sitemaps.duplicate, "duplicate"),
        (sitemaps.redirected, "redirected"),
        (sitemaps.pending, "pending"),
    ];
    let mut parts = Vec::new();
    for (number, outcome) in outcomes.into_iter().filter(|(number, _)| *number > 0) {
        let detail = match outcome {
            "fetched" if sitemaps.truncated > 0 => format!(" ({} truncated)", count(sitemaps.truncated)),
            "skipped" => reasons(" (", &sitemaps.skipped) + ")",
            _ => String::new(),
        };
        parts.push(format!("{} {outcome}{detail}", count(number)));
    }
    let found = count(sitemaps.found);
    if parts.is_empty() { format!("{found} found") } else { format!("{found} found: {}", parts.join(", ")) }
}

/// `head` and the counts by reason; empty if there are no counts.
pub(super) fn reasons<K: AsRef<str>>(head: &str, counts: &BTreeMap<K, u64>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(reason, number)| format!("{} {}", Printable(reason.as_ref()), count(*number)))
        .collect();
    format!("{head}{}", parts.join(", "))
}

fn statuses(statuses: &BTreeMap<u16, u64>) -> String {
    if statuses.is_empty() {
        return "no responses".to_owned();
    }
    let parts: Vec<String> =
        statuses.iter().map(|(status, number)| format!("{status}: {}", count(*number))).collect();
    parts.join(", ")
}

fn stages(report: &Report) -> String {
    if report.totals.requests == 0 {
        return String::new();
    }
    let mut text = String::from("\nWhere the time of all requests went\n");
    let _ = writeln!(
        text,
        "{:<10} {:>12} {:>6}  {:<BAR_COLUMNS$} {:>11} {:>11} {:>11}",
        "stage", "total", "share", "", "p50", "p99", "max"
    );
    for (stage, spans) in report.stages.iter() {
        let Times { total_s, share, p50_ms, p99_ms, max_ms, .. } = *spans;
        let ms = |ms: f64| span((ms * 1e3).round() as u64);
        let line = format!(
            "{:<10} {:>12} {:>6}  {:<BAR_COLUMNS$} {:>11} {:>11} {:>11}",
            stage.as_str(),
            span_s(total_s),
            percent(share),
            bar(share, BAR_COLUMNS),
            ms(p50_ms),
            ms(p99_ms),
            ms(max_ms),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn hosts(report: &Report) -> String {
    let hosts: Vec<(String, HostReport)> = report.hosts.slowest(HOSTS_SHOWN).collect();
    if hosts.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nSlowest hosts\n");
    let _ = writeln!(
        text,
        "{:<HOST_COLUMNS$} {:>11} {:>9} {:>11}  bound by",
        "host", "took", "requests", "entries"
    );
    for (name, host) in &hosts {
        let bound = host.bound.map_or("-", |bound| bound.as_str());
        let mark = if host.complete { "" } else { " !" };
        let mut name = Printable(name).to_string();
        if name.chars().count() > HOST_COLUMNS {
            text.push_str(&paragraph("", &name));
            name.clear();
        }
        let line = format!(
            "{name:<HOST_COLUMNS$} {:>11} {:>9} {:>11}  {bound}{mark}",
            span_s(host.wall_s),
            count(host.requests),
            count(host.entries.kept),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let hidden = report.totals.hosts.known.saturating_sub(hosts.len() as u64);
    if hidden > 0 {
        let _ = writeln!(text, "{} not shown", counted(hidden, "host"));
    }
    if hosts.iter().any(|(_, host)| !host.complete) {
        text.push_str("! incomplete\n");
    }
    text
}

fn errors(report: &Report) -> String {
    let Answers { errors, examples, .. } = &report.answers;
    if errors.is_empty() {
        return "\nNo errors.\n".to_owned();
    }
    let mut text = String::from("\nErrors, with one example each\n");
    for (kind, number) in by_frequency(errors) {
        let example = examples.get(kind).map_or("", String::as_str);
        let _ = writeln!(text, "{kind:<18} {:>11}", count(number));
        text.push_str(&paragraph("  ", &fitted(example, EXAMPLE_CHARS_MAX)));
    }
    text
}

fn suggestions(report: &Report) -> String {
    let lines = advice::suggestions(report);
    if lines.is_empty() {
        return String::new();
    }
    let list: String = lines.iter().map(|line| paragraph("- ", line)).collect();
    format!("\nWhat to try next\n{list}")
}

#[cfg(test)]
mod tests {
    use frontier::{Account, ErrorKind, FetchRecord, SkipReason, Stage, TaskId};

    use super::super::table::COLUMNS;
    use super::*;
    use crate::figures::PerStage;
    use crate::fixture::records::{at, fetch, host, host_with_invalid_name, session};
    use crate::fixture::tally::tally;

    fn report() -> Report {
        let origins =
            ["https://news.example", "https://www.a-newspaper-with-a-rather-long-name.example:8443"];
        let mut records = origins.map(host);
        records[0].wall_us = 64_000_000;
        records[0].account = Account { found: 60, fetched: 60, entries: 650_000, ..Account::default() };
        records[1].wall_us = 31_000_000;
        records[1].account = Account {
            found: 12,
            fetched: 8,
            truncated: 1,
            failed: 1,
            skipped: [(SkipReason::DepthLimit, 3)].into(),
            entries: 400,
            dropped: [("bad_url".into(), 2)].into(),
            errors: [(ErrorKind::Timeout, 1), (ErrorKind::Parse, 1), (ErrorKind::DepthLimit, 3)].into(),
            ..Account::default()
        };
        let mut tally = tally(vec![session(0, 0, 64_000, 9_000, 12_000)], records);
        for number in 0..64 {
            let stages = [
                (Stage::Politeness, 900),
                (Stage::FirstByte, 60),
                (Stage::Body, 20),
                (Stage::Parse, 15),
                (Stage::Record, 5),
            ];
            tally.add_fetch(&fetch(origins[0], number * 1000, &stages));
        }
        let detail = "https://www.a-newspaper-with-a-rather-long-name.example:8443/sitemaps/2026/news.xml: no \u{1b}[31mbyte for 30 s";
        tally.add_fetch(&FetchRecord {
            error: Some(ErrorKind::Timeout),
            detail: detail.to_owned(),
            status: None,
            document: None,
            ..fetch(origins[1], 0, &[(Stage::FirstByte, 30_000)])
        });
        tally.finish(serde_json::Value::Null, false)
    }

    #[test]
    fn a_report_starts_with_what_limited_the_crawl() {
        insta::assert_snapshot!(report_text(&report()), @r#"
Bound by politeness
https://news.example ended last. Its 64 requests took 64.0 s: 57.6 s (90 %) was
politeness delay, 6.4 s everything else. A higher --rate would shorten the
crawl, unless the site itself asks for the delay (Crawl-delay, Retry-After).
More --concurrency, cores or machines would not.

Crawl     complete, started 2026-09-21T14:13:20.000000Z, took 64.0 s, 1 session
Hosts     2: 1 complete, 1 incomplete (0 parked)
Sitemaps  72 found: 68 fetched (1 truncated), 1 failed, 3 skipped (depth_limit
          3)
Entries   650,400 kept, dropped: bad_url 2
Requests  65 (0 retries); 65.0 kB received, 650.0 kB decoded
Statuses  200: 64
Speed     10,163 entries/s, 1.0 requests/s
CPU       9.0 s (7 % of 2 cores): inflate 0.0 s, parse 0.0 s, record 0.0 s,
          other 9.0 s
Memory    48.0 MB peak

Where the time of all requests went
stage             total  share                       p50         p99         max
politeness       57.6 s   61 %  #######           900 ms      900 ms      900 ms
slot                  0    0 %                         0           0           0
dns                   0    0 %                         0           0           0
connect               0    0 %                         0           0           0
tls                   0    0 %                         0           0           0
first_byte       33.8 s   36 %  ####               60 ms      30.0 s      30.0 s
body              1.3 s    1 %  #                  20 ms       20 ms       20 ms
inflate               0    0 %                         0           0           0
parse            960 ms    1 %  #                  15 ms       15 ms       15 ms
record           320 ms  < 1 %  #                 5.0 ms      5.0 ms      5.0 ms

Slowest hosts
host                                  took  requests     entries  bound by
https://news.example                64.0 s        64     650,000  politeness
https://www.a-newspaper-with-a-rather-long-name.example:8443
                                    31.0 s         1         400  network !
! incomplete

Errors, with one example each
depth_limit                  3
  https://www.a-newspaper-with-a-rather-long-name.example:8443
parse                        1
  https://www.a-newspaper-with-a-rather-long-name.example:8443
timeout                      1
  https://www.a-newspaper-with-a-rather-long-name.example:8443/sitemaps/2026/new
  s.xml: no \u{1b}[31mbyte for 30 s

What to try next
- follow indexes deeper, in a new data directory: --max-depth
- to see what is wrong with a document, download it and run: crawl parse FILE
- retry requests that failed, perhaps with a longer --timeout: crawl resume
  --retry-failed
"#);
    }

    #[test]
    fn no_line_is_wider_than_80_columns_and_nothing_moves_the_cursor() {
        let name = format!("{}.example", "a-label-of-a-name.".repeat(13));
        let long = format!("https://{name}");
        let mut record = host_with_invalid_name(&name);
        record.wall_us = 35_999_000_000_000;
        record.account = Account { found: 1, failed: 1, entries: 999_999_999, ..Account::default() };
        let mut tally = tally(vec![session(0, 0, 64_000, 9_000, 12_000)], [record.clone()]);
        let task = TaskId { host: record.host.id(), url: 1 };
        let request = FetchRecord { task, ..fetch("https://news.example", 0, &[(Stage::Slot, 9)]) };
        (0..1_000_000).for_each(|_| tally.add_fetch(&request));
        let mut report = tally.finish(serde_json::Value::Null, false);
        report.answers.errors.insert("robots_unreachable", 123_456_789);
        report.answers.examples.insert("robots_unreachable", format!("{long}/{}", "path/".repeat(100)));
        report.verdict.sentence = format!("{long} ended last");
        let slow =
            Times { total_s: 9e8, share: 0.999, p50_ms: 845e3, p90_ms: 9e5, p99_ms: 9e6, max_ms: 3.5e11 };
        report.stages = PerStage::new(|_| slow);
        let text = report_text(&report);
        for line in text.lines() {
            let width = line.chars().count();
            assert!(width <= COLUMNS, "{width} columns: {line}");
            assert!(!line.chars().any(crate::escape::is_deceptive), "{line}");
        }
        let joined = text.replace('\n', "");
        assert_eq!(
            joined.matches(&long).count(),
            2,
            "the verdict and the table have the full name of the host: {text}"
        );
        assert!(text.contains('…'), "shortened text has an ellipsis: {text}");
    }

    #[test]
    fn a_crawl_that_never_started_has_a_report_too() {
        let text = report_text(&tally(Vec::new(), []).finish(serde_json::Value::Null, false));
        insta::assert_snapshot!(text, @r#"
No bound
there are no hosts to crawl, so there is no verdict.

Crawl     complete, not started, took 0, 0 sessions
Hosts     0: 0 complete, 0 incomplete (0 parked)
Sitemaps  0 found
Entries   0 kept
Requests  0 (0 retries); 0 B received, 0 B decoded
Statuses  no responses
Speed     - entries/s, - requests/s
CPU       0.0 s (0 % of 0 cores): inflate 0.0 s, parse 0.0 s, record 0.0 s,
          other 0.0 s
Memory    0 B peak

No errors.
"#);
    }

    #[test]
    fn the_report_of_an_interrupted_crawl_suggests_to_continue_it() {
        let mut record = host("https://a.example");
        record.account = Account { found: 1, pending: 1, ..Account::default() };
        record.busy_since = Some((0, at(0)));
        let tally = tally(vec![session(0, 0, 1_000, 10, 10)], [record]);
        let text = report_text(&tally.finish(serde_json::Value::Null, false));
        assert!(text.contains("- continue the crawl: crawl resume\n"), "{text}");
    }
}
