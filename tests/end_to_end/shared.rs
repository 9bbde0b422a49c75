//! A crawl that many machines share: workers are processes of their own on loopback, beside a real PostgreSQL and a real
//! S3 server.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fakesite::{Latency, Page, ServeOptions, Site, TlsMisbehaviour, Web, plain};
use pgserver::Cut;
use s3server::{BUCKET, Fault, Proxy};
use serde_json::Value;

use super::run::{
    Dice, Run, comparable, comparable_lines, expect, start, stderr, stdout, urlset, wait_until,
};

/// The web of a crawl by many; `make soak` asks for more hosts.
const WEB: plain::Options = plain::Options { hosts: 200, sitemaps: 8, entries: 10 };
/// A web for everything that goes wrong.
const SMALL_WEB: plain::Options = plain::Options { hosts: 60, sitemaps: 10, entries: 20 };

/// Requests per second and host, and the pause that follows from it.
const RATE: &str = "2";
const DELAY: Duration = Duration::from_millis(500);
/// How much closer two requests may come than they left: the system may hold the first one up on its way, the longer since
/// workers, servers and other tests have the cores in common.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(150);

/// Seconds that a session lives without a sign of life where that is waited for.
const SHORT_LIFE_S: u64 = 4;

/// A password that must never be shown.
const PASSWORD: &str = "pa55w0rd-of-the-store";

/// A web, a database and a bucket, and the flags that bring workers together.
struct Many {
    run: Run,
    web: plain::Options,
    store: String,
    output: String,
    variables: Vec<(&'static str, String)>,
    proxy: Proxy,
}

impl Many {
    /// Of a database of the server that all tests share; `None` where a server is missing.
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

    fn short_lived(mut self) -> Self {
        self.variables.push(("CRAWL_TEST_SESSION_LIFE_S", SHORT_LIFE_S.to_string()));
        self
    }

    /// The name of the crawl, which is that of its seeds file.
    fn name(&self) -> &str {
        self.output.rsplit('/').next().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = super::run::crawl_with(args);
        command.args(["--store", &self.store, "--output", &self.output]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A worker that tells which one it is in a header.
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

    /// Starts the crawl with so many workers in all, each as soon as the one before is at work.
    fn start(&self, workers: usize) -> Workers {
        let mut children = Workers(vec![start(self.start_command())]);
        wait_until("the first worker is at work", || !self.run.server.log().is_empty());
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

    /// The export of a crawl of the same web by one machine.
    fn expected(&self) -> Vec<String> {
        let server = plain::web(self.web).serve(ServeOptions::default()).unwrap();
        let seeds: Vec<String> = (0..self.web.hosts).map(plain::host_name).collect();
        let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
        let run = Run::on(server, &seeds);
        run.crawl();
        comparable(&run)
    }

    /// Ends all workers, who must have seen the end of the crawl, and checks what they brought.
    fn check(&self, children: Workers) {
        self.check_against(children, &self.expected());
    }

    /// The same for who knows what one machine would export.
    fn check_against(&self, mut children: Workers, expected: &[String]) {
        for child in &mut children.0 {
            assert_eq!(child.wait().unwrap().code(), Some(0));
        }
        let export = self.export();
        assert_eq!(export.len(), expected.len());
        assert!(export == expected, "the export differs from that of one machine");
        assert_eq!(self.json("status")["state"], "complete");
    }

    /// The requests that each worker made.
    fn requests_by_worker(&self) -> BTreeMap<String, usize> {
        let mut requests = BTreeMap::new();
        for request in self.run.server.log() {
            *requests.entry(request.header("x-worker").unwrap().to_owned()).or_default() += 1;
        }
        requests
    }
}

/// Workers that do not outlive a test that fails.
struct Workers(Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Mostly it has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Checks that no two requests of a host began closer than its delay, as the server saw it. One that has a connection made
/// for it begins with the connection.
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
    let Some(many) = Many::of(hosts_of(WEB)) else { return };
    let begun = std::time::Instant::now();
    let children = many.start(4);
    assert_eq!(many.json("status")["state"], "running");
    many.check(children);
    let took = begun.elapsed();

    check_pace(&many.run);
    assert!(many.run.asked().values().all(|&times| times == 1), "nothing is asked twice");
    let requests = many.requests_by_worker();
    assert_eq!(requests.len(), 4, "{requests:?}");
    let report = many.json("report");
    assert_eq!((&report["crawl"]["sessions"], &report["crawl"]["workers"]), (&4.into(), &4.into()));
    let wall = Duration::from_secs_f64(report["crawl"]["wall_s"].as_f64().unwrap());
    assert!(wall <= took, "{wall:?} of {took:?}: what four do at a time counts once");
    let sentence = report["verdict"]["sentence"].as_str().unwrap();
    assert!(!sentence.contains("sessions"), "one host ended last, whoever asked it: {sentence}");
    assert_eq!(report["totals"]["hosts_complete"], many.web.hosts);
    assert_eq!(report["totals"]["requests"], many.run.server.log().len());
}

#[test]
fn a_worker_that_joins_late_gets_work_within_seconds() {
    // A host of 18 requests at 2 a second takes 9 s.
    let Some(many) = Many::of(plain::Options { hosts: 30, sitemaps: 16, entries: 2 }) else { return };
    let mut children = many.start(1);
    wait_until("all hosts are in work", || {
        let hosts: BTreeSet<String> = many.run.server.log().into_iter().map(|request| request.host).collect();
        hosts.len() == 30
    });
    children.0.push(start(many.work_command(1)));
    wait_until("the second worker asks", || many.requests_by_worker().len() == 2);
    many.check(children);
    let requests = many.requests_by_worker();
    assert!(requests["1"] * 5 > requests["0"], "the late one got little: {requests:?}");
    check_pace(&many.run);
}

#[test]
fn what_a_killed_worker_had_is_done_by_the_others() {
    let Some(many) = Many::of(SMALL_WEB).map(Many::short_lived) else { return };
    let mut children = many.start(3);
    wait_until("all are at work", || many.requests_by_worker().len() == 3);
    let mut killed = children.0.remove(0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    many.check(children);
}

#[test]
fn a_worker_that_was_stopped_for_longer_than_its_session_lives_begins_anew() {
    let Some(many) = Many::of(SMALL_WEB).map(Many::short_lived) else { return };
    let children = many.start(3);
    wait_until("all are at work", || many.requests_by_worker().len() == 3);
    stop_for_longer_than_a_session_lives(&many, &children, 1);
    many.check(children);
}

fn stop_for_longer_than_a_session_lives(many: &Many, children: &Workers, n: usize) {
    signal(&children.0[n], "STOP");
    // Its hosts are asked by others once its session is over.
    let name = n.to_string();
    let had: BTreeSet<String> = asked_by(&many.run, &name);
    wait_until("others have its hosts", || {
        let log = many.run.server.log();
        let others = log.iter().filter(|request| request.header("x-worker") != Some(&name));
        others.filter(|request| had.contains(&request.host)).count() > 0
    });
    std::thread::sleep(Duration::from_secs(SHORT_LIFE_S));
    signal(&children.0[n], "CONT");
}

#[test]
fn hosts_that_wait_for_a_free_place_go_to_a_worker_that_has_some() {
    let web = plain::Options { hosts: 100, sitemaps: 4, entries: 2 };
    let Some(mut many) = Many::of(web) else { return };
    let latency = Latency::between(Duration::from_millis(100), Duration::from_millis(100));
    let server = plain::web(web).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    many.run = Run::on(server, &[]);
    let seeds = many.run.path(&format!("{}.txt", many.name()));
    std::fs::write(&seeds, plain::seeds(web)).unwrap();
    let mut first = many.worker(0, &["--rate", "0"]);
    first.arg("--seeds").arg(seeds);

    let mut children = Workers(vec![start(first)]);
    wait_until("the first worker has hosts", || !many.run.server.log().is_empty());
    children.0.push(start(many.work_command(1)));
    many.check(children);
    let requests = many.requests_by_worker();
    assert!(requests.get("1").is_some_and(|&times| times > web.hosts as usize), "{requests:?}");
}

#[test]
fn a_worker_that_was_stopped_while_it_connected_sends_no_request_to_a_host_that_is_another_s_by_then() {
    const SITEMAPS: usize = 10;
    let Some(mut many) = Many::of(SMALL_WEB).map(Many::short_lived) else { return };
    let mut site = Site::new().tls_misbehaves(TlsMisbehaviour::SlowTls(Duration::from_secs(2)));
    let mut robots = String::new();
    for n in 0..SITEMAPS {
        robots += &format!("Sitemap: /{n}.xml\n");
        site = site.page(&format!("/{n}.xml"), Page::xml(urlset(&[])));
    }
    let web = Web::new().host("slow.example", site.robots(robots));
    many.run = Run::on(web.serve(ServeOptions::default()).unwrap(), &[]);
    std::fs::write(many.run.path(&format!("{}.txt", many.name())), "https://slow.example\n").unwrap();

    let mut children = Workers(vec![start(many.start_command())]);
    wait_until("the first worker connects", || !many.run.server.connections().is_empty());
    signal(&children.0[0], "STOP");
    children.0.push(start(many.work_command(1)));
    wait_until("another one asks the host", || !many.run.server.log().is_empty());
    // By now its own connection is ready, and all that is missing is the request.
    signal(&children.0[0], "CONT");
    for child in &mut children.0 {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(many.requests_by_worker(), BTreeMap::from([("1".to_owned(), 1 + SITEMAPS)]));
}

#[test]
fn workers_go_on_when_the_database_comes_back() {
    let Some(server) = pgserver::own_server() else { return };
    let Some(many) = Many::on(SMALL_WEB, server.url("postgres")) else { return };
    let children = many.start(3);
    for requests in [60, 150] {
        wait_until("some requests were made", || many.run.server.log().len() > requests);
        server.crash().unwrap();
        server.resume().unwrap();
    }
    many.check(children);
}

#[test]
fn workers_go_on_when_connections_are_cut_in_commit() {
    let Some(url) = pgserver::shared_url() else { return };
    let database = pgserver::Proxy::before(url).unwrap();
    let Some(many) = Many::on(SMALL_WEB, database.url().to_owned()) else { return };
    database.cut_every(5, &[Cut::BeforeCommit, Cut::AfterCommit]);
    let children = many.start(3);
    many.check(children);
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        assert!(database.count(cut) > 1, "{cut:?}: only {}", database.count(cut));
    }
    assert!(many.run.asked().values().all(|&times| times == 1), "nothing is asked twice");
}

/// What strikes a crawl.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Strike {
    Kill,
    Zombie,
    DatabaseCrash,
    CutInCommit,
    Bucket,
}

const STRIKES: [Strike; 5] =
    [Strike::CutInCommit, Strike::Kill, Strike::Zombie, Strike::DatabaseCrash, Strike::Bucket];

const FAULTS: [Fault; 4] = [Fault::LoseAnswer, Fault::DoneBut(500), Fault::Refuse(503), Fault::LoseRequest];

#[test]
fn whatever_strikes_at_whatever_moment_the_export_is_exact() {
    let rounds = std::env::var("SHARED_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let Some(server) = pgserver::own_server() else { return };
    let mut expected = Vec::new();
    let mut struck: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..rounds {
        let database = pgserver::Proxy::before(&server.url("postgres")).unwrap();
        let Some(many) = Many::on(SMALL_WEB, database.url().to_owned()).map(Many::short_lived) else {
            return;
        };
        if round == 0 {
            expected = many.expected();
        }
        let (strike, mut dice) = (STRIKES[round % STRIKES.len()], Dice(0x5eed + round as u64));
        // The first numbers of seeds that are alike are alike.
        (0..9).for_each(|_| {
            dice.below(2);
        });
        let children = strike_at_random(strike, &mut dice, &server, &database, &many);
        many.check_against(children, &expected);
        let mut count = |what: &str, times| *struck.entry(what.to_owned()).or_default() += times;
        count(&format!("{strike:?}"), 1);
        count("commits unheard", database.count(Cut::BeforeCommit));
        count("commits unanswered", database.count(Cut::AfterCommit));
        count(
            "puts spoilt",
            if strike == Strike::Bucket { FAULTS.len() * 2 - many.proxy.left_to_spoil() } else { 0 },
        );
    }
    println!("rounds={rounds} {struck:?}");
}

/// Starts a crawl and strikes it; gives the workers that live.
fn strike_at_random(
    strike: Strike,
    dice: &mut Dice,
    server: &pgserver::Server,
    database: &pgserver::Proxy,
    many: &Many,
) -> Workers {
    match strike {
        Strike::CutInCommit => {
            database.cut_every(2 + dice.below(6) as usize, &[Cut::BeforeCommit, Cut::AfterCommit]);
        }
        Strike::Bucket => {
            for fault in FAULTS.into_iter().chain(FAULTS) {
                many.proxy.spoil("PUT /crawls/crawl-", fault, 1);
            }
        }
        Strike::Kill | Strike::Zombie | Strike::DatabaseCrash => {}
    }
    let mut children = many.start(3);
    let moment = 10 + dice.below(250) as usize;
    let victim = dice.below(3) as usize;
    wait_until("the moment has come", || {
        many.run.server.log().len() > moment && many.requests_by_worker().len() == 3
    });
    match strike {
        Strike::Kill => {
            let mut killed = children.0.remove(victim);
            killed.kill().unwrap();
            killed.wait().unwrap();
        }
        Strike::Zombie => stop_for_longer_than_a_session_lives(many, &children, victim),
        Strike::DatabaseCrash => {
            server.crash().unwrap();
            server.resume().unwrap();
        }
        Strike::CutInCommit | Strike::Bucket => {}
    }
    children
}

/// A primary with `settings`, its standby, and a crawl of `web` that knows both.
fn replicated(settings: &[&str], web: plain::Options) -> Option<(pgserver::Server, pgserver::Server, Many)> {
    let primary = pgserver::or_say_so(pgserver::Server::start_with(settings, |_| Ok(())))?;
    let standby = primary.standby().unwrap();
    let (user, database) = (pgserver::SUPERUSER, "postgres");
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let url = format!("postgres://{user}@{hosts}/{database}?target_session_attrs=read-write");
    let many = Many::on(web, url)?;
    Some((primary, standby, many))
}

#[test]
fn workers_go_on_with_a_synchronous_standby_and_nothing_is_lost() {
    let settings = ["synchronous_standby_names=walreceiver"];
    let Some((primary, standby, many)) = replicated(&settings, SMALL_WEB) else { return };
    let many = many.short_lived();
    let children = many.start(3);
    wait_until("some requests were made", || many.run.server.log().len() > 150);
    primary.crash().unwrap();
    standby.promote().unwrap();
    many.check(children);
    check_pace(&many.run);
}

#[test]
fn what_a_promoted_standby_did_not_get_is_done_again_and_counted_once() {
    let web = plain::Options { sitemaps: 40, ..SMALL_WEB };
    let Some((primary, standby, many)) = replicated(&[], web) else { return };
    let children = many.start(3);
    wait_until("all are at work", || many.requests_by_worker().len() == 3);
    standby.stop_following().unwrap();
    let before = many.run.server.log().len();
    wait_until("much is committed", || many.run.server.log().len() > before + 1_200);
    primary.crash().unwrap();
    standby.promote().unwrap();
    many.check(children);
    assert!(many.run.asked().values().any(|&times| times > 1), "what was lost is asked again");
}

#[test]
fn workers_go_on_when_the_bucket_fails() {
    let Some(many) = Many::of(SMALL_WEB) else { return };
    for fault in [Fault::LoseAnswer, Fault::DoneBut(500), Fault::Refuse(503), Fault::LoseRequest] {
        many.proxy.spoil("PUT /crawls/crawl-", fault, 1);
    }
    let children = many.start(2);
    many.check(children);
}

#[test]
fn a_worker_that_is_told_to_stop_leaves_its_hosts_to_the_others() {
    let Some(many) = Many::of(SMALL_WEB) else { return };
    let mut children = many.start(2);
    wait_until("both are at work", || many.requests_by_worker().len() == 2);
    let mut stopped = children.0.remove(0);
    signal(&stopped, "TERM");
    assert_eq!(stopped.wait().unwrap().code(), Some(130));
    many.check(children);
    assert!(
        many.run.asked().values().all(|&times| times == 1),
        "nothing is asked twice after an orderly end"
    );
}

#[test]
fn the_status_of_a_crawl_that_nobody_is_at_work_on_names_the_command_that_joins_it() {
    let Some(many) = Many::of(SMALL_WEB) else { return };
    let mut workers = many.start(1);
    signal(&workers.0[0], "TERM");
    assert_eq!(workers.0[0].wait().unwrap().code(), Some(130));
    let status = many.json("status");
    assert_eq!(status["state"], "interrupted");
    let remains = status["remains"].as_str().unwrap();
    let command = format!("`crawl work --store … --output … --crawl {}`", many.name());
    assert!(remains.contains(&command) && !remains.contains("resume"), "{remains}");
}

#[test]
fn what_was_given_up_is_asked_again_by_a_worker_that_is_told_to() {
    let Some(many) = Many::of(plain::Options { hosts: 6, sitemaps: 2, entries: 3 }) else { return };
    // Without the authority of the web's certificates no handshake succeeds.
    let mut strangers = many.command(&["--rate", "0"]);
    strangers.args(["--connect-to", &format!("::{}", many.run.server.address())]);
    strangers.arg("--seeds").arg(many.run.path(&format!("{}.txt", many.name())));
    expect(strangers, 0);
    let report = expect(many.command(&["report", "--crawl", many.name()]), 0);
    let words = stdout(&report).split_whitespace().collect::<Vec<_>>().join(" ");
    let advice = format!("crawl work --store … --output … --crawl {} --retry-failed", many.name());
    assert!(words.contains(&advice) && !words.contains("crawl resume"), "{words}");

    expect(many.work_command(1), 0);
    assert_eq!(many.export().len(), 0, "it was not told to");
    let mut again = many.work_command(1);
    again.arg("--retry-failed");
    many.check(Workers(vec![start(again)]));
}

#[test]
fn a_mount_serves_as_well_as_a_bucket() {
    let Some(mut many) = Many::of(SMALL_WEB) else { return };
    let folder = tempfile::tempdir().unwrap();
    let name = many.name().to_owned();
    std::fs::create_dir(folder.path().join(&name)).unwrap();
    many.output = format!("file://{}/{name}", folder.path().display());
    let children = many.start(2);
    many.check(children);
}

#[test]
fn no_password_is_ever_shown() {
    let Some(many) = Many::of(plain::Options { hosts: 2, sitemaps: 1, entries: 2 }) else { return };
    let secret = &many.variables.iter().find(|(name, _)| *name == "AWS_SECRET_ACCESS_KEY").unwrap().1;
    let mut verbose = many.start_command();
    verbose.env("RUST_LOG", "trace");
    let mut said = vec![expect(verbose, 0)];
    for command in ["status", "report"] {
        for format in ["text", "json"] {
            said.push(expect(many.command(&[command, "--format", format, "--crawl", many.name()]), 0));
        }
    }
    let mut wrong = super::run::crawl_with(&["work", "--output", &many.output]);
    wrong.args(["--store", &format!("postgres://postgres:{PASSWORD}@127.0.0.1:9/x")]);
    wrong.envs(many.variables.iter().map(|(name, value)| (name, value)));
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

    let Some(many) = Many::of(SMALL_WEB) else { return };
    let said = stderr(&expect(many.work_command(1), 1));
    assert!(said.contains(&format!("no crawl {:?} in postgres://127.0.0.1:", many.name())), "{said}");
    let elsewhere = Many { output: format!("s3://nowhere/{}", many.name()), ..many };
    let said = stderr(&expect(elsewhere.start_command(), 1));
    assert!(said.contains("there is no bucket nowhere at http://127.0.0.1:"), "{said}");
    let names = expect(elsewhere.work_command(1), 1);
    assert!(!stderr(&names).contains("been started"), "nothing was made: {}", stderr(&names));
}

#[test]
fn a_place_that_holds_another_crawl_is_refused() {
    let (Some(one), Some(other)) = (Many::of(SMALL_WEB), Many::of(SMALL_WEB)) else { return };
    let _first = one.start(1);
    let other = Many { output: one.output.clone(), variables: one.variables.clone(), ..other };
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
