//! The locks of a data directory. Either one process runs the crawl, or any number of processes read it. Readers take
//! turns with the queue.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::error::OpenError;
use super::layout::LOCK_FILE;

/// Limit on the bytes read from the lock file, which contains a process id and a line feed.
const PID_BYTES_MAX: u64 = 16;

/// Number of retries, and the pause before each, while the lock file names no other process: 1 s in all. Readers soon
/// finish, and a process that runs the crawl soon writes its id.
const RETRIES_MAX: u32 = 200;
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Number of tries of a reader to lock the queue, and the pause after each: 60 s in all. A report on a million
/// requests takes a few seconds.
const READER_PERMIT_TRIES_MAX: u32 = 6_000;
const READER_PERMIT_PAUSE: Duration = Duration::from_millis(10);

/// The exclusive lock of the process that runs the crawl. The system releases it when the process ends for any
/// reason.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    /// Set if the data directory is removed once nobody uses it.
    _folder: Option<Arc<TempDir>>,
}

impl Lock {
    /// Locks the data directory at `dir`. If another process runs the crawl, fails and names that process. If
    /// processes are reading it, fails after 1 s.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        Self::take_in(dir, None)
    }

    /// Like [`Self::take`], and keeps `folder` as long as the lock.
    pub(crate) fn take_in(dir: &Path, folder: Option<Arc<TempDir>>) -> Result<Self, OpenError> {
        let io = |error| OpenError::io("lock", &dir.join(LOCK_FILE), error);
        let mut file = lock(dir, File::try_lock)?;
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file, _folder: folder })
    }
}

/// The shared lock of a reader: it prevents a crawl from starting, but not other readers.
#[derive(Debug)]
pub(crate) struct SharedLock {
    _file: File,
}

impl SharedLock {
    /// Locks the data directory at `dir`. If a process runs the crawl, fails and names that process.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let file = lock(dir, File::try_lock_shared)?;
        // A process that it names has ended.
        file.set_len(0).map_err(|error| OpenError::io("lock", &dir.join(LOCK_FILE), error))?;
        Ok(Self { _file: file })
    }
}

/// A reader's lock on the folder of the queue, because only one process at a time can open the database.
#[derive(Debug)]
pub(crate) struct ReaderPermit {
    _folder: File,
}

impl ReaderPermit {
    /// Waits until no other reader uses the queue in `queue_dir`. `dir` is the data directory.
    pub(crate) fn wait(dir: &Path, queue_dir: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::io("lock", queue_dir, error);
        let folder = File::open(queue_dir).map_err(io)?;
        for _ in 0..READER_PERMIT_TRIES_MAX {
            match folder.try_lock() {
                Ok(()) => return Ok(Self { _folder: folder }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(READER_PERMIT_PAUSE),
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
        }
        Err(OpenError::InUse { path: dir.to_owned(), pid: None })
    }
}

fn lock(dir: &Path, take: impl Fn(&File) -> Result<(), TryLockError>) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let io = |error| OpenError::io("lock", &path, error);
    // Not truncated, because before it is locked here, it names the process that holds the lock.
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = options.map_err(io)?;
    let mut retries = 0;
    loop {
        match take(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let pid = pid(&file);
        // A child process that is being started has a copy of every descriptor until it runs its program: our own lock
        // may seem to be held for a moment after it was released.
        let is_other_process = pid.is_some_and(|pid| pid != std::process::id());
        if is_other_process || retries == RETRIES_MAX {
            return Err(OpenError::InUse { path: dir.to_owned(), pid });
        }
        retries += 1;
        std::thread::sleep(RETRY_PAUSE);
    }
}

/// The process id in `file`. If there is none, the lock is held nevertheless.
fn pid(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
