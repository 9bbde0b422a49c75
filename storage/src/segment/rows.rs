//! The rows of one document, kept until its outcome is final.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use sitemap::Entry;

use super::columns::{OpenColumns, text_bytes, widen};
use super::document::{DocumentHead, EntryScope};
use super::error::{ReadError, SegmentError};
use super::extensions::Extensions;
use super::message::{self, DocumentBatch, MessageBytes};
use crate::codec;
use crate::data_dir::scratch::Scratch;
use crate::data_dir::spill::{Spill, Spilled, SpilledReader};

/// Bytes of columns at which a batch is encoded.
const BATCH_BYTES: usize = 64 << 10;

/// Limit on the bytes of an entry, which keeps a batch within Arrow's 32-bit offsets. The limits of the parser are
/// far below it.
const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Collects the rows of one document. It holds up to 64 KiB of columns and 1 MiB of encoded batches in memory, or
/// less if many documents are read at the same time. The rest goes to a file under `tmp/`, which is removed on drop.
///
/// ```
/// use frontier::{Seed, Timestamp};
/// use sitemap::Entry;
/// use storage::{DocumentHead, EntryScope, Scratch};
///
/// let folder = tempfile::tempdir()?;
/// let seed = Seed::parse("https://a.example/sitemap.xml")?.ok_or("an empty line")?.task();
/// let mut rows = Scratch::new(folder.path()).rows(DocumentHead {
///     task: seed.task.id,
///     attempt: 1,
///     host: seed.host.to_string(),
///     sitemap: seed.task.url,
///     fetched_at: Timestamp::from_micros(1_700_000_000_000_000),
/// });
/// rows.push(&Entry { loc: "https://a.example/1", ..Entry::default() }, EntryScope::SameHost)?;
/// assert_eq!(rows.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rows {
    head: DocumentHead,
    columns: OpenColumns,
    /// Number of encoded batches.
    batches: u32,
    rows: u64,
    encoded: Spill,
}

impl Scratch {
    /// An empty collection for the rows of a document.
    pub fn rows(&self, head: DocumentHead) -> Rows {
        Rows::new(head, self.clone())
    }
}

impl Rows {
    fn new(head: DocumentHead, scratch: Scratch) -> Self {
        Self { head, columns: OpenColumns::new(), batches: 0, rows: 0, encoded: Spill::new(scratch) }
    }

    /// Adds an entry. Instants are kept to the microsecond.
    ///
    /// Fails if the file cannot be written or the entry has more than 64 MiB. Do not use the rows after an error.
    pub fn push(&mut self, entry: &Entry<'_>, scope: EntryScope) -> Result<(), SegmentError> {
        let extensions = Extensions::of(entry).map(|extensions| codec::encode(&extensions)).transpose();
        let extensions = extensions.map_err(|error| SegmentError::Encode(error.to_string()))?;
        let bytes = text_bytes(entry) + extensions.as_ref().map_or(0, Vec::len);
        if bytes > ENTRY_BYTES_MAX {
            return Err(SegmentError::EntryTooLarge { bytes, max: ENTRY_BYTES_MAX });
        }
        // The last batch is marked as such, so a full batch is encoded only when another row follows.
        if self.columns.bytes() >= BATCH_BYTES {
            self.encode_batch(false)?;
        }
        self.columns.push(entry, scope, extensions.as_deref());
        self.rows += 1;
        Ok(())
    }

    /// Number of rows so far.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of memory, without those of a collection that has no file to continue in. A batch that is not full may have
    /// room for twice as much.
    pub fn held_bytes(&self) -> usize {
        let columns = self.columns.bytes();
        columns + columns.min(BATCH_BYTES) + self.encoded.held_bytes()
    }

    /// Completes the document.
    pub fn finish(mut self) -> Result<FinishedRows, SegmentError> {
        if self.columns.len() > 0 {
            self.encode_batch(true)?;
        }
        Ok(FinishedRows { rows: self.rows, encoded: Arc::new(self.encoded.finish()) })
    }

    fn encode_batch(&mut self, is_last: bool) -> Result<(), SegmentError> {
        let columns = self.columns.finish()?;
        let batch = DocumentBatch { head: self.head.clone(), number: self.batches, is_last, columns };
        message::encode(&batch, self.encoded.tail())?;
        self.batches += 1;
        self.encoded.spill_if_large()
    }
}

/// The encoded rows of one document. Clones share them. Dropping the last one removes their file.
#[derive(Clone)]
pub struct FinishedRows {
    rows: u64,
    encoded: Arc<Spilled>,
}

impl FinishedRows {
    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows in batches of [`crate::schema`], in the order of the document.
    ///
    /// Fails if the rows are in a file that cannot be opened: the folder of temporary files goes with the crawl.
    pub fn batches(&self) -> Result<DocumentBatches, ReadError> {
        let reader = SpilledReader::new(self.encoded.clone());
        Ok(DocumentBatches { reader: reader.map_err(|error| read_error(&self.encoded, error))? })
    }

    /// Writes the rows to `out`.
    pub(crate) fn copy_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.encoded.copy_to(out)
    }
}

/// The batches of one document, made by [`FinishedRows::batches`]. Ends after the first error.
pub struct DocumentBatches {
    reader: SpilledReader,
}

impl DocumentBatches {
    fn next_batch(&mut self) -> Result<RecordBatch, ReadError> {
        let (metadata, body) = message::read(self)?;
        let batch = message::decode(&metadata, body).map_err(|error| self.damaged(0, &error))?;
        widen(&batch).map_err(|error| self.damaged(0, &error))
    }
}

/// Errors name the file, without an offset: it is temporary.
impl MessageBytes for DocumentBatches {
    fn at(&self) -> u64 {
        0
    }

    fn rest(&self) -> u64 {
        self.reader.rest()
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), ReadError> {
        let read = self.reader.read_exact(into);
        read.map_err(|source| ReadError::Io { path: self.reader.path().to_owned(), source })
    }

    fn damaged(&self, begin: u64, reason: &dyn Display) -> ReadError {
        ReadError::Damaged { path: self.reader.path().to_owned(), at: begin, reason: reason.to_string() }
    }
}

impl Iterator for DocumentBatches {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.rest() == 0 {
            return None;
        }
        let batch = self.next_batch();
        if batch.is_err() {
            self.reader.end();
        }
        Some(batch)
    }
}

fn read_error(encoded: &Spilled, source: io::Error) -> ReadError {
    ReadError::Io { path: encoded.path().to_owned(), source }
}
