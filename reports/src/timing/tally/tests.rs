//! The sums, and the keys under which they are reported.

use frontier::{Account, SkipReason, Stage};
use serde_json::{Value, json};

use super::*;
use crate::figures::Sitemaps;
use crate::fixture::records::{at, fetch, host, session};
use crate::fixture::tally::{host_of, tally};

const A: &str = "https://a.example";
const B: &str = "http://b.example:8080";

fn report() -> Report {
    let mut a = host(A);
    a.wall_us = 3_000_000;
    a.account = Account {
        found: 9,
        fetched: 3,
        truncated: 1,
        failed: 2,
        duplicate: 1,
        redirected: 1,
        skipped: [(SkipReason::DepthLimit, 2)].into(),
        entries: 150,
        dropped: [("bad_url".into(), 4)].into(),
        errors: [(ErrorKind::Timeout, 2), (ErrorKind::Parse, 1), (ErrorKind::DepthLimit, 2)].into(),
        ..Account::default()
    };
    let mut b = host(B);
    b.parked = true;
    b.not_before = Some(at(900_000));
    b.account = Account { found: 1, pending: 1, ..Account::default() };
    b.busy_since = Some((0, at(1_000)));
    let mut tally = tally(vec![session(0, 0, 4_000, 1_000, 2_000)], [a, b]);
    let network = [(Stage::Dns, 10), (Stage::Connect, 20), (Stage::Tls, 30), (Stage::FirstByte, 140)];
    for number in 0..3 {
        tally.add_fetch(&fetch(A, number * 1000, &network));
    }
    let retried =
        FetchRecord { error: Some(ErrorKind::Connect), detail: "refused".to_owned(), ..fetch(A, 3_000, &[]) };
    tally.add_fetch(&FetchRecord { document: None, status: None, ..retried });
    let late = FetchRecord {
        error: Some(ErrorKind::Timeout),
        detail: "https://a.example/s.xml: no answer in 30 s".to_owned(),
        ..fetch(A, 3_100, &[(Stage::FirstByte, 800)])
    };
    tally.add_fetch(&FetchRecord { document: None, status: None, attempt: 2, ..late });
    tally.add_fetch(&FetchRecord {
        document: None,
        status: Some(429),
        ..fetch(B, 0, &[(Stage::Politeness, 500)])
    });
    tally.finish(json!({"max_depth": 5}), false)
}

fn json() -> Value {
    crate::fixture::records::json(|out| crate::render::report_json(&report(), out))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_keys_are_those_of_the_contract() {
    let json = json();
    let mut expected = [
        "crawl",
        "verdict",
        "totals",
        "stages",
        "breakdown",
        "cpu",
        "statuses",
        "errors",
        "examples",
        "hosts",
    ];
    expected.sort_unstable();
    assert_eq!(keys(&json), expected);
    for (pointer, wanted) in [
        ("/crawl", "version started_at ended_at wall_s sessions workers state settings"),
        ("/verdict", "bound sentence evidence"),
        ("/totals", "hosts requests bytes_wire bytes_decoded documents entries retries sitemaps"),
        ("/totals/entries", "kept dropped"),
        ("/stages", "politeness slot dns connect tls first_byte body inflate parse record"),
        ("/stages/dns", "total_s share p50_ms p90_ms p99_ms max_ms"),
        ("/breakdown", "documents statuses errors"),
        (
            "/breakdown/statuses/200",
            "requests bytes_wire bytes_decoded entries total_s share p50_ms p90_ms p99_ms max_ms",
        ),
        ("/cpu", "process_s inflate_s parse_s record_s other_s cores utilisation peak_rss_bytes"),
        (
            "/hosts/https:~1~1a.example",
            "complete requests sitemaps entries errors stages under_way bound wall_s seed",
        ),
        (
            "/hosts/https:~1~1a.example/sitemaps",
            "found fetched not_modified failed skipped duplicate redirected pending",
        ),
    ] {
        let object = json.pointer(pointer).unwrap();
        for key in wanted.split(' ') {
            assert!(object.get(key).is_some(), "{pointer} has no {key}");
        }
    }
    assert_eq!(json["crawl"]["started_at"], json!(at(0).to_string()));
    assert_eq!(json["crawl"]["settings"]["max_depth"], 5);
    assert_eq!(json["crawl"]["state"], "complete", "the remaining tasks wait until the parked host is due");
}

#[test]
fn requests_bytes_statuses_and_documents_are_counted() {
    let json = json();
    assert_eq!(json["totals"]["requests"], 6);
    assert_eq!(json["totals"]["retries"], 1);
    assert_eq!(json["totals"]["bytes_wire"], 6_000);
    assert_eq!(json["totals"]["documents"], json!({"urlset": 3}));
    assert_eq!(json["statuses"], json!({"200": 3, "429": 1}));
    assert_eq!(json["hosts"][A]["requests"], 5);
    assert_eq!(json["hosts"][B]["requests"], 1);
}

#[test]
fn requests_are_broken_down_by_document_status_and_error_with_their_time_under_way() {
    let report = report();
    let breakdown = &report.breakdown;
    let urlsets = breakdown.documents["urlset"];
    assert_eq!((urlsets.requests, urlsets.entries, urlsets.bytes_wire), (3, 150, 3_000));
    assert!((urlsets.times.total_s - 0.6).abs() < 1e-9, "three of 200 ms: {urlsets:?}");
    assert!((urlsets.times.share - 0.6 / 1.4).abs() < 1e-9, "the time-out took 800 ms: {urlsets:?}");
    assert_eq!(breakdown.statuses.keys().copied().collect::<Vec<_>>(), [200, 429]);
    assert_eq!(
        breakdown.statuses[&429].times.total_s, 0.0,
        "politeness delay only, then an immediate response"
    );
    assert_eq!(breakdown.errors["timeout"].times.max_ms, 800.0);
    assert_eq!(breakdown.errors["connect"].requests, 1, "although the retry succeeded");
    assert_eq!(host_of(&report, A).under_way.share, 1.0);
    assert_eq!(host_of(&report, A).under_way.max_ms, 800.0);
}

#[test]
fn a_host_adds_up_and_the_totals_are_the_sum_of_the_hosts() {
    let report = report();
    let sum = |sitemaps: &Sitemaps| {
        let skipped: u64 = sitemaps.skipped.values().sum();
        let settled = sitemaps.fetched + sitemaps.not_modified + sitemaps.failed + sitemaps.duplicate;
        settled + skipped + sitemaps.redirected + sitemaps.pending
    };
    for (origin, host) in report.hosts.iter() {
        assert_eq!(host.sitemaps.found, sum(&host.sitemaps), "{origin}");
    }
    assert_eq!(report.totals.sitemaps.found, sum(&report.totals.sitemaps));
    let hosts = || report.hosts.iter().map(|(_, host)| host);
    assert_eq!(report.totals.requests, hosts().map(|host| host.requests).sum::<u64>());
    assert_eq!(report.totals.sitemaps.found, hosts().map(|host| host.sitemaps.found).sum::<u64>());
    assert_eq!(report.totals.entries.kept, hosts().map(|host| host.entries.kept).sum::<u64>());
    for (stage, spans) in report.stages.iter() {
        let sum: f64 = hosts().map(|host| host.stages.get(stage).total_s).sum();
        assert!((spans.total_s - sum).abs() < 1e-9, "{}", stage.as_str());
    }
    let shares: f64 = report.stages.iter().map(|(_, spans)| spans.share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
}

#[test]
fn final_errors_count_and_a_parked_host_counts_as_rate_limited() {
    let report = report();
    let expected = [("timeout", 2), ("parse", 1), ("depth_limit", 2), ("rate_limited", 1)];
    assert_eq!(report.answers.errors, expected.into());
    assert_eq!(host_of(&report, B).errors, [("rate_limited", 1)].into());
    assert!(!host_of(&report, B).complete);
    assert_eq!(host_of(&report, B).parked_until, Some(at(900_000)));
}

#[test]
fn examples_are_of_final_errors_and_otherwise_name_a_host() {
    let examples = report().answers.examples;
    assert_eq!(examples["timeout"], "https://a.example/s.xml: no answer in 30 s");
    assert_eq!(examples["depth_limit"], A);
    assert_eq!(examples["rate_limited"], B);
    assert!(!examples.contains_key("connect"), "the retry succeeded");
}

#[test]
fn wall_times_are_those_of_the_queue_and_open_ones_end_with_the_last_commit() {
    let report = report();
    assert_eq!(report.crawl.wall_s, 4.0);
    assert_eq!(host_of(&report, A).wall_s, 3.0);
    assert_eq!(host_of(&report, B).wall_s, 3.0);
}

#[test]
fn utilisation_is_of_all_cores_over_the_wall_time() {
    let cpu = report().cpu;
    assert_eq!((cpu.utilisation, cpu.machine_utilisation, cpu.cores), (0.125, 0.25, 2));
    assert_eq!(cpu.process_s, cpu.inflate_s + cpu.parse_s + cpu.record_s + cpu.other_s);
}
