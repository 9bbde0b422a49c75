//! What a work queue can do besides when one machine has the crawl to itself.

use std::future::Future;

use frontier::work_queue::{Commit, HostRecord, QueueError, Session, TaskState, WorkQueue};
use frontier::{FetchRecord, HostId, TaskId};

use super::records::QueueView;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::work_queue::FetchMark;

/// A work queue of a crawl that one machine runs. It can be read as a whole while the crawl runs, and the segments
/// that it registers can be replaced by larger ones.
///
/// The methods that are not `async` block the calling thread until the queue has answered.
pub trait LocalWorkQueue: WorkQueue {
    /// The current state of the queue, without its hosts, tasks and requests.
    fn view(&self) -> impl Future<Output = Result<QueueView, QueueError>> + Send;

    /// Up to `n` hosts without their robots.txt rules, in the order of their ids, starting after `after`.
    fn hosts_after(
        &self,
        after: Option<HostId>,
        n: usize,
    ) -> impl Future<Output = Result<Vec<(HostId, HostRecord)>, QueueError>> + Send;

    /// The states of up to `n` tasks after `after`, by host and then by the hash of the URL.
    fn tasks_after(
        &self,
        after: Option<TaskId>,
        n: usize,
    ) -> impl Future<Output = Result<Vec<(TaskId, TaskState)>, QueueError>> + Send;

    /// The requests of the commits after `mark`, up to the commit that makes them `n` or more, and the mark after them.
    ///
    /// For the requests of a session's last commit, the `record` stage lacks the time of that commit.
    fn fetches_after(
        &self,
        mark: FetchMark,
        n: usize,
    ) -> impl Future<Output = Result<(Vec<FetchRecord>, FetchMark), QueueError>> + Send;

    /// Opens a session, like [`WorkQueue::open_session`].
    fn open_session_blocking(&self) -> Result<Session, QueueError>;

    /// Applies a commit, like [`WorkQueue::commit`].
    fn commit_blocking(&self, session: &Session, commit: Commit) -> Result<(), QueueError>;

    /// Which of these tasks are done, like [`WorkQueue::are_done`].
    fn are_done_blocking(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError>;

    /// All registered segments in the order of their rows, and the place of the one that may still grow.
    fn segments(&self) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), QueueError>;

    /// Registers `sealed` instead of `sources`, which must be registered and adjacent, and must have as many rows.
    fn replace_segments(&self, sources: Vec<SegmentRecord>, sealed: SegmentRecord) -> Result<(), QueueError>;

    /// Registers segments whose tasks are already done.
    fn adopt_segments(&self, segments: Vec<SegmentRecord>) -> Result<(), QueueError>;

    /// From now on, calls `wake` after every commit that fills a segment. `wake` must not call the queue.
    fn on_full_segment(&self, wake: impl Fn() + Send + 'static) -> Result<(), QueueError>;
}
