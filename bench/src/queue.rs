//! A large crawl without network: a million tasks of ten thousand hosts pass through the queue on disk and the
//! schedule, driven as by the engine. At the end the queue is opened again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use frontier::schedule::{Next, NextStep, Pace, Request, Schedule};
use frontier::work_queue::{Commit, HostUpdate, QueueBounds, RobotsRecord, Session};
use frontier::{
    Clock, Connection, DocumentKind, FetchRecord, FetchedDocument, Host, HostId, NewTask, Outcome,
    RequestKind, RobotsRules, Stages, Task, TaskId, TaskKind, TaskOutcome, Timestamp, Validator, WorkQueue,
};
use storage::{DataDir, LocalQueue, SledStore};
use url::Url;

use crate::child::{measure, peak_rss_bytes};

/// Requests in flight, and leased hosts: the defaults of `crawl`.
const CONCURRENCY: usize = 100;
const HOSTS_MAX: usize = 8 * CONCURRENCY;
/// Tasks loaded for a host when it is leased.
const TASKS_FIRST: usize = 16;
/// Hosts whose tasks are added by one commit.
const HOSTS_PER_COMMIT: u64 = 10;

/// Goals: memory, state on disk per task and in addition to it, and the time to open the queue.
const RSS_GOAL_BYTES: u64 = 256 << 20;
const TASK_GOAL_BYTES: u64 = 1 << 10;
const STATE_GOAL_BYTES: u64 = 16 << 20;
const OPEN_GOAL: Duration = Duration::from_secs(5);

/// The size of the crawl.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of hosts.
    #[arg(long, default_value_t = 10_000)]
    pub hosts: u64,
    /// Number of tasks per host.
    #[arg(long, default_value_t = 100)]
    pub tasks: u64,
    /// Only opens the queue in this folder.
    #[arg(long, hide = true)]
    pub reopen: Option<PathBuf>,
}

impl Default for Args {
    fn default() -> Self {
        Self { hosts: 10_000, tasks: 100, reopen: None }
    }
}

/// Fills the queue, completes all tasks, and prints memory, size and times. Run it in a separate process: the memory
/// printed is that of the whole process.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let clock = Arc::new(VirtualClock(AtomicI64::new(1_800_000_000_000_000)));
    if let Some(path) = &args.reopen {
        return reopen(&runtime, path, clock);
    }
    let folder = tempfile::tempdir_in("target")?;
    let all = args.hosts * args.tasks;
    println!("{all} tasks over {} hosts", args.hosts);
    let mut crawl = Crawl::open(&runtime, folder.path(), clock)?;
    let begun_at = Instant::now();
    runtime.block_on(crawl.fill(args))?;
    show("found", all, begun_at, folder.path(), all)?;
    for (name, tasks) in [("half of them done", all / 2), ("all of them done", all - all / 2)] {
        let begun_at = Instant::now();
        runtime.block_on(crawl.work(tasks))?;
        show(name, tasks, begun_at, folder.path(), all)?;
    }
    let counts = runtime.block_on(crawl.queue.counts())?;
    ensure!((counts.tasks, counts.tasks_pending) == (all, 0), "tasks are missing: {counts:?}");
    drop(crawl);
    let mut again = Command::new(std::env::current_exe()?);
    measure(again.args(["queue", "--reopen"]).arg(folder.path()))?;
    Ok(())
}

/// Opens the queue in `path`. Run it in a process that has not opened it before.
fn reopen(runtime: &tokio::runtime::Runtime, path: &Path, clock: Arc<VirtualClock>) -> anyhow::Result<()> {
    let begun_at = Instant::now();
    let mut crawl = Crawl::open(runtime, path, clock)?;
    let opened = begun_at.elapsed();
    runtime.block_on(crawl.refill())?;
    let rss = mib(peak_rss_bytes(None)?);
    println!("  opened again in {opened:.2?} (goal {OPEN_GOAL:?}); peak RSS {rss}");
    Ok(())
}

fn show(step: &str, tasks: u64, begun_at: Instant, path: &Path, all: u64) -> anyhow::Result<()> {
    let per_second = tasks as f64 / begun_at.elapsed().as_secs_f64();
    let state = size_of_folder(path)?;
    let goal = all * TASK_GOAL_BYTES + STATE_GOAL_BYTES;
    println!(
        "  {step}: {per_second:.0} tasks/s; state {}, {} bytes a task (goal {}); peak RSS {} (goal {})",
        mib(state),
        state / all,
        mib(goal),
        mib(peak_rss_bytes(None)?),
        mib(RSS_GOAL_BYTES)
    );
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A crawl that is running.
struct Crawl {
    /// Keeps the directory locked.
    _data_dir: DataDir,
    queue: LocalQueue<SledStore>,
    session: Session,
    schedule: Schedule,
    clock: Arc<VirtualClock>,
    seq: u64,
}

impl Crawl {
    fn open(
        runtime: &tokio::runtime::Runtime,
        path: &Path,
        clock: Arc<VirtualClock>,
    ) -> anyhow::Result<Self> {
        let data_dir = DataDir::open(
            path,
            clock.clone(),
            QueueBounds { sitemaps_max: u64::MAX, hosts_per_site_max: u64::MAX },
        )?;
        let queue = data_dir.queue();
        let session = runtime.block_on(queue.open_session("bench"))?;
        let pace = Pace::of_hosts(Duration::ZERO, 1);
        let schedule = Schedule::new(pace, session.started_at);
        Ok(Self { _data_dir: data_dir, queue, session, schedule, clock, seq: 0 })
    }

    /// Adds every host with its tasks, as if indexes had named them.
    async fn fill(&mut self, args: &Args) -> anyhow::Result<()> {
        for first in (0..args.hosts).step_by(HOSTS_PER_COMMIT as usize) {
            let mut commit = Commit::default();
            for number in first..(first + HOSTS_PER_COMMIT).min(args.hosts) {
                let host = host(number)?;
                let robots = RobotsRules::parse(b"User-agent: *\nDisallow: /private/\n", "crawler").to_text();
                let fetched_at = self.clock.now();
                let robots =
                    RobotsRecord { fetched_at, rules: Some(robots), validator: Validator::default() };
                commit.hosts.push(HostUpdate { host: host.id(), robots });
                commit.found.extend((0..args.tasks).map(|n| found(&host, n)));
            }
            self.commit(commit).await?;
        }
        Ok(())
    }

    /// Completes `tasks` tasks; every request is answered at once.
    async fn work(&mut self, tasks: u64) -> anyhow::Result<()> {
        let mut done = 0;
        while done < tasks {
            let started = self.start((tasks - done).min(CONCURRENCY as u64) as usize)?;
            if started.is_empty() {
                ensure!(self.refill().await? > 0, "{done} of {tasks} tasks done, and nothing is left");
                continue;
            }
            let mut commit = Commit::default();
            for request in &started {
                commit.outcomes.push(outcome(request.step.task.id));
                commit.fetches.push(fetch(&self.session, request, self.clock.now()));
            }
            self.commit(commit).await?;
            let now = self.clock.now();
            started.iter().for_each(|request| self.schedule.settle(request, NextStep::Done, now));
            done += started.len() as u64;
            self.refill().await?;
        }
        Ok(())
    }

    fn start(&mut self, n: usize) -> anyhow::Result<Vec<Request>> {
        let mut started = Vec::with_capacity(n);
        while started.len() < n {
            match self.schedule.next(self.clock.now()) {
                Next::Start(request) => started.push(request),
                Next::Wait(_) => break,
                Next::Skip(request, reason) => bail!("{} was skipped: {reason:?}", request.url()),
            }
        }
        Ok(started)
    }

    /// Releases idle hosts, leases others, and loads tasks. Returns the number of tasks loaded.
    async fn refill(&mut self) -> anyhow::Result<usize> {
        let now = self.clock.now();
        let offered = self.schedule.idle();
        if !offered.is_empty() {
            let stay = self.queue.release(&self.session, &offered).await?;
            self.schedule.released(&offered, &stay, now);
        }
        let room = HOSTS_MAX.saturating_sub(self.schedule.hosts());
        let leased = if room > 0 { self.queue.lease(&self.session, room).await? } else { Vec::new() };
        let fresh: Vec<HostId> = leased.iter().map(|leased| leased.host.id()).collect();
        leased.into_iter().for_each(|leased| self.schedule.admit(leased, now));
        let mut loaded = self.queue.load(&self.session, &fresh, TASKS_FIRST).await?;
        for (host, n) in self.schedule.wanting_tasks(usize::MAX) {
            if !fresh.contains(&host) {
                loaded.extend(self.queue.load(&self.session, &[host], n).await?);
            }
        }
        let tasks = loaded.iter().map(|loaded| loaded.tasks.len()).sum();
        loaded.into_iter().for_each(|loaded| self.schedule.load(loaded, now));
        Ok(tasks)
    }

    async fn commit(&mut self, commit: Commit) -> anyhow::Result<()> {
        self.seq += 1;
        self.clock.0.fetch_add(1_000, Ordering::Relaxed);
        Ok(self.queue.commit(&self.session, Commit { seq: self.seq, ..commit }).await?)
    }
}

/// A clock that advances by a millisecond per commit.
struct VirtualClock(AtomicI64);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }

    async fn sleep_until(&self, _moment: Timestamp) {
        std::future::pending::<()>().await;
    }
}

fn host(number: u64) -> anyhow::Result<Host> {
    let url = Url::parse(&format!("https://www.site-{number}.example/"))?;
    Host::of(&url).context("not an http URL")
}

fn found(host: &Host, n: u64) -> NewTask {
    let url = host.url(&format!("/sitemaps/2026/11/articles-of-the-day-{n:05}.xml.gz"));
    let task = Task {
        depth: 1,
        parent: Some(TaskId::of(host.id(), "parent")),
        named_by: vec![host.id()],
        ..Task::new(host, url, TaskKind::Sitemap)
    };
    NewTask { host: host.clone(), task, found_on: Some(host.id()) }
}

fn outcome(task: TaskId) -> TaskOutcome {
    let fetched =
        FetchedDocument { document: DocumentKind::Urlset, entries: 1_000, ..FetchedDocument::default() };
    TaskOutcome::new(task, Outcome::Fetched(fetched), 1)
}

fn fetch(session: &Session, request: &Request, begun_at: Timestamp) -> FetchRecord {
    let mut stages = Stages::default();
    for stage in frontier::Stage::ALL {
        stages[stage] = 12_345;
    }
    FetchRecord {
        session: session.id,
        task: request.step.task.id,
        parent: request.step.task.parent,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at,
        stages,
        bytes_wire: 12_345,
        bytes_decoded: 123_456,
        status: Some(200),
        connection: Connection::New,
        document: Some(DocumentKind::Urlset),
        entries: 1_000,
        error: None,
        detail: String::new(),
    }
}

/// Total size in bytes of all files in `path`.
fn size_of_folder(path: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of_folder(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
