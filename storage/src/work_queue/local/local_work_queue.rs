//! What a work queue can do besides when one machine has the crawl to itself.

use std::future::Future;

use frontier::HostId;
use frontier::work_queue::{Commit, HostRecord, QueueError, Session, WorkQueue};

use super::records::{QueueView, ViewMark};
use crate::segment::record::{SegmentPlace, SegmentRecord};

/// A work queue of a crawl that one machine runs. It can be read as a whole while the crawl runs, and the segments
/// that it registers can be replaced by larger ones.
///
/// All methods except [`Self::view`] block the calling thread until the queue has answered.
pub trait LocalWorkQueue: WorkQueue {
    /// The current state of the queue, with the requests of the commits after `mark`, up to the commit that makes
    /// them `n` or more. Its hosts are added to `hosts`. The time grows with the number of hosts, because every host
    /// is read.
    fn view<H: Extend<(HostId, HostRecord)> + Send + 'static>(
        &self,
        mark: ViewMark,
        n: usize,
        hosts: H,
    ) -> impl Future<Output = Result<QueueView<H>, QueueError>> + Send;

    /// Opens a session, like [`WorkQueue::open_session`].
    fn open_session_blocking(&self) -> Result<Session, QueueError>;

    /// Applies a commit, like [`WorkQueue::commit`].
    fn commit_blocking(&self, session: &Session, commit: Commit) -> Result<(), QueueError>;

    /// All registered segments in the order of their rows, and the place of the one that may still grow.
    fn segments(&self) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), QueueError>;

    /// Registers `sealed` instead of `sources`, which must be registered and adjacent, and must have as many rows.
    fn replace_segments(&self, sources: Vec<SegmentRecord>, sealed: SegmentRecord) -> Result<(), QueueError>;

    /// Registers segments whose tasks are already done.
    fn adopt_segments(&self, segments: Vec<SegmentRecord>) -> Result<(), QueueError>;

    /// From now on, calls `wake` after every commit that fills a segment. `wake` must not call the queue.
    fn on_full_segment(&self, wake: impl Fn() + Send + 'static) -> Result<(), QueueError>;
}
