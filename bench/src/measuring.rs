//! The cost of measuring: the same crawl with and without time measurement.
//!
//! `crawl-unmeasured` is built with the feature `unmeasured` of crate `crawler`: the stopwatch of a request takes no
//! marks after its start, and no thread's CPU clock is read. Both programs still write the fetch records (with zeros in
//! them), read the clock for the schedule, which pacing needs, and read the figures of the process ten times a second.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::child::{Fakesite, measure, program};
use crate::crawl;

/// Goal: CPU time with measuring divided by CPU time without.
const RATIO_MAX: f64 = 1.02;

/// How often each program crawls each web.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of crawls of each web with each program.
    #[arg(long, default_value_t = 15)]
    pub rounds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { rounds: 15 }
    }
}

/// A web to crawl.
struct Crawled {
    name: &'static str,
    fakesite: &'static [&'static str],
    flags: &'static [&'static str],
}

/// Large documents, where most marks are taken per slice, and small documents, where most are taken per request.
const WEBS: [Crawled; 2] = [
    Crawled {
        name: "the news web over http (650,000 entries)",
        fakesite: &["news", "--no-hanging", "--http"],
        // Excludes the document that always answers 503: its backoff would make each round wait for seconds.
        flags: &["--exclude", "/archive\\.xml"],
    },
    Crawled {
        name: "19 hosts with 100 sitemaps of 5 entries each, over HTTP/2 and TLS",
        fakesite: &["plain", "--hosts", "19", "--sitemaps", "100", "--entries", "5"],
        flags: &[],
    },
];

/// Crawls each web with both programs, alternating.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let with = program("crawl")?;
    let without = with.with_file_name("crawl-unmeasured");
    anyhow::ensure!(
        without.exists(),
        "{} is missing: build `crawl` with `--features crawler/unmeasured`, copy it there, build again without",
        without.display()
    );
    for web in &WEBS {
        let work = tempfile::tempdir()?;
        let seeds = seeds(web, work.path())?;
        let mut used = [Vec::new(), Vec::new()];
        let site = Fakesite::start(
            &[web.fakesite, &["--ca-out", path_text(&work.path().join("ca.pem"))?]].concat(),
            &work.path().join("log.jsonl"),
            work.path(),
        )?;
        for round in 0..args.rounds {
            // The order alternates because the first program finds the machine in another state than the second.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for place in order {
                let program = [&with, &without][place];
                used[place].push(crawl_once(program, web, &seeds, site.port, work.path(), place == 0)?);
            }
        }
        site.stop()?;
        show(web, &used)?;
    }
    Ok(())
}

/// Crawls into a new data directory and returns the CPU time.
fn crawl_once(
    program: &Path,
    web: &Crawled,
    seeds: &Path,
    port: u16,
    work: &Path,
    is_measured: bool,
) -> anyhow::Result<Duration> {
    let data_dir = work.join("data");
    if data_dir.exists() {
        std::fs::remove_dir_all(&data_dir)?;
    }
    let mut command = Command::new(program);
    command.arg("--seeds").arg(seeds).arg("--data-dir").arg(&data_dir);
    command.arg("--ca-cert").arg(work.join("ca.pem")).args(web.flags);
    command.args(["--rate", "0", "--host-concurrency", "10", "--quiet", "--connect-to"]);
    let used = measure(command.arg(format!("::127.0.0.1:{port}")))?;
    check(program, &data_dir, is_measured)?;
    Ok(used.cpu)
}

/// Checks that the crawl kept entries, and that it was measured if and only if `is_measured`.
fn check(program: &Path, data_dir: &Path, is_measured: bool) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Report {
        totals: Totals,
        cpu: Cpu,
    }
    #[derive(Deserialize)]
    struct Totals {
        entries: Entries,
    }
    #[derive(Deserialize)]
    struct Entries {
        kept: u64,
    }
    #[derive(Deserialize)]
    struct Cpu {
        parse_s: f64,
    }
    let report =
        Command::new(program).args(["report", "--format", "json", "--data-dir"]).arg(data_dir).output()?;
    let report: Report = serde_json::from_slice(&report.stdout).context("failed to read the report")?;
    anyhow::ensure!(report.totals.entries.kept > 0, "{} kept no entries", program.display());
    anyhow::ensure!((report.cpu.parse_s > 0.0) == is_measured, "{} is the wrong build", program.display());
    Ok(())
}

fn seeds(web: &Crawled, work: &Path) -> anyhow::Result<PathBuf> {
    if web.fakesite[0] == "news" {
        return crawl::seeds(work);
    }
    let path = work.join("seeds.txt");
    std::fs::write(&path, (0..19).map(|n| format!("site{n:05}.test\n")).collect::<String>())?;
    Ok(path)
}

fn path_text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the directory for temporary files has a name that is not UTF-8")
}

fn show(web: &Crawled, used: &[Vec<Duration>; 2]) -> anyhow::Result<()> {
    let [with, without] = used.each_ref().map(|times| sorted(times));
    let lowest = [&with, &without].map(|times| times.first().copied());
    let [Some(lowest_with), Some(lowest_without)] = lowest else { anyhow::bail!("no rounds") };
    let middle = with.len() / 2;
    println!("with and without measuring: {}, {} rounds each", web.name, with.len());
    for (statistic, with, without) in
        [("lowest", lowest_with, lowest_without), ("median", with[middle], without[middle])]
    {
        println!(
            "  {statistic} CPU {:.3} s with, {:.3} s without: {:.3} x (goal of the lowest: at most {RATIO_MAX})",
            with.as_secs_f64(),
            without.as_secs_f64(),
            with.as_secs_f64() / without.as_secs_f64(),
        );
    }
    Ok(())
}

fn sorted(times: &[Duration]) -> Vec<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times
}
