//! Reads the registered part of an open or sealed segment.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;

use super::columns::{WidenError, widen};
use super::error::ReadError;
use super::message::{self, DocumentBatch, MessageBytes};
use super::schema::open_schema;
use super::sealed::{self, SealedDocument, SealedError, SealedReader};
use crate::segment::record::SegmentRecord;

/// Bytes read per call.
const READ_BYTES: usize = 256 << 10;

/// Reads the batches of a segment in order, and no byte beyond the registered ones.
pub(crate) enum SegmentReader {
    /// An Arrow IPC stream.
    Open(Box<OpenReader<BufReader<File>>>),
    /// A Parquet file.
    Sealed(Box<SealedSegment>),
}

impl SegmentReader {
    /// Opens a segment in `dir` and checks its columns. Of a sealed segment, verifies the checksum of the whole file.
    pub(crate) fn open(dir: &Path, registered: SegmentRecord) -> Result<Self, ReadError> {
        if registered.is_sealed() {
            return SealedSegment::open(dir, &registered).map(|segment| Self::Sealed(Box::new(segment)));
        }
        OpenReader::open(dir, registered).map(|reader| Self::Open(Box::new(reader)))
    }

    /// Passes each document of the segment to `document` and each batch to `batch`, in order.
    pub(crate) fn copy<E: From<ReadError>>(
        self,
        mut document: impl FnMut(SealedDocument),
        mut batch: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Sealed(mut segment) => {
                segment.documents().iter().copied().for_each(document);
                segment.try_for_each(|rows| batch(&rows?))
            }
            Self::Open(mut reader) => {
                let mut document_rows = 0;
                while let Some((encoded, rows)) = reader.next_of_document()? {
                    batch(&rows)?;
                    document_rows += rows.num_rows() as u64;
                    if encoded.is_last {
                        let (task, attempt) = (encoded.head.task, encoded.head.attempt);
                        document(SealedDocument { task, attempt, rows: std::mem::take(&mut document_rows) });
                    }
                }
                Ok(())
            }
        }
    }
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch, ReadError>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Open(reader) => reader.next(),
            Self::Sealed(segment) => segment.next(),
        }
    }
}

/// Reads a sealed segment.
pub(crate) struct SealedSegment {
    path: PathBuf,
    reader: SealedReader,
    is_over: bool,
}

impl SealedSegment {
    /// Opens a sealed segment in `dir` and verifies its checksum.
    pub(crate) fn open(dir: &Path, registered: &SegmentRecord) -> Result<Self, ReadError> {
        let path = dir.join(&registered.name);
        let io = |source| ReadError::Io { path: path.clone(), source };
        if sealed::checksum(&path).map_err(io)? != (registered.bytes, registered.crc32c) {
            return Err(damaged(&path, 0, "its length or checksum is not the registered one"));
        }
        let reader = SealedReader::open(File::open(&path).map_err(io)?);
        let reader = reader.map_err(|error| sealed_error(&path, error))?;
        Ok(Self { path, reader, is_over: false })
    }

    /// Its documents, in order.
    pub(crate) fn documents(&self) -> &[SealedDocument] {
        &self.reader.documents
    }
}

impl Iterator for SealedSegment {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = self.reader.next().map(|batch| batch.map_err(|error| sealed_error(&self.path, error)));
        self.is_over = !matches!(batch, Some(Ok(_)));
        batch
    }
}

fn sealed_error(path: &Path, error: SealedError) -> ReadError {
    match error {
        SealedError::Io(source) => ReadError::Io { path: path.to_owned(), source },
        other => damaged(path, 0, &other),
    }
}

fn damaged(path: &Path, at: u64, reason: &(impl ToString + ?Sized)) -> ReadError {
    ReadError::Damaged { path: path.to_owned(), at, reason: reason.to_string() }
}

/// Reads an open segment.
pub(crate) struct OpenReader<R> {
    path: PathBuf,
    bytes: R,
    registered: SegmentRecord,
    /// Offset of the next byte to read.
    at: u64,
    rows: u64,
    crc32c: u32,
    /// Number that the next batch must have.
    next_batch: u32,
    is_over: bool,
}

impl OpenReader<BufReader<File>> {
    /// Opens a segment in `dir` and checks its columns.
    pub(crate) fn open(dir: &Path, registered: SegmentRecord) -> Result<Self, ReadError> {
        let path = dir.join(&registered.name);
        let file = File::open(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
        Self::new(path, BufReader::with_capacity(READ_BYTES, file), registered)
    }
}

impl<R: Read> OpenReader<R> {
    /// Reads a segment from `bytes` and checks its columns. Errors name `path`.
    pub(crate) fn new(path: PathBuf, bytes: R, registered: SegmentRecord) -> Result<Self, ReadError> {
        let mut reader =
            Self { path, bytes, registered, at: 0, rows: 0, crc32c: 0, next_batch: 0, is_over: false };
        let (metadata, _) = message::read(&mut reader)?;
        let columns = message::decode_schema(&metadata).map_err(|error| reader.damaged(0, &error))?;
        if columns != *open_schema() {
            return Err(reader.damaged(0, &"its columns are not those of this release"));
        }
        Ok(reader)
    }

    /// The next batch, as stored and with all columns; `None` after the last registered one.
    fn next_of_document(&mut self) -> Result<Option<(DocumentBatch, RecordBatch)>, ReadError> {
        if self.at == self.registered.bytes {
            return self.check_end().map(|()| None);
        }
        let begin = self.at;
        let (metadata, body) = message::read(self)?;
        let batch = message::decode(&metadata, body).map_err(|error| self.damaged(begin, &error))?;
        self.check_place(begin, &batch)?;
        let columns = widen(&batch).map_err(|error: WidenError| self.damaged(begin, &error))?;
        Ok(Some((batch, columns)))
    }

    fn check_place(&mut self, begin: u64, batch: &DocumentBatch) -> Result<(), ReadError> {
        if batch.number != self.next_batch {
            let reason = format!("batch {} of a document instead of {}", batch.number, self.next_batch);
            return Err(self.damaged(begin, &reason));
        }
        self.next_batch = if batch.is_last { 0 } else { batch.number + 1 };
        self.rows += batch.columns.num_rows() as u64;
        Ok(())
    }

    fn check_end(&self) -> Result<(), ReadError> {
        if self.next_batch != 0 {
            return Err(self.damaged(self.at, &"its last document has no end"));
        }
        if self.rows != self.registered.rows || self.crc32c != self.registered.crc32c {
            return Err(self.damaged(self.at, &"its rows or checksum are not the registered ones"));
        }
        Ok(())
    }
}

impl<R: Read> MessageBytes for OpenReader<R> {
    fn at(&self) -> u64 {
        self.at
    }

    fn rest(&self) -> u64 {
        self.registered.bytes.saturating_sub(self.at)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), ReadError> {
        self.bytes.read_exact(into).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged(self.at, &"it ends before its registered length"),
            _ => ReadError::Io { path: self.path.clone(), source },
        })?;
        self.at += into.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, into);
        Ok(())
    }

    fn damaged(&self, begin: u64, reason: &dyn Display) -> ReadError {
        damaged(&self.path, begin, &reason)
    }
}

impl<R: Read> Iterator for OpenReader<R> {
    type Item = Result<RecordBatch, ReadError>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = self.next_of_document().transpose().map(|batch| batch.map(|(_, columns)| columns));
        self.is_over = !matches!(batch, Some(Ok(_)));
        batch
    }
}
