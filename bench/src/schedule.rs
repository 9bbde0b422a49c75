//! The cost of a scheduling decision with few hosts and with many.
//!
//! A decision is everything that the schedule does for one request: `load` adds its task, `next` starts it, `settle`
//! ends it, and `woken` reports new tasks. The cost of `next` and `settle` is also shown separately. Hosts differ in
//! their Crawl-delay, so they come due in another order than they have in memory.
//!
//! Measured twice: back to back, where the state of the few hosts stays in the CPU caches; and with other memory read
//! after each batch, as a crawl reads documents, so that the caches hold neither state.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use frontier::schedule::{Next, NextStep, Pace, Request, Schedule};
use frontier::work_queue::{LeasedHost, Loaded, RobotsRecord};
use frontier::{Host, HostId, RobotsRules, Task, TaskId, TaskKind, Timestamp, Validator};
use url::Url;

/// The hosts that a worker leases with `--concurrency 125`, and a number that only a simulation reaches.
const FEW: usize = 1_000;
const MANY: usize = 100_000;

/// Goal: the cost of a decision with many hosts divided by the cost with few.
const RATIO_GOAL: f64 = 1.5;

const ROUNDS: usize = 9;
const DECISIONS_PER_ROUND: usize = 200_000;

/// Requests in flight: the default of `--concurrency`.
const IN_FLIGHT: usize = 100;

/// Tasks per load.
const TASKS_PER_LOAD: u64 = 3;

/// Bytes read between two batches: more than the caches of one core hold.
const DOCUMENTS_BYTES: usize = 8 << 20;

/// Prints the cost of a decision for both sizes and their ratio.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut few = Crawl::with_hosts(FEW)?;
    let mut many = Crawl::with_hosts(MANY)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "median of {ROUNDS} rounds of {DECISIONS_PER_ROUND} decisions; goal for a decision: at most {RATIO_GOAL}"
    )?;
    for (between, documents) in [("nothing", Vec::new()), ("documents", vec![1_u8; DOCUMENTS_BYTES])] {
        let [decision, next_and_settle] = compare(&mut few, &mut many, &documents)?;
        writeln!(out, "  {between} in between")?;
        writeln!(out, "    a decision:    {decision}")?;
        writeln!(out, "    next + settle: {next_and_settle}")?;
    }
    Ok(())
}

/// Compares the cost of a whole decision, and that of `next` and `settle` alone.
fn compare(few: &mut Crawl, many: &mut Crawl, documents: &[u8]) -> anyhow::Result<[String; 2]> {
    let (mut few_ns, mut many_ns) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    // Alternating, so that other load on the machine affects both.
    for _ in 0..ROUNDS {
        for (crawl, ns) in [(&mut *few, &mut few_ns), (&mut *many, &mut many_ns)] {
            let spent = crawl.round(documents)?;
            ns[0].push(spent.decision());
            ns[1].push(spent.next_and_settle);
        }
    }
    Ok([0, 1].map(|part| {
        let mut ratios: Vec<f64> =
            many_ns[part].iter().zip(&few_ns[part]).map(|(many, few)| many / few).collect();
        let (few, many) = (median(&mut few_ns[part]), median(&mut many_ns[part]));
        format!("{few:.0} ns with {FEW} hosts, {many:.0} ns with {MANY}, ratio {:.2}", median(&mut ratios))
    }))
}

/// Nanoseconds per decision.
#[derive(Default)]
struct Spent {
    next_and_settle: f64,
    load_and_wake: f64,
}

impl Spent {
    fn decision(&self) -> f64 {
        self.next_and_settle + self.load_and_wake
    }
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
        let pace = Pace::of_hosts(Duration::from_secs(1), 1);
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
        // Repeated until the hosts are no longer in their initial order.
        for _ in 0..5 * count / IN_FLIGHT {
            crawl.batch()?;
            crawl.wake();
            crawl.load();
        }
        Ok(crawl)
    }

    fn round(&mut self, documents: &[u8]) -> anyhow::Result<Spent> {
        let mut spent = Spent::default();
        for _ in 0..DECISIONS_PER_ROUND / IN_FLIGHT {
            spent.next_and_settle += per_decision(self.batch()?);
            spent.load_and_wake += per_decision(self.wake() + self.load());
            // One byte of each cache line.
            black_box(documents.iter().step_by(64).map(|&byte| u64::from(byte)).sum::<u64>());
        }
        Ok(spent)
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
            self.schedule.settle(request, NextStep::Done, self.now);
        }
        Ok(begun_at.elapsed())
    }

    fn wake(&mut self) -> Duration {
        let begun_at = Instant::now();
        for request in self.started.drain(..) {
            self.schedule.woken(request.step.task.id.host, false, self.now);
        }
        begun_at.elapsed()
    }

    fn load(&mut self) -> Duration {
        let begun_at = Instant::now();
        let wanting_tasks = self.schedule.wanting_tasks(usize::MAX);
        let mut spent = begun_at.elapsed();
        let mut loads = Vec::new();
        for (host, _) in wanting_tasks {
            let tasks = (0..TASKS_PER_LOAD).map(|_| self.task(host)).collect();
            loads.push(Loaded { host, inbox: 0, busy_since: None, tasks, hops: Vec::new(), redirect: None });
        }
        let begun_at = Instant::now();
        for loaded in loads {
            self.schedule.load(loaded, self.now);
        }
        spent += begun_at.elapsed();
        spent
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
    let rules = Some(RobotsRules::parse(text.as_bytes(), "crawler").to_text());
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

fn per_decision(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e9 / DECISIONS_PER_ROUND as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
