//! The seeds that are stored in a data directory.

use frontier::NewTask;
use frontier::work_queue::Session;
use storage::{NewSeeds, OpenError};
use tokio::task::{JoinError, spawn_blocking};

use crate::engine::seeding::{SeedSource, SeedsError};

/// The seeds in the file of a data directory that are not in the queue yet. It is `None` during a call.
pub(super) struct StoredSeeds(pub(super) Option<NewSeeds>);

impl SeedSource for StoredSeeds {
    async fn next(&mut self, n: usize) -> Result<Vec<NewTask>, SeedsError> {
        let tasks = self.blocking(move |seeds| seeds.next(n)).await?;
        let damaged = self.0.as_ref().map_or(0, NewSeeds::damaged);
        if tasks.is_empty() && damaged > 0 {
            tracing::warn!(lines = damaged, "the file of seeds is damaged: add missing seeds again");
        }
        Ok(tasks)
    }

    async fn added(&mut self, session: &Session, seq: u64) -> Result<(), SeedsError> {
        let session = session.id;
        Ok(self.blocking(move |seeds| seeds.added(session, seq)).await?)
    }
}

impl StoredSeeds {
    /// Runs `work` where a thread may wait for the disk.
    async fn blocking<T: Default + Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut NewSeeds) -> Result<T, OpenError> + Send + 'static,
    ) -> Result<T, OpenError> {
        let Some(mut seeds) = self.0.take() else { return Ok(T::default()) };
        let done = spawn_blocking(move || {
            let result = work(&mut seeds);
            (seeds, result)
        });
        let (seeds, result) = match done.await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // It was cancelled, which happens only when the runtime ends.
            Err(Err(_)) => return Ok(T::default()),
        };
        self.0 = Some(seeds);
        result
    }
}
