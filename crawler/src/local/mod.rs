//! A crawl on one machine: one session in a data directory.

use std::sync::Arc;

use frontier::{Scope, WorkQueue};
use storage::{DataDir, LocalQueue, SegmentWriter, SledStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::SystemClock;
use crate::cpu_meter::CpuMeter;
use crate::engine::environment::Environment;
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::live::LivePublisher;
use crate::engine::observers::Observers;
use crate::engine::session::{self, OpenSession, SessionStart};
use crate::engine::{Ended, EngineError};
use crate::error::Error;
use crate::fetch::HttpFetch;
use crate::settings::Settings;

mod start;

pub(crate) use start::start;

/// One machine, with a data directory.
struct OneMachine;

impl Environment for OneMachine {
    type Queue = LocalQueue<SledStore>;
    type Writer = SegmentWriter;
    type Fetch = HttpFetch;
    type Clock = SystemClock;
}

/// The parts of a session in a data directory.
struct SessionParts {
    /// How to crawl.
    settings: Settings,
    /// What to crawl.
    scope: Scope,
    /// State and results.
    data_dir: DataDir,
    /// The time.
    clock: Arc<SystemClock>,
    /// Cancelled when the crawl must stop.
    shutdown: CancellationToken,
}

/// Crawls until nothing is left to do or a signal arrives. All results are durable when this returns.
async fn run(parts: SessionParts, observers: Observers, start: SessionStart) -> Result<Ended, Error> {
    let SessionParts { settings, scope, data_dir, clock, shutdown } = parts;
    let meter = Arc::new(CpuMeter::start());
    let fetch = HttpFetch::new(&settings)?;
    let data_dir = Arc::new(data_dir);
    let queue = Arc::new(data_dir.queue());
    let session = queue.open_session(&session::worker_name()).await?;
    let mut seq = session::add_seeds(queue.as_ref(), &session, &start.seeds, &meter).await?;
    drop(start.seeds);
    if start.retry_failed {
        seq = session::retry_failed(queue.as_ref(), &session, seq, &meter).await?;
    }

    let sealer = data_dir.sealer()?;
    let over = CancellationToken::new();
    let publisher = LivePublisher::new(data_dir.clone(), queue.clone(), clock.clone());
    let publishing = AbortOnDropHandle::new(tokio::spawn(publisher.run(over.clone())));
    let (writer, scratch) = (data_dir.segments(session.id), data_dir.scratch());
    let lease_deadline = LeaseDeadline::new(queue.renew(&session).await?);
    let open_session = OpenSession::<OneMachine> {
        queue,
        session,
        seq,
        writer,
        scratch,
        fetch,
        clock,
        meter,
        lease_deadline,
        jitter: Jitter::default(),
    };
    let ended = open_session.crawl(Arc::new(settings), scope, shutdown, observers).await;
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
