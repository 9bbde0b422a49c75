//! Buffers lines for large writes.

use std::io::{self, Write};

/// Bytes buffered before they are written.
const WRITE_BYTES: usize = 128 << 10;

/// A writer of lines.
pub(super) struct Lines<W> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, buffer: Vec::with_capacity(WRITE_BYTES * 2) }
    }

    /// Lets `line` append a complete line to the buffer, and writes the buffer once it is full.
    pub(super) fn line(&mut self, line: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        line(&mut self.buffer);
        if self.buffer.len() >= WRITE_BYTES {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes the rest of the buffer and flushes the output.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }
}
