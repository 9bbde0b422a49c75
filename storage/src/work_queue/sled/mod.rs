//! The work queue of one machine, on sled.

mod commit;
mod keys;
mod queue_state;
pub(crate) mod read;
mod records;
pub(crate) mod store;
mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod witness;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, Session,
    WorkQueue,
};
use frontier::{Clock, HostId, TaskId, Timestamp};
use tokio::sync::oneshot;

use self::queue_state::QueueState;
pub use self::records::{QueueView, SegmentPlace, SegmentRecord, ViewMark};
use self::store::Store;
use self::witness::Witness;
use crate::data_dir::{Lock, OpenError};
use crate::recovery::Registered;
use crate::sealing::Order;

/// What a caller wants of the queue.
type Command = Box<dyn FnOnce(&mut QueueState) + Send>;

/// The work queue of one machine: a sled database with a thread of its own, to which clones of this send their calls.
///
/// One thread reads, decides and writes, so a change needs no lock and no transaction: it is one batch. Opening a
/// session ends all earlier ones; sessions do not expire. When the last clone is dropped, the thread ends and the
/// database is closed.
#[derive(Clone)]
pub struct SledQueue {
    thread: Arc<QueueThread>,
}

struct QueueThread {
    /// Always there until it is dropped.
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for QueueThread {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // It cannot fail: sled's panics are caught where they occur.
            let _ = thread.join();
        }
    }
}

impl SledQueue {
    /// Opens the queue in `dir`, of which `witness` knows, and says what it knows of the segments. The lock is held as long as the thread
    /// lives.
    pub(crate) fn open(
        dir: &Path,
        witness: &Witness,
        lock: Arc<Lock>,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<(Self, Registered), OpenError> {
        let mut engine = QueueState::new(Store::open(dir)?, witness, clock, bounds)?;
        let registered = read::registered(&engine.store)?;
        let (commands, received) = mpsc::channel::<Command>();
        let thread = std::thread::Builder::new().name("queue".to_owned()).spawn(move || {
            for command in received {
                command(&mut engine);
            }
            drop(engine);
            drop(lock);
        });
        let thread = thread.map_err(|error| OpenError::io("start a thread for", dir, error))?;
        let thread = QueueThread { commands: Some(commands), thread: Some(thread) };
        Ok((Self { thread: Arc::new(thread) }, registered))
    }

    /// Has `work` done by the queue's thread.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.order(work)?.await.map_err(|_| ended())?
    }

    /// The same for a thread that may block.
    fn call_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.order(work)?.blocking_recv().map_err(|_| ended())?
    }

    fn order<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, QueueError>>, QueueError> {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |engine| {
            // Whoever asked may have gone; what was done stays done.
            let _ = answer.send(work(engine));
        });
        self.thread.commands.as_ref().ok_or_else(ended)?.send(command).map_err(|_| ended())?;
        Ok(answered)
    }

    /// The state of the queue now, with up to about `n` requests after `mark`; its hosts are added to `hosts`. Takes as
    /// long as looking at every host.
    pub async fn view<H: Extend<(HostId, HostRecord)> + Send + 'static>(
        &self,
        mark: ViewMark,
        n: usize,
        hosts: H,
    ) -> Result<QueueView<H>, QueueError> {
        self.call(move |engine| engine.view(mark, n, hosts)).await
    }

    /// Opens a session.
    pub(crate) fn open_session_blocking(&self) -> Result<Session, QueueError> {
        self.call_blocking(QueueState::open_session)
    }

    /// Makes a commit.
    pub(crate) fn commit_blocking(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let session = session.clone();
        self.call_blocking(move |engine| engine.commit(&session, commit))
    }

    /// Registers segments whose documents are done already.
    pub(crate) fn adopt_segments_blocking(&self, segments: Vec<SegmentRecord>) -> Result<(), QueueError> {
        self.call_blocking(move |engine| engine.adopt_segments(&segments))
    }

    /// All registered segments in the order of their rows, and where the one was begun that may still grow.
    pub(crate) fn segments_blocking(&self) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), QueueError> {
        self.call_blocking(|engine| engine.segments())
    }

    /// Registers `sealed` in place of `sources`, which are neighbours and registered.
    pub(crate) fn replace_segments_blocking(
        &self,
        sources: Vec<SegmentRecord>,
        sealed: SegmentRecord,
    ) -> Result<(), QueueError> {
        self.call_blocking(move |engine| engine.replace_segments(&sources, &sealed))
    }

    /// From now on tells `sealer` of every segment that is full.
    pub(crate) fn tell_when_full(&self, sealer: mpsc::Sender<Order>) -> Result<(), QueueError> {
        self.call_blocking(move |engine| {
            engine.sealer = Some(sealer);
            Ok(())
        })
    }
}

fn ended() -> QueueError {
    QueueError::Storage("its thread has ended".to_owned())
}

impl WorkQueue for SledQueue {
    async fn open_session(&self, _worker: &str) -> Result<Session, QueueError> {
        self.call(QueueState::open_session).await
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        let session = session.clone();
        self.call(move |engine| engine.lease(&session, n)).await
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        let (session, hosts) = (session.clone(), hosts.to_vec());
        self.call(move |engine| engine.load(&session, &hosts, n)).await
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        let (session, tasks) = (session.clone(), tasks.to_vec());
        self.call(move |engine| engine.are_done(&session, &tasks)).await
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        let session = session.clone();
        self.call(move |engine| engine.given_up(&session, after, n)).await
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let session = session.clone();
        self.call(move |engine| engine.commit(&session, commit)).await
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        let (session, hosts) = (session.clone(), hosts.to_vec());
        self.call(move |engine| engine.release(&session, &hosts)).await
    }

    /// A session of this queue lives until the next one is opened.
    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        let session = session.clone();
        self.call(move |engine| engine.fence(&session).map(|()| Timestamp::from_micros(i64::MAX))).await
    }

    /// Nothing to do: opening a session ends the earlier ones.
    async fn reap(&self) -> Result<usize, QueueError> {
        Ok(0)
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.call(|engine| engine.counts()).await
    }
}
