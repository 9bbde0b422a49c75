//! A data directory: its layout, lock, format and stored settings.

pub(crate) mod error;
pub(crate) mod format;
pub(crate) mod layout;
mod links;
pub(crate) mod lock;
pub(crate) mod replace;
pub(crate) mod rights;
pub(crate) mod scratch;
pub(crate) mod seeds;
pub(crate) mod settings;
pub(crate) mod spill;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontier::work_queue::QueueBounds;
use frontier::{Clock, NewTask, SessionId};
use tempfile::TempDir;

pub use self::error::OpenError;
use self::layout::{
    COMMITTED_FILE, FORMAT_FILE, LIVE_SOCKET, LOCK_FILE, QUEUE_DIR, SCRATCH_DIR, SEGMENTS_DIR,
    UNFINISHED_SUFFIX,
};
pub(crate) use self::lock::Lock;
use self::lock::SharedLock;
use self::scratch::Scratch;
use self::seeds::NewSeeds;
use crate::disk::sync_dir;
use crate::live::LiveServer;
use crate::recovery;
use crate::sealing::{SealError, SealFailure, Sealer};
use crate::segment::{DocumentHead, Rows, SegmentWriter};
use crate::work_queue::local::LocalQueue;
use crate::work_queue::local::committed::CommittedFile;
use crate::work_queue::store::{CACHE_BYTES, SledStore};

/// The state of one crawl on disk, locked by this process.
///
/// ```text
/// lock            locked while a process uses the directory; contains its process id
/// format          what this directory is, and the version of its layout
/// settings.json   the flags that the crawl remembers
/// seeds           what the crawl was started from
/// seeds.added     up to where the seeds are in the queue
/// queue/          the work queue, a sled database
/// committed       how much was committed to the queue, stored outside it
/// live.sock       where the process of a running crawl answers readers
/// segments/       the entries
/// tmp/            temporary files of reading and sealing; emptied at every start
/// ```
///
/// The queue, writers and rows made from it may outlive it. The lock is released when the last queue and writer is
/// dropped.
///
/// ```
/// use std::sync::Arc;
///
/// use frontier::work_queue::{Commit, QueueBounds};
/// use frontier::{Clock, Seed, Timestamp, WorkQueue};
/// use sitemap::Entry;
/// use storage::{BatchView, CrawlReader, DataDir, DocumentHead, EntryScope};
///
/// # struct StoppedClock;
/// # impl Clock for StoppedClock {
/// #     fn now(&self) -> Timestamp {
/// #         Timestamp::from_micros(1_700_000_000_000_000)
/// #     }
/// #
/// #     async fn sleep_until(&self, _: Timestamp) {}
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let (folder, clock) = (tempfile::tempdir()?, Arc::new(StoppedClock));
/// let dir = DataDir::open(folder.path(), clock, QueueBounds { sitemaps_max: 50_000, hosts_per_site_max: u64::MAX })?;
/// let queue = dir.queue();
/// let session = queue.open_session("this machine").await?;
///
/// // The entries of a document are written first.
/// let seed = Seed::parse("https://a.example/sitemap.xml")?.ok_or("an empty line")?.task();
/// let mut rows = dir.rows(DocumentHead {
///     task: seed.task.id,
///     attempt: 1,
///     host: seed.host.to_string(),
///     sitemap: seed.task.url.clone(),
///     fetched_at: session.started_at,
/// });
/// rows.push(&Entry { loc: "https://a.example/1", ..Entry::default() }, EntryScope::SameHost)?;
/// let segment = dir.segments(session.id).append(vec![rows.finish()?])?;
///
/// // One commit registers them.
/// queue.commit(&session, Commit { seq: 1, found: vec![seed], segment, ..Commit::default() }).await?;
/// drop((queue, dir));
///
/// let reader = CrawlReader::open(folder.path())?;
/// for batch in reader.entries() {
///     for row in BatchView::new(&batch?)?.rows() {
///         assert_eq!(row.entry.loc, "https://a.example/1");
///         assert_eq!(row.sitemap, "https://a.example/sitemap.xml");
///     }
/// }
/// assert_eq!(reader.segments()[0].rows, 1);
/// # Ok(())
/// # })
/// # }
/// ```
pub struct DataDir {
    path: PathBuf,
    queue: LocalQueue<SledStore>,
    scratch: Scratch,
    lock: Arc<Lock>,
    seal_failure: SealFailure,
    /// The last commit of each session when this was opened.
    commits: BTreeMap<SessionId, u64>,
}

impl DataDir {
    /// Opens the data directory at `path`. Creates one if there is nothing or an empty folder.
    ///
    /// Repairs what a killed process leaves: cuts off the unregistered bytes of its last segment, empties `tmp/` and
    /// releases leased hosts. Any other inconsistency is an error.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, bounds: QueueBounds) -> Result<Self, OpenError> {
        Self::open_in(path, None, clock, bounds)
    }

    /// Like [`Self::open`], in a folder that is removed once nobody uses it.
    pub fn open_temporary(
        folder: &Arc<TempDir>,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<Self, OpenError> {
        Self::open_in(folder.path(), Some(folder.clone()), clock, bounds)
    }

    fn open_in(
        path: &Path,
        folder: Option<Arc<TempDir>>,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<Self, OpenError> {
        if !format::check(path)? {
            refuse_foreign(path)?;
            create_dir(path)?;
        }
        let lock = Arc::new(Lock::take_in(path, folder)?);
        // Checked again, because another process may have created it in the meantime.
        if !format::check(path)? {
            format::write(path)?;
        }
        for dir in [QUEUE_DIR, SEGMENTS_DIR, SCRATCH_DIR] {
            create_dir(&path.join(dir))?;
        }
        sync_dir(path).map_err(|error| OpenError::io("sync", path, error))?;
        Self::recover(path, lock, clock, bounds)
    }

    /// Opens the data directory at `path`. Fails with [`OpenError::NotFound`] if there is none.
    pub fn open_existing(path: &Path, clock: Arc<dyn Clock>, bounds: QueueBounds) -> Result<Self, OpenError> {
        if format::check(path)? {
            return Self::open(path, clock, bounds);
        }
        refuse_foreign(path)?;
        Err(OpenError::NotFound { path: path.to_owned() })
    }

    fn recover(
        path: &Path,
        lock: Arc<Lock>,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<Self, OpenError> {
        let scratch_dir = path.join(SCRATCH_DIR);
        recovery::remove_temporary(&scratch_dir)?;
        let committed = CommittedFile::at(path.join(COMMITTED_FILE));
        let (queue, known) =
            LocalQueue::open(&path.join(QUEUE_DIR), CACHE_BYTES, &committed, lock.clone(), clock, bounds)?;
        let segments = path.join(SEGMENTS_DIR);
        for leftover in recovery::leftovers(&segments, &known)? {
            leftover.remove(&segments)?;
        }
        let (scratch, seal_failure) = (Scratch::new(&scratch_dir), SealFailure::default());
        let commits = known.sessions.into_iter().zip(known.last_commits).collect();
        Ok(Self { path: path.to_owned(), queue, scratch, lock, seal_failure, commits })
    }

    /// The stored flags of the crawl, as passed to [`Self::set_settings`].
    pub fn settings(&self) -> Result<Option<String>, OpenError> {
        settings::read(&self.path)
    }

    /// The stored flags of the crawl at `path`, without checking anything else; `None` if there is no crawl.
    pub fn settings_at(path: &Path) -> Result<Option<String>, OpenError> {
        settings::read(path)
    }

    /// Stores `json`, one line of JSON, durably. Replaces what was stored before.
    pub fn set_settings(&self, json: &str) -> Result<(), OpenError> {
        settings::write(&self.path, json)
    }

    /// Stores `seeds`, given as their first tasks, durably, unless they are stored already. If the process ends
    /// before they are in the queue, the next one adds them. If the queue is lost, it can be rebuilt from them and
    /// the segments.
    pub fn add_seeds(&self, seeds: &[NewTask]) -> Result<(), OpenError> {
        seeds::add(&self.path, seeds)
    }

    /// Reads the stored seeds that were not in the queue when this was opened.
    pub fn new_seeds(&self) -> Result<NewSeeds, OpenError> {
        NewSeeds::open(&self.path, &self.commits)
    }

    /// The server that answers the readers of the crawl while it runs. Must be called in a tokio runtime.
    pub fn live_server(&self) -> Result<LiveServer<LocalQueue<SledStore>>, OpenError> {
        let listening = LiveServer::listen(&self.path, self.queue(), self.seal_failure.clone());
        listening.map_err(|error| OpenError::io("listen at", &self.path.join(LIVE_SOCKET), error))
    }

    /// The work queue. Clones share it.
    pub fn queue(&self) -> LocalQueue<SledStore> {
        self.queue.clone()
    }

    /// The writer of this session's segments. A session must have only one.
    pub fn segments(&self, session: SessionId) -> SegmentWriter {
        SegmentWriter::new(self.path.join(SEGMENTS_DIR), session, self.lock.clone())
    }

    /// Starts the thread that seals segments while the crawl runs. If sealing fails, it calls `on_failure` and tries again
    /// later. Nothing is lost meanwhile, and readers of the running crawl are told ([`LiveReader::seal_failure`]).
    ///
    /// [`LiveReader::seal_failure`]: crate::LiveReader::seal_failure
    pub fn sealer(&self, on_failure: impl Fn(&SealError) + Send + 'static) -> Result<Sealer, SealError> {
        Sealer::start(&self.path, self.queue(), self.seal_failure.clone(), on_failure)
    }

    /// A collection for the rows of a document.
    pub fn rows(&self, head: DocumentHead) -> Rows {
        self.scratch.rows(head)
    }

    /// The temporary files for documents that are being read.
    pub fn scratch(&self) -> Scratch {
        self.scratch.clone()
    }
}

/// The parts of a data directory that a reader needs, with a shared lock on it.
pub(crate) struct ReadOnly {
    pub(crate) lock: SharedLock,
    pub(crate) queue: PathBuf,
    pub(crate) committed: CommittedFile,
    pub(crate) segments: PathBuf,
    pub(crate) settings: Option<String>,
}

impl ReadOnly {
    /// Opens the data directory at `path`. Creates nothing if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        if !format::check(path)? {
            refuse_foreign(path)?;
            return Err(OpenError::NotFound { path: path.to_owned() });
        }
        let lock = SharedLock::take(path)?;
        let queue = path.join(QUEUE_DIR);
        if !queue.is_dir() {
            let reason = "it is missing".to_owned();
            return Err(OpenError::Damaged { path: queue, reason });
        }
        let committed = CommittedFile::at(path.join(COMMITTED_FILE));
        Ok(Self {
            lock,
            queue,
            committed,
            segments: path.join(SEGMENTS_DIR),
            settings: settings::read(path)?,
        })
    }
}

/// Fails if `path` contains anything except what an interrupted creation of a data directory leaves. A directory with
/// a queue and segments but without a format is damaged.
fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    if [QUEUE_DIR, SEGMENTS_DIR].iter().all(|name| path.join(name).is_dir()) {
        let reason = "it is missing, but there is a queue and a folder of segments".to_owned();
        return Err(OpenError::Damaged { path: path.join(FORMAT_FILE), reason });
    }
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::io("read", path, error)),
    };
    for entry in listing {
        let name = entry.map_err(|error| OpenError::io("read", path, error))?.file_name();
        let name = name.to_string_lossy();
        // These are written before the format and remain if the creation was interrupted.
        if name != LOCK_FILE && name.strip_suffix(UNFINISHED_SUFFIX) != Some(FORMAT_FILE) {
            return Err(OpenError::Foreign { path: path.to_owned(), name: name.into_owned() });
        }
    }
    Ok(())
}

pub(crate) fn create_dir(path: &Path) -> Result<(), OpenError> {
    fs::create_dir_all(path).map_err(|error| OpenError::io("create", path, error))
}
