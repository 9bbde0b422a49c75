//! Writes the segments of a worker.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::SegmentRef;
use frontier::{Clock, SessionId, Timestamp};
use parquet::errors::ParquetError;
use tempfile::TempDir;

use super::error::PlaceError;
use super::layout::segment_path;
use super::small::SmallSegments;
use super::store::SegmentStore;
use crate::data_dir::scratch::Scratch;
use crate::disk::DurableFile;
use crate::sealing::into_io;
use crate::segment::error::{ReadError, SegmentError};
use crate::segment::name::SegmentName;
use crate::segment::open::{BYTES_MAX, EntryWriter, ROWS_MAX};
use crate::segment::reader::SegmentReader;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::segment::sealed::{Checksummed, Extent, SealedWriter};
use crate::segment::{FinishedRows, schema_message};

/// File in the scratch folder that becomes a segment.
const SEALED_FILE: &str = "sealed";

/// Bytes written per call.
const WRITE_BYTES: usize = 256 << 10;

/// How long a segment is kept after a larger one has replaced it, for readers that listed it before.
pub const REPLACED_KEPT_FOR: Duration = Duration::from_secs(6 * 3600);

/// Buffers the entries of finished documents in a local file. A roll rewrites them as Parquet and writes that file to
/// the [`SegmentStore`]. In a slow crawl these segments are small, so some rolls include the rows of the small
/// segments before.
///
/// The local files do not outlive the process. Entries that were not rolled and registered are fetched again.
pub struct SharedWriter {
    store: SegmentStore,
    session: SessionId,
    next_seq: u32,
    /// Of the segments.
    scratch: TempDir,
    /// Of the documents that are being read.
    documents: Scratch,
    buffer: Option<Buffer>,
    clock: Arc<dyn Clock>,
    /// The small segments. The scratch folder contains a copy of each.
    small: SmallSegments,
    /// Segments that a larger one has replaced, and when.
    replaced: VecDeque<(Timestamp, String)>,
}

/// The entries since the last roll: an open segment that is never synced.
struct Buffer {
    record: SegmentRecord,
    out: Checksummed<BufWriter<File>>,
}

impl SharedWriter {
    /// Creates a writer for the segments of `session`.
    pub fn new(store: SegmentStore, session: SessionId, clock: Arc<dyn Clock>) -> Result<Self, PlaceError> {
        let failed = |source| PlaceError::Scratch { source };
        let scratch = TempDir::with_prefix("crawl-").map_err(failed)?;
        let documents = Scratch::temporary().map_err(failed)?;
        let (small, replaced) = (SmallSegments::default(), VecDeque::new());
        Ok(Self { store, session, next_seq: 0, scratch, documents, buffer: None, clock, small, replaced })
    }

    /// The temporary files for documents that are being read. They may outlive the writer.
    pub fn scratch(&self) -> Scratch {
        self.documents.clone()
    }

    fn begin(&self) -> Result<Buffer, SegmentError> {
        let name = SegmentName { session: self.session, seq: self.next_seq, sealed: None }.to_string();
        let file = File::create(self.scratch.path().join(&name)).map_err(scratch)?;
        let place = SegmentPlace::default();
        let record = SegmentRecord { name, bytes: 0, rows: 0, crc32c: 0, first: place, last: place };
        let mut out = Checksummed { out: BufWriter::with_capacity(WRITE_BYTES, file), bytes: 0, crc32c: 0 };
        out.write_all(&schema_message()?).map_err(scratch)?;
        Ok(Buffer { record, out })
    }

    /// Rewrites segments in the scratch folder as one Parquet file.
    fn seal<'a>(
        &self,
        sources: impl Iterator<Item = &'a SegmentRecord>,
        to: &Path,
    ) -> Result<Extent, SegmentError> {
        let parquet = |error: ParquetError| scratch(into_io(error));
        let mut writer = SealedWriter::new(DurableFile::create(to).map_err(scratch)?).map_err(parquet)?;
        let mut documents = Vec::new();
        for source in sources {
            let reader = SegmentReader::open(self.scratch.path(), source.clone()).map_err(unreadable)?;
            let copied = reader.copy(
                |document| documents.push(document),
                |rows| {
                    let failed = |error| PlaceError::Scratch { source: into_io(error) };
                    writer.write(rows).map_err(|error| ReadError::from(failed(error)))
                },
            );
            copied.map_err(unreadable)?;
        }
        documents.into_iter().for_each(|document| writer.add_document(document));
        writer.finish().map_err(parquet)
    }

    /// The record of the next segment of the session.
    fn next_record(&self, Extent { bytes, crc32c, rows }: Extent) -> SegmentRecord {
        let (session, seq) = (self.session, self.next_seq);
        let name = SegmentName { session, seq, sealed: Some(crc32c) }.to_string();
        let place = SegmentPlace { seq, ..SegmentPlace::default() };
        SegmentRecord { name, bytes, rows, crc32c, first: place, last: place }
    }

    fn remove_copy(&self, segment: &SegmentRecord) -> Result<(), SegmentError> {
        fs::remove_file(self.scratch.path().join(&segment.name)).map_err(scratch)
    }

    /// Removes the objects of segments that were replaced [`REPLACED_KEPT_FOR`] ago. They are no longer registered,
    /// because the caller commits each roll before the next one.
    fn remove_replaced(&mut self) {
        let now = self.clock.now();
        while let Some((since, name)) = self.replaced.front() {
            // If this fails, the next roll tries again. What remains at the end is garbage of this session.
            if *since + REPLACED_KEPT_FOR > now || self.store.remove(&segment_path(name)).is_err() {
                return;
            }
            self.replaced.pop_front();
        }
    }
}

impl EntryWriter for SharedWriter {
    const BLOCKS: bool = true;
    const GATHERS_FOR: Duration = Duration::from_secs(10);

    /// Adds `documents` to the buffer. If that fills a segment, rolls it and returns what the commit has to register,
    /// like [`Self::roll`].
    fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError> {
        let mut buffer = match self.buffer.take() {
            Some(buffer) => buffer,
            None => self.begin()?,
        };
        for document in &documents {
            document.copy_to(&mut buffer.out).map_err(scratch)?;
            buffer.record.rows += document.len();
        }
        let is_full = buffer.record.rows >= ROWS_MAX || buffer.out.bytes >= BYTES_MAX;
        self.buffer = Some(buffer);
        if is_full { self.roll() } else { Ok(None) }
    }

    /// Writes the buffered entries as a segment, which is durable in its place when this returns; `None` if there are
    /// none. The segment may include the rows of the small segments right before it. Then it is registered instead of
    /// them.
    ///
    /// Blocks on the place, for minutes if its server fails. After an error, the buffered entries are lost.
    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError> {
        let Some(Buffer { mut record, mut out }) = self.buffer.take() else { return Ok(None) };
        out.flush().map_err(scratch)?;
        (record.bytes, record.crc32c) = (out.bytes, out.crc32c);
        drop(out);
        let merge = self.small.take_mergeable();
        let replaces_from = merge.sources.first().map(|first| first.first.seq);
        let sealed = self.scratch.path().join(SEALED_FILE);
        let extent = self.seal(merge.sources.iter().chain([&record]), &sealed)?;
        let written = self.next_record(extent);
        let mut file = File::open(&sealed).map_err(scratch)?;
        self.store.create(&segment_path(&written.name), &mut file)?;
        self.next_seq += 1;
        self.remove_replaced();

        self.remove_copy(&record)?;
        fs::rename(sealed, self.scratch.path().join(&written.name)).map_err(scratch)?;
        let now = self.clock.now();
        self.replaced.extend(merge.sources.iter().map(|source| (now, source.name.clone())));
        for done in self.small.add(merge, written.clone()) {
            self.remove_copy(&done)?;
        }
        let SegmentRecord { name, bytes, rows, crc32c, .. } = written;
        Ok(Some(SegmentRef { name, from_bytes: 0, to_bytes: bytes, rows, crc32c, replaces_from }))
    }
}

fn scratch(source: io::Error) -> SegmentError {
    PlaceError::Scratch { source }.into()
}

fn unreadable(error: ReadError) -> SegmentError {
    match error {
        ReadError::Place(error) => error.into(),
        other => scratch(io::Error::other(other)),
    }
}
