//! A worker of a crawl that many machines share: one session after the other until the crawl has ended.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{QueueBounds, QueueError, RENEWAL_MARGIN, Session};
use frontier::{Clock, Scope, Timestamp, WorkQueue};
use storage::{PostgresQueue, SegmentStore, SharedCrawl, SharedWriter, StoreError};
use tokio_util::sync::CancellationToken;

use crate::cli::crawl::SessionStart;
use crate::cli::progress::Progress;
use crate::clock::SystemClock;
use crate::cpu_meter::CpuMeter;
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::record::RecordError;
use crate::engine::session::{self, AtWork};
use crate::engine::{Ended, EngineError};
use crate::settings::Settings;

mod retrying_queue;

use retrying_queue::RetryingQueue;

/// How often a session is renewed, and dead ones are looked for.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// What all sessions of a worker are made of.
pub struct SharedParts {
    /// How to crawl.
    pub settings: Arc<Settings>,
    /// What to take on.
    pub scope: Scope,
    /// State.
    pub crawl: SharedCrawl,
    /// Results.
    pub segments: SegmentStore,
    /// How long a session lives without a sign of life.
    pub session_life: Duration,
    /// Cancelled when this worker shall stop.
    pub shutdown: CancellationToken,
}

/// Crawls until the crawl has ended on all machines, or a signal comes. What `first` says is added before that.
///
/// A session that fell silent for too long has lost its hosts to others, and one whose lending was not answered may have
/// hosts that it does not know of. Where another server was promoted, or a backup restored, what a session knows may not
/// be so any more. Then another one is opened.
pub async fn run(parts: SharedParts, progress: Progress, mut first: SessionStart) -> anyhow::Result<Ended> {
    loop {
        let ended = work(&parts, progress.clone(), &mut first).await;
        match ended {
            Err(error) if is_lost(&error) && parts.shutdown.is_cancelled() => {
                // What it had is free for others before long.
                tracing::warn!(%error, "stopped without a last commit");
                return Ok(Ended::Interrupted);
            }
            Err(error) if is_lost(&error) => {
                tracing::warn!(%error, "the session is lost: its hosts go to others, and another one is opened");
            }
            ended => return ended,
        }
    }
}

/// One session.
async fn work(parts: &SharedParts, progress: Progress, first: &mut SessionStart) -> anyhow::Result<Ended> {
    let bounds = QueueBounds { sitemaps_max: parts.scope.max_sitemaps };
    let queue = parts.crawl.queue(bounds).with_session_life(parts.session_life);
    let (clock, lead) = clock(&parts.crawl, &parts.shutdown).await?;
    let queue = Arc::new(RetryingQueue::new(queue, lead, parts.shutdown.clone()));
    let meter = Arc::new(CpuMeter::start());
    let clients = session::clients(&parts.settings)?;
    let opened_at = clock.now();
    let session = queue.open_session(&session::worker_name()).await?;
    let mut seq = session::take_in(queue.as_ref(), &session, &first.seeds, &meter).await?;
    if first.retry_failed {
        seq = session::retry_failed(queue.as_ref(), &session, seq, &meter).await?;
        // What is given up from now on stays so, should there be another session.
        first.retry_failed = false;
    }
    let writer = SharedWriter::new(parts.segments.clone(), session.id, clock.clone())?;
    let keeper = Keeper {
        queue: queue.clone(),
        session: session.clone(),
        clock: clock.clone(),
        life: parts.session_life,
        lease_deadline: LeaseDeadline::new(opened_at + lease_span(parts.session_life)),
    };
    let at_work = AtWork {
        queue: queue.clone(),
        session: session.clone(),
        seq,
        scratch: writer.scratch(),
        writer,
        clients,
        clock,
        meter,
        lease_deadline: keeper.lease_deadline.clone(),
    };
    let crawl = at_work.crawl(parts.settings.clone(), parts.scope.clone(), parts.shutdown.clone(), progress);
    let ended = tokio::select! {
        ended = crawl => ended.map_err(anyhow::Error::from),
        fenced = keeper.keep() => Err(fenced.into()),
    };
    if ended.is_ok() {
        // Its hosts, if it has any left, need not wait until it would be missed.
        queue.close(&session).await?;
    }
    ended
}

/// The clock of the server, as far as this machine can tell: ahead of it by no more than the span that is given, behind it
/// never. Of a few tries the quickest answer tells most.
///
/// Waits for a server that is away, or a standby that is not promoted yet.
async fn clock(
    crawl: &SharedCrawl,
    shutdown: &CancellationToken,
) -> anyhow::Result<(Arc<SystemClock>, Duration)> {
    const ANSWERS: usize = 3;
    let own = SystemClock::new();
    let mut answers = Vec::with_capacity(ANSWERS);
    while answers.len() < ANSWERS {
        let asked_at = own.now();
        match crawl.now().await {
            Ok(now) => {
                let lead = own.now().since(asked_at);
                answers.push((lead, SystemClock::set_to(now + lead)));
            }
            Err(error @ (StoreError::Unreachable { .. } | StoreError::ReadOnly { .. }))
                if !shutdown.is_cancelled() =>
            {
                tracing::warn!(%error, "waiting for the store");
                tokio::time::sleep(retrying_queue::PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let quickest = answers.into_iter().min_by_key(|(lead, _)| *lead);
    let (lead, clock) = quickest.ok_or_else(|| anyhow::anyhow!("the server tells no time"))?;
    Ok((Arc::new(clock), lead))
}

/// For how long a session may send requests after a sign of life: others may have its hosts when its life is over, and
/// what is on its way by then must have arrived.
fn lease_span(life: Duration) -> Duration {
    life - RENEWAL_MARGIN.min(life / 4)
}

/// Keeps a session alive, and ends those of others that fell silent.
struct Keeper {
    queue: Arc<RetryingQueue<PostgresQueue>>,
    session: Session,
    clock: Arc<SystemClock>,
    life: Duration,
    lease_deadline: LeaseDeadline,
}

impl Keeper {
    /// Goes on until the session is lost.
    async fn keep(self) -> QueueError {
        tokio::select! {
            lost = self.renew() => lost,
            failed = self.reap() => failed,
        }
    }

    async fn renew(&self) -> QueueError {
        let mut jitter = Jitter::default();
        loop {
            tokio::time::sleep(self.pause(&mut jitter)).await;
            let sent_at: Timestamp = self.clock.now();
            match self.queue.renew(&self.session).await {
                Ok(_) => self.lease_deadline.extend(sent_at + lease_span(self.life)),
                Err(error) => return error,
            }
        }
    }

    async fn reap(&self) -> QueueError {
        let mut jitter = Jitter::default();
        loop {
            tokio::time::sleep(self.pause(&mut jitter)).await;
            match self.queue.reap().await {
                Ok(0) => {}
                Ok(workers) => {
                    tracing::warn!(workers, "workers fell silent: their hosts are free for others");
                }
                Err(error) => return error,
            }
        }
    }

    /// With jitter, so that workers that were started together spread out.
    fn pause(&self, jitter: &mut Jitter) -> Duration {
        RENEW_EVERY.min(self.life / 4).mul_f64(0.75 + jitter.next() / 4.0)
    }
}

/// Whether another session may do better.
fn is_lost(error: &anyhow::Error) -> bool {
    let error = match error.downcast_ref::<EngineError>() {
        Some(EngineError::Queue(error) | EngineError::Record(RecordError::Queue(error))) => Some(error),
        Some(_) => None,
        None => error.downcast_ref(),
    };
    matches!(error, Some(QueueError::Fenced(_) | QueueError::OutOfOrder { .. } | QueueError::Away(_)))
}
