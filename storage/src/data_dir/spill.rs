//! Encoded contents of a document whose outcome is not final yet, in memory or in a temporary file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::scratch::{HeldBytes, Scratch, ScratchFile};
use crate::segment::error::SegmentError;

/// Bytes that one document may hold in memory. More goes to a file under `tmp/`.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// Bytes that all documents together may hold in memory. A hundred of them are read at the same time.
const ALL_MEMORY_BYTES_MAX: usize = 8 << 20;

/// Collects bytes.
pub(crate) struct Spill {
    /// The bytes that follow those in the file.
    tail: Vec<u8>,
    held: HeldBytes,
    file: Option<ScratchFile>,
    scratch: Scratch,
}

impl Spill {
    pub(crate) fn new(scratch: Scratch) -> Self {
        Self { tail: Vec::new(), held: scratch.hold(), file: None, scratch }
    }

    /// The buffer to append bytes to. They are counted by the next [`Spill::spill_if_large`].
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Bytes of memory. 0 if there is no file to write to, because then everything stays in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        if self.scratch.has_files() { self.tail.capacity() } else { 0 }
    }

    /// Counts the bytes held in memory, and writes them to the file if they are too many.
    pub(crate) fn spill_if_large(&mut self) -> Result<(), SegmentError> {
        let all = self.held.set(self.tail.capacity());
        if self.tail.len() <= MEMORY_BYTES_MAX && all <= ALL_MEMORY_BYTES_MAX {
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => Some(file),
            None => self.scratch.create().map_err(|error| self.scratch.error(error))?,
        };
        let Some(file) = file else { return Ok(()) };
        file.append(&self.tail).map_err(|error| self.scratch.error(error))?;
        // Frees the allocation too, because no more bytes may follow.
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

/// Collected bytes. Dropping them removes their file.
pub(crate) struct Spilled {
    file: Option<ScratchFile>,
    /// The bytes that follow those in the file.
    tail: Vec<u8>,
    _held: HeldBytes,
    scratch: Scratch,
}

impl Spilled {
    /// Writes all bytes to `out`.
    pub(crate) fn copy_to(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(file) = &self.file {
            io::copy(&mut file.open()?, out)?;
        }
        out.write_all(&self.tail)
    }

    /// The error for bytes that could not be read.
    pub(crate) fn error(&self, source: io::Error) -> SegmentError {
        self.scratch.error(source)
    }

    /// The file, or the folder in which one would be.
    pub(crate) fn path(&self) -> &Path {
        self.file.as_ref().map_or_else(|| self.scratch.dir(), ScratchFile::path)
    }
}

/// Reads collected bytes that others may read too.
pub(crate) struct SpilledReader {
    spilled: Arc<Spilled>,
    file: Option<File>,
    /// Bytes left in the file.
    file_rest: u64,
    /// Bytes of the tail that were read.
    at: usize,
}

impl SpilledReader {
    /// Begins at the first byte.
    pub(crate) fn new(spilled: Arc<Spilled>) -> io::Result<Self> {
        let file = spilled.file.as_ref().map(ScratchFile::open).transpose()?;
        let file_rest = file.as_ref().map_or(Ok(0), |file| file.metadata().map(|metadata| metadata.len()))?;
        Ok(Self { spilled, file, file_rest, at: 0 })
    }

    /// The file, or the folder in which one would be.
    pub(crate) fn path(&self) -> &Path {
        self.spilled.path()
    }

    /// Number of bytes that were not read yet.
    pub(crate) fn rest(&self) -> u64 {
        self.file_rest + (self.spilled.tail.len() - self.at) as u64
    }

    /// Skips all that was not read yet.
    pub(crate) fn end(&mut self) {
        (self.file_rest, self.at) = (0, self.spilled.tail.len());
    }
}

impl Read for SpilledReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(file) = self.file.as_mut().filter(|_| self.file_rest > 0) {
            let read = file.read(into)?;
            self.file_rest = if read == 0 { 0 } else { self.file_rest - read as u64 };
            return Ok(read);
        }
        let read = (&self.spilled.tail[self.at..]).read(into)?;
        self.at += read;
        Ok(read)
    }
}
