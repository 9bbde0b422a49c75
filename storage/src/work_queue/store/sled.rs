//! The ordered store on disk: one sled tree of records. Each record has a checksum, and long records are split into
//! pieces.
//!
//! A value is `crc32c(4) pieces(2) bytes`. The checksum covers the key, the number of pieces and the bytes of all
//! pieces. Piece `n`, counted from 1, is stored under the key with `n` as two more bytes. Readers accept pieces of
//! any length.

use std::fs;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::sled::{Batch, Config, Db, IVec, Mode};
use frontier::work_queue::QueueError;
use serde::Serialize;

use super::{Durability, KeyValue, Store, Writes};
use crate::data_dir::error::OpenError;
use crate::data_dir::rights::refuse_unreadable;
use crate::disk::{DurableFile, sync_dir};
use crate::watchdog::Watched;

/// Cache size given to sled. For small values, up to three times this much stays resident; for others see
/// [`PIECE_BYTES`].
pub(crate) const CACHE_BYTES: u64 = 16 << 20;

/// Interval at which sled flushes by itself. It also collects garbage then.
const FLUSH_EVERY_MS: u64 = 500;

/// Maximum length of a value that is stored in one piece.
const WHOLE_BYTES_MAX: usize = 10 << 10;

/// Length of the pieces of a longer value.
///
/// sled's cache has 256 shards, and each collects 64 page accesses before it checks how full the cache is. So in
/// addition to [`CACHE_BYTES`], 16,384 times the size of a value stays resident: 64 MiB with this length, 1 GB with
/// 60 KiB, the longest value that sled accepts.
const PIECE_BYTES: usize = 4 << 10;

/// Maximum number of attempts to open a database that is still being closed, and the pause between them: 5 s in total.
const OPEN_TRIES_MAX: u32 = 1_000;
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

const HEADER_BYTES: usize = 6;

/// sled's log within the database's folder.
const LOG_FILE: &str = "db";

/// Records in a sled database. Every error names its directory, and an error about damage says what to do.
///
/// A panic of sled becomes an error, and a call that takes too long is reported ([`crate::watch_for_stalls`]).
pub struct SledStore {
    /// `None` only while this is being dropped.
    db: Option<Db>,
    watched: Arc<Watched>,
    /// sled's log file, for syncing it. sled's own flush only passes the bytes to the operating system.
    log: DurableFile,
    dir: PathBuf,
}

impl SledStore {
    /// Opens the database in `dir`, or creates it. `cache_bytes` is what [`CACHE_BYTES`] is for a crawl.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        // sled takes some files that it cannot read for missing, and others for damaged.
        refuse_unreadable(dir)?;
        remove_unfinished_snapshots(dir)?;
        let config = Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            .mode(Mode::LowSpace)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        let log_bytes = fs::metadata(dir.join(LOG_FILE)).map_or(0, |metadata| metadata.len());
        let opening = Watched::new(dir, log_bytes);
        let db = open_when_closed(&config, &opening).map_err(|failure| match failure {
            Failure::Sled(::sled::Error::Io(error)) => OpenError::io("open", dir, error),
            other => OpenError::Damaged { path: dir.to_owned(), reason: other.to_string() },
        })?;
        let path = dir.join(LOG_FILE);
        let log = DurableFile::of_another(&path).map_err(|error| OpenError::io("open", &path, error))?;
        let (db, watched) = (Some(db), Watched::new(dir, 0));
        Ok(Self { db, watched, log, dir: dir.to_owned() })
    }

    fn raw(&self, key: &[u8]) -> Result<Option<IVec>, QueueError> {
        self.call(|db| db.get(key))
    }

    /// Assembles the record whose first piece is `first` and verifies its checksum.
    fn record(&self, key: &[u8], first: &[u8]) -> Result<Vec<u8>, QueueError> {
        let (stored, pieces) = self.header(key, first)?;
        let mut bytes = first[HEADER_BYTES..].to_vec();
        for n in 1..=pieces {
            let more = self.raw(&piece_key(key, n))?;
            let more = more.ok_or_else(|| self.damaged(key, "a piece is missing"))?;
            bytes.extend_from_slice(&more);
        }
        if checksum(key, pieces, &bytes) == stored {
            Ok(bytes)
        } else {
            Err(self.damaged(key, "checksum mismatch"))
        }
    }

    /// Parses the checksum and the number of further pieces.
    fn header(&self, key: &[u8], value: &[u8]) -> Result<(u32, u16), QueueError> {
        match *value {
            [c0, c1, c2, c3, p0, p1, ..] => {
                Ok((u32::from_le_bytes([c0, c1, c2, c3]), u16::from_le_bytes([p0, p1])))
            }
            _ => Err(self.damaged(key, "truncated")),
        }
    }

    fn call<T>(&self, work: impl FnOnce(&Db) -> ::sled::Result<T>) -> Result<T, QueueError> {
        let Some(db) = &self.db else { return Err(QueueError::Storage("the database is closed".to_owned())) };
        let answer =
            guarded(|| self.watched.call(|| work(db))).and_then(|answer| answer.map_err(Failure::Sled));
        answer.map_err(|failure| self.failed(&failure))
    }

    fn failed(&self, failure: &Failure) -> QueueError {
        QueueError::Storage(match failure {
            // sled keeps only the kind of an I/O error; its message is debug output.
            Failure::Sled(::sled::Error::Io(error)) => {
                let remedy = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        "; make room there, then run the command again: nothing is lost"
                    }
                    _ => "",
                };
                format!("cannot write {}: {}{remedy}", self.dir.display(), error.kind())
            }
            _ => OpenError::Damaged { path: self.dir.clone(), reason: failure.to_string() }.to_string(),
        })
    }
}

impl Store for SledStore {
    type Scan<'a> = SledScan<'a>;

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, QueueError> {
        self.raw(key)?.map(|first| self.record(key, &first)).transpose()
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>) -> SledScan<'_> {
        let iter = self.db.as_ref().map(|db| match after {
            None => db.scan_prefix(prefix),
            Some(key) => {
                let mut end = prefix.to_vec();
                if let Some(last) = end.last_mut() {
                    // Prefixes begin with letters, so this does not overflow.
                    *last += 1;
                }
                db.range::<&[u8], _>((Bound::Excluded(key), Bound::Excluded(end.as_slice())))
            }
        });
        SledScan { store: self, iter, last: None, record: after.map(IVec::from) }
    }

    /// Removes the surplus pieces of the old record too.
    fn replace(&self, writes: &mut Writes, key: &[u8], record: &impl Serialize) -> Result<(), QueueError> {
        let old_pieces = match self.raw(key)? {
            Some(first) => self.header(key, &first)?.1,
            None => 0,
        };
        writes.put(key, record)?;
        let pieces = pieces(writes.last_record_bytes());
        (1..=old_pieces).filter(|n| usize::from(*n) > pieces).for_each(|n| writes.remove(&piece_key(key, n)));
        Ok(())
    }

    fn apply(&self, writes: &Writes, durability: Durability) -> Result<(), QueueError> {
        let mut batch = Batch::default();
        for (key, record) in writes.iter() {
            match record {
                Some(bytes) => insert(&mut batch, key, bytes)?,
                None => batch.remove(key),
            }
        }
        self.call(|db| db.apply_batch(batch))?;
        if durability != Durability::None {
            self.call(|db| db.flush())?;
            #[cfg(test)]
            crate::power_cut::recorder::keep_queue(&self.dir);
        }
        if durability == Durability::Power {
            self.log.sync().map_err(|error| self.failed(&Failure::Sled(error.into())))?;
        }
        Ok(())
    }

    fn damaged(&self, key: &[u8], reason: &str) -> QueueError {
        let reason = format!("record {}: {reason}", key.escape_ascii());
        QueueError::Storage(OpenError::Damaged { path: self.dir.clone(), reason }.to_string())
    }
}

impl Drop for SledStore {
    /// Closing writes to disk and may fail or panic on damage. Everything that matters was flushed before.
    fn drop(&mut self) {
        let db = self.db.take();
        let _ = guarded(|| self.watched.call(|| drop(db)));
    }
}

/// Opens the database, and waits while its file is locked.
///
/// If this process closed the database a moment ago, sled's threads keep the file locked until they end. No other
/// process can hold this lock, because each takes the lock of the data directory first.
fn open_when_closed(config: &Config, opening: &Watched) -> Result<Db, Failure> {
    let open = || guarded(|| opening.call(|| config.open())).and_then(|opened| opened.map_err(Failure::Sled));
    for _ in 0..OPEN_TRIES_MAX {
        match open() {
            Err(failure) if failure.is_locked() => std::thread::sleep(CLOSING_PAUSE),
            answer => return answer,
        }
    }
    open()
}

/// The records of a scan.
pub struct SledScan<'a> {
    store: &'a SledStore,
    iter: Option<::sled::Iter>,
    /// The last key. In a damaged database, keys may repeat in an endless cycle.
    last: Option<IVec>,
    /// The key of the last record. Longer keys that begin with it belong to its further pieces.
    record: Option<IVec>,
}

impl Iterator for SledScan<'_> {
    type Item = Result<KeyValue, QueueError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (key, first) =
                match self.store.call(|_| self.iter.as_mut().and_then(Iterator::next).transpose()) {
                    Ok(next) => next?,
                    Err(error) => return Some(Err(error)),
                };
            if self.last.as_ref().is_some_and(|last| *last >= key) {
                return Some(Err(self.store.damaged(&key, "out of order")));
            }
            self.last = Some(key.clone());
            // Further pieces are read together with the first one.
            if !self.record.as_ref().is_some_and(|record| key.starts_with(record)) {
                let record = self.store.record(&key, &first).map(|bytes| (key.to_vec(), bytes));
                self.record = Some(key);
                return Some(record);
            }
        }
    }
}

/// Adds the pieces of a record to `batch`.
fn insert(batch: &mut Batch, key: &[u8], bytes: &[u8]) -> Result<(), QueueError> {
    let pieces = pieces(bytes.len());
    let pieces = u16::try_from(pieces)
        .map_err(|_| QueueError::Storage(format!("a record of {} bytes is too large", bytes.len())))?;
    let (first, rest) = bytes.split_at(if pieces > 0 { PIECE_BYTES } else { bytes.len() });
    let mut value = Vec::with_capacity(HEADER_BYTES + first.len());
    value.extend_from_slice(&checksum(key, pieces, bytes).to_le_bytes());
    value.extend_from_slice(&pieces.to_le_bytes());
    value.extend_from_slice(first);
    batch.insert(key, value);
    for (n, piece) in (1..).zip(rest.chunks(PIECE_BYTES)) {
        batch.insert(piece_key(key, n), piece);
    }
    Ok(())
}

/// Number of the pieces of a record of `bytes` bytes after its first one.
fn pieces(bytes: usize) -> usize {
    if bytes > WHOLE_BYTES_MAX { (bytes - PIECE_BYTES).div_ceil(PIECE_BYTES) } else { 0 }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Sled(#[from] ::sled::Error),
    #[error("sled panicked: {0}")]
    Panic(String),
}

impl Failure {
    /// Whether the file is locked. sled reports this only in the error's text.
    fn is_locked(&self) -> bool {
        matches!(self, Self::Sled(::sled::Error::Io(error)) if error.to_string().starts_with("could not acquire lock"))
    }
}

/// Runs `work` and turns a panic into an error. sled panics on some damage instead of returning an error.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Failure::Panic(text.unwrap_or_default())
    })
}

fn checksum(key: &[u8], pieces: u16, bytes: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), &pieces.to_le_bytes());
    crc32c::crc32c_append(sum, bytes)
}

fn piece_key(key: &[u8], n: u16) -> Vec<u8> {
    [key, &n.to_be_bytes()].concat()
}

/// Removes `snap.*.generating`, left by a process that was killed while it opened the database.
///
/// sled mistakes such a file for its newest snapshot and then fails to open every time. A snapshot becomes valid by a
/// rename, and the previous one is removed only after that, so nothing is lost. A finished snapshot is never touched.
fn remove_unfinished_snapshots(dir: &Path) -> Result<(), OpenError> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::io("read", dir, error)),
    };
    let mut is_changed = false;
    for entry in listing {
        let path = entry.map_err(|error| OpenError::io("read", dir, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).map_err(|error| OpenError::io("remove", &path, error))?;
            is_changed = true;
        }
    }
    if is_changed { sync_dir(dir).map_err(|error| OpenError::io("sync", dir, error)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_sled_for_a_locked_file_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new().path(folder.path());
        let _open = config.open().unwrap();
        let failure = Failure::Sled(config.open().unwrap_err());
        assert!(failure.is_locked(), "{failure}");
    }
}
