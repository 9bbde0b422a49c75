//! A whole body at once.

use url::Url;

use crate::buffer::Buffer;
use crate::document::{Document, DocumentReader, Sink};
use crate::inflate::{Inflated, Inflater};
use crate::limits::Limits;

/// Reads a raw body that is at hand, gzip or not, as the document at `base`.
pub fn read(body: &[u8], base: &Url, limits: Limits, sink: &mut impl Sink) -> Document {
    let mut inflater = Inflater::new(&limits);
    let mut reader = DocumentReader::new(base, limits);
    let mut rest = body;
    let mut slice = Buffer::new();
    loop {
        slice.clear();
        let step = inflater.push(rest, &mut slice);
        if reader.push(&slice, sink).is_err() {
            return reader.finish(sink);
        }
        let Ok(Inflated { consumed, more }) = step else {
            reader.stop_too_large();
            return reader.finish(sink);
        };
        rest = &rest[consumed..];
        if rest.is_empty() && !more {
            break;
        }
    }
    slice.clear();
    let problem = inflater.finish(&mut slice);
    // A stop shows in the document.
    _ = reader.push(&slice, sink);
    if let Some(problem) = problem {
        reader.report(problem);
    }
    reader.finish(sink)
}
