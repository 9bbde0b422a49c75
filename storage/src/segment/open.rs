//! The open segment: the one growing file of a session.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::ArrowError;
use frontier::SessionId;
use frontier::work_queue::SegmentRef;

use super::message;
use super::name::SegmentName;
use super::rows::FinishedRows;
use super::sealed::Checksummed;
use crate::data_dir::Lock;
use crate::disk::{self, DurableFile, sync_dir};

/// Rows at which a session goes on in another segment.
pub(crate) const ROWS_MAX: u64 = 1_000_000;

/// Bytes at which a session goes on in another segment.
pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 256 << 10;

/// Why rows could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The system refused: mostly the disk is full.
    #[error("cannot write entries to {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// Rows could not be brought into columns.
    #[error("cannot encode entries: {0}")]
    Encode(String),
    /// An entry beyond all measure.
    #[error("an entry of {bytes} bytes exceeds {max}")]
    EntryTooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// They could not be brought to where a shared crawl keeps them.
    #[cfg(feature = "shared")]
    #[error(transparent)]
    Place(#[from] crate::shared::PlaceError),
}

impl From<ArrowError> for SegmentError {
    fn from(error: ArrowError) -> Self {
        Self::Encode(error.to_string())
    }
}

/// Takes the entries of finished documents to where the commit of their outcomes registers them. Every call blocks.
pub trait EntryWriter: Send + 'static {
    /// How long entries may gather before they are to be rolled.
    const GATHERS_FOR: Duration;

    /// Keeps the entries of `documents`; gives what the commit registers. `None`: there are no entries, or they gather, and a
    /// later call gives a segment with all that was appended until then.
    fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError>;

    /// Gives what the commit registers of the entries that gathered; `None` where there are none.
    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError>;
}

/// Appends documents to the open segment of a session, and begins the next one when it is full.
///
/// Appends and commits alternate: what [`Self::append`] gives is committed before the next call. A segment that
/// could not be written or synced is abandoned, since what a failed sync left on the disk is unknown; the next call
/// begins another.
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

/// A segment that failed, with what of it may be registered.
#[derive(Clone, Copy)]
struct Abandoned {
    name: SegmentName,
    bytes: u64,
}

impl SegmentWriter {
    pub(crate) fn new(dir: PathBuf, session: SessionId, lock: Arc<Lock>) -> Self {
        Self { dir, session, next_seq: 0, open: None, abandoned: None, _lock: lock }
    }

    /// Appends `documents` and makes them durable; gives what the commit registers, or `None` when there are no rows.
    ///
    /// Blocks on the disk. After an error nothing of `documents` is kept, and what was appended before still is.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the rows end here: dropping them removes what they spilled"
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

    /// Stands in for a full disk.
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

    /// Cuts an abandoned segment back to what was registered of it: only the youngest segment may have a tail, by
    /// which a later start knows a crash from a queue that lost commits.
    fn clear_abandoned(&mut self) -> Result<(), SegmentError> {
        if let Some(Abandoned { name, bytes }) = self.abandoned {
            cut(&self.dir, &self.dir.join(name.to_string()), bytes)
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

/// Nothing gathers: what is appended is durable at once.
impl EntryWriter for SegmentWriter {
    const GATHERS_FOR: Duration = Duration::ZERO;

    fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError> {
        Self::append(self, documents)
    }

    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError> {
        Ok(None)
    }
}

impl OpenSegment {
    /// Changes `bytes` and `rows` only when all of it is durable.
    fn append(&mut self, documents: &[FinishedRows]) -> io::Result<SegmentRef> {
        let mut out =
            Checksummed { out: BufWriter::with_capacity(WRITE_BYTES, &mut self.file), bytes: 0, crc32c: 0 };
        if self.bytes == 0 {
            out.write_all(&message::schema_message().map_err(io::Error::other)?)?;
        }
        for document in documents {
            document.copy_to(&mut out)?;
        }
        out.flush()?;
        let (bytes, crc32c) = (out.bytes, out.crc32c);
        drop(out);
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

/// Cuts the segment at `path` in `dir` back to `bytes` durably, or removes it when that is 0.
pub(crate) fn cut(dir: &Path, path: &Path, bytes: u64) -> io::Result<()> {
    if bytes > 0 {
        return disk::cut(path, bytes);
    }
    match disk::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_dir(dir)
}
