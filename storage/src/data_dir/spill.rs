//! Bytes that wait until the outcome of their document is final, in memory or in a file.

use std::io::{self, Cursor, Read, Write};

use crate::segment::SegmentError;

use super::scratch::{HeldBytes, Scratch, ScratchFile};

/// Bytes that a document may keep in memory; what is beyond goes to a file under `tmp/`.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// Bytes that all documents together may keep in memory: a hundred of them are read at once.
const ALL_MEMORY_BYTES_MAX: usize = 8 << 20;

/// Bytes that are being gathered.
pub(crate) struct Spill {
    /// What is not in the file.
    tail: Vec<u8>,
    held: HeldBytes,
    file: Option<ScratchFile>,
    scratch: Scratch,
}

impl Spill {
    pub(crate) fn new(scratch: Scratch) -> Self {
        Self { tail: Vec::new(), held: scratch.hold(), file: None, scratch }
    }

    /// Where the next bytes are put; they count from the next [`Spill::fit`] on.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Counts what is held in memory, and writes it to the file where that is too much.
    pub(crate) fn fit(&mut self) -> Result<(), SegmentError> {
        let all = self.held.set(self.tail.len());
        if self.tail.len() <= MEMORY_BYTES_MAX && all <= ALL_MEMORY_BYTES_MAX {
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => self.scratch.create().map_err(|error| self.scratch.error(error))?,
        };
        file.append(&self.tail).map_err(|error| self.scratch.error(error))?;
        // Its room is given back too: after a spill there may be nothing more to keep.
        self.tail = Vec::new();
        self.held.set(0);
        self.file = Some(file);
        Ok(())
    }

    pub(crate) fn finish(self) -> Spilled {
        let Self { tail, held, file, scratch } = self;
        Spilled { file, tail, _held: held, scratch }
    }
}

/// Bytes that were gathered; dropping them removes their file.
pub(crate) struct Spilled {
    file: Option<ScratchFile>,
    /// What comes after the file.
    tail: Vec<u8>,
    _held: HeldBytes,
    scratch: Scratch,
}

impl Spilled {
    /// Writes them to `out`.
    pub(crate) fn copy_to(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(file) = &self.file {
            io::copy(&mut file.open()?, out)?;
        }
        out.write_all(&self.tail)
    }

    /// Reads them from their beginning.
    pub(crate) fn read(&self) -> Result<Box<dyn Read + '_>, SegmentError> {
        let tail = Cursor::new(&self.tail);
        Ok(match &self.file {
            Some(file) => Box::new(file.open().map_err(|error| self.error(error))?.chain(tail)),
            None => Box::new(tail),
        })
    }

    /// A failure to read them.
    pub(crate) fn error(&self, source: io::Error) -> SegmentError {
        self.scratch.error(source)
    }
}
