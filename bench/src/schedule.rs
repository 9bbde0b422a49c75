//! What a decision of the schedule costs, with few hosts and with many.
//!
//! A decision is one `next` that starts a request and the `settle` that ends it. Hosts differ in their Crawl-delay, so the
//! order in which they come is not the order in which they lie in memory. Loading is not part of it.
//!
//! Taken twice: with nothing else done in between, so that all of the few hosts stays in the processor's caches, and with
//! other memory read after each batch, as a crawl reads documents, so that neither number finds its own there. The goal
//! is for the first.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use frontier::schedule::{Next, Pace, Request, Schedule, Then};
use frontier::work_queue::{LeasedHost, Loaded, RobotsRecord};
use frontier::{Host, HostId, Robots, Task, TaskId, TaskKind, Timestamp, Validator};
use url::Url;

/// What a worker holds with `--concurrency 125`, and what nobody needs but a simulation.
const FEW: usize = 1_000;
const MANY: usize = 100_000;

/// With many hosts a decision should cost at most this much more.
const RATIO_GOAL: f64 = 1.5;

const ROUNDS: usize = 9;
const DECISIONS_PER_ROUND: usize = 200_000;

/// Requests in flight: the default of `--concurrency`.
const IN_FLIGHT: usize = 100;

/// Tasks that a load brings here.
const TASKS_PER_LOAD: u64 = 3;

/// What is read between two batches: more than a core's own caches hold.
const DOCUMENTS_BYTES: usize = 8 << 20;

/// Prints the cost of a decision for both sizes and their ratio.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut few = Crawl::with_hosts(FEW)?;
    let mut many = Crawl::with_hosts(MANY)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "next + settle, median of {ROUNDS} rounds of {DECISIONS_PER_ROUND} decisions")?;
    let warm = compare(&mut few, &mut many, &[])?;
    writeln!(out, "  nothing in between:   {warm} (goal: at most {RATIO_GOAL})")?;
    let documents = vec![1_u8; DOCUMENTS_BYTES];
    let cold = compare(&mut few, &mut many, &documents)?;
    writeln!(out, "  documents in between: {cold}")?;
    Ok(())
}

fn compare(few: &mut Crawl, many: &mut Crawl, documents: &[u8]) -> anyhow::Result<String> {
    let (mut few_ns, mut many_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that what else runs on the machine strikes both.
    for _ in 0..ROUNDS {
        let (small, large) = (few.round(documents)?, many.round(documents)?);
        few_ns.push(small);
        many_ns.push(large);
        ratios.push(large / small);
    }
    let (few_ns, many_ns, ratio) = (median(&mut few_ns), median(&mut many_ns), median(&mut ratios));
    Ok(format!("{few_ns:.0} ns with {FEW} hosts, {many_ns:.0} ns with {MANY}, ratio {ratio:.2}"))
}

struct Crawl {
    schedule: Schedule,
    now: Timestamp,
    started: Vec<Request>,
    tasks: u64,
}

impl Crawl {
    fn with_hosts(count: usize) -> anyhow::Result<Self> {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let pace = Pace { spacing: Duration::from_secs(1), host_concurrency: 1 };
        let mut crawl = Self {
            schedule: Schedule::new(pace, now),
            now,
            started: Vec::with_capacity(IN_FLIGHT),
            tasks: 0,
        };
        for number in 0..count {
            crawl.schedule.admit(leased(number, now)?, now);
        }
        crawl.load();
        // Until the hosts have left their first order.
        for _ in 0..5 * count / IN_FLIGHT {
            crawl.batch()?;
        }
        Ok(crawl)
    }

    /// Nanoseconds per decision.
    fn round(&mut self, documents: &[u8]) -> anyhow::Result<f64> {
        let mut spent = Duration::ZERO;
        for _ in 0..DECISIONS_PER_ROUND / IN_FLIGHT {
            spent += self.batch()?;
            // One byte of each cache line.
            black_box(documents.iter().step_by(64).map(|&byte| u64::from(byte)).sum::<u64>());
        }
        Ok(spent.as_secs_f64() * 1e9 / DECISIONS_PER_ROUND as f64)
    }

    fn batch(&mut self) -> anyhow::Result<Duration> {
        let begun_at = Instant::now();
        while self.started.len() < IN_FLIGHT {
            match self.schedule.next(self.now) {
                Next::Start(request) => self.started.push(request),
                Next::Wait(Some(until)) => self.now = until,
                other => anyhow::bail!("nothing to start: {other:?}"),
            }
        }
        for request in &self.started {
            self.schedule.settle(request, Then::Done, self.now);
        }
        let spent = begun_at.elapsed();
        for request in std::mem::take(&mut self.started) {
            self.schedule.woken(request.task.id.host, self.now);
        }
        self.load();
        Ok(spent)
    }

    fn load(&mut self) {
        for (host, _) in self.schedule.hungry(usize::MAX) {
            let tasks = (0..TASKS_PER_LOAD).map(|_| self.task(host)).collect();
            self.schedule.load(Loaded { host, inbox: 0, tasks }, self.now);
        }
    }

    fn task(&mut self, host: HostId) -> Task {
        self.tasks += 1;
        Task {
            id: TaskId { host, url: u128::from(self.tasks) },
            url: format!("https://www.{host}.example/sitemaps/news-{}.xml", self.tasks),
            kind: TaskKind::Sitemap,
            depth: 1,
            parent: None,
            hops: 0,
            attempts: 0,
            not_before: None,
            named_by: vec![host],
        }
    }
}

fn leased(number: usize, now: Timestamp) -> anyhow::Result<LeasedHost> {
    let url = Url::parse(&format!("https://www.{number}.example.org/"))?;
    let host = Host::of(&url).context("not an http URL")?;
    let mut hasher = DefaultHasher::new();
    number.hash(&mut hasher);
    let delay_ms = 1_000 + hasher.finish() % 4_000;
    let text = format!("User-agent: *\nCrawl-delay: {}.{:03}\n", delay_ms / 1_000, delay_ms % 1_000);
    let rules = Some(Robots::parse(text.as_bytes(), "crawler").to_text());
    Ok(LeasedHost {
        host,
        is_seed: true,
        robots: Some(RobotsRecord { fetched_at: now, rules, validator: Validator::default() }),
        not_before: None,
        busy_since: now,
        asked_before: false,
        inbox: 0,
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
