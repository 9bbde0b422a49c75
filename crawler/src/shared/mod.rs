//! A worker of a crawl that several machines share. It runs one session after another until the crawl has ended.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::QueueError;
use frontier::{Clock, Scope, WorkQueue};
use storage::{SegmentStore, SharedCrawl, SharedWriter, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::cpu_meter::CpuMeter;
use crate::engine::Ended;
use crate::engine::environment::{Environment, Services};
use crate::engine::error::{EngineError, RecordError};
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::observers::Observers;
use crate::engine::session::{self, OpenSession};
use crate::error::Error;
use crate::fetch::HttpFetch;
use crate::settings::Settings;

pub(crate) mod blocking;
pub(crate) mod keeper;
pub(crate) mod place;
mod retrying_queue;
mod seeds;
mod start;

use keeper::{Keeper, LEASE_SPAN};
use retrying_queue::RetryingQueue;
use seeds::ClaimedSeeds;
pub(crate) use start::start;

/// One machine of several that share a crawl.
struct OneOfMany;

impl Environment for OneOfMany {
    type Queue = RetryingQueue<SystemClock>;
    type Seeds = ClaimedSeeds<SystemClock>;
    type Writer = SharedWriter;
    type Fetch = HttpFetch;
    type Clock = SystemClock;
}

/// The parts that all sessions of a worker share.
pub struct SharedParts {
    /// How to crawl.
    pub settings: Arc<Settings>,
    /// What to crawl.
    pub scope: Scope,
    /// The state of the crawl.
    pub crawl: SharedCrawl,
    /// Where entries are stored.
    pub segments: SegmentStore,
    /// Cancelled when this worker must stop.
    pub shutdown: CancellationToken,
}

/// Crawls until the crawl has ended on all machines, or until a signal arrives. If `retry_failed`, it first makes pending
/// again what was given up.
///
/// Opens a new session when the current one is lost. This happens if the session was not renewed in time, so that others may
/// have its hosts; if a lease request got no answer, so that the session may hold hosts that it does not know of; or if
/// another server was promoted or a backup was restored, so that the session's knowledge may be outdated.
async fn run(parts: SharedParts, observers: Observers, mut retry_failed: bool) -> Result<Ended, Error> {
    loop {
        let ended = run_session(&parts, observers.clone(), &mut retry_failed).await;
        match ended {
            Err(error) if is_lost(&error) && parts.shutdown.is_cancelled() => {
                // Others get its hosts when the session has expired.
                tracing::warn!(%error, "stopped without a last commit");
                return Ok(Ended::Interrupted);
            }
            Err(error) if is_lost(&error) => {
                tracing::warn!(%error, "the session was lost and its hosts go to other workers: opening a new session");
            }
            ended => return ended,
        }
    }
}

/// Opens one session and crawls until it ends.
async fn run_session(
    parts: &SharedParts,
    observers: Observers,
    retry_failed: &mut bool,
) -> Result<Ended, Error> {
    let bounds = parts.scope.queue_bounds();
    let queue = parts.crawl.queue(bounds);
    let (clock, lead) = server_clock(&parts.crawl, &parts.shutdown).await?;
    // Cancelled when the session is lost, so that none of its calls is repeated any more.
    let over = parts.shutdown.child_token();
    let queue = Arc::new(RetryingQueue::new(queue, lead, clock.clone(), over.clone()));
    let meter = Arc::new(CpuMeter::start());
    let fetch = HttpFetch::new(&parts.settings)?;
    let opened_at = clock.now();
    let session = queue.open_session(&session::worker_name()).await?;
    let mut seq = 0;
    if *retry_failed {
        seq = session::retry_failed(queue.as_ref(), &session, &meter).await?;
        // Only once: later sessions do not retry what is given up from now on.
        *retry_failed = false;
    }
    let writer = SharedWriter::new(parts.segments.clone(), session.id, clock.clone())?;
    let keeper = Keeper {
        queue: queue.clone(),
        session: session.clone(),
        clock: clock.clone(),
        lease_deadline: LeaseDeadline::new(opened_at + LEASE_SPAN),
    };
    let open_session = OpenSession::<OneOfMany> {
        scratch: writer.scratch(),
        seeds: ClaimedSeeds::new(parts.crawl.clone(), clock.clone()),
        services: Services { queue: queue.clone(), writer, fetch, clock },
        session: session.clone(),
        seq,
        meter,
        lease_deadline: keeper.lease_deadline.clone(),
        jitter: Jitter::default(),
    };
    let lost = async {
        let lost = keeper.keep().await;
        over.cancel();
        lost
    };
    let (settings, scope) = (parts.settings.clone(), parts.scope.clone());
    let ended = open_session.crawl(settings, scope, parts.shutdown.clone(), observers, lost).await?;
    // Releases the remaining hosts now instead of when the session expires.
    queue.close(&session).await?;
    Ok(ended)
}

/// A clock set to the server's time, and an upper bound of how far it is ahead. It is never behind. The server is asked a few
/// times, and the quickest answer is used because it is the most precise.
///
/// Waits while the server is away, and for a standby to be promoted.
async fn server_clock(
    crawl: &SharedCrawl,
    shutdown: &CancellationToken,
) -> Result<(Arc<SystemClock>, Duration), Error> {
    const ANSWERS: usize = 3;
    let local = SystemClock::new();
    let mut answers = Vec::with_capacity(ANSWERS);
    while answers.len() < ANSWERS {
        let sent_at = local.now();
        match crawl.now().await {
            Ok(now) => {
                let lead = local.now().since(sent_at);
                answers.push((lead, SystemClock::set_to(now + lead)));
            }
            Err(error @ (StoreError::Unreachable { .. } | StoreError::ReadOnly { .. }))
                if !shutdown.is_cancelled() =>
            {
                tracing::warn!(%error, "waiting for the store");
                local.sleep_until(local.now() + retrying_queue::PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let quickest = answers.into_iter().min_by_key(|(lead, _)| *lead);
    let (lead, clock) = quickest.ok_or(EngineError::Part("the server's clock"))?;
    Ok((Arc::new(clock), lead))
}

/// Whether `error` ended only the session, so that a new session can continue.
fn is_lost(error: &Error) -> bool {
    let (Error::Queue(error)
    | Error::Engine(EngineError::Queue(error) | EngineError::Record(RecordError::Queue(error)))) = error
    else {
        return false;
    };
    matches!(error, QueueError::Fenced(_) | QueueError::OutOfOrder { .. } | QueueError::Unavailable(_))
}
