//! The PostgreSQL queue of a shared crawl under load: it is filled, then completed by several workers with separate
//! connections. The reference is bare transactions on the same server that insert as many rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use frontier::work_queue::{Commit, QueueBounds, Release};
use frontier::{
    DocumentKind, FetchedDocument, Host, NewTask, Outcome, Task, TaskKind, TaskOutcome, WorkQueue,
};
use storage::{Database, PostgresQueue};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};
use url::Url;

/// Outcomes per commit, each with one child found.
const BATCH: usize = 100;
/// Hosts per lease.
const LEASE: usize = 100;
/// Tasks per commit while the queue is filled.
const FILL: u64 = 5_000;
/// Number of parts of the run that are reported separately. Later parts should not be slower.
const PARTS: u64 = 10;
/// How long the bare transactions run.
const FLOOR: Duration = Duration::from_secs(5);

/// The size of the crawl, and its database.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of hosts.
    #[arg(long, default_value_t = 20_000)]
    pub hosts: u64,
    /// Tasks per host when the work begins.
    #[arg(long, default_value_t = 5)]
    pub tasks: u64,
    /// Number of tasks to complete.
    #[arg(long, default_value_t = 100_000)]
    pub work: u64,
    /// Number of concurrent workers.
    #[arg(long, default_value_t = 4)]
    pub workers: usize,
    /// An empty database to use; default: one on a server that this benchmark starts.
    #[arg(long)]
    pub url: Option<String>,
}

impl Default for Args {
    fn default() -> Self {
        Self { hosts: 20_000, tasks: 5, work: 100_000, workers: 4, url: None }
    }
}

/// Prints the figures. A server started here syncs its log to disk, as in production.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let server = match &args.url {
        Some(_) => None,
        None => Some(pgserver::Server::start_with(&["fsync=on", "max_wal_size=4GB"], |_| Ok(()))?),
    };
    let url = match (&args.url, &server) {
        (Some(url), _) => url.clone(),
        (None, Some(server)) => server.url("postgres"),
        (None, None) => anyhow::bail!("no server"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(bench(args, &url))
}

async fn bench(args: &Args, url: &str) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let crawl = Database::open(url).await?.crawl_or_new("bench").await?;
    let queue = crawl.queue(QueueBounds { sitemaps_max: u64::MAX, hosts_per_site_max: u64::MAX });
    let all = args.hosts * args.tasks;
    println!(
        "{all} tasks over {} hosts, {} workers, commits of {BATCH}, leases of {LEASE}",
        args.hosts, args.workers
    );

    let begun_at = Instant::now();
    fill(args, &queue).await?;
    println!("  filled: {:.0} tasks/s, {}", per_second(all, begun_at.elapsed()), size(&client).await?);

    let figures = Arc::new(Figures::default());
    let begun_at = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..args.workers {
        let queue = Database::open(url)
            .await?
            .crawl("bench")
            .await?
            .queue(QueueBounds { sitemaps_max: u64::MAX, hosts_per_site_max: u64::MAX });
        workers.spawn(work(queue, figures.clone(), args.work));
    }
    let mut samples = Vec::new();
    while let Some(worker) = workers.join_next().await {
        samples.extend(worker.context("a worker ended")??);
    }
    let span = begun_at.elapsed();
    show(&samples, begun_at, span)?;
    println!("  completed: {:.0} tasks/s, {}", per_second(args.work, span), size(&client).await?);

    let counts = queue.counts().await?;
    ensure!(counts.tasks - counts.tasks_pending >= args.work, "tasks are missing: {counts:?}");
    let floor = floor(url, args.workers).await?;
    let commits = latency(&samples, Call::Commit);
    println!(
        "  against bare transactions of {BATCH} rows (p50 {:.1} ms): a commit takes {:.1} times as long",
        floor.as_secs_f64() * 1e3,
        commits.0.as_secs_f64() / floor.as_secs_f64()
    );
    Ok(())
}

async fn fill(args: &Args, queue: &PostgresQueue) -> anyhow::Result<()> {
    let session = queue.open_session("fill").await?;
    let all = args.hosts * args.tasks;
    for (seq, from) in (1..).zip((0..all).step_by(usize::try_from(FILL)?)) {
        let found = (from..all.min(from + FILL)).map(|n| task(n / args.tasks, n % args.tasks));
        let found = found.collect::<anyhow::Result<_>>()?;
        queue.commit(&session, Commit { seq, found, ..Commit::default() }).await?;
    }
    Ok(())
}

fn task(host: u64, n: u64) -> anyhow::Result<NewTask> {
    let host = Host::of(&Url::parse(&format!("https://www.host-{host}.example/"))?).context("no host")?;
    let url = host.url(&format!("/sitemaps/section-{}/sitemap-{n:06}.xml", n % 7));
    Ok(NewTask { task: Task::new(&host, url, TaskKind::Sitemap), host, found_on: None })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Lease,
    Commit,
    Release,
}

/// One call to the queue: its kind, the number of hosts or tasks, when it was answered, and how long it took.
struct Sample {
    call: Call,
    n: usize,
    ended_at: Instant,
    span: Duration,
}

#[derive(Default)]
struct Figures {
    done: AtomicU64,
    found: AtomicU64,
}

/// Leases, loads, commits and releases until `all` tasks are done by all workers together.
async fn work(queue: PostgresQueue, figures: Arc<Figures>, all: u64) -> anyhow::Result<Vec<Sample>> {
    let session = queue.open_session("bench").await?;
    let (mut seq, mut samples) = (0, Vec::new());
    let mut record = |call, n, begun_at: Instant| {
        let ended_at = Instant::now();
        samples.push(Sample { call, n, ended_at, span: ended_at - begun_at });
    };
    while figures.done.load(Ordering::Relaxed) < all {
        let begun_at = Instant::now();
        let leased = queue.lease(&session, LEASE).await?;
        record(Call::Lease, leased.len(), begun_at);
        ensure!(!leased.is_empty(), "nothing is due: more hosts are needed");
        let ids: Vec<_> = leased.iter().map(|leased| leased.host.id()).collect();
        let loaded = queue.load(&session, &ids, 16).await?;
        let hosts: Vec<Host> = leased.into_iter().map(|leased| leased.host).collect();
        let tasks: Vec<(&Host, &Task)> = hosts
            .iter()
            .zip(&loaded)
            .flat_map(|(host, loaded)| loaded.tasks.iter().map(move |task| (host, task)))
            .collect();
        for batch in tasks.chunks(BATCH) {
            seq += 1;
            let begun_at = Instant::now();
            queue.commit(&session, outcomes(seq, batch, &figures)).await?;
            record(Call::Commit, batch.len(), begun_at);
            figures.done.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        let begun_at = Instant::now();
        let marks = queue.load(&session, &ids, 0).await?;
        let release = |mark: &frontier::work_queue::Loaded| Release {
            host: mark.host,
            inbox: mark.inbox,
            not_before: None,
            parked: false,
        };
        let releases: Vec<Release> = marks.iter().map(release).collect();
        let stay = queue.release(&session, &releases).await?;
        ensure!(stay.is_empty(), "{} hosts were not released", stay.len());
        record(Call::Release, releases.len(), begun_at);
    }
    Ok(samples)
}

/// The outcomes of a batch. Each task is fetched and yields another task of its host, so that hosts come due again.
fn outcomes(seq: u64, batch: &[(&Host, &Task)], figures: &Figures) -> Commit {
    let mut commit = Commit { seq, ..Commit::default() };
    for (host, task) in batch {
        let fetched =
            FetchedDocument { document: DocumentKind::Urlset, entries: 500, ..FetchedDocument::default() };
        commit.outcomes.push(TaskOutcome::new(task.id, Outcome::Fetched(fetched), 1));
        let n = figures.found.fetch_add(1, Ordering::Relaxed);
        let mut child =
            Task::new(host, host.url(&format!("/sitemaps/more/sitemap-{n:09}.xml")), TaskKind::Sitemap);
        (child.depth, child.parent) = (task.depth.saturating_add(1), Some(task.id));
        commit.found.push(NewTask { host: (*host).clone(), task: child, found_on: Some(task.id.host) });
    }
    commit
}

/// Prints the figures of each part of the run.
fn show(samples: &[Sample], begun_at: Instant, span: Duration) -> anyhow::Result<()> {
    for part in 0..PARTS {
        let (from, to) =
            (span.mul_f64(part as f64 / PARTS as f64), span.mul_f64((part + 1) as f64 / PARTS as f64));
        let within: Vec<&Sample> = samples
            .iter()
            .filter(|sample| (from..to).contains(&sample.ended_at.duration_since(begun_at)))
            .collect();
        print!("  part {} of {PARTS}:", part + 1);
        for (call, name) in [(Call::Lease, "leases"), (Call::Commit, "commits"), (Call::Release, "releases")]
        {
            let of: Vec<&&Sample> = within.iter().filter(|sample| sample.call == call).collect();
            let n: u64 = of.iter().map(|sample| sample.n as u64).sum();
            let (p50, p99) = percentiles(of.iter().map(|sample| sample.span).collect());
            let (p50_ms, p99_ms) = (p50.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3);
            print!(" {name} {:.0}/s p50 {p50_ms:.1} p99 {p99_ms:.1} ms;", per_second(n, to - from));
        }
        println!();
    }
    Ok(())
}

fn latency(samples: &[Sample], call: Call) -> (Duration, Duration) {
    percentiles(samples.iter().filter(|sample| sample.call == call).map(|sample| sample.span).collect())
}

/// The 50th and the 99th percentile.
fn percentiles(mut spans: Vec<Duration>) -> (Duration, Duration) {
    spans.sort_unstable();
    let at = |part: usize| spans.get(spans.len() * part / 100).copied().unwrap_or_default();
    (at(50), at(99))
}

/// The median time of bare transactions, with as many connections as there are workers.
async fn floor(url: &str, workers: usize) -> anyhow::Result<Duration> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("CREATE TABLE floor (id uuid PRIMARY KEY, url text NOT NULL)").await?;
    let mut inserting = JoinSet::new();
    for _ in 0..workers {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        inserting.spawn(insert(client));
    }
    let mut spans = Vec::new();
    while let Some(worker) = inserting.join_next().await {
        spans.extend(worker??);
    }
    Ok(percentiles(spans).0)
}

async fn insert(client: Client) -> anyhow::Result<Vec<Duration>> {
    let rows = format!(
        "INSERT INTO floor SELECT gen_random_uuid(), 'https://www.host.example/sitemaps/' || n FROM generate_series(1, {BATCH}) AS n"
    );
    let insert = client.prepare(&rows).await?;
    let (begun_at, mut spans) = (Instant::now(), Vec::new());
    while begun_at.elapsed() < FLOOR {
        let begun_at = Instant::now();
        client.execute(&insert, &[]).await?;
        spans.push(begun_at.elapsed());
    }
    Ok(spans)
}

async fn size(client: &Client) -> anyhow::Result<String> {
    let sizes = "SELECT pg_database_size(current_database()), pg_total_relation_size('host'),
        pg_total_relation_size('task')";
    let row = client.query_one(sizes, &[]).await?;
    let mb = |n: usize| row.get::<_, i64>(n) >> 20;
    Ok(format!("database {} MB, hosts {} MB, tasks {} MB with their indexes", mb(0), mb(1), mb(2)))
}

fn per_second(n: u64, span: Duration) -> f64 {
    n as f64 / span.as_secs_f64()
}
