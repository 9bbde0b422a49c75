//! The open segment: the one file of a session that grows.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use frontier::SessionId;
use frontier::work_queue::SegmentRef;

use super::error::SegmentError;
use super::message;
use super::name::SegmentName;
use super::rows::FinishedRows;
use super::sealed::Checksummed;
use crate::data_dir::lock::Lock;
use crate::disk::{self, DurableFile, sync_dir};

/// Rows at which a session starts the next segment.
pub(crate) const ROWS_MAX: u64 = 1_000_000;

/// Bytes at which a session starts the next segment.
pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// Bytes written per call.
const WRITE_BYTES: usize = 256 << 10;

/// Writes the entries of finished documents to segments, which the commit of their outcomes registers.
pub trait EntryWriter: Send + 'static {
    /// Whether the calls may wait for a disk or a server. Then they must be made where a thread may block.
    const BLOCKS: bool;

    /// How long entries may be buffered before [`Self::roll`] should be called.
    const GATHERS_FOR: Duration;

    /// Stores the entries of `documents` and returns what the commit has to register. Returns `None` if there are no
    /// entries or if they are buffered: then a later call returns a segment with everything appended until then.
    fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError>;

    /// Writes the buffered entries and returns what the commit has to register; `None` if there are none.
    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError>;
}

/// Appends documents to the open segment of a session, and starts the next segment when it is full.
///
/// Appends and commits must alternate: the caller commits what [`Self::append`] returns before the next call. If a
/// segment cannot be written or synced, it is abandoned, because the disk may contain anything after a failed sync.
/// The next call starts another segment. [`DataDir`](crate::DataDir) has an example.
pub struct SegmentWriter {
    dir: PathBuf,
    session: SessionId,
    next_seq: u32,
    open: Option<OpenSegment>,
    abandoned: Option<Abandoned>,
    _lock: Arc<Lock>,
}

struct OpenSegment {
    name: SegmentName,
    file: DurableFile,
    bytes: u64,
    rows: u64,
}

/// A segment that could not be written, and the length up to which it may be registered.
#[derive(Clone, Copy)]
struct Abandoned {
    name: SegmentName,
    bytes: u64,
}

impl SegmentWriter {
    pub(crate) fn new(dir: PathBuf, session: SessionId, lock: Arc<Lock>) -> Self {
        Self { dir, session, next_seq: 0, open: None, abandoned: None, _lock: lock }
    }

    /// Appends `documents` durably and returns what the commit has to register, or `None` if there are no rows.
    ///
    /// Blocks on the disk. After an error, none of `documents` is stored. What was appended before remains.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the rows are dropped here, which removes their temporary files"
    )]
    pub fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError> {
        if documents.iter().all(FinishedRows::is_empty) {
            return Ok(None);
        }
        self.clear_abandoned()?;
        let mut segment = match self.open.take() {
            Some(segment) => segment,
            None => self.begin()?,
        };
        match segment.append(&documents) {
            Ok(appended) => {
                let is_full = segment.rows >= ROWS_MAX || segment.bytes >= BYTES_MAX;
                self.open = Some(segment).filter(|_| !is_full);
                Ok(Some(appended))
            }
            Err(error) => {
                self.abandoned = Some(Abandoned { name: segment.name, bytes: segment.bytes });
                Err(self.error(segment.name, error))
            }
        }
    }

    /// Makes all further writes fail, to simulate a full disk.
    #[cfg(test)]
    pub(super) fn make_unwritable(&mut self) {
        if let Some(segment) = &mut self.open {
            segment.file.make_unwritable();
        }
    }

    fn begin(&mut self) -> Result<OpenSegment, SegmentError> {
        let name = SegmentName { session: self.session, seq: self.next_seq, sealed: None };
        let path = self.dir.join(name.to_string());
        let file = DurableFile::create(&path).map_err(|error| self.error(name, error))?;
        self.abandoned = Some(Abandoned { name, bytes: 0 });
        sync_dir(&self.dir).map_err(|error| self.error(name, error))?;
        self.abandoned = None;
        self.next_seq += 1;
        Ok(OpenSegment { name, file, bytes: 0, rows: 0 })
    }

    /// Truncates an abandoned segment to its registered length. Only the youngest segment may have unregistered
    /// bytes: a later start takes any others as a sign that the queue lost commits.
    fn clear_abandoned(&mut self) -> Result<(), SegmentError> {
        if let Some(Abandoned { name, bytes }) = self.abandoned {
            truncate(&self.dir, &self.dir.join(name.to_string()), bytes)
                .map_err(|error| self.error(name, error))?;
            self.abandoned = None;
            if bytes == 0 {
                self.next_seq = name.seq;
            }
        }
        Ok(())
    }

    fn error(&self, name: SegmentName, source: io::Error) -> SegmentError {
        SegmentError::Io { path: self.dir.join(name.to_string()), source }
    }
}

/// Buffers nothing: appended entries are durable at once.
impl EntryWriter for SegmentWriter {
    const BLOCKS: bool = true;
    const GATHERS_FOR: Duration = Duration::ZERO;

    fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError> {
        Self::append(self, documents)
    }

    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError> {
        Ok(None)
    }
}

impl OpenSegment {
    /// Appends `documents` durably. Leaves `bytes` and `rows` unchanged on failure.
    fn append(&mut self, documents: &[FinishedRows]) -> io::Result<SegmentRef> {
        let out = BufWriter::with_capacity(WRITE_BYTES, &mut self.file);
        let (bytes, crc32c) = write_documents(out, self.bytes == 0, documents)?;
        self.file.sync()?;

        let rows = documents.iter().map(FinishedRows::len).sum();
        let from_bytes = self.bytes;
        self.bytes += bytes;
        self.rows += rows;
        Ok(SegmentRef {
            name: self.name.to_string(),
            from_bytes,
            to_bytes: self.bytes,
            rows,
            crc32c,
            replaces_from: None,
        })
    }
}

/// Writes `documents` to a segment, after the schema if they are its first ones. Returns the number of bytes and their
/// CRC-32C.
pub(crate) fn write_documents(
    out: impl Write,
    are_first: bool,
    documents: &[FinishedRows],
) -> io::Result<(u64, u32)> {
    let mut out = Checksummed { out, bytes: 0, crc32c: 0 };
    if are_first {
        out.write_all(&message::schema_message().map_err(io::Error::other)?)?;
    }
    for document in documents {
        document.copy_to(&mut out)?;
    }
    out.flush()?;
    Ok((out.bytes, out.crc32c))
}

/// Truncates the segment at `path` in `dir` to `bytes` durably, or removes it if that is 0.
pub(crate) fn truncate(dir: &Path, path: &Path, bytes: u64) -> io::Result<()> {
    if bytes > 0 {
        return disk::truncate(path, bytes);
    }
    match disk::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_dir(dir)
}
