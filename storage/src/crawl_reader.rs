//! Reads a crawl that is not running, for reports and exports.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use frontier::work_queue::{Counts, HostRecord, QueueError, SessionRecord, TaskState};
use frontier::{FetchRecord, HostId, TaskId, Timestamp};

use crate::data_dir::ReadOnly;
use crate::data_dir::error::OpenError;
use crate::data_dir::lock::{ReaderPermit, SharedLock};
use crate::recovery;
use crate::segment::error::ReadError;
use crate::segment::reader::SegmentReader;
use crate::segment::record::SegmentRecord;
use crate::work_queue::local::read;
use crate::work_queue::store::{CACHE_BYTES, SledStore};

/// Reads a data directory that no crawl is using, and prevents a crawl from starting while it does.
///
/// Any number of processes may read at the same time, but only one of them can use the queue. A reader that only
/// needs the entries calls [`Self::into_entries`], which lets the next one use the queue.
///
/// Records are read one by one, in the order of their keys or commits. Memory grows only with the number of sessions
/// and segments.
///
/// ```no_run
/// use storage::{BatchView, CrawlReader};
///
/// let reader = CrawlReader::open("crawl-data".as_ref())?;
/// for batch in reader.entries() {
///     for row in BatchView::new(&batch?)?.rows() {
///         println!("{}", row.entry.loc);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CrawlReader {
    store: SledStore,
    // Declared after the store, so that the store is closed before the permit is released.
    _permit: ReaderPermit,
    sessions: Vec<SessionRecord>,
    settings: Option<String>,
    entries: EntryReader,
}

/// Reads only the entries of a data directory, like [`CrawlReader`].
pub struct EntryReader {
    dir: PathBuf,
    segments: Vec<SegmentRecord>,
    _lock: SharedLock,
}

impl CrawlReader {
    /// Opens the data directory at `path`. Creates nothing if there is none.
    ///
    /// Fails if a registered segment is missing or too short. The error names the segment and the remedy.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let parts = ReadOnly::open(path)?;
        let permit = ReaderPermit::wait(path, &parts.queue)?;
        let store = SledStore::open(&parts.queue, CACHE_BYTES)?;
        let registered = read::registered(&store)?;
        let sessions = read::sessions(&store)?;
        let rows = registered.segments.iter().map(|segment| segment.rows).sum();
        parts.committed.check(&parts.queue, &sessions, rows)?;
        // A reader does not remove what a crash left, but checks that there is nothing else.
        recovery::leftovers(&parts.segments, &registered)?;
        Ok(Self {
            store,
            _permit: permit,
            sessions,
            settings: parts.settings,
            entries: EntryReader { dir: parts.segments, segments: registered.segments, _lock: parts.lock },
        })
    }

    /// The stored flags of the crawl, see [`crate::DataDir::set_settings`].
    pub fn settings(&self) -> Option<&str> {
        self.settings.as_deref()
    }

    /// The totals at `now`. Hosts that are parked until later count as parked.
    pub fn counts(&self, now: Timestamp) -> Result<Counts, QueueError> {
        read::counts_at_rest(&self.store, now)
    }

    /// All sessions, by number.
    pub fn sessions(&self) -> &[SessionRecord] {
        &self.sessions
    }

    /// All registered segments, in the order of their rows.
    pub fn segments(&self) -> &[SegmentRecord] {
        &self.entries.segments
    }

    /// All hosts by id, without their robots.txt rules: those of thousands of hosts would fill memory, and no report
    /// needs them.
    pub fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
        read::hosts(&self.store)
    }

    /// The origins of all hosts, in the order of their ids.
    pub fn origins(&self) -> impl Iterator<Item = Result<String, QueueError>> {
        self.hosts().map(|host| Ok(host?.1.host.to_string()))
    }

    /// The states of all tasks, by host and then by hash of the URL.
    pub fn tasks(&self) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
        read::tasks(&self.store)
    }

    /// All requests in the order of their commits. The `record` stage of each includes the duration of its commit,
    /// except in the last commit of a session, whose duration is not stored.
    pub fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>> {
        read::fetches(&self.store, &self.sessions)
    }

    /// All entries in batches of [`crate::schema`]. Documents come in the order of their commits and are not
    /// interleaved. The entries of a document come in its order.
    ///
    /// Only registered bytes are read, and each batch is checked before it is returned. Ends after the first error.
    pub fn entries(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        self.entries.entries()
    }

    /// Closes the queue and keeps the entries open.
    pub fn into_entries(self) -> EntryReader {
        self.entries
    }
}

impl EntryReader {
    /// All entries, like [`CrawlReader::entries`].
    pub fn entries(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        let mut segments = self.segments.iter();
        let mut current: Option<SegmentReader> = None;
        let mut is_over = false;
        std::iter::from_fn(move || {
            while !is_over {
                let batch = match &mut current {
                    Some(reader) => reader.next(),
                    None => match SegmentReader::open(&self.dir, segments.next()?.clone()) {
                        Ok(reader) => current.insert(reader).next(),
                        Err(error) => Some(Err(error)),
                    },
                };
                is_over = matches!(batch, Some(Err(_)));
                match batch {
                    Some(batch) => return Some(batch),
                    None => current = None,
                }
            }
            None
        })
    }
}
