//! The rows of one document until its outcome is final.

use std::io::{self, Write};

use frontier::{TaskId, Timestamp};
use sitemap::Entry;

use super::columns::{OpenColumns, text_bytes};
use super::extensions::Extensions;
use super::message::{self, DocumentBatch};
use super::open::SegmentError;
use crate::codec;
use crate::data_dir::scratch::Scratch;
use crate::data_dir::spill::{Spill, Spilled};

/// Column bytes at which a batch is encoded.
const BATCH_BYTES: usize = 64 << 10;

/// The largest entry taken. The reader of documents stops far below; this keeps a batch within Arrow's 32-bit
/// offsets.
const ENTRY_BYTES_MAX: usize = 64 << 20;

/// What is constant within a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentHead {
    /// The task whose document it is.
    pub task: TaskId,
    /// The how manieth request of the task brought it.
    pub attempt: u8,
    /// Origin of the host that was asked.
    pub host: String,
    /// The document's final URL.
    pub sitemap: String,
    /// When it came.
    pub fetched_at: Timestamp,
}

/// Whose URL an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryScope {
    /// The sitemap's own host's.
    SameHost,
    /// Another host's, whose robots.txt names this sitemap.
    Robots,
    /// Another host's, which does not.
    Foreign,
}

impl EntryScope {
    /// The name in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameHost => "same-host",
            Self::Robots => "robots",
            Self::Foreign => "foreign",
        }
    }
}

/// The rows of one document until its outcome is final: up to 64 KiB as columns and 1 MiB encoded in memory, less when
/// many documents are read at once; the rest in a file under `tmp/` that goes when they are dropped.
pub struct Rows {
    head: DocumentHead,
    columns: OpenColumns,
    /// Batches encoded.
    batches: u32,
    rows: u64,
    encoded: Spill,
}

impl Rows {
    pub(crate) fn new(head: DocumentHead, scratch: Scratch) -> Self {
        Self { head, columns: OpenColumns::new(), batches: 0, rows: 0, encoded: Spill::new(scratch) }
    }

    /// Adds an entry. Instants are kept to the microsecond.
    ///
    /// An error is one of the disk, or an entry of more than 64 MiB; the rows are then of no further use.
    pub fn push(&mut self, entry: &Entry<'_>, scope: EntryScope) -> Result<(), SegmentError> {
        let extensions = Extensions::of(entry).map(|them| codec::encode(&them)).transpose();
        let extensions = extensions.map_err(|error| SegmentError::Encode(error.to_string()))?;
        let bytes = text_bytes(entry) + extensions.as_ref().map_or(0, Vec::len);
        if bytes > ENTRY_BYTES_MAX {
            return Err(SegmentError::EntryTooLarge { bytes, max: ENTRY_BYTES_MAX });
        }
        // The last batch is marked as such, so a full one is kept back until another row comes.
        if self.columns.bytes() >= BATCH_BYTES {
            self.encode_batch(false)?;
        }
        self.columns.push(entry, scope, extensions.as_deref());
        self.rows += 1;
        Ok(())
    }

    /// Rows so far.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows of the whole document, ready to be appended.
    pub fn finish(mut self) -> Result<FinishedRows, SegmentError> {
        if self.columns.len() > 0 {
            self.encode_batch(true)?;
        }
        Ok(FinishedRows { rows: self.rows, encoded: self.encoded.finish() })
    }

    fn encode_batch(&mut self, is_last: bool) -> Result<(), SegmentError> {
        let columns = self.columns.finish()?;
        let batch = DocumentBatch { head: self.head.clone(), number: self.batches, is_last, columns };
        message::encode(&batch, self.encoded.tail())?;
        self.batches += 1;
        self.encoded.fit()
    }
}

/// The rows of one document, encoded; dropping them removes their spilled part.
pub struct FinishedRows {
    rows: u64,
    encoded: Spilled,
}

impl FinishedRows {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Writes them to `out`.
    pub(crate) fn copy_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.encoded.copy_to(out)
    }
}
