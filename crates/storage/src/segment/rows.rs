//! The rows of one document until its outcome is final.

use std::io::{self, Write};

use frontier::{TaskId, Timestamp};
use sitemap::Entry;

use super::columns::{OpenColumns, text_bytes};
use super::extensions::Extensions;
use super::message::{self, DocumentBatch};
use super::open::SegmentError;
use crate::codec;
use crate::data_dir::scratch::{Held, Scratch, ScratchFile};

/// Column bytes at which a batch is encoded.
const BATCH_BYTES: usize = 64 << 10;

/// Encoded bytes that a document may keep in memory; what is beyond goes to a file under `tmp/`.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// Encoded bytes that all documents together may keep in memory: a hundred of them are read at once.
const ALL_MEMORY_BYTES_MAX: usize = 8 << 20;

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
    /// Encoded batches that are not in `spill`.
    encoded: Vec<u8>,
    held: Held,
    spill: Option<ScratchFile>,
    scratch: Scratch,
}

impl Rows {
    pub(crate) fn new(head: DocumentHead, scratch: Scratch) -> Self {
        let (columns, encoded, held) = (OpenColumns::new(), Vec::new(), scratch.hold());
        Self { head, columns, batches: 0, rows: 0, encoded, held, spill: None, scratch }
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
        Ok(FinishedRows { rows: self.rows, spill: self.spill, tail: self.encoded, _held: self.held })
    }

    fn encode_batch(&mut self, is_last: bool) -> Result<(), SegmentError> {
        let columns = self.columns.finish()?;
        let batch = DocumentBatch { head: self.head.clone(), number: self.batches, is_last, columns };
        message::encode(&batch, &mut self.encoded)?;
        self.batches += 1;
        let all = self.held.set(self.encoded.len());
        let is_too_much = self.encoded.len() > MEMORY_BYTES_MAX || all > ALL_MEMORY_BYTES_MAX;
        if is_too_much { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), SegmentError> {
        let spill = match self.spill.take() {
            Some(spill) => spill,
            None => self.scratch.create().map_err(|error| self.scratch.error(error))?,
        };
        spill.append(&self.encoded).map_err(|error| self.scratch.error(error))?;
        // Its room is given back too: after a spill there may be nothing more to keep.
        self.encoded = Vec::new();
        self.held.set(0);
        self.spill = Some(spill);
        Ok(())
    }
}

/// The rows of one document, encoded; dropping them removes their spilled part.
pub struct FinishedRows {
    rows: u64,
    spill: Option<ScratchFile>,
    /// What comes after the spilled part.
    tail: Vec<u8>,
    _held: Held,
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
        if let Some(spill) = &self.spill {
            io::copy(&mut spill.open()?, out)?;
        }
        out.write_all(&self.tail)
    }
}
