//! Reads registered segments back.

use std::fs::File;
use std::io::{self, Seek};

use arrow_array::RecordBatch;

use super::error::PlaceError;
use super::layout::segment_path;
use super::store::SegmentStore;
use crate::segment::error::ReadError;
use crate::segment::record::SegmentRecord;
use crate::segment::sealed::{self, SealedReader};

/// Reads the entries of registered segments. It copies one segment at a time to a local file, so that memory does not
/// grow with the crawl and each byte is read over the network once.
pub struct SharedReader {
    store: SegmentStore,
    segments: Vec<SegmentRecord>,
}

impl SharedReader {
    /// Reads `segments` in this order.
    pub fn new(store: SegmentStore, segments: Vec<SegmentRecord>) -> Self {
        Self { store, segments }
    }

    /// All entries, like [`crate::CrawlReader::entries`]. If a segment is missing or differs from what was
    /// registered, the error names it. Ends after the first error.
    pub fn entries(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        let mut segments = self.segments.iter();
        let mut current: Option<(&SegmentRecord, SealedReader)> = None;
        let mut is_over = false;
        std::iter::from_fn(move || {
            while !is_over {
                let batch = match &mut current {
                    Some((segment, reader)) => {
                        reader.next().map(|batch| batch.map_err(|error| self.damaged(segment, &error)))
                    }
                    None => {
                        let segment = segments.next()?;
                        match self.open(segment) {
                            Ok(reader) => {
                                current = Some((segment, reader));
                                continue;
                            }
                            Err(error) => Some(Err(error.into())),
                        }
                    }
                };
                is_over = matches!(batch, Some(Err(_)));
                match batch {
                    Some(batch) => return Some(batch),
                    None => current = None,
                }
            }
            None
        })
    }

    fn open(&self, segment: &SegmentRecord) -> Result<SealedReader, PlaceError> {
        let mut file = self.fetch(segment)?;
        file.rewind().map_err(|source| PlaceError::Scratch { source })?;
        SealedReader::open(file).map_err(|error| PlaceError::Altered {
            url: self.store.url_of(&segment.name),
            reason: error.to_string(),
        })
    }

    /// Copies the segment to an unnamed local file and verifies its length and checksum.
    fn fetch(&self, segment: &SegmentRecord) -> Result<File, PlaceError> {
        let scratch = |source: io::Error| PlaceError::Scratch { source };
        let mut file = tempfile::tempfile().map_err(scratch)?;
        self.store.fetch(&segment_path(&segment.name), &mut file)?;
        file.rewind().map_err(scratch)?;
        let (bytes, crc32c) = sealed::checksum_of(&file).map_err(scratch)?;
        if (bytes, crc32c) == (segment.bytes, segment.crc32c) {
            return Ok(file);
        }
        let reason = format!(
            "{bytes} bytes with checksum {crc32c:08x}, but {} with {:08x} were registered",
            segment.bytes, segment.crc32c
        );
        Err(PlaceError::Altered { url: self.store.url_of(&segment.name), reason })
    }

    fn damaged(&self, segment: &SegmentRecord, error: &dyn std::error::Error) -> ReadError {
        PlaceError::Altered { url: self.store.url_of(&segment.name), reason: error.to_string() }.into()
    }
}
