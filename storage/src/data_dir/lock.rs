//! The locks of a data directory: one process works there, or any number read, which take turns with the queue.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::{LOCK_FILE, OpenError};

/// Bytes read of another process's lock file: a process id and a line feed.
const PID_BYTES_MAX: u64 = 16;

/// How often, and how far apart, a lock is looked at that is held by no process with a name: 1 s in all. Those who read are
/// soon done, and who works there soon names itself.
const LOOKS_MAX: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// How often, and how far apart, a reader looks whether it is its turn: 60 s in all. A report of a million requests takes
/// a few.
const READER_PERMIT_LOOKS_MAX: u32 = 6_000;
const READER_PERMIT_PAUSE: Duration = Duration::from_millis(10);

/// The lock of the process that works there. HeldBytes while it lives; the system lets go of it when the process ends, however
/// it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the data directory at `dir`. Fails, and names the process, when another one works there, and
    /// after a moment when it is read.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::io("lock", &dir.join(LOCK_FILE), error);
        let mut file = lock(dir, File::try_lock)?;
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// The lock of those who read there: it keeps out who would work there, and nobody else.
#[derive(Debug)]
pub(crate) struct SharedLock {
    _file: File,
}

impl SharedLock {
    /// Takes the lock of the data directory at `dir`. Fails, and names the process, when one works there.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let file = lock(dir, File::try_lock_shared)?;
        // Whoever it names has ended.
        file.set_len(0).map_err(|error| OpenError::io("lock", &dir.join(LOCK_FILE), error))?;
        Ok(Self { _file: file })
    }
}

/// A reader's turn with the queue, which its database gives to one process at a time: a lock on its folder.
#[derive(Debug)]
pub(crate) struct ReaderPermit {
    _folder: File,
}

impl ReaderPermit {
    /// Waits until no other reader of the data directory at `dir` has its queue, which lies in `queue_dir`.
    pub(crate) fn wait(dir: &Path, queue_dir: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::io("lock", queue_dir, error);
        let folder = File::open(queue_dir).map_err(io)?;
        for _ in 0..READER_PERMIT_LOOKS_MAX {
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
    // Not truncated: until it is locked, the file names the process that holds it.
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = options.map_err(io)?;
    let mut looks = 0;
    loop {
        match take(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let pid = pid(&file);
        if pid.is_some() || looks == LOOKS_MAX {
            return Err(OpenError::InUse { path: dir.to_owned(), pid });
        }
        looks += 1;
        std::thread::sleep(PAUSE);
    }
}

/// The process that `file` names. Whoever cannot be named still holds the lock.
fn pid(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
