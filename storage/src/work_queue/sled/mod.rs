//! The work queue of one machine, stored in sled.

mod commit;
pub(crate) mod committed;
mod host_index;
mod keys;
mod queue_state;
pub(crate) mod read;
mod records;
pub(crate) mod store;
mod stored;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, Session,
    WorkQueue,
};
use frontier::{Clock, HostId, TaskId, Timestamp};
use tokio::sync::oneshot;

use self::committed::CommittedFile;
use self::queue_state::QueueState;
pub use self::records::{QueueView, ViewMark};
use self::store::Store;
use crate::data_dir::error::OpenError;
use crate::data_dir::lock::Lock;
use crate::recovery::Registered;
use crate::sealing::order::Order;
use crate::segment::record::{SegmentPlace, SegmentRecord};

/// A call, to be run by the queue's thread.
type Command = Box<dyn FnOnce(&mut QueueState) + Send>;

/// The work queue of one machine: a sled database with its own thread, to which all clones send their calls.
///
/// Only this thread reads and writes, so a change is one batch and needs neither a lock nor a transaction. Opening a
/// session ends all earlier ones. Sessions do not expire. When the last clone is dropped, the thread ends and the
/// database is closed.
#[derive(Clone)]
pub struct SledQueue {
    thread: Arc<QueueThread>,
}

struct QueueThread {
    /// `None` only while this is being dropped.
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for QueueThread {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // The join cannot fail, because sled's panics are caught where they occur.
            let _ = thread.join();
        }
    }
}

impl SledQueue {
    /// Opens the queue in `dir` and returns the sessions and segments registered in it. The queue is checked against
    /// the file `committed`. The thread holds the lock as long as it lives.
    pub(crate) fn open(
        dir: &Path,
        committed: &CommittedFile,
        lock: Arc<Lock>,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<(Self, Registered), OpenError> {
        let mut state = QueueState::new(Store::open(dir)?, committed, clock, bounds)?;
        let registered = read::registered(&state.store)?;
        let (commands, received) = mpsc::channel::<Command>();
        let thread = std::thread::Builder::new().name("queue".to_owned()).spawn(move || {
            for command in received {
                command(&mut state);
            }
            drop(state);
            drop(lock);
        });
        let thread = thread.map_err(|error| OpenError::io("start a thread for", dir, error))?;
        let thread = QueueThread { commands: Some(commands), thread: Some(thread) };
        Ok((Self { thread: Arc::new(thread) }, registered))
    }

    /// Runs `work` on the queue's thread.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.send(work)?.await.map_err(|_| ended())?
    }

    /// Like [`Self::call`], for threads that may block.
    fn call_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.send(work)?.blocking_recv().map_err(|_| ended())?
    }

    /// Sends `work` to the queue's thread and returns the receiver of its answer.
    fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, QueueError>>, QueueError> {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |state| {
            // The caller may have been dropped. The work stays done.
            let _ = answer.send(work(state));
        });
        self.thread.commands.as_ref().ok_or_else(ended)?.send(command).map_err(|_| ended())?;
        Ok(answered)
    }

    /// The current state of the queue, with the requests of the commits after `mark`, up to the commit that makes
    /// them `n` or more. Its hosts are added to `hosts`. The time grows with the number of hosts, because every host
    /// is read.
    pub async fn view<H: Extend<(HostId, HostRecord)> + Send + 'static>(
        &self,
        mark: ViewMark,
        n: usize,
        hosts: H,
    ) -> Result<QueueView<H>, QueueError> {
        self.call(move |state| state.view(mark, n, hosts)).await
    }

    /// Opens a session.
    pub(crate) fn open_session_blocking(&self) -> Result<Session, QueueError> {
        self.call_blocking(QueueState::open_session)
    }

    /// Applies a commit.
    pub(crate) fn commit_blocking(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let session = session.clone();
        self.call_blocking(move |state| state.commit(&session, commit))
    }

    /// Registers segments whose tasks are already done.
    pub(crate) fn adopt_segments_blocking(&self, segments: Vec<SegmentRecord>) -> Result<(), QueueError> {
        self.call_blocking(move |state| state.adopt_segments(&segments))
    }

    /// All registered segments in the order of their rows, and the place of the one that may still grow.
    pub(crate) fn segments_blocking(&self) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), QueueError> {
        self.call_blocking(|state| state.segments())
    }

    /// Registers `sealed` instead of `sources`, which are registered and adjacent.
    pub(crate) fn replace_segments_blocking(
        &self,
        sources: Vec<SegmentRecord>,
        sealed: SegmentRecord,
    ) -> Result<(), QueueError> {
        self.call_blocking(move |state| state.replace_segments(&sources, &sealed))
    }

    /// Sets the channel that gets an order for every full segment from now on.
    pub(crate) fn set_sealer(&self, sealer: mpsc::Sender<Order>) -> Result<(), QueueError> {
        self.call_blocking(move |state| {
            state.sealer = Some(sealer);
            Ok(())
        })
    }
}

fn ended() -> QueueError {
    QueueError::Storage("the queue's thread has ended".to_owned())
}

impl WorkQueue for SledQueue {
    async fn open_session(&self, _worker: &str) -> Result<Session, QueueError> {
        self.call(QueueState::open_session).await
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        let session = session.clone();
        self.call(move |state| state.lease(&session, n)).await
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        let (session, hosts) = (session.clone(), hosts.to_vec());
        self.call(move |state| state.load(&session, &hosts, n)).await
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        let (session, tasks) = (session.clone(), tasks.to_vec());
        self.call(move |state| state.are_done(&session, &tasks)).await
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        let session = session.clone();
        self.call(move |state| state.given_up(&session, after, n)).await
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let session = session.clone();
        self.call(move |state| state.commit(&session, commit)).await
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        let (session, hosts) = (session.clone(), hosts.to_vec());
        self.call(move |state| state.release(&session, &hosts)).await
    }

    /// Returns the largest timestamp: a session of this queue lives until the next one is opened.
    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        let session = session.clone();
        self.call(move |state| state.fence(&session).map(|()| Timestamp::from_micros(i64::MAX))).await
    }

    /// Does nothing, because opening a session ends the earlier ones.
    async fn reap(&self) -> Result<usize, QueueError> {
        Ok(0)
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.call(|state| state.counts()).await
    }
}
