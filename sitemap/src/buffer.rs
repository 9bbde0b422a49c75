//! A buffer that is filled over and over.

use std::ops::Deref;

/// Bytes of a body on their way, a slice at a time; derefs to what is in it.
///
/// Unlike a vector it keeps its memory initialised when it is cleared: to write zeros before each slice that is inflated
/// costs a twentieth of inflating.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// An empty buffer; it takes memory when it is first written to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.spare(bytes.len()).copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// The next `count` bytes, to be written to. What they hold is of no meaning.
    pub(crate) fn spare(&mut self, count: usize) -> &mut [u8] {
        let end = self.length + count;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.length..end]
    }

    /// Takes in so many bytes that were written to [`spare`](Self::release_surplus) ones.
    pub(crate) fn advance(&mut self, count: usize) {
        self.length = self.bytes.len().min(self.length + count);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
