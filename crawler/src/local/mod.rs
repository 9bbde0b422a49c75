//! A crawl on one machine: one session in a data directory.

use std::sync::Arc;

use frontier::{Scope, WorkQueue};
use storage::{DataDir, LiveServer, LocalQueue, NewSeeds, OpenError, SegmentWriter, SledStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::SystemClock;
use crate::cpu_meter::CpuMeter;
use crate::engine::environment::{Environment, Services};
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::observers::Observers;
use crate::engine::session::{self, OpenSession};
use crate::engine::{Ended, EngineError};
use crate::error::Error;
use crate::fetch::HttpFetch;
use crate::settings::Settings;

mod seeds;
mod start;

use seeds::StoredSeeds;
pub(crate) use start::start;

/// One machine, with a data directory.
struct OneMachine;

impl Environment for OneMachine {
    type Queue = LocalQueue<SledStore>;
    type Seeds = StoredSeeds;
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
    /// The seeds that are not in the queue yet.
    seeds: NewSeeds,
    /// Whether to try again what was given up.
    retry_failed: bool,
    /// The time.
    clock: Arc<SystemClock>,
    /// Cancelled when the crawl must stop.
    shutdown: CancellationToken,
}

/// Crawls until nothing is left to do or a signal arrives. All results are durable when this returns.
async fn run(parts: SessionParts, observers: Observers) -> Result<Ended, Error> {
    let SessionParts { settings, scope, data_dir, seeds, retry_failed, clock, shutdown } = parts;
    let meter = Arc::new(CpuMeter::start());
    let fetch = HttpFetch::new(&settings)?;
    let queue = Arc::new(data_dir.queue());
    let session = queue.open_session(&session::worker_name()).await?;
    let seq = match retry_failed {
        true => session::retry_failed(queue.as_ref(), &session, &meter).await?,
        false => 0,
    };

    let sealer = data_dir.sealer(|error| {
        tracing::warn!(%error, "entries are not sealed: nothing is lost, and sealing is tried again");
    })?;
    let answering = AbortOnDropHandle::new(tokio::spawn(answer_readers(data_dir.live_server())));
    let (writer, scratch) = (data_dir.segments(session.id), data_dir.scratch());
    let lease_deadline = LeaseDeadline::new(queue.renew(&session).await?);
    let open_session = OpenSession::<OneMachine> {
        services: Services { queue, writer, fetch, clock },
        session,
        seq,
        seeds: StoredSeeds(Some(seeds)),
        scratch,
        meter,
        lease_deadline,
        jitter: Jitter::default(),
    };
    let ended =
        open_session.crawl(Arc::new(settings), scope, shutdown, observers, std::future::pending()).await;
    let is_complete = matches!(ended, Ok(Ended::Complete));
    let seal = move || if is_complete { sealer.finish() } else { sealer.stop() };
    let sealed = tokio::task::spawn_blocking(seal).await.map_err(|_| EngineError::Part("the sealer"))?;
    answering.abort();
    // It ends with an error because it was aborted. The data directory is not released before.
    let _ = answering.await;
    let ended = ended?;
    sealed?;
    Ok(ended)
}

/// Answers the readers of the crawl. If it cannot, only they are affected.
async fn answer_readers(server: Result<LiveServer<LocalQueue<SledStore>>, OpenError>) {
    let failed: Box<dyn std::error::Error + Send> = match server {
        Ok(server) => match server.run().await {
            Err(error) => Box::new(error),
        },
        Err(error) => Box::new(error),
    };
    tracing::warn!(error = %failed, "other processes cannot read this crawl while it runs");
}
