//! A sealed segment: the rows of one or several segments as Parquet, to be read by anyone.
//!
//! It has the columns of [`schema`]. What the queue must know of its documents, should the queue ever be lost, stands in
//! the footer, and the name holds the checksum of the whole file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use frontier::{HostId, TaskId};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;

use super::parquet::parquet_properties;
use super::schema::{SCHEMA_VERSION, SCHEMA_VERSION_KEY, schema};
use crate::disk::DurableFile;

/// The key under which the footer holds the documents, a line each: host and URL of the task in hex, the how manieth
/// request brought it, and its rows.
pub(crate) const DOCUMENTS_KEY: &str = "sitemap-crawler.documents";

/// Rows of a row group, at most: what DuckDB gives a thread at a time.
const GROUP_ROWS_MAX: usize = 1 << 17;

/// Encoded bytes of a row group, nearly: a group is held in memory until it is whole.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Rows that are read at a time: an entry may have a thousand images.
const BATCH_ROWS: usize = 1 << 10;

/// Bytes that are read or written at a time.
const IO_BYTES: usize = 256 << 10;

/// A document of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SealedDocument {
    /// The task whose document it is.
    pub(crate) task: TaskId,
    /// The how manieth request of the task brought it.
    pub(crate) attempt: u8,
    /// Its rows.
    pub(crate) rows: u64,
}

/// Length and checksum of what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// CRC-32C of them.
    pub(crate) crc32c: u32,
    /// Rows in it.
    pub(crate) rows: u64,
}

/// Writes batches of [`schema`] to a file that becomes a sealed segment.
pub(crate) struct SealedWriter {
    parquet: ArrowWriter<Checksummed<BufWriter<DurableFile>>>,
    documents: String,
    rows: u64,
}

impl SealedWriter {
    /// Writes to `file`, which is empty.
    pub(crate) fn new(file: DurableFile) -> Result<Self, ParquetError> {
        let out = Checksummed { out: BufWriter::with_capacity(IO_BYTES, file), bytes: 0, crc32c: 0 };
        let parquet =
            ArrowWriter::try_new(out, schema(), Some(parquet_properties(GROUP_ROWS_MAX, GROUP_BYTES_MAX)?))?;
        Ok(Self { parquet, documents: String::new(), rows: 0 })
    }

    /// Adds rows; their documents are told by [`Self::document`].
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.rows += batch.num_rows() as u64;
        self.parquet.write(batch)
    }

    /// Tells of the next document, of which all rows were or will be written.
    pub(crate) fn document(&mut self, document: SealedDocument) {
        let SealedDocument { task, attempt, rows } = document;
        // Writing to a string does not fail.
        let _ = writeln!(self.documents, "{:016x} {:032x} {attempt} {rows}", task.host.0, task.url);
    }

    /// Writes the footer and makes all of it durable.
    pub(crate) fn finish(mut self) -> Result<Extent, ParquetError> {
        let documents = std::mem::take(&mut self.documents);
        self.parquet.append_key_value_metadata(KeyValue::new(DOCUMENTS_KEY.to_owned(), documents));
        self.parquet.finish()?;
        let out = self.parquet.inner_mut();
        out.flush()?;
        out.out.get_ref().sync()?;
        Ok(Extent { bytes: out.bytes, crc32c: out.crc32c, rows: self.rows })
    }
}

/// Why a sealed segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealedError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("its columns are not those of this release")]
    Columns,
    #[error("its footer does not tell its documents")]
    Documents,
}

/// Reads a sealed segment whose checksum was verified.
pub(crate) struct SealedReader {
    /// Its documents, in the order of their rows.
    pub(crate) documents: Vec<SealedDocument>,
    batches: ParquetRecordBatchReader,
}

impl SealedReader {
    /// Opens the segment in `file`.
    pub(crate) fn open(file: File) -> Result<Self, SealedError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let metadata = builder.metadata().file_metadata().key_value_metadata();
        let value = |key: &str| {
            metadata.and_then(|pairs| pairs.iter().find(|pair| pair.key == key)?.value.as_deref())
        };
        if value(SCHEMA_VERSION_KEY) != Some(SCHEMA_VERSION) || builder.schema().fields() != schema().fields()
        {
            return Err(SealedError::Columns);
        }
        let documents = value(DOCUMENTS_KEY).and_then(parse_documents).ok_or(SealedError::Documents)?;
        Ok(Self { documents, batches: builder.with_batch_size(BATCH_ROWS).build()? })
    }
}

impl Iterator for SealedReader {
    type Item = Result<RecordBatch, SealedError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?.map_err(|error| ParquetError::from(error).into());
        // The reader's batches carry the file's metadata, those of an open segment ours.
        Some(batch.and_then(|batch| batch.with_schema(schema()).map_err(|_| SealedError::Columns)))
    }
}

fn parse_documents(lines: &str) -> Option<Vec<SealedDocument>> {
    lines.lines().map(parse_document).collect()
}

fn parse_document(line: &str) -> Option<SealedDocument> {
    let mut fields = line.split(' ');
    let host = HostId(u64::from_str_radix(fields.next()?, 16).ok()?);
    let url = u128::from_str_radix(fields.next()?, 16).ok()?;
    let attempt = fields.next()?.parse().ok()?;
    let rows = fields.next()?.parse().ok()?;
    Some(SealedDocument { task: TaskId { host, url }, attempt, rows })
}

/// Length and checksum of the file at `path`.
pub(crate) fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    checksum_of(&File::open(path)?)
}

/// Length and checksum of what is left of `file`.
pub(crate) fn checksum_of(file: &File) -> io::Result<(u64, u32)> {
    let mut file = BufReader::with_capacity(IO_BYTES, file);
    let (mut bytes, mut crc32c) = (0, 0);
    let mut buffer = vec![0; IO_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, crc32c));
        }
        bytes += read as u64;
        crc32c = crc32c::crc32c_append(crc32c, &buffer[..read]);
    }
}

/// Counts what is written and sums it up.
pub(crate) struct Checksummed<W> {
    pub(crate) out: W,
    pub(crate) bytes: u64,
    pub(crate) crc32c: u32,
}

impl<W: Write> Write for Checksummed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
