//! Killed at any moment, a crawl goes on and loses nothing.

use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use fakesite::{Latency, ServeOptions, plain};

use super::run::{Run, expect, start, stderr};

/// Requests in flight in all: what a kill may cost.
const CONCURRENCY: usize = 8;
/// Kills of one run of the tests; `make soak` asks for more.
const ROUNDS: usize = 20;

const WEB: plain::Options = plain::Options { hosts: 30, sitemaps: 12, entries: 200 };

/// The moment of a kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    /// Anywhere in the first second.
    Random,
    /// While the data dir is opened.
    StartUp,
    /// As soon as entries are being written to a segment.
    Commit,
}

#[test]
fn a_crawl_that_is_killed_again_and_again_ends_with_the_same_export() {
    let undisturbed = crawl_of_plain_web();
    undisturbed.crawl();
    let expected = comparable(&undisturbed);
    assert_eq!(expected.len() as u64, WEB.entries_in_all());

    let rounds = std::env::var("KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut run = crawl_of_plain_web();
    let (mut kills, mut kills_of_run) = ([0usize; 3], 0);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for round in 0..rounds {
        let moment = [Moment::Random, Moment::StartUp, Moment::Commit][round % 3];
        let mut crawl = start(run.crawl_command());
        let was_killed = kill_at(&mut crawl, moment, &run.data_dir(), &mut dice);
        kills[moment as usize] += usize::from(was_killed);

        kills_of_run += usize::from(was_killed);
        let again: usize = run.asked().values().map(|times| times - 1).sum();
        assert!(
            again <= CONCURRENCY * kills_of_run,
            "{again} sitemaps were asked again after {kills_of_run} kills"
        );
        if !was_killed {
            // It was done already: the next kills strike a new crawl.
            assert!(comparable(&run) == expected, "round {round}: the export differs");
            run = crawl_of_plain_web();
            kills_of_run = 0;
        }
    }
    // Shown whether or not the test passes: the test runner hides only what the print macros print.
    let counts = format!(
        "kills: {} at random, {} inside start-up, {} inside a commit\n",
        kills[0], kills[1], kills[2]
    );
    std::io::stderr().write_all(counts.as_bytes()).unwrap();
    assert!(kills.iter().all(|&kills| kills > 0), "{kills:?}");

    expect(run.resume_command(&[]), 0);
    assert!(comparable(&run) == expected, "the export differs from that of an undisturbed crawl");
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
    assert!(run.asked().values().all(|&times| times == 1), "nothing is asked twice after an orderly end");
}

#[test]
fn a_second_crawl_on_a_data_dir_fails_at_once_and_names_the_first() {
    let run = crawl_of_plain_web();
    let mut first = start(run.crawl_command());
    wait_until("the first crawl is at work", || !run.server.log().is_empty());
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

/// The export without what may differ: the order of documents and the moment they were fetched.
fn comparable(run: &Run) -> Vec<String> {
    let mut lines: Vec<String> = run
        .entries()
        .into_iter()
        .map(|mut entry| {
            entry.as_object_mut().unwrap().remove("fetched_at");
            entry.to_string()
        })
        .collect();
    lines.sort();
    lines
}

/// Kills `crawl` at `moment`; false if it ended by itself before.
fn kill_at(crawl: &mut Child, moment: Moment, data_dir: &Path, dice: &mut Dice) -> bool {
    match moment {
        Moment::Random => std::thread::sleep(Duration::from_millis(dice.below(1_000))),
        Moment::StartUp => std::thread::sleep(Duration::from_micros(dice.below(60_000))),
        Moment::Commit => {
            let before = segment_bytes(data_dir);
            let give_up = Instant::now() + Duration::from_secs(20);
            while segment_bytes(data_dir) == before
                && Instant::now() < give_up
                && crawl.try_wait().unwrap().is_none()
            {
                std::hint::spin_loop();
            }
        }
    }
    let was_running = crawl.try_wait().unwrap().is_none();
    // Already gone is no failure.
    let _ = crawl.kill();
    crawl.wait().unwrap();
    was_running
}

fn segment_bytes(data_dir: &Path) -> u64 {
    let files = std::fs::read_dir(data_dir.join("segments")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn terminate(child: &Child) {
    let status =
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < give_up, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
