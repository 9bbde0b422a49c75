//! Segments in memory.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use frontier::SessionId;
use frontier::work_queue::SegmentRef;

use super::error::{ReadError, SegmentError};
use super::name::SegmentName;
use super::open::{BYTES_MAX, EntryWriter, ROWS_MAX, write_documents};
use super::reader::OpenReader;
use super::record::SegmentRecord;
use super::rows::FinishedRows;

/// The segments of a crawl that leaves nothing behind, such as a simulation. Clones share them.
///
/// They outlive their writers, so another session can continue the crawl, as after a crash. They grow with every entry
/// and are never sealed.
#[derive(Clone, Debug, Default)]
pub struct MemorySegments {
    /// The bytes of each segment by its name, including those that no commit registered.
    segments: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl MemorySegments {
    /// The writer of the segments of `session`. A session must have only one.
    pub fn writer(&self, session: SessionId) -> MemoryWriter {
        MemoryWriter { segments: self.clone(), session, seq: 0, rows: 0 }
    }

    /// All entries of the `registered` segments, like [`crate::CrawlReader::entries`]. Ends after the first error.
    pub fn entries(
        &self,
        registered: Vec<SegmentRecord>,
    ) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        registered.into_iter().flat_map(|segment| {
            let (batches, error) = match self.open(segment) {
                Ok(reader) => (Some(reader), None),
                Err(error) => (None, Some(Err(error))),
            };
            batches.into_iter().flatten().chain(error)
        })
    }

    fn open(&self, segment: SegmentRecord) -> Result<OpenReader<Cursor<Vec<u8>>>, ReadError> {
        let bytes = self.lock().get(&segment.name).cloned().unwrap_or_default();
        OpenReader::new(PathBuf::from(&segment.name), Cursor::new(bytes), segment)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        // Bytes that were appended before a panic are not registered.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends documents to the segments of a session in [`MemorySegments`]. Appends and commits must alternate.
#[derive(Debug)]
pub struct MemoryWriter {
    segments: MemorySegments,
    session: SessionId,
    seq: u32,
    /// Rows of the segment that grows.
    rows: u64,
}

/// Buffers nothing, and never blocks.
impl EntryWriter for MemoryWriter {
    const BLOCKS: bool = false;
    const GATHERS_FOR: Duration = Duration::ZERO;

    fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError> {
        let rows = documents.iter().map(FinishedRows::len).sum();
        if rows == 0 {
            return Ok(None);
        }
        let name = SegmentName { session: self.session, seq: self.seq, sealed: None }.to_string();
        let mut segments = self.segments.lock();
        let bytes = segments.entry(name.clone()).or_default();
        let begin = bytes.len();
        let written = write_documents(&mut *bytes, begin == 0, &documents);
        let (_, crc32c) = written.map_err(|source| {
            bytes.truncate(begin);
            SegmentError::Io { path: PathBuf::from(&name), source }
        })?;
        let (from_bytes, to_bytes) = (begin as u64, bytes.len() as u64);
        self.rows += rows;
        if self.rows >= ROWS_MAX || to_bytes >= BYTES_MAX {
            (self.seq, self.rows) = (self.seq + 1, 0);
        }
        Ok(Some(SegmentRef { name, from_bytes, to_bytes, rows, crc32c, replaces_from: None }))
    }

    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError> {
        Ok(None)
    }
}
