//! Shared crawls: several workers at once, and what strikes them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fakesite::{Latency, Page, ServeOptions, Site, TlsMisbehaviour, Web, plain};
use pgserver::Cut;
use s3server::Fault;
use serde_json::Value;

use super::run::Run;
use super::run::{Dice, expect, start, stderr, stdout, urlset, wait_until, wait_up_to};
use super::shared_crawl::{PASSWORD, SharedCrawl, Workers, check_pace};

/// The web of a crawl by several workers; `make soak` sets a higher number of hosts.
const WEB: plain::Options = plain::Options { hosts: 200, sitemaps: 8, entries: 10 };
/// The web for tests with faults.
const SMALL_WEB: plain::Options = plain::Options { hosts: 60, sitemaps: 10, entries: 20 };

/// How long it may take until other workers request the hosts of an expired session: they look for expired sessions
/// every 15 s, let the hosts cool down for 5 s, and look for hosts every 5 s.
const TAKEOVER_MAX: Duration = Duration::from_secs(60);

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
fn status_says_why_a_crawl_whose_worker_was_killed_counts_as_running() {
    let Some(crawl) = SharedCrawl::of(SMALL_WEB) else { return };
    let mut children = crawl.start(1);
    assert_eq!(crawl.json("status")["problem"], Value::Null, "its worker renews the session");
    children.0[0].kill().unwrap();
    children.0[0].wait().unwrap();
    // As if the server's clock had been set back by an hour meanwhile.
    let hour = "UPDATE session SET expires_at = expires_at + interval '1 hour' WHERE true";
    assert_eq!(crawl.sessions_of(&children.0[0], hour), 1);
    let status = crawl.json("status");
    assert_eq!(status["state"], "running");
    let problem = status["problem"].as_str().unwrap();
    assert!(
        problem.starts_with("1 of the workers no longer") && problem.contains("as running until"),
        "{problem}"
    );
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
