//! Inflates and parses a raw body.

use url::Url;

use crate::buffer::Buffer;
use crate::document::{Document, DocumentReader, Stop};
use crate::inflate::{Inflated, Inflater};
use crate::limits::Limits;
use crate::sink::Sink;

/// An [`Inflater`] followed by a [`DocumentReader`].
pub(crate) struct BodyReader {
    inflater: Inflater,
    reader: DocumentReader,
    /// The slice between the two.
    slice: Buffer,
}

impl BodyReader {
    pub(crate) fn new(base: &Url, limits: Limits) -> Self {
        Self {
            inflater: Inflater::new(&limits),
            reader: DocumentReader::new(base, limits),
            slice: Buffer::new(),
        }
    }

    /// Sets the charset of the Content-Type.
    pub(crate) fn set_charset(&mut self, label: &str) {
        self.reader.set_charset(label);
    }

    /// Consumes some of `input`, and parses at most [`SLICE_BYTES`](crate::limits::SLICE_BYTES) of decoded bytes.
    ///
    /// Call it again with the rest of the input until everything is consumed and [`Inflated::more`] is false. After
    /// an error, call [`Self::finish`].
    pub(crate) fn push(&mut self, input: &[u8], sink: &mut impl Sink) -> Result<Inflated, Stop> {
        self.slice.clear();
        let inflated = self.inflater.push(input, &mut self.slice);
        self.reader.push(&self.slice, sink)?;
        inflated.map_err(|_| {
            self.stop_too_large();
            Stop::TooLarge
        })
    }

    /// Stops reading because the body exceeds a size limit.
    pub(crate) fn stop_too_large(&mut self) {
        self.reader.stop_too_large();
    }

    /// Parses everything complete that was pushed, for a body whose rest cannot be read.
    pub(crate) fn flush(&mut self, sink: &mut impl Sink) {
        self.reader.flush(sink);
    }

    /// Ends the body and returns the summary of its document.
    pub(crate) fn finish(mut self, sink: &mut impl Sink) -> Document {
        if !self.reader.is_stopped() {
            self.slice.clear();
            let problem = self.inflater.finish(&mut self.slice);
            // The returned document says whether reading stopped early.
            _ = self.reader.push(&self.slice, sink);
            if let Some(problem) = problem {
                self.reader.report(problem);
            }
        }
        self.reader.finish(sink)
    }
}
