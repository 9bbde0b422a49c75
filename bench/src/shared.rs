//! A shared crawl with several workers against one worker. Each worker waits for its hosts most of the time.
//!
//! The workers, the database, the hosts and all other processes share the cores of one machine. The CPU columns show
//! whether a row was bound by the cores.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use storage::{Database, StoreError};
use tokio::runtime::Runtime;

use crate::child::{Fakesite, children_cpu, program};

/// Number of workers of each crawl. The first crawl has one worker and is the reference for the others.
const WORKERS: [usize; 4] = [1, 2, 4, 8];
/// Requests in flight per worker.
const CONCURRENCY: &str = "20";
/// Entries per sitemap.
const ENTRIES: u64 = 5;
/// How long the first worker may take to add its seeds, and the interval at which this is checked.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Unit of the times in `/proc/stat` on Linux: 1/100 s, whatever tick rate the kernel uses.
const TICKS_PER_SECOND: f64 = 100.0;

/// The web that is crawled.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of hosts: more than all workers together lease at a time, so that each worker has some.
    #[arg(long, default_value_t = 1_600)]
    pub hosts: u64,
    /// Sitemaps per host, besides robots.txt and the index.
    #[arg(long, default_value_t = 1)]
    pub sitemaps: u64,
    /// Latency of an answer and of a TLS handshake, in milliseconds.
    #[arg(long, default_value_t = 200)]
    pub latency_ms: u64,
}

impl Default for Args {
    fn default() -> Self {
        Self { hosts: 1_600, sitemaps: 1, latency_ms: 200 }
    }
}

/// Crawls the same web with more and more workers. Each crawl is new and has a separate folder. The database syncs
/// its log to disk, as in production.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let work = tempfile::tempdir()?;
    let postgres = pgserver::Server::start_with(&["fsync=on"], |_| Ok(()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let store = postgres.url("postgres");
    let database = runtime.block_on(Database::open(&store))?;
    let web = Web::start(args, work.path())?;
    let cores = thread::available_parallelism()?.get() as f64;
    println!(
        "{} hosts, sitemaps of each {}, entries of each {ENTRIES}, {} ms latency, workers of --concurrency {CONCURRENCY}, {cores} cores",
        args.hosts, args.sitemaps, args.latency_ms
    );
    println!("  workers   wall  requests/s  speed-up  CPU of the workers  of the machine");
    let mut one = None;
    for workers in WORKERS {
        let crawl = Crawl::new(&web, &store, format!("workers-{workers}"))?;
        let used = crawl.run(workers, &runtime, &database)?;
        let report = crawl.report()?;
        crawl.check(workers, &report, args)?;
        let wall_s = report.crawl.wall_s;
        let one: f64 = *one.get_or_insert(wall_s);
        println!(
            "  {workers:7} {wall_s:5.1}s {:11.1} {:9.2} {:18.0}% {:14.0}%",
            report.totals.requests as f64 / wall_s,
            one / wall_s,
            used.workers_s / used.wall_s / cores * 100.0,
            used.machine_s / used.wall_s / cores * 100.0,
        );
    }
    web.site.stop()
}

/// The hosts, and the files that a worker needs to reach them.
struct Web {
    site: Fakesite,
    folder: PathBuf,
    seeds: PathBuf,
    ca: PathBuf,
}

impl Web {
    fn start(args: &Args, folder: &Path) -> anyhow::Result<Self> {
        let (seeds, ca) = (folder.join("seeds.txt"), folder.join("ca.pem"));
        let figures = [args.hosts, args.sitemaps, ENTRIES, args.latency_ms].map(|figure| figure.to_string());
        let [hosts, sitemaps, entries, latency_ms] = figures.each_ref().map(String::as_str);
        let (seeds_out, ca_out) = (seeds.to_string_lossy(), ca.to_string_lossy());
        let site = Fakesite::start(
            &[
                ["plain", "--hosts", hosts].as_slice(),
                &["--sitemaps", sitemaps, "--entries", entries, "--latency-ms", latency_ms],
                &["--seeds-out", &seeds_out, "--ca-out", &ca_out],
            ]
            .concat(),
            &folder.join("log.jsonl"),
            folder,
        )?;
        Ok(Self { site, folder: folder.to_owned(), seeds, ca })
    }
}

/// A crawl of the web.
struct Crawl<'a> {
    web: &'a Web,
    program: PathBuf,
    store: &'a str,
    output: String,
    name: String,
}

/// Times from the start of the first worker to the end of the last one, in seconds.
struct Used {
    wall_s: f64,
    /// CPU time of all workers.
    workers_s: f64,
    /// CPU time of all processes on the machine.
    machine_s: f64,
}

#[derive(Deserialize)]
struct Report {
    crawl: Times,
    totals: Totals,
}

#[derive(Deserialize)]
struct Times {
    wall_s: f64,
    workers: usize,
}

#[derive(Deserialize)]
struct Totals {
    requests: u64,
}

impl<'a> Crawl<'a> {
    fn new(web: &'a Web, store: &'a str, name: String) -> anyhow::Result<Self> {
        let folder = web.folder.join(&name);
        std::fs::create_dir(&folder)?;
        let output = format!("file://{}", folder.display());
        Ok(Self { web, program: program("crawl")?, store, output, name })
    }

    /// Runs the crawl: the first worker starts it, the others join.
    fn run(&self, workers: usize, runtime: &Runtime, database: &Database) -> anyhow::Result<Used> {
        let (cpu_s, machine_s, begun_at) = (children_cpu()?, machine_cpu_s()?, Instant::now());
        let mut running = Workers(vec![self.start_command().spawn().context("failed to start a worker")?]);
        runtime.block_on(wait_for_hosts(database, &self.name))?;
        for _ in 1..workers {
            running.0.push(self.work_command().spawn().context("failed to start a worker")?);
        }
        for worker in &mut running.0 {
            let status = worker.wait()?;
            ensure!(status.success(), "a worker ended with {status}");
        }
        Ok(Used {
            wall_s: begun_at.elapsed().as_secs_f64(),
            workers_s: (children_cpu()? - cpu_s).as_secs_f64(),
            machine_s: machine_cpu_s()? - machine_s,
        })
    }

    fn start_command(&self) -> Command {
        let mut command = self.worker(&[]);
        command.arg("--seeds").arg(&self.web.seeds).args(["--rate", "0", "--host-concurrency", "1"]);
        command
    }

    fn work_command(&self) -> Command {
        self.worker(&["work"])
    }

    fn worker(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.args(["--quiet", "--concurrency", CONCURRENCY]).arg("--ca-cert").arg(&self.web.ca);
        command.arg("--connect-to").arg(format!("::127.0.0.1:{}", self.web.site.port));
        command
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).args(["--store", self.store, "--output", &self.output, "--crawl", &self.name]);
        command
    }

    fn report(&self) -> anyhow::Result<Report> {
        serde_json::from_slice(&self.read(&["report", "--format", "json"])?)
            .context("failed to read the report")
    }

    /// Checks that all workers took part and that every entry was exported exactly once.
    fn check(&self, workers: usize, report: &Report, args: &Args) -> anyhow::Result<()> {
        ensure!(report.crawl.workers == workers, "{} of {workers} workers took part", report.crawl.workers);
        let export = String::from_utf8(self.read(&["export"])?)?;
        let (entries, different) = (export.lines().count(), export.lines().collect::<HashSet<_>>().len());
        let expected = usize::try_from(args.hosts * args.sitemaps * ENTRIES)?;
        ensure!(
            (entries, different) == (expected, expected),
            "{entries} entries, {different} of them different, where {expected} are expected"
        );
        Ok(())
    }

    fn read(&self, args: &[&str]) -> anyhow::Result<Vec<u8>> {
        let output = self.command(args).output()?;
        ensure!(output.status.success(), "{args:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }
}

/// Worker processes, killed on drop so that they do not outlive a failed benchmark.
struct Workers(Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            // Usually it has ended already.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// Waits until the crawl has hosts, so that other workers can join it.
async fn wait_for_hosts(database: &Database, name: &str) -> anyhow::Result<()> {
    let give_up = Instant::now() + BEGIN_WITHIN;
    loop {
        let hosts = match database.crawl(name).await {
            Ok(crawl) => crawl.counts().await?.hosts,
            Err(StoreError::NoCrawl { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        if hosts > 0 {
            return Ok(());
        }
        ensure!(Instant::now() < give_up, "the crawl had no hosts within {} s", BEGIN_WITHIN.as_secs());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// CPU time of the machine so far in seconds, without idle time and I/O wait.
fn machine_cpu_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let all = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).context("no CPU times")?;
    let ticks: Vec<u64> = all.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    // user nice system idle iowait irq softirq steal, then guest times, which user includes (proc(5)).
    let &[user, nice, system, _, _, irq, softirq, steal, ..] = ticks.as_slice() else {
        anyhow::bail!("too few CPU times: {all}")
    };
    Ok((user + nice + system + irq + softirq + steal) as f64 / TICKS_PER_SECOND)
}
