//! One session: puts the parts of the engine together, runs them and shuts them down.

use std::collections::BTreeSet;
use std::sync::Arc;

use frontier::rate_limiter::RateLimiter;
use frontier::scope::Scope;
use frontier::work_queue::{Commit, HostUpdate, QueueError, RobotsRecord, Session};
use frontier::{HostId, Timestamp, Validator, WorkQueue};
use storage::Scratch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::addresses::AddressSlots;
use super::environment::{Environment, Services};
use super::jitter::Jitter;
use super::lease_deadline::LeaseDeadline;
use super::observers::Observers;
use super::read::BodyReader;
use super::record::{Destinations, Recorder};
use super::seeding::Seeding;
use super::worker::{Worker, Workers};
use super::{Ended, Engine, EngineError};
use crate::cpu_meter::CpuMeter;
use crate::settings::Settings;

/// Given-up tasks that are retried per commit.
const RETRIES_PER_COMMIT: usize = 1_000;

/// An open session with its parts.
pub struct OpenSession<E: Environment> {
    /// What it runs on.
    pub services: Services<E>,
    /// The session.
    pub session: Session,
    /// Number of commits so far.
    pub seq: u64,
    /// The seeds that are not in the queue yet.
    pub seeds: E::Seeds,
    /// Holds the entries of documents that are being read.
    pub scratch: Scratch,
    /// Resource usage so far.
    pub meter: Arc<CpuMeter>,
    /// Until when it may send requests.
    pub lease_deadline: LeaseDeadline,
    /// Spreads retries over time.
    pub jitter: Jitter,
}

impl<E: Environment> OpenSession<E> {
    /// Crawls until nothing is left to do, `shutdown` is cancelled, or the session is lost. All results are durable when this
    /// returns, and nothing of the session runs any more, whatever the result.
    pub async fn crawl(
        self,
        settings: Arc<Settings>,
        scope: Scope,
        shutdown: CancellationToken,
        observers: Observers,
        lost: impl Future<Output = QueueError>,
    ) -> Result<Ended, EngineError> {
        let Self { services, session, seq, seeds, scratch, meter, lease_deadline, jitter } = self;
        let Services { queue, writer, fetch, clock } = services;
        let destinations =
            Destinations::<E> { queue: queue.clone(), writer, events: observers.events.clone() };
        let (recording, recorder) =
            Recorder::start(destinations, session.clone(), seq, clock.clone(), meter.clone(), scope.clone());
        let recorder = AbortOnDropHandle::new(recorder);
        let seeding = Seeding::start(seeds, session.clone(), recording.seeds.clone());
        let worker = Worker::<E> {
            session,
            clock,
            scope,
            lease_deadline,
            rate_limiter: RateLimiter::new(settings.rate),
            addresses: AddressSlots::new(settings.site.address_concurrency),
            reader: BodyReader::new(scratch, meter),
            settings,
        };
        let engine = Engine::new(queue, Workers::new(fetch, worker), (recording, seeding), observers, jitter);
        let ended = tokio::select! {
            ended = engine.run(shutdown) => ended,
            lost = lost => {
                // The recorder still finishes the segment that it writes. Its commit is refused.
                let _ = recorder.await;
                return Err(lost.into());
            }
        };
        // The recorder ends when the engine has dropped its end. If the recorder failed, its error is more precise than that of
        // the engine.
        recorder.await.map_err(|_| EngineError::Part("the recorder"))??;
        ended
    }
}

/// Makes given-up tasks pending again, in the first commits of the session. Returns the number of the last commit.
pub async fn retry_failed<Q: WorkQueue>(
    queue: &Q,
    session: &Session,
    meter: &CpuMeter,
) -> Result<u64, QueueError> {
    let (mut seq, mut tasks, mut after) = (0, 0, None);
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

/// The name of this worker, for people: host name and process id.
pub fn worker_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}", std::process::id())
}
