//! A crawl that does not run, read back: what reports and exports are made of.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use frontier::work_queue::{Counts, HostRecord, QueueError, SessionRecord, TaskState};
use frontier::{FetchRecord, HostId, TaskId, Timestamp};

use crate::data_dir::{OpenError, ReadOnly, ReaderPermit, SharedLock};
use crate::recovery;
use crate::segment::ReadError;
use crate::segment::reader::SegmentReader;
use crate::work_queue::sled::store::Store;
use crate::work_queue::sled::{SegmentRecord, read};

/// Reads a data directory that no process works on, and keeps one from beginning meanwhile.
///
/// Any number may read at once, but they take turns with the queue: whoever only wants the entries goes on with
/// [`Self::into_entries`], and the next one has its turn.
///
/// Everything streams in the order of the keys or of the commits; memory does not grow with the crawl, but for the
/// sessions and segments.
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
    store: Store,
    // After the queue, so that it is closed when the turn ends.
    _turn: ReaderPermit,
    sessions: Vec<SessionRecord>,
    settings: Option<String>,
    entries: EntryReader,
}

/// Reads the entries alone, as [`CrawlReader`] does.
pub struct EntryReader {
    dir: PathBuf,
    segments: Vec<SegmentRecord>,
    _lock: SharedLock,
}

impl CrawlReader {
    /// Opens the data directory at `path`; makes nothing where there is none.
    ///
    /// A registered segment that is missing or too short is an error that names it and the remedy.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let parts = ReadOnly::open(path)?;
        let turn = ReaderPermit::wait(path, &parts.queue)?;
        let store = Store::open(&parts.queue)?;
        let registered = read::registered(&store)?;
        let sessions = read::sessions(&store)?;
        let rows = registered.segments.iter().map(|segment| segment.rows).sum();
        parts.witness.check(&parts.queue, &sessions, rows)?;
        // What a crash left is no business of a reader, but that it is nothing else.
        recovery::left_over(&parts.segments, &registered)?;
        Ok(Self {
            store,
            _turn: turn,
            sessions,
            settings: parts.settings,
            entries: EntryReader { dir: parts.segments, segments: registered.segments, _lock: parts.lock },
        })
    }

    /// What the crawl remembers of its flags, see [`crate::DataDir::set_settings`].
    pub fn settings(&self) -> Option<&str> {
        self.settings.as_deref()
    }

    /// The totals, as seen at `now`: hosts parked beyond it count as parked.
    pub fn counts(&self, now: Timestamp) -> Result<Counts, QueueError> {
        read::counts_at_rest(&self.store, now)
    }

    /// All sessions, by number.
    pub fn sessions(&self) -> &[SessionRecord] {
        &self.sessions
    }

    /// All registered segments, in the order of their making.
    pub fn segments(&self) -> &[SegmentRecord] {
        &self.entries.segments
    }

    /// All hosts, by id, without their rules: of thousands of hosts these would fill memory, and no report tells them.
    pub fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
        read::hosts(&self.store)
    }

    /// The origins of all hosts, by their ids.
    pub fn origins(&self) -> impl Iterator<Item = Result<String, QueueError>> {
        self.hosts().map(|host| Ok(host?.1.host.to_string()))
    }

    /// All that is known of URLs, by host and then by hash.
    pub fn tasks(&self) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
        read::tasks(&self.store)
    }

    /// All requests in the order of their commits. The `record` stage of each is completed with the time of its
    /// commit, but for the last commit of a session, of which nobody told.
    pub fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>> {
        read::fetches(&self.store, &self.sessions)
    }

    /// All entries in batches of [`crate::schema`]: each document's in its order and without another's between
    /// them, documents in the order of their commits.
    ///
    /// Registered bytes only, each checked before it is given. Ends after the first error.
    pub fn entries(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        self.entries.entries()
    }

    /// Lets go of the queue.
    pub fn into_entries(self) -> EntryReader {
        self.entries
    }
}

impl EntryReader {
    /// All entries, as [`CrawlReader::entries`] gives them.
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
