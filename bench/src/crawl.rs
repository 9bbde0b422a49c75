//! The whole crawl, with persistence and timing, against the floor program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::child::{Fakesite, Used, measure, program};

/// The number of runs of each program. The lowest CPU time of each counts, because other work on the machine can only
/// add to it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of runs of each program.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { rounds: 3 }
    }
}

/// Crawls the news web over http without its hanging hosts, then runs the floor program on the same URLs.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let work = tempfile::tempdir()?;
    let seeds = seeds(work.path())?;
    let mut crawls = Vec::new();
    let mut floors = Vec::new();
    for _ in 0..args.rounds {
        let log = work.path().join("log.jsonl");
        let site = Fakesite::start(&["news", "--no-hanging", "--http"], &log, work.path())?;
        crawls.push(crawl(&seeds, site.port, work.path())?);
        site.stop()?;
        let urls = work.path().join("urls.txt");
        std::fs::write(&urls, answered_urls(&log)?)?;
        let site = Fakesite::start(
            &["news", "--no-hanging", "--http"],
            &work.path().join("floor.jsonl"),
            work.path(),
        )?;
        let mut floor = Command::new(std::env::current_exe()?);
        floors.push(measure(floor.arg("floor").arg(&urls).args(["--port", &site.port.to_string()]))?);
        site.stop()?;
    }
    print_results(&crawls, &floors)
}

/// Writes a seed file with the sites of the news web, by http.
pub fn seeds(work: &Path) -> anyhow::Result<std::path::PathBuf> {
    let names = std::fs::read_to_string("seeds/news.txt")
        .context("failed to read seeds/news.txt: run this in the root of the repository")?;
    let mut lines = String::new();
    for name in names.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        writeln!(lines, "http://{name}")?;
    }
    let path = work.join("seeds.txt");
    std::fs::write(&path, lines)?;
    Ok(path)
}

struct Crawl {
    used: Used,
    peak_rss_bytes: u64,
    entries: u64,
    requests: u64,
}

#[derive(Deserialize)]
struct Report {
    totals: Totals,
    cpu: Cpu,
}

#[derive(Deserialize)]
struct Totals {
    requests: u64,
    entries: Entries,
}

#[derive(Deserialize)]
struct Entries {
    kept: u64,
}

#[derive(Deserialize)]
struct Cpu {
    peak_rss_bytes: u64,
}

fn crawl(seeds: &Path, port: u16, work: &Path) -> anyhow::Result<Crawl> {
    let data_dir = work.join("data");
    if data_dir.exists() {
        std::fs::remove_dir_all(&data_dir)?;
    }
    let program = program("crawl")?;
    let mut command = Command::new(&program);
    command.arg("--seeds").arg(seeds).arg("--data-dir").arg(&data_dir);
    command.args(["--rate", "0", "--host-concurrency", "10", "--quiet", "--connect-to"]);
    command.arg(format!("::127.0.0.1:{port}"));
    let used = measure(&mut command)?;
    let report =
        Command::new(&program).args(["report", "--format", "json", "--data-dir"]).arg(&data_dir).output()?;
    let report: Report = serde_json::from_slice(&report.stdout).context("failed to read the report")?;
    Ok(Crawl {
        used,
        peak_rss_bytes: report.cpu.peak_rss_bytes,
        entries: report.totals.entries.kept,
        requests: report.totals.requests,
    })
}

/// Every URL that was answered with status 200, once, one a line.
fn answered_urls(log: &Path) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Line {
        scheme: String,
        host: String,
        path: String,
        status: u16,
    }
    let text = std::fs::read_to_string(log).context("failed to read the log of fakesite")?;
    let mut urls = BTreeSet::new();
    for line in text.lines() {
        let Line { scheme, host, path, status } = serde_json::from_str(line)?;
        if status == 200 {
            urls.insert(format!("{scheme}://{host}{path}\n"));
        }
    }
    Ok(urls.into_iter().collect())
}

fn print_results(crawls: &[Crawl], floors: &[Used]) -> anyhow::Result<()> {
    let cpu = crawls.iter().map(|crawl| crawl.used.cpu).min().unwrap_or_default();
    let floor = floors.iter().map(|used| used.cpu).min().unwrap_or_default();
    let rss = crawls.iter().map(|crawl| crawl.peak_rss_bytes).max().unwrap_or_default();
    let Some(last) = crawls.last() else { anyhow::bail!("no rounds") };
    println!(
        "the news web over http, --rate 0 --host-concurrency 10, no hanging hosts, {} rounds",
        crawls.len()
    );
    println!("  entries {}, requests {}", last.entries, last.requests);
    for (crawl, floor) in crawls.iter().zip(floors) {
        let (used, floor_wall) = (crawl.used, floor.wall);
        println!(
            "  crawl {:.2} s CPU, {:.2} s wall; floor {:.2} s CPU, {:.2} s wall",
            used.cpu.as_secs_f64(),
            used.wall.as_secs_f64(),
            floor.cpu.as_secs_f64(),
            floor_wall.as_secs_f64()
        );
    }
    println!(
        "  CPU, lowest of each: {:.2} x the floor's (goal: at most 3)",
        cpu.as_secs_f64() / floor.as_secs_f64()
    );
    println!("  peak RSS, highest: {:.0} MiB (goal: at most 128)", rss as f64 / f64::from(1 << 20));
    Ok(())
}
