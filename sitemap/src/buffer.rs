//! A reusable byte buffer.

use std::ops::Deref;

/// Unused memory up to this size is kept.
const UNUSED_BYTES_MAX: usize = 4 << 10;

/// A byte buffer that is cleared and filled again for each slice of a body. It derefs to its contents.
///
/// Unlike a `Vec`, it keeps its memory initialised when it is cleared. Writing zeros before each inflated slice would
/// cost a twentieth of the time that inflating takes.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// An empty buffer. It allocates on the first write.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes the contents and keeps the memory.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Frees the memory if there are no contents.
    pub(crate) fn release_unused(&mut self) {
        if self.length == 0 {
            self.bytes = Vec::new();
        }
    }

    /// Bytes of memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.unused(bytes.len()).copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// The next `count` bytes after the contents, to be written to. Their initial values are unspecified.
    pub(crate) fn unused(&mut self, count: usize) -> &mut [u8] {
        let end = self.length + count;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.length..end]
    }

    /// Adds `count` bytes to the contents that were written to the slice of [`unused`](Self::unused).
    pub(crate) fn advance(&mut self, count: usize) {
        self.length = self.bytes.len().min(self.length + count);
    }
}

/// Makes room for `bytes` more in `text`, with at most an eighth to spare. A `String` alone would double its memory.
#[inline]
pub(crate) fn make_room(text: &mut String, bytes: usize) {
    if text.capacity() - text.len() < bytes {
        text.reserve_exact(bytes.max(text.len() / 8));
    }
}

/// Frees memory of `text` if most of it is unused.
pub(crate) fn release_unused(text: &mut String) {
    if text.capacity() > UNUSED_BYTES_MAX + 2 * text.len() {
        text.shrink_to_fit();
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
