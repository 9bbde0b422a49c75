//! Reading a crawl while it runs: only whole documents, and everything that was committed more than a second ago.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Duration;

use fakesite::{Latency, Misbehaviour, ServeOptions, Site, plain};
use serde_json::Value;

use super::run::{Run, expect, start, start_with_stderr_in, stdout, wait_until};

const WEB: plain::Options = plain::Options { hosts: 12, sitemaps: 10, entries: 50 };

/// A crawl that soon waits only for one silent host, which keeps it running.
fn crawl_that_does_not_end() -> Run {
    let web = plain::web(WEB).host("silent.test", Site::new().misbehaves(Misbehaviour::NeverAnswers));
    let latency = Latency::between(Duration::from_millis(20), Duration::from_millis(60));
    let server = web.serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let mut seeds: Vec<String> = (0..WEB.hosts).map(plain::host_name).collect();
    seeds.push("silent.test".to_owned());
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    Run::on(server, &seeds).flags(&["--concurrency", "8", "--timeout", "600"])
}

fn json(run: &Run, command: &str) -> Value {
    serde_json::from_slice(&expect(run.command(&[command, "--format", "json"]), 0).stdout).unwrap()
}

fn kept(status: &Value) -> u64 {
    status["entries"]["kept"].as_u64().unwrap()
}

#[test]
fn status_export_and_report_are_read_beside_the_crawl() {
    let run = crawl_that_does_not_end();
    let mut crawl = start(run.crawl_command());
    wait_until("some of it is crawled", || run.server.log().len() > 40);

    let before = json(&run, "status");
    let mut entries: BTreeMap<String, u64> = BTreeMap::new();
    for entry in run.entries() {
        *entries.entry(entry["sitemap"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let after = json(&run, "status");
    assert_eq!(before["state"], "running");
    let exported: u64 = entries.values().sum();
    assert!((kept(&before)..=kept(&after)).contains(&exported), "{before} {exported} {after}");
    assert!(
        entries.values().all(|&count| count == u64::from(WEB.entries)),
        "documents are whole: {entries:?}"
    );

    wait_until("all but the silent host is shown", || kept(&json(&run, "status")) == WEB.entries_in_all());
    assert_eq!(run.locs().len() as u64, WEB.entries_in_all());
    let host = run.command(&["export", "--format", "txt", "--host", &plain::host_name(3)]);
    assert_eq!(stdout(&expect(host, 0)).lines().count() as u32, WEB.sitemaps * WEB.entries);
    let report = json(&run, "report");
    assert_eq!(report["crawl"]["state"], "running");
    assert_eq!(report["totals"]["entries"]["kept"], WEB.entries_in_all());
    let text = stdout(&expect(run.command(&["report"]), 0));
    assert!(text.contains("https://silent.test"), "{text}");
    assert!(text.contains("\nHosts     13: 12 complete, 1 incomplete"), "{text}");

    crawl.kill().unwrap();
    crawl.wait().unwrap();
    assert_eq!(run.report()["crawl"]["state"], "interrupted", "its last live view is not trusted any more");
    assert_eq!(run.locs().len() as u64, WEB.entries_in_all());
}

#[test]
fn a_running_crawl_that_cannot_seal_its_entries_says_so_in_status_and_log() {
    let run = crawl_that_does_not_end();
    let mut crawl = start(run.crawl_command());
    wait_until("some of it is kept", || run.server.log().len() > 40 && kept(&json(&run, "status")) > 0);
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    // Within the first document, so that it is not part of what the next start cuts off.
    let segment = std::fs::read_dir(run.data_dir().join("segments")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[2_500] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let mut crawl = start_with_stderr_in(run.resume_command(&[]), &run.path("log"));
    wait_until("status tells", || {
        let status = run.command(&["status", "--format", "json"]).output().unwrap();
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        status["problem"].as_str().is_some_and(|problem| problem.contains(segment.to_str().unwrap()))
    });
    let status = stdout(&expect(run.command(&["status"]), 0));
    assert!(status.contains("Problem   entries are not sealed"), "{status}");
    let log = std::fs::read_to_string(run.path("log")).unwrap();
    assert!(log.contains("entries are not sealed") && log.contains(segment.to_str().unwrap()), "{log}");
    crawl.kill().unwrap();
    crawl.wait().unwrap();
}

#[test]
fn readers_of_a_finished_crawl_do_not_keep_each_other_out() {
    let server = plain::web(WEB).serve(ServeOptions::default()).unwrap();
    let seeds: Vec<String> = (0..WEB.hosts).map(plain::host_name).collect();
    let run = Run::on(server, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();

    // Its output is larger than a pipe and is not read yet, so it keeps running while the others run.
    let mut unread = run.command(&["export", "--format", "jsonl"]).spawn().unwrap();
    let mut first_line = String::new();
    let mut pipe = std::io::BufReader::new(unread.stdout.take().unwrap());
    pipe.read_line(&mut first_line).unwrap();
    std::thread::scope(|scope| {
        for command in ["status", "report", "export", "status", "report", "export"] {
            scope.spawn(|| expect(run.command(&[command]), 0));
        }
    });
    assert!(unread.try_wait().unwrap().is_none(), "it still has output to write");
    assert_eq!(pipe.lines().count() as u64 + 1, WEB.entries_in_all());
    assert!(unread.wait().unwrap().success());
}
