//! A data directory: its names, its lock, its format and the settings it remembers.

pub(crate) mod format;
mod lock;
pub(crate) mod scratch;
pub(crate) mod seeds;
pub(crate) mod settings;
pub(crate) mod spill;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontier::work_queue::{QueueBounds, QueueError};
use frontier::{Clock, NewTask, SessionId};

pub(crate) use self::lock::{Lock, ReaderPermit, SharedLock};
use self::scratch::Scratch;
use self::seeds::Seeds;
use crate::disk::{self, DurableFile, sync_dir};
use crate::live::Live;
use crate::recovery;
use crate::sealing::{SealError, Sealer};
use crate::segment::{DocumentHead, Rows, SegmentWriter};
use crate::work_queue::sled::SledQueue;
use crate::work_queue::sled::witness::Witness;

const LOCK_FILE: &str = "lock";
const FORMAT_FILE: &str = "format";
pub(crate) const SETTINGS_FILE: &str = "settings.json";
pub(crate) const QUEUE_DIR: &str = "queue";
pub(crate) const COMMITTED_FILE: &str = "committed";
pub(crate) const SEGMENTS_DIR: &str = "segments";
pub(crate) const SCRATCH_DIR: &str = "tmp";
/// Appended to the name of a file while its new content is written.
const UNFINISHED_SUFFIX: &str = ".new";

/// The state of one crawl on disk, held by this process alone.
///
/// ```text
/// lock            held while a process works here; the number of that process
/// format          what this directory is, and the version of its layout
/// settings.json   what the crawl remembers of its flags
/// seeds           what the crawl was started from
/// queue/          the work queue, a sled database
/// committed       how far the queue is, told beside it
/// live.json       what a running crawl shows
/// segments/       the entries
/// tmp/            what is still being read or sealed; emptied at every start
/// ```
/// Queue, writers and rows made from it may outlive it; the lock is let go when the last queue and writer is gone.
pub struct DataDir {
    path: PathBuf,
    queue: SledQueue,
    scratch: Scratch,
    lock: Arc<Lock>,
}

/// Why a data directory could not be opened, or what it remembers not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works there.
    #[error("data directory {} is in use by {}", path.display(), process(*pid))]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process, where its number could be read.
        pid: Option<u32>,
    },
    /// A later release wrote it.
    #[error("data directory {} has format {found}, this release reads up to {known}", path.display())]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// There is no crawl at that path.
    #[error("no crawl in {}", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// What is there is none of ours, and is left alone.
    #[error("{} is not a data directory: it holds {what}", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// The name of something that is not ours.
        what: String,
    },
    /// The system refused.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// The state cannot be trusted. `crawl rebuild` recovers from the segments what can be.
    #[error("{} is damaged: {what}; `crawl rebuild` recovers what the segments hold", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The queue could not be read.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl OpenError {
    pub(crate) fn io(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { verb, path: path.to_owned(), source }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl DataDir {
    /// Opens the data directory at `path`, or makes one where there is nothing or an empty folder.
    ///
    /// Whatever a process left that was killed is put right: unregistered bytes of its last segment are cut off,
    /// `tmp/` is emptied, hosts that were lent are free again. What cannot have come from that alone is an error.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, bounds: QueueBounds) -> Result<Self, OpenError> {
        if !format::check(path)? {
            refuse_foreign(path)?;
            make_dir(path)?;
        }
        let lock = Arc::new(Lock::take(path)?);
        // Again, since another process may have made it meanwhile.
        if !format::check(path)? {
            format::write(path)?;
        }
        for dir in [QUEUE_DIR, SEGMENTS_DIR, SCRATCH_DIR] {
            make_dir(&path.join(dir))?;
        }
        sync_dir(path).map_err(|error| OpenError::io("sync", path, error))?;
        Self::recover(path, lock, clock, bounds)
    }

    /// Opens the data directory at `path`; fails with [`OpenError::NotFound`] where there is none.
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
        recovery::empty(&scratch_dir)?;
        let witness = Witness::at(path.join(COMMITTED_FILE));
        let (queue, known) = SledQueue::open(&path.join(QUEUE_DIR), &witness, lock.clone(), clock, bounds)?;
        let segments = path.join(SEGMENTS_DIR);
        for left_over in recovery::left_over(&segments, &known)? {
            left_over.remove(&segments)?;
        }
        Ok(Self { path: path.to_owned(), queue, scratch: Scratch::new(&scratch_dir), lock })
    }

    /// What the crawl remembers of its flags, as [`Self::set_settings`] was given it.
    pub fn settings(&self) -> Result<Option<String>, OpenError> {
        settings::read(&self.path)
    }

    /// What the crawl at `path` remembers of its flags, without a look at anything else; `None` where there is no
    /// crawl.
    pub fn settings_at(path: &Path) -> Result<Option<String>, OpenError> {
        settings::read(path)
    }

    /// Remembers `json`, which is one line of JSON, durably and in place of what was remembered.
    pub fn set_settings(&self, json: &str) -> Result<(), OpenError> {
        settings::write(&self.path, json)
    }

    /// Remembers these seeds durably beside those remembered before: should the process end before the queue has taken
    /// them in, the next one does so, and should the queue be lost, it can be built anew from them and the segments.
    pub fn add_seeds(&self, seeds: &[NewTask]) -> Result<(), OpenError> {
        seeds::add(&self.path, seeds)
    }

    /// All that the crawl was ever started from, in the order in which it was remembered.
    pub fn seeds(&self) -> Result<Seeds, OpenError> {
        seeds::read(&self.path)
    }

    /// Shows `live` to those who read beside the crawl.
    pub fn show(&self, live: &Live) -> Result<(), OpenError> {
        live.write(&self.path)
    }

    /// The work queue; clones share it.
    pub fn queue(&self) -> SledQueue {
        self.queue.clone()
    }

    /// The writer of this session's segments. There is one per session.
    pub fn segments(&self, session: SessionId) -> SegmentWriter {
        SegmentWriter::new(self.path.join(SEGMENTS_DIR), session, self.lock.clone())
    }

    /// Begins to seal segments beside the crawl.
    pub fn sealer(&self) -> Result<Sealer, SealError> {
        Sealer::start(&self.path, self.queue())
    }

    /// Gathers the rows of a document.
    pub fn rows(&self, head: DocumentHead) -> Rows {
        self.scratch.rows(head)
    }

    /// Where the rows of documents wait until they are finished.
    pub fn scratch(&self) -> Scratch {
        self.scratch.clone()
    }
}

/// The parts of a data directory that a reader needs, under its lock.
pub(crate) struct ReadOnly {
    pub(crate) lock: SharedLock,
    pub(crate) queue: PathBuf,
    pub(crate) witness: Witness,
    pub(crate) segments: PathBuf,
    pub(crate) settings: Option<String>,
}

impl ReadOnly {
    /// Makes nothing where there is no data directory.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        if !format::check(path)? {
            refuse_foreign(path)?;
            return Err(OpenError::NotFound { path: path.to_owned() });
        }
        let lock = SharedLock::take(path)?;
        let queue = path.join(QUEUE_DIR);
        if !queue.is_dir() {
            let what = "it is missing".to_owned();
            return Err(OpenError::Damaged { path: queue, what });
        }
        let witness = Witness::at(path.join(COMMITTED_FILE));
        Ok(Self { lock, queue, witness, segments: path.join(SEGMENTS_DIR), settings: settings::read(path)? })
    }
}

/// Fails when `path` holds anything but the beginnings of a data directory. One that has a queue but no format lost it.
fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    if [QUEUE_DIR, SEGMENTS_DIR].iter().all(|name| path.join(name).is_dir()) {
        let what = "it is missing beside the state of a crawl".to_owned();
        return Err(OpenError::Damaged { path: path.join(FORMAT_FILE), what });
    }
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::io("read", path, error)),
    };
    for entry in listing {
        let name = entry.map_err(|error| OpenError::io("read", path, error))?.file_name();
        let name = name.to_string_lossy();
        // Written before the format, should the making have been interrupted there.
        if name != LOCK_FILE && name.strip_suffix(UNFINISHED_SUFFIX) != Some(FORMAT_FILE) {
            return Err(OpenError::Foreign { path: path.to_owned(), what: name.into_owned() });
        }
    }
    Ok(())
}

pub(crate) fn make_dir(path: &Path) -> Result<(), OpenError> {
    fs::create_dir_all(path).map_err(|error| OpenError::io("create", path, error))
}

/// Replaces the content of `path` durably: after a crash it is the old one or the new one.
fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    // Left by a crash.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = DurableFile::create(&unfinished)?;
    file.write_all(content)?;
    file.sync()?;
    disk::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Replaces the content of `path` for those who read it now: they see the old one or the new one.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    fs::write(&unfinished, content)?;
    fs::rename(&unfinished, path)
}

fn unfinished(path: &Path) -> PathBuf {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED_SUFFIX);
    unfinished.into()
}
