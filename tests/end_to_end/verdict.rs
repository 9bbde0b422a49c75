//! Crawls of nineteen hosts, each limited by one of the four bounds. The verdict names the right bound. More of that
//! resource shortens the crawl, and more of another resource does not.

use std::process::Command;
use std::time::Duration;

use fakesite::{Latency, ServeOptions, Server, Web, plain};
use serde_json::Value;

use super::run::{Run, expect, measurement_lock};

const HOSTS: u32 = 19;

/// Maximum ratio of the times after and before doubling the resource that bounds a crawl. The ideal is 0.5; startup,
/// name lookups, handshakes and robots.txt files do not get faster.
const SHORTENED_MAX: f64 = 0.7;

/// Minimum ratio of the times after and before doubling another resource. The difference to 1 allows for noise.
const UNCHANGED_MIN: f64 = 0.85;

/// Maximum ratio of the times with two cores and with one. The web server of the crawl also uses the second core.
const SHORTENED_BY_A_CORE_MAX: f64 = 0.85;

/// Number of crawls per wall time. The shortest counts, because other load can only make a crawl longer.
const CRAWLS: usize = 2;

/// Maximum number of times that a comparison is repeated: other load may last longer than one comparison.
const TRIES_MAX: usize = 8;

/// A crawl of nineteen hosts.
#[derive(Clone, Copy)]
struct Setting<'a> {
    sitemaps: u32,
    entries: u32,
    latency_ms: u64,
    rate: &'a str,
    concurrency: &'a str,
    host_concurrency: &'a str,
    /// The cores of the crawl, in the format of `taskset`; `None` for all.
    cores: Option<&'a str>,
    /// The core of the web server; a crawl may use the same core.
    core_of_hosts: Option<&'a str>,
}

const SMALL: Setting<'static> = Setting {
    sitemaps: 3,
    entries: 5,
    latency_ms: 0,
    rate: "0",
    concurrency: "100",
    host_concurrency: "1",
    cores: None,
    core_of_hosts: None,
};

impl Setting<'_> {
    /// Crawls, and returns the report.
    fn report(&self) -> Value {
        let options = plain::Options { hosts: HOSTS, sitemaps: self.sitemaps, entries: self.entries };
        let web = plain::web(options);
        web.build_pages();
        let latency = Latency::fixed(Duration::from_millis(self.latency_ms));
        let server = serve(web, ServeOptions { latency, ..ServeOptions::default() }, self.core_of_hosts);
        let seeds: Vec<String> = (0..HOSTS).map(plain::host_name).collect();
        let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
        let run = Run::on(server, &seeds).flags(&["--rate", self.rate, "--concurrency", self.concurrency]);
        let run = run.flags(&["--host-concurrency", self.host_concurrency]);
        let command = run.crawl_command();
        expect(self.cores.map_or_else(|| run.crawl_command(), |cores| pinned(&command, cores)), 0);
        run.report()
    }

    fn wall_s(&self) -> f64 {
        let walls = (0..CRAWLS).map(|_| self.report()["crawl"]["wall_s"].as_f64().unwrap());
        walls.fold(f64::INFINITY, f64::min)
    }
}

/// Serves `web` on the given core only. New threads inherit the cores of the thread that starts them.
fn serve(web: Web, options: ServeOptions, core: Option<&str>) -> Server {
    let core = core.map(str::to_owned);
    let serve = move || {
        if let Some(core) = core {
            let own = std::fs::read_link("/proc/thread-self").unwrap();
            let pinned =
                Command::new("taskset").args(["-c", "-p", &core]).arg(own.file_name().unwrap()).output();
            assert!(pinned.as_ref().is_ok_and(|pinned| pinned.status.success()), "{pinned:?}");
        }
        web.serve(options).unwrap()
    };
    std::thread::spawn(serve).join().unwrap()
}

/// The same command, limited to these cores.
fn pinned(command: &Command, cores: &str) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
    pinned
}

/// Checks that the verdict for the crawl and for most of its hosts is `bound`.
fn assert_bound(setting: &Setting<'_>, bound: &str) {
    let mut seen = Vec::new();
    for _ in 0..TRIES_MAX {
        let report = setting.report();
        let hosts = report["hosts"].as_object().unwrap();
        assert_eq!(hosts.len(), HOSTS as usize);
        let agree = hosts.values().filter(|host| host["bound"] == bound).count();
        if report["verdict"]["bound"] == bound && agree > hosts.len() / 2 {
            return;
        }
        seen.push((agree, report["verdict"].clone()));
    }
    panic!("not {bound}: {seen:#?}");
}

fn assert_shortened(before: &Setting<'_>, after: &Setting<'_>, left_max: f64) {
    let left = (0..TRIES_MAX).map(|_| after.wall_s() / before.wall_s()).find(|left| *left <= left_max);
    assert!(left.is_some(), "more than {left_max} of the time is left in each of {TRIES_MAX} comparisons");
}

fn assert_unchanged(before: &Setting<'_>, after: &Setting<'_>) {
    let left = (0..TRIES_MAX).map(|_| after.wall_s() / before.wall_s()).find(|left| *left >= UNCHANGED_MIN);
    assert!(
        left.is_some(),
        "less than {UNCHANGED_MIN} of the time is left in each of {TRIES_MAX} comparisons"
    );
}

#[test]
fn latency_is_the_network_and_a_nearer_server_helps_where_more_concurrency_does_not() {
    let _lock = measurement_lock();
    let far = Setting { latency_ms: 100, rate: "1000", ..SMALL };
    assert_bound(&far, "network");
    assert_shortened(&far, &Setting { latency_ms: 50, ..far }, SHORTENED_MAX);
    let many = Setting { sitemaps: 12, ..far };
    assert_shortened(&many, &Setting { host_concurrency: "2", ..many }, SHORTENED_MAX);
    assert_unchanged(&far, &Setting { concurrency: "200", ..far });
    assert_unchanged(&far, &Setting { rate: "2000", ..far });
    assert_unchanged(&Setting { cores: Some("0"), ..far }, &Setting { cores: Some("0,1"), ..far });
}

#[test]
fn a_low_rate_is_politeness_and_a_higher_one_helps_where_more_concurrency_does_not() {
    let _lock = measurement_lock();
    let paced = Setting { sitemaps: 1, rate: "2", ..SMALL };
    assert_bound(&paced, "politeness");
    assert_shortened(&paced, &Setting { rate: "4", ..paced }, SHORTENED_MAX);
    assert_unchanged(&paced, &Setting { concurrency: "200", ..paced });
    assert_unchanged(&Setting { cores: Some("0"), ..paced }, &Setting { cores: Some("0,1"), ..paced });
}

#[test]
fn one_worker_is_concurrency_and_a_second_helps_where_a_higher_rate_does_not() {
    let _lock = measurement_lock();
    let alone = Setting { sitemaps: 1, latency_ms: 20, rate: "100", concurrency: "1", ..SMALL };
    assert_bound(&alone, "concurrency");
    assert_shortened(&alone, &Setting { concurrency: "2", ..alone }, SHORTENED_MAX);
    assert_shortened(&alone, &Setting { latency_ms: 10, ..alone }, SHORTENED_MAX);
    assert_unchanged(&alone, &Setting { rate: "200", ..alone });
}

#[test]
fn large_documents_are_the_processor_and_a_second_core_helps_where_more_concurrency_does_not() {
    let _lock = measurement_lock();
    let large = Setting { sitemaps: 2, entries: 20_000, rate: "1000", cores: Some("0"), ..SMALL };
    let large = Setting { core_of_hosts: Some("1"), ..large };
    assert_bound(&large, "cpu");
    assert_shortened(&large, &Setting { cores: Some("0,1"), ..large }, SHORTENED_BY_A_CORE_MAX);
    assert_unchanged(&large, &Setting { concurrency: "200", ..large });
    assert_unchanged(&large, &Setting { rate: "2000", ..large });
}
