//! Shared crawls: several worker processes on loopback, with a real PostgreSQL server and a real S3 server.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fakesite::{Latency, Page, ServeOptions, Site, TlsMisbehaviour, Web, plain};
use pgserver::Cut;
use s3server::{BUCKET, Fault, Proxy};
use serde_json::Value;

use super::run::{
    Dice, Run, comparable, comparable_lines, expect, start, stderr, stdout, urlset, wait_until, wait_up_to,
};

/// The web of a crawl by several workers; `make soak` sets a higher number of hosts.
const WEB: plain::Options = plain::Options { hosts: 200, sitemaps: 8, entries: 10 };
/// The web for tests with faults.
const SMALL_WEB: plain::Options = plain::Options { hosts: 60, sitemaps: 10, entries: 20 };

/// Requests per second and host, and the resulting delay.
const RATE: &str = "2";
const DELAY: Duration = Duration::from_millis(500);
/// How much less than the delay may lie between the arrivals of two requests: the system may delay the first one more
/// than the second, especially because workers, servers and other tests share the cores.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(150);

/// How long it may take until other workers request the hosts of an expired session: they look for expired sessions
/// every 15 s, let the hosts cool down for 5 s, and look for hosts every 5 s.
const TAKEOVER_MAX: Duration = Duration::from_secs(60);

/// A password that must never be shown.
const PASSWORD: &str = "pa55w0rd-of-the-store";

/// A shared crawl: a web, a database, a bucket, and the flags for its workers.
struct SharedCrawl {
    run: Run,
    web: plain::Options,
    store: String,
    output: String,
    variables: Vec<(&'static str, String)>,
    proxy: Proxy,
}

impl SharedCrawl {
    /// A crawl in a database of the server that all tests share; `None` if a server is missing.
    fn of(web: plain::Options) -> Option<Self> {
        let store = pgserver::shared_url()?.replacen("postgres@", &format!("postgres:{PASSWORD}@"), 1);
        Self::on(web, store)
    }

    fn on(web: plain::Options, store: String) -> Option<Self> {
        static CRAWLS: AtomicU32 = AtomicU32::new(0);
        let s3 = s3server::shared()?;
        let proxy = s3.proxy().unwrap();
        let latency = Latency::between(Duration::from_millis(5), Duration::from_millis(25));
        let server = plain::web(web).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
        let run = Run::on(server, &[]);
        let name = format!("crawl-{}-{}", std::process::id(), CRAWLS.fetch_add(1, Ordering::Relaxed));
        std::fs::write(run.path(&format!("{name}.txt")), plain::seeds(web)).unwrap();
        let variables = s3.variables(&proxy.endpoint()).into();
        let output = format!("s3://{BUCKET}/{name}");
        Some(Self { run, web, store, output, variables, proxy })
    }

    /// The name of the crawl, which is that of its seed file.
    fn name(&self) -> &str {
        self.output.rsplit('/').next().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = super::run::crawl_with(args);
        command.args(["--store", &self.store, "--output", &self.output]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A worker that sends its number `n` in a header.
    fn worker(&self, n: usize, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.args(["--connect-to", &format!("::{}", self.run.server.address())]);
        command.arg("--ca-cert").arg(self.run.path("ca.pem"));
        command.args(["--concurrency", "20", "--header", &format!("X-Worker: {n}")]);
        command
    }

    /// Worker 0, which starts the crawl.
    fn start_command(&self) -> Command {
        let mut command = self.worker(0, &[]);
        command.arg("--seeds").arg(self.run.path(&format!("{}.txt", self.name()))).args(["--rate", RATE]);
        command
    }

    fn work_command(&self, n: usize) -> Command {
        self.worker(n, &["work", "--crawl", self.name()])
    }

    /// Starts the crawl with `workers` workers; the others start once the first one has sent a request.
    fn start(&self, workers: usize) -> Workers {
        let mut children = Workers(vec![start(self.start_command())]);
        wait_until("the first worker has sent a request", || !self.run.server.log().is_empty());
        children.0.extend((1..workers).map(|n| start(self.work_command(n))));
        children
    }

    fn export(&self) -> Vec<String> {
        let args = ["export", "--format", "jsonl", "--crawl", self.name()];
        comparable_lines(&stdout(&expect(self.command(&args), 0)))
    }

    fn json(&self, command: &str) -> Value {
        let args = [command, "--format", "json", "--crawl", self.name()];
        serde_json::from_str(&stdout(&expect(self.command(&args), 0))).unwrap()
    }

    /// The export of a local crawl of the same web.
    fn expected(&self) -> Vec<String> {
        let server = plain::web(self.web).serve(ServeOptions::default()).unwrap();
        let seeds: Vec<String> = (0..self.web.hosts).map(plain::host_name).collect();
        let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
        let run = Run::on(server, &seeds);
        run.crawl();
        comparable(&run)
    }

    /// Waits for all workers, which must end with success, and compares the export with that of a local crawl.
    fn check(&self, children: Workers) {
        self.check_against(children, &self.expected());
    }

    /// The same, with a known expected export.
    fn check_against(&self, mut children: Workers, expected: &[String]) {
        for child in &mut children.0 {
            assert_eq!(child.wait().unwrap().code(), Some(0));
        }
        let export = self.export();
        let report = self.json("report");
        let hosts = report["hosts"].as_object().unwrap().iter();
        let incomplete: Vec<_> = hosts.filter(|(_, host)| host["complete"] != true).collect();
        assert_eq!(export.len(), expected.len(), "{incomplete:#?}");
        assert!(export == expected, "the export differs from that of a local crawl");
        assert_eq!(self.json("status")["state"], "complete");
    }

    /// Makes the session of a worker expire now, instead of a minute after its last renewal.
    fn expire_session(&self, worker: &Child) {
        let expired = self
            .sessions_of(worker, "UPDATE session SET expires_at = now() - interval '1 second' WHERE true");
        assert_eq!(expired, 1, "the worker has one session");
    }

    /// Whether another worker has ended the session of a worker.
    fn has_ended_session(&self, worker: &Child) -> bool {
        self.sessions_of(worker, "SELECT FROM session WHERE expires_at IS NULL") == 1
    }

    /// Executes `statement` on the sessions of a worker, which are named "host:pid". Returns their number.
    fn sessions_of(&self, worker: &Child, statement: &str) -> u64 {
        let statement =
            format!("{statement} AND worker LIKE $1 AND crawl = (SELECT id FROM crawl WHERE name = $2)");
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.store, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.execute(&statement, &[&format!("%:{}", worker.id()), &self.name()]).await.unwrap()
        })
    }

    /// Number of requests per worker.
    fn requests_by_worker(&self) -> BTreeMap<String, usize> {
        let mut requests = BTreeMap::new();
        for request in self.run.server.log() {
            *requests.entry(request.header("x-worker").unwrap().to_owned()).or_default() += 1;
        }
        requests
    }
}

/// Worker processes, killed on drop so that they do not outlive a failed test.
struct Workers(Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Usually it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Checks at the server that the starts of any two requests to a host were at least its delay apart. The first
/// request of a connection starts with the connection.
fn check_pace(run: &Run) {
    let opened: BTreeMap<u64, u64> =
        run.server.connections().iter().map(|connection| (connection.id, connection.at_us)).collect();
    let (mut used, mut last) = (BTreeSet::new(), BTreeMap::new());
    for request in run.server.log() {
        let is_first = used.insert(request.connection_id);
        let began_us = if is_first { opened[&request.connection_id] } else { request.at_us };
        let this = (began_us, request.path.clone(), request.header("x-worker").map(str::to_owned));
        if let Some(before) = last.insert(request.host.clone(), this.clone()) {
            let interval = Duration::from_micros(began_us.saturating_sub(before.0));
            assert!(interval + ARRIVAL_TOLERANCE >= DELAY, "{}: {before:?}, then {this:?}", request.host);
        }
    }
}

fn hosts_of(web: plain::Options) -> plain::Options {
    let hosts = std::env::var("SHARED_HOSTS").map_or(web.hosts, |hosts| hosts.parse().unwrap());
    plain::Options { hosts, ..web }
}

#[test]
fn four_workers_share_a_crawl_and_no_host_is_asked_too_soon() {
    let Some(crawl) = SharedCrawl::of(hosts_of(WEB)) else { return };
    let begun = Instant::now();
    let children = crawl.start(4);
    assert_eq!(crawl.json("status")["state"], "running");
    crawl.check(children);
    let took = begun.elapsed();

    check_pace(&crawl.run);
    assert!(crawl.run.request_counts().values().all(|&times| times == 1), "no URL is requested twice");
    let requests = crawl.requests_by_worker();
    assert_eq!(requests.len(), 4, "{requests:?}");
    let report = crawl.json("report");
    assert_eq!((&report["crawl"]["sessions"], &report["crawl"]["workers"]), (&4.into(), &4.into()));
    let wall = Duration::from_secs_f64(report["crawl"]["wall_s"].as_f64().unwrap());
    assert!(wall <= took, "{wall:?} of {took:?}: concurrent work counts once");
    let sentence = report["verdict"]["sentence"].as_str().unwrap();
    assert!(!sentence.contains("sessions"), "one host ended last, whichever worker requested it: {sentence}");
    assert_eq!(report["totals"]["hosts_complete"], crawl.web.hosts);
    assert_eq!(report["totals"]["requests"], crawl.run.server.log().len());
}

#[test]
fn a_worker_that_joins_late_gets_work_within_seconds() {
    // A host of 18 requests at 2 a second takes 9 s.
    let Some(crawl) = SharedCrawl::of(plain::Options { hosts: 30, sitemaps: 16, entries: 2 }) else { return };
    let mut children = crawl.start(1);
    wait_until("all hosts were requested", || {
        let hosts: BTreeSet<String> =
            crawl.run.server.log().into_iter().map(|request| request.host).collect();
        hosts.len() == 30
    });
    children.0.push(start(crawl.work_command(1)));
    wait_until("the second worker sends a request", || crawl.requests_by_worker().len() == 2);
    crawl.check(children);
    let requests = crawl.requests_by_worker();
    assert!(requests["1"] * 5 > requests["0"], "the late worker got little: {requests:?}");
    check_pace(&crawl.run);
}

#[test]
fn what_a_killed_worker_had_is_done_by_the_others() {
    let Some(crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let mut children = crawl.start(3);
    wait_until("all workers have sent a request", || crawl.requests_by_worker().len() == 3);
    let mut killed = children.0.remove(0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    crawl.expire_session(&killed);
    crawl.check(children);
}

#[test]
fn a_worker_that_was_stopped_for_longer_than_its_session_lives_begins_anew() {
    let Some(crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let children = crawl.start(3);
    wait_until("all workers have sent a request", || crawl.requests_by_worker().len() == 3);
    stop_until_others_have_its_hosts(&crawl, &children, 1);
    crawl.check(children);
}

fn stop_until_others_have_its_hosts(crawl: &SharedCrawl, children: &Workers, n: usize) {
    signal(&children.0[n], "STOP");
    crawl.expire_session(&children.0[n]);
    let name = n.to_string();
    let had: BTreeSet<String> = asked_by(&crawl.run, &name);
    wait_up_to(TAKEOVER_MAX, "another worker ends its session", || {
        std::thread::sleep(Duration::from_millis(100));
        crawl.has_ended_session(&children.0[n])
    });
    let before = crawl.run.server.log().len();
    wait_up_to(TAKEOVER_MAX, "others request its hosts", || {
        let log = crawl.run.server.log().split_off(before);
        let others = log.iter().filter(|request| request.header("x-worker") != Some(&name));
        others.filter(|request| had.contains(&request.host)).count() > 0
    });
    // Others have done some of its work by the time it continues.
    std::thread::sleep(Duration::from_secs(4));
    signal(&children.0[n], "CONT");
}

#[test]
fn hosts_that_wait_for_a_free_place_go_to_a_worker_that_has_some() {
    let web = plain::Options { hosts: 100, sitemaps: 4, entries: 2 };
    let Some(mut crawl) = SharedCrawl::of(web) else { return };
    let latency = Latency::between(Duration::from_millis(100), Duration::from_millis(100));
    let server = plain::web(web).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    crawl.run = Run::on(server, &[]);
    let seeds = crawl.run.path(&format!("{}.txt", crawl.name()));
    std::fs::write(&seeds, plain::seeds(web)).unwrap();
    let mut first = crawl.worker(0, &["--rate", "0"]);
    first.arg("--seeds").arg(seeds);

    let mut children = Workers(vec![start(first)]);
    wait_until("the first worker has hosts", || !crawl.run.server.log().is_empty());
    children.0.push(start(crawl.work_command(1)));
    crawl.check(children);
    let requests = crawl.requests_by_worker();
    assert!(requests.get("1").is_some_and(|&times| times > web.hosts as usize), "{requests:?}");
}

#[test]
fn a_worker_that_was_stopped_while_it_connected_sends_no_request_to_a_host_that_is_another_s_by_then() {
    const SITEMAPS: usize = 10;
    let Some(mut crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let mut site = Site::new().tls_misbehaves(TlsMisbehaviour::SlowTls(Duration::from_secs(2)));
    let mut robots = String::new();
    for n in 0..SITEMAPS {
        robots += &format!("Sitemap: /{n}.xml\n");
        site = site.page(&format!("/{n}.xml"), Page::xml(urlset(&[])));
    }
    let web = Web::new().host("slow.example", site.robots(robots));
    crawl.run = Run::on(web.serve(ServeOptions::default()).unwrap(), &[]);
    std::fs::write(crawl.run.path(&format!("{}.txt", crawl.name())), "https://slow.example\n").unwrap();

    let mut first = crawl.start_command();
    // Longer than the worker is stopped, so that its request does not fail for that reason.
    first.args(["--timeout", "120"]);
    let mut children = Workers(vec![start(first)]);
    wait_until("the first worker connects", || !crawl.run.server.connections().is_empty());
    signal(&children.0[0], "STOP");
    let stopped_at = Instant::now();
    crawl.expire_session(&children.0[0]);
    children.0.push(start(crawl.work_command(1)));
    wait_up_to(TAKEOVER_MAX, "another worker requests the host", || !crawl.run.server.log().is_empty());
    // From its own clock the first worker can tell only after this time that it may have lost its hosts.
    let lease_span = storage::SESSION_TTL - frontier::work_queue::RENEWAL_MARGIN + Duration::from_secs(1);
    std::thread::sleep(lease_span.saturating_sub(stopped_at.elapsed()));
    // By now the first worker's connection is ready, and only its request has not been sent.
    signal(&children.0[0], "CONT");
    for child in &mut children.0 {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(crawl.requests_by_worker(), BTreeMap::from([("1".to_owned(), 1 + SITEMAPS)]));
}

#[test]
fn workers_go_on_when_the_database_comes_back() {
    let Some(server) = pgserver::own_server() else { return };
    let Some(crawl) = SharedCrawl::on(SMALL_WEB, server.url("postgres")) else { return };
    let children = crawl.start(3);
    for requests in [60, 150] {
        wait_until("some requests were made", || crawl.run.server.log().len() > requests);
        server.crash().unwrap();
        server.resume().unwrap();
    }
    crawl.check(children);
}

#[test]
fn workers_go_on_when_connections_are_cut_in_commit() {
    let Some(url) = pgserver::shared_url() else { return };
    let database = pgserver::Proxy::before(url).unwrap();
    let Some(crawl) = SharedCrawl::on(SMALL_WEB, database.url().to_owned()) else { return };
    database.cut_every(5, &[Cut::BeforeCommit, Cut::AfterCommit]);
    let children = crawl.start(3);
    crawl.check(children);
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        assert!(database.count(cut) > 1, "{cut:?}: only {}", database.count(cut));
    }
    assert!(crawl.run.request_counts().values().all(|&times| times == 1), "no URL is requested twice");
}

/// A disturbance of a shared crawl.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Disturbance {
    Kill,
    Zombie,
    DatabaseCrash,
    CutInCommit,
    Bucket,
}

const DISTURBANCES: [Disturbance; 5] = [
    Disturbance::CutInCommit,
    Disturbance::Kill,
    Disturbance::Zombie,
    Disturbance::DatabaseCrash,
    Disturbance::Bucket,
];

const FAULTS: [Fault; 4] = [Fault::LoseAnswer, Fault::DoneBut(500), Fault::Refuse(503), Fault::LoseRequest];

#[test]
fn whatever_strikes_at_whatever_moment_the_export_is_exact() {
    let rounds = std::env::var("SHARED_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let Some(server) = pgserver::own_server() else { return };
    let mut expected = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..rounds {
        let database = pgserver::Proxy::before(&server.url("postgres")).unwrap();
        let Some(crawl) = SharedCrawl::on(SMALL_WEB, database.url().to_owned()) else { return };
        if round == 0 {
            expected = crawl.expected();
        }
        let (disturbance, mut dice) = (DISTURBANCES[round % DISTURBANCES.len()], Dice(0x5eed + round as u64));
        // Similar seeds give similar first numbers, so this skips some.
        (0..9).for_each(|_| {
            dice.below(2);
        });
        let children = disturb_at_random(disturbance, &mut dice, &server, &database, &crawl);
        crawl.check_against(children, &expected);
        let mut count = |what: &str, times| *counts.entry(what.to_owned()).or_default() += times;
        count(&format!("{disturbance:?}"), 1);
        count("commits unheard", database.count(Cut::BeforeCommit));
        count("commits unanswered", database.count(Cut::AfterCommit));
        count(
            "puts with a fault",
            if disturbance == Disturbance::Bucket { FAULTS.len() * 2 - crawl.proxy.faults_left() } else { 0 },
        );
    }
    println!("rounds={rounds} {counts:?}");
}

/// Starts a crawl and disturbs it at a random moment. Returns the workers that are still running.
fn disturb_at_random(
    disturbance: Disturbance,
    dice: &mut Dice,
    server: &pgserver::Server,
    database: &pgserver::Proxy,
    crawl: &SharedCrawl,
) -> Workers {
    match disturbance {
        Disturbance::CutInCommit => {
            database.cut_every(2 + dice.below(6) as usize, &[Cut::BeforeCommit, Cut::AfterCommit]);
        }
        Disturbance::Bucket => {
            for fault in FAULTS.into_iter().chain(FAULTS) {
                crawl.proxy.inject("PUT /crawls/crawl-", fault, 1);
            }
        }
        Disturbance::Kill | Disturbance::Zombie | Disturbance::DatabaseCrash => {}
    }
    let mut children = crawl.start(3);
    let moment = 10 + dice.below(250) as usize;
    let victim = dice.below(3) as usize;
    wait_until("the moment has come", || {
        crawl.run.server.log().len() > moment && crawl.requests_by_worker().len() == 3
    });
    match disturbance {
        Disturbance::Kill => {
            let mut killed = children.0.remove(victim);
            killed.kill().unwrap();
            killed.wait().unwrap();
            crawl.expire_session(&killed);
        }
        Disturbance::Zombie => stop_until_others_have_its_hosts(crawl, &children, victim),
        Disturbance::DatabaseCrash => {
            server.crash().unwrap();
            server.resume().unwrap();
        }
        Disturbance::CutInCommit | Disturbance::Bucket => {}
    }
    children
}

/// A primary with `settings`, its standby, and a crawl of `web` whose store URL names both.
fn replicated(
    settings: &[&str],
    web: plain::Options,
) -> Option<(pgserver::Server, pgserver::Server, SharedCrawl)> {
    let primary = pgserver::or_skip(pgserver::Server::start_with(settings, |_| Ok(())))?;
    let standby = primary.standby().unwrap();
    let (user, database) = (pgserver::SUPERUSER, "postgres");
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let url = format!("postgres://{user}@{hosts}/{database}?target_session_attrs=read-write");
    let crawl = SharedCrawl::on(web, url)?;
    Some((primary, standby, crawl))
}

#[test]
fn workers_go_on_with_a_synchronous_standby_and_nothing_is_lost() {
    let settings = ["synchronous_standby_names=walreceiver"];
    let Some((primary, standby, crawl)) = replicated(&settings, SMALL_WEB) else { return };
    let children = crawl.start(3);
    wait_until("some requests were made", || crawl.run.server.log().len() > 150);
    primary.crash().unwrap();
    standby.promote().unwrap();
    crawl.check(children);
    check_pace(&crawl.run);
}

#[test]
fn what_a_promoted_standby_did_not_get_is_done_again_and_counted_once() {
    let web = plain::Options { sitemaps: 40, ..SMALL_WEB };
    let Some((primary, standby, crawl)) = replicated(&[], web) else { return };
    let children = crawl.start(3);
    wait_until("all workers have sent a request", || crawl.requests_by_worker().len() == 3);
    standby.stop_following().unwrap();
    let before = crawl.run.server.log().len();
    wait_until("many requests were made", || crawl.run.server.log().len() > before + 1_200);
    primary.crash().unwrap();
    standby.promote().unwrap();
    crawl.check(children);
    assert!(crawl.run.request_counts().values().any(|&times| times > 1), "the lost requests are repeated");
}

#[test]
fn workers_go_on_when_the_bucket_fails() {
    let Some(crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    for fault in [Fault::LoseAnswer, Fault::DoneBut(500), Fault::Refuse(503), Fault::LoseRequest] {
        crawl.proxy.inject("PUT /crawls/crawl-", fault, 1);
    }
    let children = crawl.start(2);
    crawl.check(children);
}

#[test]
fn a_worker_that_is_told_to_stop_leaves_its_hosts_to_the_others() {
    let Some(crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let mut children = crawl.start(2);
    wait_until("both workers have sent a request", || crawl.requests_by_worker().len() == 2);
    let mut stopped = children.0.remove(0);
    signal(&stopped, "TERM");
    assert_eq!(stopped.wait().unwrap().code(), Some(130));
    crawl.check(children);
    assert!(
        crawl.run.request_counts().values().all(|&times| times == 1),
        "no URL is requested twice after an orderly end"
    );
}

#[test]
fn the_status_of_a_crawl_that_nobody_is_at_work_on_names_the_command_that_joins_it() {
    let Some(crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let mut workers = crawl.start(1);
    signal(&workers.0[0], "TERM");
    assert_eq!(workers.0[0].wait().unwrap().code(), Some(130));
    let status = crawl.json("status");
    assert_eq!(status["state"], "interrupted");
    let remains = status["remains"].as_str().unwrap();
    let command = format!("`crawl work --store … --output … --crawl {}`", crawl.name());
    assert!(remains.contains(&command) && !remains.contains("resume"), "{remains}");
}

#[test]
fn what_was_given_up_is_asked_again_by_a_worker_that_is_told_to() {
    let Some(crawl) = SharedCrawl::of(plain::Options { hosts: 6, sitemaps: 2, entries: 3 }) else { return };
    // Without `--ca-cert` every TLS handshake fails.
    let mut untrusting = crawl.command(&["--rate", "0"]);
    untrusting.args(["--connect-to", &format!("::{}", crawl.run.server.address())]);
    untrusting.arg("--seeds").arg(crawl.run.path(&format!("{}.txt", crawl.name())));
    expect(untrusting, 0);
    let report = expect(crawl.command(&["report", "--crawl", crawl.name()]), 0);
    let words = stdout(&report).split_whitespace().collect::<Vec<_>>().join(" ");
    let advice = format!("crawl work --store … --output … --crawl {} --retry-failed", crawl.name());
    assert!(words.contains(&advice) && !words.contains("crawl resume"), "{words}");

    expect(crawl.work_command(1), 0);
    assert_eq!(crawl.export().len(), 0, "it was not asked to retry");
    let mut again = crawl.work_command(1);
    again.arg("--retry-failed");
    crawl.check(Workers(vec![start(again)]));
}

#[test]
fn a_mount_serves_as_well_as_a_bucket() {
    let Some(mut crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let name = crawl.name().to_owned();
    std::fs::create_dir(folder.path().join(&name)).unwrap();
    crawl.output = format!("file://{}/{name}", folder.path().display());
    let children = crawl.start(2);
    crawl.check(children);
}

#[test]
fn no_password_is_ever_shown() {
    let Some(crawl) = SharedCrawl::of(plain::Options { hosts: 2, sitemaps: 1, entries: 2 }) else { return };
    let secret = &crawl.variables.iter().find(|(name, _)| *name == "AWS_SECRET_ACCESS_KEY").unwrap().1;
    let mut verbose = crawl.start_command();
    verbose.env("RUST_LOG", "trace");
    let mut said = vec![expect(verbose, 0)];
    for command in ["status", "report"] {
        for format in ["text", "json"] {
            said.push(expect(crawl.command(&[command, "--format", format, "--crawl", crawl.name()]), 0));
        }
    }
    let mut wrong = super::run::crawl_with(&["work", "--output", &crawl.output]);
    wrong.args(["--store", &format!("postgres://postgres:{PASSWORD}@127.0.0.1:9/x")]);
    wrong.envs(crawl.variables.iter().map(|(name, value)| (name, value)));
    said.push(expect(wrong, 1));
    for output in &said {
        let text = stdout(output) + &stderr(output);
        assert!(!text.contains(PASSWORD) && !text.contains(secret.as_str()), "{text}");
    }
}

#[test]
fn what_cannot_be_shared_is_told_in_one_line() {
    let refused = |args: &[&str], code: i32| stderr(&expect(super::run::crawl_with(args), code));
    let said = refused(&["--seed", "a.example", "--store", "postgres://127.0.0.1:9/x"], 2);
    assert!(said.contains("--store needs --output") && said.contains("shared mount"), "{said}");
    let said = refused(&["--seed", "a.example", "--output", "s3://bucket/x"], 2);
    assert!(said.contains("--store is missing"), "{said}");
    let said = refused(&["export", "--output", "urls.txt"], 2);
    assert!(said.contains("-o FILE"), "{said}");
    let said = refused(&["work"], 2);
    assert!(said.contains("--store is missing"), "{said}");

    let Some(crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let said = stderr(&expect(crawl.work_command(1), 1));
    assert!(said.contains(&format!("no crawl {:?} in postgres://127.0.0.1:", crawl.name())), "{said}");
    let elsewhere = SharedCrawl { output: format!("s3://nowhere/{}", crawl.name()), ..crawl };
    let said = stderr(&expect(elsewhere.start_command(), 1));
    assert!(said.contains("there is no bucket nowhere at http://127.0.0.1:"), "{said}");
    let names = expect(elsewhere.work_command(1), 1);
    assert!(!stderr(&names).contains("been started"), "no crawl was created: {}", stderr(&names));
}

#[test]
fn a_place_that_holds_another_crawl_is_refused() {
    let (Some(one), Some(other)) = (SharedCrawl::of(SMALL_WEB), SharedCrawl::of(SMALL_WEB)) else { return };
    let _first = one.start(1);
    let other = SharedCrawl { output: one.output.clone(), variables: one.variables.clone(), ..other };
    let mut second = other.worker(0, &["--crawl", "quite-another"]);
    second.args(["--seed", &plain::host_name(0)]);
    let said = stderr(&expect(second, 1));
    assert!(said.contains("holds the segments of another crawl"), "{said}");
}

fn asked_by(run: &Run, worker: &str) -> BTreeSet<String> {
    let log = run.server.log();
    let own = log.into_iter().filter(|request| request.header("x-worker") == Some(worker));
    own.map(|request| request.host).collect()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
