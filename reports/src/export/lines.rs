//! Lines, gathered into large writes.

use std::io::{self, Write};

/// Bytes gathered before they are written.
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

    /// Lets `line` append a line with its end, and writes when enough has gathered.
    pub(super) fn line(&mut self, line: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        line(&mut self.buffer);
        if self.buffer.len() >= WRITE_BYTES {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }
}
