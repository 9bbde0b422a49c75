//! A crawl that is killed at any moment can be resumed and loses nothing.

use std::cmp::Ordering;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use fakesite::{Latency, Page, ServeOptions, Site, Web, plain};

use super::run::{
    Dice, Run, comparable, expect, index, start, start_with_stderr_in, stderr, stdout, wait_until,
};

/// Total requests in flight: the most that must be repeated after a kill.
const CONCURRENCY: usize = 8;
/// Number of kills; `make soak` sets a higher number.
const ROUNDS: usize = 36;
/// Number of small segments that a start merges into one.
const MERGED: usize = 8;

const WEB: plain::Options = plain::Options { hosts: 30, sitemaps: 16, entries: 200 };

/// The moment of a kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    /// At a random time in the first quarter of a second.
    Random,
    /// While the data dir is opened.
    StartUp,
    /// As soon as entries are written to a segment.
    Commit,
    /// While segments of an earlier run are being sealed.
    Seal,
    /// While sealed segments are being merged.
    Merge,
}

impl Moment {
    const NAMES: [&str; 5] =
        ["at random", "inside start-up", "inside a commit", "inside sealing", "inside merging"];

    /// The moment of a round: each in turn, and every other time `Merge` if the next start will merge.
    fn of(round: usize, data_dir: &Path) -> Self {
        let (open, sealed) = (files(data_dir, "arrow"), files(data_dir, "parquet"));
        if round % 2 == 1 && sealed + open.min(1) >= MERGED {
            return Self::Merge;
        }
        [Self::Commit, Self::Random, Self::Seal, Self::Commit, Self::StartUp, Self::Commit][round / 2 % 6]
    }
}

#[test]
fn a_crawl_that_is_killed_again_and_again_ends_with_the_same_export() {
    let undisturbed = crawl_of_plain_web();
    undisturbed.crawl();
    let expected = comparable(&undisturbed);
    assert_eq!(expected.len() as u64, WEB.entries_in_all());

    let rounds = std::env::var("KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut run = crawl_of_small_sessions();
    let (mut kills, mut kills_of_run) = ([0usize; 5], 0);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for round in 0..rounds {
        let moment = Moment::of(round, &run.data_dir());
        let mut crawl = start_with_stderr_in(run.crawl_command(), &run.path("said"));
        let hit = kill_at(&mut crawl, moment, &run.data_dir(), &mut dice);
        kills[moment as usize] += usize::from(hit == Hit::Wanted);

        kills_of_run += usize::from(hit != Hit::Ended);
        let again: usize = run.request_counts().values().map(|times| times - 1).sum();
        assert!(
            again <= CONCURRENCY * kills_of_run,
            "{again} sitemaps were requested again after {kills_of_run} kills"
        );
        if hit == Hit::Ended {
            // The crawl had finished, so the next round starts a new one.
            let said = std::fs::read_to_string(run.path("said")).unwrap();
            assert!(crawl.wait().unwrap().success(), "round {round}: {said}");
            assert_export(&run, &expected, &format!("round {round}, {hit:?}"));
            run = crawl_of_small_sessions();
            kills_of_run = 0;
        }
    }
    // Printed even if the test passes: the test runner hides only the output of the print macros.
    let counts = kills.iter().zip(Moment::NAMES).map(|(kills, name)| format!("{kills} {name}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    std::io::stderr().write_all(format!("kills: {counts}\n").as_bytes()).unwrap();
    assert!(kills.iter().all(|&kills| kills > 0), "{counts}");

    expect(run.resume_command(&[]), 0);
    assert_export(&run, &expected, "in the end");
}

/// Checks that the export is that of an undisturbed crawl; otherwise reports which lines are missing or superfluous.
fn assert_export(run: &Run, expected: &[String], what: &str) {
    let found = comparable(run);
    if found == expected {
        return;
    }
    let (mut missing, mut surplus) = (Vec::new(), Vec::new());
    let (mut wanted, mut given) = (expected.iter().peekable(), found.iter().peekable());
    while let Some(order) = wanted.peek().map_or(given.peek().map(|_| Ordering::Greater), |line| {
        Some(given.peek().map_or(Ordering::Less, |other| line.cmp(other)))
    }) {
        match order {
            Ordering::Less => missing.extend(wanted.next()),
            Ordering::Greater => surplus.extend(given.next()),
            Ordering::Equal => _ = (wanted.next(), given.next()),
        }
    }
    panic!(
        "{what}: {} lines of {} are missing, {} too many; the first: {:?}, {:?}\n{}",
        missing.len(),
        expected.len(),
        surplus.len(),
        missing.first(),
        surplus.first(),
        stdout(&expect(run.command(&["report"]), 0)),
    );
}

#[test]
fn a_signal_ends_a_crawl_with_its_own_code_and_resume_needs_no_seeds() {
    let run = crawl_of_plain_web();
    let crawl = start(run.crawl_command());
    wait_until("some requests were made", || run.server.log().len() > 20);
    terminate(&crawl);
    let status = { crawl }.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(run.report()["crawl"]["state"], "interrupted");
    expect(run.resume_command(&[]), 0);
    assert_eq!(run.locs().len() as u64, WEB.entries_in_all());
    assert_eq!(run.report()["crawl"]["state"], "complete");
    assert!(
        run.request_counts().values().all(|&times| times == 1),
        "no URL is requested twice after an orderly end"
    );
}

#[test]
fn seeds_that_were_named_just_before_the_end_of_the_process_are_crawled_by_resume() {
    let of_hosts = |hosts: u32| {
        let seeds: Vec<String> = (0..hosts).map(plain::host_name).collect();
        let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
        let run = Run::on(plain::web(WEB).serve(ServeOptions::default()).unwrap(), &seeds);
        run.crawl();
        run
    };
    let (whole, run) = (of_hosts(2), of_hosts(1));
    // As if the process had ended after writing the second seed to the file, and before adding it to the queue.
    std::fs::copy(whole.data_dir().join("seeds"), run.data_dir().join("seeds")).unwrap();
    expect(run.resume_command(&[]), 0);
    assert_eq!(comparable(&run), comparable(&whole));
    assert!(
        run.request_counts().values().all(|&times| times == 1),
        "finished sitemaps are not requested again"
    );
}

/// Time between two sessions, when no crawl is running.
const PAUSE: Duration = Duration::from_secs(2);

#[test]
fn the_report_of_a_resumed_crawl_has_both_parts_and_not_the_pause() {
    let began = std::time::Instant::now();
    let run = crawl_of_plain_web();
    let mut crawl = start(run.crawl_command());
    wait_until("some requests were made", || run.server.log().len() > 20);
    terminate(&crawl);
    crawl.wait().unwrap();
    std::thread::sleep(PAUSE);
    expect(run.resume_command(&[]), 0);
    let report = run.report();
    let took_s = began.elapsed().as_secs_f64();

    let wall_s = report["crawl"]["wall_s"].as_f64().unwrap();
    assert_eq!(report["crawl"]["sessions"], 2);
    assert!(wall_s > 0.0 && wall_s + PAUSE.as_secs_f64() <= took_s, "{wall_s} s of {took_s} s");
    let requests = run.server.log().len() as u64;
    assert_eq!(report["totals"]["requests"], requests);
    let statuses = report["breakdown"]["statuses"].as_object().unwrap();
    assert_eq!(statuses.values().map(|group| group["requests"].as_u64().unwrap()).sum::<u64>(), requests);
    let hosts = report["hosts"].as_object().unwrap();
    let shares: f64 = hosts.values().map(|host| host["under_way"]["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    for (origin, host) in hosts {
        assert!(host["wall_s"].as_f64().unwrap() <= wall_s, "{origin}: {host}");
    }
}

#[test]
fn a_second_crawl_on_a_data_dir_fails_at_once_and_names_the_first() {
    let run = crawl_of_plain_web();
    let mut first = start(run.crawl_command());
    wait_until("the first crawl is running", || !run.server.log().is_empty());
    let second = expect(run.crawl_command(), 1);
    let said = stderr(&second);
    assert!(said.contains(&format!("in use by process {}", first.id())), "{said}");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn another_scope_on_resume_is_a_usage_error_that_names_the_flag() {
    let run = crawl_of_plain_web();
    run.crawl();
    let said = stderr(&expect(run.resume_command(&["--max-depth", "2"]), 2));
    assert!(said.contains("--max-depth was 5, is now 2"), "{said}");
}

fn crawl_of_plain_web() -> Run {
    let latency = Latency::between(Duration::from_millis(5), Duration::from_millis(25));
    let server = plain::web(WEB).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let seeds: Vec<String> = (0..WEB.hosts).map(plain::host_name).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    Run::on(server, &seeds).flags(&["--concurrency", &CONCURRENCY.to_string()])
}

/// The same crawl after sessions that each crawled one host to its end. Their segments are sealed, and with one more
/// segment there are enough to merge them.
fn crawl_of_small_sessions() -> Run {
    let run = crawl_of_plain_web();
    for host in 1..MERGED as u32 {
        let mut session = run.command(&["--seed", &plain::host_name(host)]);
        run.add_flags(&mut session);
        expect(session, 0);
    }
    assert_eq!(files(&run.data_dir(), "parquet"), MERGED - 1);
    run
}

/// The result of a kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hit {
    /// The crawl was killed at the wanted moment.
    Wanted,
    /// The crawl was killed at another moment.
    OtherMoment,
    /// The crawl had ended before.
    Ended,
}

/// Kills `crawl` at `moment`.
fn kill_at(crawl: &mut Child, moment: Moment, data_dir: &Path, dice: &mut Dice) -> Hit {
    let was_seen = match moment {
        Moment::Random => {
            std::thread::sleep(Duration::from_millis(dice.below(250)));
            true
        }
        Moment::StartUp => {
            std::thread::sleep(Duration::from_micros(dice.below(60_000)));
            true
        }
        Moment::Commit => {
            let mut least = open_bytes(data_dir);
            spin_until(crawl, || {
                let now = open_bytes(data_dir);
                least = least.min(now);
                now > least
            })
        }
        Moment::Seal => spin_until(crawl, || data_dir.join("tmp/sealing").exists()),
        Moment::Merge => spin_until(crawl, || data_dir.join("tmp/merging").exists()),
    };
    let was_running = crawl.try_wait().unwrap().is_none();
    // It may have ended already.
    let _ = crawl.kill();
    crawl.wait().unwrap();
    match (was_running, was_seen) {
        (true, true) => Hit::Wanted,
        (true, false) => Hit::OtherMoment,
        (false, _) => Hit::Ended,
    }
}

/// Waits until `holds` is true. Returns false if the crawl ends first.
fn spin_until(crawl: &mut Child, mut holds: impl FnMut() -> bool) -> bool {
    let give_up = Instant::now() + Duration::from_secs(20);
    while Instant::now() < give_up && crawl.try_wait().unwrap().is_none() {
        if holds() {
            return true;
        }
        std::hint::spin_loop();
    }
    false
}

/// Total size of all open segments in bytes. Sealing reduces it.
fn open_bytes(data_dir: &Path) -> u64 {
    let files = std::fs::read_dir(data_dir.join("segments")).into_iter().flatten().flatten();
    let open = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "arrow"));
    open.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Number of segments with this extension.
fn files(data_dir: &Path, extension: &str) -> usize {
    let files = std::fs::read_dir(data_dir.join("segments")).into_iter().flatten().flatten();
    files.filter(|file| file.path().extension().is_some_and(|found| found == extension)).count()
}

pub(super) fn terminate(child: &Child) {
    let status =
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Number of children of the index that is committed in parts. Every tenth is named again.
const CHILDREN: usize = 20_000;

/// An index with many children, some of which another index has named before. All of them are forbidden, so that they
/// are known and not requested.
fn crawl_of_large_index() -> Run {
    let name = |n: usize| format!("http://children.example/{n}.xml");
    let names: Vec<String> =
        (0..CHILDREN).flat_map(|n| std::iter::repeat_n(name(n), 1 + usize::from(n % 10 == 0))).collect();
    let large: Vec<&str> = names.iter().map(String::as_str).collect();
    let named_before: Vec<String> = (0..CHILDREN).step_by(100).map(name).collect();
    let named_before: Vec<&str> = named_before.iter().map(String::as_str).collect();
    let first = Site::new()
        .robots("Sitemap: http://first.example/i.xml\n")
        .page("/i.xml", Page::xml(index(&named_before)));
    // It is read after the first, because of its delay.
    let second = Site::new()
        .robots("User-agent: *\nCrawl-delay: 1\nSitemap: http://second.example/i.xml\n")
        .page("/i.xml", Page::xml(index(&large)));
    let children = Site::new().robots("User-agent: *\nDisallow: /\n");
    let web = Web::new()
        .host("first.example", first)
        .host("second.example", second)
        .host("children.example", children);
    Run::of(web, &["http://first.example", "http://second.example"]).flags(&["--max-sitemaps", "19000"])
}

#[test]
fn a_kill_between_the_parts_of_an_index_loses_nothing_and_counts_nothing_twice() {
    let run = crawl_of_large_index();
    let tasks = |run: &Run| {
        let status = run.command(&["status", "--format", "json"]).output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        status["tasks"]["known"].as_u64().unwrap_or(0)
    };
    let mut known = vec![0];
    for more_than in [1_000, 6_000, 12_000] {
        let mut crawl = start(if known.len() == 1 { run.crawl_command() } else { run.resume_command(&[]) });
        wait_until("some parts are committed", || tasks(&run) > more_than);
        crawl.kill().unwrap();
        crawl.wait().unwrap();
        known.push(tasks(&run));
    }
    assert!(known.is_sorted_by(|a, b| a < b), "each session adds some: {known:?}");
    assert!(
        known.iter().any(|known| (2_000..18_000).contains(known)),
        "no kill was between parts: {known:?}"
    );
    expect(run.resume_command(&[]), 0);
    let account = |name: &str| run.report()["hosts"][format!("http://{name}.example")]["sitemaps"].clone();
    let (second, children) = (account("second"), account("children"));
    // Named twice in the index: 2,000. Named by the other index before: 200. Beyond --max-sitemaps: 1,000.
    assert_eq!(
        (&second["duplicate"], &second["skipped"]["count_limit"]),
        (&2_200.into(), &1_000.into()),
        "{second}"
    );
    assert_eq!(children["skipped"]["robots_disallowed"], 19_000, "{children}");
    assert_eq!((&second["found"], &children["found"]), (&(1 + 3_200).into(), &19_000.into()));
}
