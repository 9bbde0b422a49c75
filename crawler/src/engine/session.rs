//! One session: the parts put together, run, and taken apart again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use frontier::rate_limiter::RateLimiter;
use frontier::schedule::{Pace, Schedule};
use frontier::scope::Scope;
use frontier::work_queue::{Commit, HostUpdate, QueueError, RobotsRecord, Session};
use frontier::{HostId, NewTask, Timestamp, Validator, WorkQueue};
use storage::{DataDir, EntryWriter, Scratch};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::crawl::SessionStart;
use crate::cli::progress::Progress;
use crate::clock::SystemClock;
use crate::cpu_meter::CpuMeter;
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::live::Show;
use crate::engine::record::Recorder;
use crate::engine::worker::{LARGE_ROBOTS_AT_ONCE, Worker};
use crate::engine::{Ended, Engine, EngineError, Refill};
use crate::fetch::client::ClientSettings;
use crate::fetch::cooldowns::Cooldowns;
use crate::fetch::get::Timeouts;
use crate::fetch::host_slots::HostSlots;
use crate::fetch::resolver::Resolver;
use crate::fetch::{Clients, tls};
use crate::settings::Settings;

/// Seeds taken in by one commit: until it is durable each takes some 18 KB of memory.
const SEEDS_PER_COMMIT: usize = 1_000;

/// Tasks put back in one commit.
const RETRIES_PER_COMMIT: usize = 1_000;

/// What a session is made of.
pub struct Parts {
    /// How to crawl.
    pub settings: Settings,
    /// What to take on.
    pub scope: Scope,
    /// State and results.
    pub data_dir: DataDir,
    /// The time.
    pub clock: Arc<SystemClock>,
    /// Cancelled when the crawl shall stop.
    pub shutdown: CancellationToken,
}

/// Crawls until nothing is left to do or a signal comes; everything is durable when this returns.
pub async fn run(parts: Parts, progress: Progress, work: SessionStart) -> anyhow::Result<Ended> {
    let Parts { settings, scope, data_dir, clock, shutdown } = parts;
    let meter = Arc::new(CpuMeter::start());
    let clients = clients(&settings)?;
    let data_dir = Arc::new(data_dir);
    let queue = Arc::new(data_dir.queue());
    let session = queue.open_session(&worker_name()).await?;
    let mut seq = take_in(queue.as_ref(), &session, &work.seeds, &meter).await?;
    drop(work.seeds);
    if work.retry_failed {
        seq = retry_failed(queue.as_ref(), &session, seq, &meter).await?;
    }

    let sealer = data_dir.sealer()?;
    let over = CancellationToken::new();
    let showing = Show::new(data_dir.clone(), queue.clone(), clock.clone()).run(over.clone());
    let showing = tokio::spawn(showing);
    let (writer, scratch) = (data_dir.segments(session.id), data_dir.scratch());
    let lease_deadline = LeaseDeadline::new(queue.renew(&session).await?);
    let at_work = AtWork { queue, session, seq, writer, scratch, clients, clock, meter, lease_deadline };
    let ended = at_work.crawl(Arc::new(settings), scope, shutdown, progress).await;
    let is_complete = matches!(ended, Ok(Ended::Complete));
    let seal = move || if is_complete { sealer.finish() } else { sealer.stop() };
    let sealed = tokio::task::spawn_blocking(seal).await.map_err(|_| EngineError::Part("the sealer"))?;
    over.cancel();
    let shown = showing.await.map_err(|_| EngineError::Part("the show"))?;
    let ended = ended?;
    sealed?;
    if let Err(error) = shown {
        // Whoever read beside the crawl misses it; the crawl does not.
        tracing::warn!(%error, "the crawl could not be shown beside it");
    }
    Ok(ended)
}

/// A session that was opened, with all that is its own.
pub struct AtWork<Q, W> {
    /// Where its tasks come from.
    pub queue: Arc<Q>,
    /// The session.
    pub session: Session,
    /// Commits made so far.
    pub seq: u64,
    /// Where its entries go.
    pub writer: W,
    /// Where the entries of documents wait that are being read.
    pub scratch: Scratch,
    /// What asks.
    pub clients: Clients,
    /// The time.
    pub clock: Arc<SystemClock>,
    /// What it used so far.
    pub meter: Arc<CpuMeter>,
    /// Up to when it may send requests.
    pub lease_deadline: LeaseDeadline,
}

impl<Q: WorkQueue, W: EntryWriter + Sync> AtWork<Q, W> {
    /// Crawls until nothing is left to do or `shutdown` is asked for; what was done is durable when this returns.
    pub async fn crawl(
        self,
        settings: Arc<Settings>,
        scope: Scope,
        shutdown: CancellationToken,
        progress: Progress,
    ) -> Result<Ended, EngineError> {
        let Self { queue, session, seq, writer, scratch, clients, clock, meter, lease_deadline } = self;
        let (items, to_record) = mpsc::unbounded_channel();
        let (recorder, durable) = Recorder::new(
            queue.clone(),
            session.clone(),
            seq,
            writer,
            clock.clone(),
            meter.clone(),
            scope.clone(),
        );
        let roll_now = recorder.roll_now();
        let recording = tokio::spawn(recorder.run(to_record));
        let pace = Pace { spacing: settings.spacing(), host_concurrency: settings.host_concurrency };
        let cooldowns = Arc::new(Cooldowns::default());
        let worker = Worker {
            session: session.clone(),
            clock: clock.clone(),
            lease_deadline: lease_deadline.clone(),
            cooldowns: cooldowns.clone(),
            rate_limiter: RateLimiter::new(settings.rate),
            slots: Arc::new(HostSlots::new(settings.host_concurrency)),
            timeouts: Timeouts::new(settings.timeout),
            meter,
            scratch,
            large_robots: Arc::new(Semaphore::new(LARGE_ROBOTS_AT_ONCE)),
            children_max: scope.max_children,
            product_token: settings.identity.product_token.clone(),
        };
        let engine = Engine {
            queue,
            clients,
            worker: Arc::new(worker),
            lease_deadline,
            cooldowns,
            gathers: !W::GATHERS_FOR.is_zero(),
            ahead: 0,
            roll_now,
            schedule: Schedule::new(pace, session.started_at),
            session,
            clock,
            scope,
            settings,
            blocked: HashSet::new(),
            held: HashMap::new(),
            workers: JoinSet::new(),
            items,
            durable,
            refill: Refill::new(),
            progress,
            errors: 0,
            jitter: Jitter::default(),
        };
        let ended = engine.run(shutdown).await;
        // The recorder ends when the engine has dropped its end of the channel; its own failure says more than the
        // engine's remark that it is gone.
        recording.await.map_err(|_| EngineError::Part("the recorder"))??;
        ended
    }
}

/// Takes in the seeds, in the first commits of the session; answers with the number of the last one.
///
/// Those that the queue knows are passed over, so that every session may begin with all seeds of the crawl: one that
/// ended in between leaves none behind.
pub async fn take_in<Q: WorkQueue>(
    queue: &Q,
    session: &Session,
    seeds: &[NewTask],
    meter: &CpuMeter,
) -> Result<u64, QueueError> {
    let mut seq = 0;
    for found in seeds.chunks(SEEDS_PER_COMMIT) {
        seq += 1;
        let commit = Commit { seq, found: found.to_vec(), usage: meter.read(), ..Commit::default() };
        queue.commit(session, commit).await?;
    }
    Ok(seq)
}

/// Puts back what was given up, in commits after `seq`; answers with the number of the last one.
pub async fn retry_failed<Q: WorkQueue>(
    queue: &Q,
    session: &Session,
    mut seq: u64,
    meter: &CpuMeter,
) -> Result<u64, QueueError> {
    let (mut tasks, mut after) = (0, None);
    loop {
        let given_up = queue.given_up(session, after, RETRIES_PER_COMMIT).await?;
        let Some(last) = given_up.last() else { break };
        after = Some(last.task);
        tasks += given_up.len();
        seq += 1;
        let without_rules = given_up.iter().filter(|given_up| given_up.robots_unavailable);
        let hosts: BTreeSet<HostId> = without_rules.map(|given_up| given_up.task.host).collect();
        // Older than any session, so that robots.txt is asked for anew.
        let outdated =
            RobotsRecord { fetched_at: Timestamp::default(), rules: None, validator: Validator::default() };
        let hosts = hosts.into_iter().map(|host| HostUpdate { host, robots: outdated.clone() });
        let commit = Commit {
            seq,
            again: given_up.iter().map(|given_up| given_up.task).collect(),
            hosts: hosts.collect(),
            usage: meter.read(),
            ..Commit::default()
        };
        queue.commit(session, commit).await?;
    }
    tracing::info!(tasks, "asking again for what was given up");
    Ok(seq)
}

/// What asks, as the settings say.
pub fn clients(settings: &Settings) -> anyhow::Result<Clients> {
    Ok(Clients::new(ClientSettings {
        user_agent: settings.identity.user_agent.clone(),
        tls: tls::config(settings.ca_cert.as_deref())?,
        resolver: Resolver::new(settings.resolver),
        connect_to: settings.connect_to.clone(),
        proxy: settings.proxy.clone(),
        allow_private: settings.allow_private,
        host_concurrency: settings.host_concurrency,
        connections_max: settings.connections_max,
    }))
}

/// Who works, for people.
pub fn worker_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}", std::process::id())
}
