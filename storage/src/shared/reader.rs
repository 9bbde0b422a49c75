//! Registered segments, read back.

use std::fs::File;
use std::io::{self, Seek};

use arrow_array::RecordBatch;

use super::store::{PlaceError, SegmentStore, segment_path};
use crate::segment::ReadError;
use crate::segment::sealed::{self, SealedReader};
use crate::work_queue::sled::SegmentRecord;

/// Reads the entries of registered segments. One segment at a time is copied to a file on this machine, so memory does not
/// grow with the crawl and each byte is read over the network once.
pub struct SharedReader {
    store: SegmentStore,
    segments: Vec<SegmentRecord>,
}

impl SharedReader {
    /// Reads `segments`, in the order in which they are given.
    pub fn new(store: SegmentStore, segments: Vec<SegmentRecord>) -> Self {
        Self { store, segments }
    }

    /// All entries, as [`crate::CrawlReader::entries`] gives them. A segment that is missing or is not what was registered is
    /// an error that names it. Ends after the first error.
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
            what: error.to_string(),
        })
    }

    /// The segment in a file without a name, its length and checksum verified.
    fn fetch(&self, segment: &SegmentRecord) -> Result<File, PlaceError> {
        let scratch = |source: io::Error| PlaceError::Scratch { source };
        let mut file = tempfile::tempfile().map_err(scratch)?;
        self.store.fetch(&segment_path(&segment.name), &mut file)?;
        file.rewind().map_err(scratch)?;
        let (bytes, crc32c) = sealed::checksum_of(&file).map_err(scratch)?;
        if (bytes, crc32c) == (segment.bytes, segment.crc32c) {
            return Ok(file);
        }
        let what = format!(
            "{bytes} bytes with checksum {crc32c:08x} where {} with {:08x} were registered",
            segment.bytes, segment.crc32c
        );
        Err(PlaceError::Altered { url: self.store.url_of(&segment.name), what })
    }

    fn damaged(&self, segment: &SegmentRecord, error: &dyn std::error::Error) -> ReadError {
        PlaceError::Altered { url: self.store.url_of(&segment.name), what: error.to_string() }.into()
    }
}
