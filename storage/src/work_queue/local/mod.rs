//! The work queue of one machine, over an ordered store.

mod commit;
pub(crate) mod committed;
mod host_index;
mod keys;
mod local_work_queue;
mod queue_state;
pub(crate) mod read;
mod records;
mod stored;
#[cfg(test)]
mod tests;
mod thread;

use std::path::Path;
use std::sync::{Arc, Mutex};

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, Session,
    TaskState, WorkQueue,
};
use frontier::{Clock, FetchRecord, HostId, TaskId, Timestamp};

use self::committed::CommittedFile;
pub use self::local_work_queue::LocalWorkQueue;
use self::queue_state::QueueState;
pub use self::records::QueueView;
use self::thread::{QueueThread, ended};
use super::FetchMark;
use super::store::{MemoryStore, SledStore, Store};
use crate::data_dir::error::OpenError;
use crate::data_dir::lock::Lock;
use crate::recovery::Registered;
use crate::segment::record::{SegmentPlace, SegmentRecord};

/// The work queue of one machine, over a [`Store`]. Clones share it.
///
/// Calls are run one at a time, so a change is one batch and needs neither a lock of the store nor a transaction.
/// Opening a session ends all earlier ones. Sessions do not expire. When the last clone is dropped, the store is
/// closed.
///
/// Over a [`SledStore`] it has a thread of its own, to which all clones send their calls, because sled blocks. Over a
/// [`MemoryStore`] the caller runs the call: the futures of [`WorkQueue`] are then ready at once, and nothing depends
/// on the order in which threads run.
///
/// ```
/// # use std::sync::Arc;
/// # use frontier::work_queue::{QueueBounds, QueueError};
/// # use frontier::{Clock, Timestamp, WorkQueue};
/// # struct StoppedClock;
/// # impl Clock for StoppedClock {
/// #     fn now(&self) -> Timestamp {
/// #         Timestamp::default()
/// #     }
/// #
/// #     async fn sleep_until(&self, _: Timestamp) {}
/// # }
/// use storage::{LocalQueue, MemoryStore};
///
/// # async fn crawl() -> Result<(), QueueError> {
/// # let (clock, bounds) = (Arc::new(StoppedClock), QueueBounds { sitemaps_max: 1_000, hosts_per_site_max: u64::MAX });
/// let store = MemoryStore::default();
/// let queue = LocalQueue::in_memory(&store, clock.clone(), bounds)?;
/// let session = queue.open_session("worker").await?;
///
/// // As after a crash: another queue continues with what was committed, and the first one can do nothing more.
/// let next = LocalQueue::in_memory(&store, clock, bounds)?;
/// assert_eq!(next.open_session("worker").await?.number, session.number + 1);
/// assert!(queue.lease(&session, 1).await.is_err());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(crawl()).unwrap();
/// ```
pub struct LocalQueue<S: Store> {
    place: Place<S>,
}

/// Where the calls are run.
enum Place<S> {
    /// In the thread that owns the state.
    Thread(Arc<QueueThread<QueueState<S>>>),
    /// Where they are made. The lock is never held across an `await`.
    Caller(Arc<Mutex<QueueState<S>>>),
}

impl<S: Store> Clone for LocalQueue<S> {
    fn clone(&self) -> Self {
        let place = match &self.place {
            Place::Thread(thread) => Place::Thread(thread.clone()),
            Place::Caller(state) => Place::Caller(state.clone()),
        };
        Self { place }
    }
}

impl LocalQueue<SledStore> {
    /// Opens the queue in `dir` and returns the sessions and segments registered in it. The queue is checked against
    /// the file `committed`. `cache_bytes` is as for [`SledStore`]. The thread holds the lock as long as it lives.
    pub(crate) fn open(
        dir: &Path,
        cache_bytes: u64,
        committed: &CommittedFile,
        lock: Arc<Lock>,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<(Self, Registered), OpenError> {
        let mut state = QueueState::new(SledStore::open(dir, cache_bytes)?, clock, bounds)?;
        committed.check(dir, &state.sessions.all, state.rows)?;
        let file = committed.open().map_err(|error| OpenError::io("open", committed.path(), error))?;
        state.committed_file = Some(file);
        let registered = read::registered(&state.store)?;
        let thread = QueueThread::start(state, lock);
        let thread = thread.map_err(|error| OpenError::io("start a thread for", dir, error))?;
        Ok((Self { place: Place::Thread(Arc::new(thread)) }, registered))
    }
}

impl LocalQueue<MemoryStore> {
    /// Opens the queue in `store`, with a new store an empty one. Calls of a queue that was opened earlier in the same
    /// store fail from now on.
    pub fn in_memory(
        store: &MemoryStore,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<Self, QueueError> {
        let state = QueueState::new(store.take_over(), clock, bounds)?;
        Ok(Self { place: Place::Caller(Arc::new(Mutex::new(state))) })
    }
}

impl<S: Store> LocalQueue<S> {
    /// Runs `work` on the state of the queue.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState<S>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        match &self.place {
            Place::Thread(thread) => thread.send(work)?.await.map_err(|_| ended())?,
            Place::Caller(state) => work(&mut *state.lock().map_err(|_| ended())?),
        }
    }

    /// Like [`Self::call`], for threads that may block.
    fn call_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut QueueState<S>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        match &self.place {
            Place::Thread(thread) => thread.send(work)?.blocking_recv().map_err(|_| ended())?,
            Place::Caller(state) => work(&mut *state.lock().map_err(|_| ended())?),
        }
    }
}

impl<S: Store> LocalWorkQueue for LocalQueue<S> {
    async fn view(&self) -> Result<QueueView, QueueError> {
        self.call(|state| state.view()).await
    }

    async fn hosts_after(
        &self,
        after: Option<HostId>,
        n: usize,
    ) -> Result<Vec<(HostId, HostRecord)>, QueueError> {
        self.call(move |state| read::hosts_after(&state.store, after).take(n).collect()).await
    }

    async fn tasks_after(
        &self,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<(TaskId, TaskState)>, QueueError> {
        self.call(move |state| read::tasks_after(&state.store, after).take(n).collect()).await
    }

    async fn fetches_after(
        &self,
        mark: FetchMark,
        n: usize,
    ) -> Result<(Vec<FetchRecord>, FetchMark), QueueError> {
        self.call(move |state| read::fetches_after(&state.store, &state.sessions.all, mark, n)).await
    }

    fn open_session_blocking(&self) -> Result<Session, QueueError> {
        self.call_blocking(QueueState::open_session)
    }

    fn commit_blocking(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let session = session.clone();
        self.call_blocking(move |state| state.commit(&session, commit))
    }

    fn are_done_blocking(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        let (session, tasks) = (session.clone(), tasks.to_vec());
        self.call_blocking(move |state| state.are_done(&session, &tasks))
    }

    fn segments(&self) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), QueueError> {
        self.call_blocking(|state| state.segments())
    }

    fn replace_segments(&self, sources: Vec<SegmentRecord>, sealed: SegmentRecord) -> Result<(), QueueError> {
        self.call_blocking(move |state| state.replace_segments(&sources, &sealed))
    }

    fn adopt_segments(&self, segments: Vec<SegmentRecord>) -> Result<(), QueueError> {
        self.call_blocking(move |state| state.adopt_segments(&segments))
    }

    fn on_full_segment(&self, wake: impl Fn() + Send + 'static) -> Result<(), QueueError> {
        self.call_blocking(move |state| {
            state.on_full_segment = Some(Box::new(wake));
            Ok(())
        })
    }
}

impl<S: Store> WorkQueue for LocalQueue<S> {
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

    async fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        let hosts = hosts.to_vec();
        self.call(move |state| state.records(&hosts)).await
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        self.call(|state| state.counts()).await
    }
}
