//! One session: puts the parts of the crawler together, runs them and shuts them down.

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

use crate::cli::progress::Progress;
use crate::clock::SystemClock;
use crate::cpu_meter::CpuMeter;
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::live::LivePublisher;
use crate::engine::read::LARGE_ROBOTS_PERMITS;
use crate::engine::record::Recorder;
use crate::engine::worker::Worker;
use crate::engine::{Ended, Engine, EngineError, Refill};
use crate::fetch::client::ClientSettings;
use crate::fetch::cooldowns::Cooldowns;
use crate::fetch::get::Timeouts;
use crate::fetch::host_slots::HostSlots;
use crate::fetch::resolver::Resolver;
use crate::fetch::{Clients, tls};
use crate::settings::Settings;

/// Seeds per commit. Until the commit is durable, each takes some 18 KB of memory.
const SEEDS_PER_COMMIT: usize = 1_000;

/// Given-up tasks that are retried per commit.
const RETRIES_PER_COMMIT: usize = 1_000;

/// The parts of a session in a data directory.
pub struct SessionParts {
    /// How to crawl.
    pub settings: Settings,
    /// What to crawl.
    pub scope: Scope,
    /// State and results.
    pub data_dir: DataDir,
    /// The time.
    pub clock: Arc<SystemClock>,
    /// Cancelled when the crawl must stop.
    pub shutdown: CancellationToken,
}

/// What a session adds to the queue before it crawls.
pub struct SessionStart {
    /// All seeds that were ever added to the crawl.
    pub seeds: Vec<NewTask>,
    /// Whether to try again what was given up.
    pub retry_failed: bool,
}

/// Crawls until nothing is left to do or a signal arrives. All results are durable when this returns.
pub async fn run(parts: SessionParts, progress: Progress, start: SessionStart) -> anyhow::Result<Ended> {
    let SessionParts { settings, scope, data_dir, clock, shutdown } = parts;
    let meter = Arc::new(CpuMeter::start());
    let clients = build_clients(&settings)?;
    let data_dir = Arc::new(data_dir);
    let queue = Arc::new(data_dir.queue());
    let session = queue.open_session(&worker_name()).await?;
    let mut seq = add_seeds(queue.as_ref(), &session, &start.seeds, &meter).await?;
    drop(start.seeds);
    if start.retry_failed {
        seq = retry_failed(queue.as_ref(), &session, seq, &meter).await?;
    }

    let sealer = data_dir.sealer()?;
    let over = CancellationToken::new();
    let publisher = LivePublisher::new(data_dir.clone(), queue.clone(), clock.clone());
    let publishing = tokio::spawn(publisher.run(over.clone()));
    let (writer, scratch) = (data_dir.segments(session.id), data_dir.scratch());
    let lease_deadline = LeaseDeadline::new(queue.renew(&session).await?);
    let open_session =
        OpenSession { queue, session, seq, writer, scratch, clients, clock, meter, lease_deadline };
    let ended = open_session.crawl(Arc::new(settings), scope, shutdown, progress).await;
    let is_complete = matches!(ended, Ok(Ended::Complete));
    let seal = move || if is_complete { sealer.finish() } else { sealer.stop() };
    let sealed = tokio::task::spawn_blocking(seal).await.map_err(|_| EngineError::Part("the sealer"))?;
    over.cancel();
    let published = publishing.await.map_err(|_| EngineError::Part("the live publisher"))?;
    let ended = ended?;
    sealed?;
    if let Err(error) = published {
        // Only commands that read the running crawl are affected.
        tracing::warn!(%error, "the state of the running crawl could not be published");
    }
    Ok(ended)
}

/// An open session with its parts.
pub struct OpenSession<Q, W> {
    /// The queue of tasks.
    pub queue: Arc<Q>,
    /// The session.
    pub session: Session,
    /// Number of commits so far.
    pub seq: u64,
    /// Writes entries.
    pub writer: W,
    /// Holds the entries of documents that are being read.
    pub scratch: Scratch,
    /// The HTTP clients.
    pub clients: Clients,
    /// The time.
    pub clock: Arc<SystemClock>,
    /// Resource usage so far.
    pub meter: Arc<CpuMeter>,
    /// Until when it may send requests.
    pub lease_deadline: LeaseDeadline,
}

impl<Q: WorkQueue, W: EntryWriter + Sync> OpenSession<Q, W> {
    /// Crawls until nothing is left to do or `shutdown` is cancelled. All results are durable when this returns.
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
            large_robots: Arc::new(Semaphore::new(LARGE_ROBOTS_PERMITS)),
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
        // The recorder ends when the engine has dropped its end of the channel. If the recorder failed, its error is more
        // precise than that of the engine.
        recording.await.map_err(|_| EngineError::Part("the recorder"))??;
        ended
    }
}

/// Adds the seeds in the first commits of the session. Returns the number of the last commit.
///
/// The queue ignores seeds that it knows, so every session can add all seeds of the crawl. No seed is lost if a session ends
/// while it adds them.
pub async fn add_seeds<Q: WorkQueue>(
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

/// Makes given-up tasks pending again, in commits after `seq`. Returns the number of the last commit.
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
        // Older than any session, so that robots.txt is fetched again.
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
    tracing::info!(tasks, "retrying tasks that were given up");
    Ok(seq)
}

/// Creates the HTTP clients for `settings`.
pub fn build_clients(settings: &Settings) -> anyhow::Result<Clients> {
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

/// The name of this worker, for people: host name and process id.
pub fn worker_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}", std::process::id())
}
