//! Adds the seeds of a crawl to its queue while the crawl runs.

use std::sync::Arc;

use frontier::NewTask;
use frontier::work_queue::Session;
use storage::OpenError;
#[cfg(feature = "shared")]
use storage::StoreError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::error::EngineError;

/// Seeds per commit. Until the commit is durable, each takes some 18 KB of memory, and answers wait for it.
const SEEDS_PER_COMMIT: usize = 500;

/// Where the seeds come from that are not in the queue yet.
pub trait SeedSource: Send + 'static {
    /// The next seeds, at most `n`. None if all are in the queue, or are being added by others.
    fn next(&mut self, n: usize) -> impl Future<Output = Result<Vec<NewTask>, SeedsError>> + Send;

    /// Notes that the seeds of the last call are in the queue since commit `seq` of `session`.
    fn added(&mut self, session: &Session, seq: u64) -> impl Future<Output = Result<(), SeedsError>> + Send;
}

/// The stored seeds could not be read, or it could not be stored which of them are in the queue.
#[derive(Debug, thiserror::Error)]
pub enum SeedsError {
    /// In a data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// In a database.
    #[cfg(feature = "shared")]
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seeds for the recorder to commit.
pub struct SeedBatch {
    /// Their first tasks.
    pub tasks: Vec<NewTask>,
    /// Gets the number of the commit.
    pub committed: oneshot::Sender<u64>,
}

/// Adds seeds in a task of its own, through the recorder, which numbers the commits. Dropping this stops it.
pub struct Seeding {
    running: Option<AbortOnDropHandle<Result<(), EngineError>>>,
    /// Notified when seeds were added.
    added: Arc<Notify>,
}

impl Seeding {
    /// Starts to add the seeds of `source` in commits of `session`, which the recorder makes of the batches.
    pub fn start(source: impl SeedSource, session: Session, batches: mpsc::Sender<SeedBatch>) -> Self {
        let added = Arc::<Notify>::default();
        let running = tokio::spawn(add_all(source, session, batches, added.clone()));
        Self { running: Some(AbortOnDropHandle::new(running)), added }
    }

    /// Whether all seeds are in the queue.
    pub(super) fn is_over(&self) -> bool {
        self.running.is_none()
    }

    /// Waits until more seeds are in the queue, or all are. Never returns once [`Self::is_over`].
    pub(super) async fn progress(&mut self) -> Result<(), EngineError> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        tokio::select! {
            biased;
            () = self.added.notified() => Ok(()),
            ended = running => {
                self.running = None;
                ended.map_err(|_| EngineError::Part("adding the seeds"))?
            }
        }
    }
}

async fn add_all(
    mut source: impl SeedSource,
    session: Session,
    batches: mpsc::Sender<SeedBatch>,
    added: Arc<Notify>,
) -> Result<(), EngineError> {
    let ended = || EngineError::Part("the recorder");
    loop {
        let tasks = source.next(SEEDS_PER_COMMIT).await?;
        if tasks.is_empty() {
            return Ok(());
        }
        let (committed, commit) = oneshot::channel();
        batches.send(SeedBatch { tasks, committed }).await.map_err(|_| ended())?;
        let seq = commit.await.map_err(|_| ended())?;
        added.notify_one();
        source.added(&session, seq).await?;
    }
}
