//! The queue that a rebuild makes, in a folder of its own until it is complete.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use frontier::work_queue::{Commit, QueueBounds, QueueError, Session};
use frontier::{Clock, NewTask, TaskId};

use super::documents::Document;
use crate::data_dir::error::OpenError;
use crate::data_dir::layout::{COMMITTED_FILE, QUEUE_DIR};
use crate::data_dir::lock::Lock;
use crate::disk::sync_dir;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::segment::sealed::Extent;
use crate::work_queue::local::committed::CommittedFile;
use crate::work_queue::local::{LocalQueue, LocalWorkQueue};
use crate::work_queue::store::SledStore;

/// Folder of the new queue until it is complete.
const NEW_QUEUE_DIR: &str = "queue.new";

/// Number of tasks in one commit. Until the commit is done, each takes some 18 KB of memory.
pub(super) const COMMIT_TASKS_MAX: usize = 500;

/// Cache of the database. A crawl has more, but new tasks are spread over all hosts, so few of its pages are used again.
const CACHE_BYTES: u64 = 1 << 20;

/// The new queue. sled remembers where each page is: 120 MiB for a million hosts with a task each.
pub(super) struct NewQueue {
    queue: LocalQueue<SledStore>,
    session: Session,
    /// Number of commits so far.
    seq: u64,
}

impl NewQueue {
    /// Removes what an interrupted rebuild left in the data directory at `dir`.
    pub(super) fn remove_unfinished(dir: &Path) -> Result<(), OpenError> {
        let unfinished = dir.join(NEW_QUEUE_DIR);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(|error| OpenError::io("remove", &unfinished, error))?;
        }
        Ok(())
    }

    /// Creates an empty queue for the data directory at `dir`.
    pub(super) fn create(dir: &Path, lock: Arc<Lock>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let committed = CommittedFile::at(dir.join(COMMITTED_FILE));
        let bounds = QueueBounds { sitemaps_max: u64::MAX, hosts_per_site_max: u64::MAX };
        let (queue, _) =
            LocalQueue::open(&dir.join(NEW_QUEUE_DIR), CACHE_BYTES, &committed, lock, clock, bounds)?;
        let session = queue.open_session_blocking()?;
        Ok(Self { queue, session, seq: 0 })
    }

    /// Adds tasks, at most [`COMMIT_TASKS_MAX`]. Leaves `tasks` empty.
    pub(super) fn add_tasks(&mut self, tasks: &mut Vec<NewTask>) -> Result<(), QueueError> {
        if tasks.is_empty() {
            return Ok(());
        }
        self.commit(Commit { found: std::mem::take(tasks), ..Commit::default() })
    }

    /// Adds documents as tasks that are done, at most [`COMMIT_TASKS_MAX`]. Leaves `documents` empty.
    pub(super) fn add_documents(&mut self, documents: &mut Vec<Document>) -> Result<(), QueueError> {
        self.add_tasks(&mut documents.iter().map(Document::found).collect())?;
        let outcomes: Vec<_> = documents.drain(..).map(|document| document.outcome()).collect();
        if outcomes.is_empty() {
            return Ok(());
        }
        self.commit(Commit { outcomes, ..Commit::default() })
    }

    /// Whether the document of any of these tasks was added, or one that was read under its URL.
    pub(super) fn have_any(&self, tasks: &[TaskId]) -> Result<bool, QueueError> {
        for tasks in tasks.chunks(COMMIT_TASKS_MAX) {
            if self.queue.are_done_blocking(&self.session, tasks)?.contains(&true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Registers the segments, given in the order of their rows, and puts the queue in its place in the data directory
    /// at `dir`.
    pub(super) fn finish(
        self,
        dir: &Path,
        segments: impl Iterator<Item = (String, Extent)>,
    ) -> Result<(), super::RebuildError> {
        let place = |seq| SegmentPlace { session: self.session.number, seq };
        let records = (0..).zip(segments).map(|(seq, (name, Extent { bytes, rows, crc32c }))| {
            SegmentRecord { name, bytes, rows, crc32c, first: place(seq), last: place(seq) }
        });
        self.queue.adopt_segments(records.collect())?;
        // Closes the queue.
        drop(self);
        let path = dir.join(QUEUE_DIR);
        let moved = fs::rename(dir.join(NEW_QUEUE_DIR), &path).and_then(|()| sync_dir(dir));
        Ok(moved.map_err(|error| OpenError::io("create", &path, error))?)
    }

    fn commit(&mut self, commit: Commit) -> Result<(), QueueError> {
        self.seq += 1;
        self.queue.commit_blocking(&self.session, Commit { seq: self.seq, ..commit })
    }
}
