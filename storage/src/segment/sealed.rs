//! A sealed segment: the rows of one or more segments as a Parquet file, which other programs can read too.
//!
//! It has the columns of [`schema`]. The footer lists the documents, so that a lost queue can be rebuilt. The file
//! name contains the checksum of the whole file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use frontier::TaskId;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;

use super::parquet::parquet_properties;
use super::schema::{SCHEMA_VERSION, SCHEMA_VERSION_KEY, schema};
use crate::disk::DurableFile;

/// Footer key of the list of documents. Each line contains the host and the URL of the task as 32 hex digits each,
/// the attempt number and the number of rows.
pub(crate) const DOCUMENTS_KEY: &str = "sitemap-crawler.documents";

/// Limit on the rows of a row group. DuckDB assigns row groups of about this size to its threads.
const GROUP_ROWS_MAX: usize = 1 << 17;

/// Approximate limit on the encoded bytes of a row group, which is held in memory until it is complete.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Rows read at a time. It is low because an entry may have a thousand images.
const BATCH_ROWS: usize = 1 << 10;

/// Bytes read or written per call.
const IO_BYTES: usize = 256 << 10;

/// A document, as listed in the footer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SealedDocument {
    /// The task that fetched the document.
    pub(crate) task: TaskId,
    /// Number of the task's attempt that fetched it, from 1.
    pub(crate) attempt: u8,
    /// Number of its rows.
    pub(crate) rows: u64,
}

/// Length, checksum and rows of a written file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    /// Length of the file in bytes.
    pub(crate) bytes: u64,
    /// CRC-32C of the file.
    pub(crate) crc32c: u32,
    /// Number of rows in the file.
    pub(crate) rows: u64,
}

/// Writes batches of [`schema`] to a new sealed segment.
pub(crate) struct SealedWriter {
    parquet: ArrowWriter<Checksummed<BufWriter<DurableFile>>>,
    documents: String,
    rows: u64,
}

impl SealedWriter {
    /// Writes to `file`, which must be empty.
    pub(crate) fn new(file: DurableFile) -> Result<Self, ParquetError> {
        let out = Checksummed { out: BufWriter::with_capacity(IO_BYTES, file), bytes: 0, crc32c: 0 };
        let parquet =
            ArrowWriter::try_new(out, schema(), Some(parquet_properties(GROUP_ROWS_MAX, GROUP_BYTES_MAX)?))?;
        Ok(Self { parquet, documents: String::new(), rows: 0 })
    }

    /// Adds rows. [`Self::add_document`] must be called for each of their documents.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.rows += batch.num_rows() as u64;
        self.parquet.write(batch)
    }

    /// Adds the next document to the list in the footer. Its rows may be written before or after.
    pub(crate) fn add_document(&mut self, document: SealedDocument) {
        self.documents.push_str(&document_line(document));
    }

    /// Writes the footer and syncs the file.
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

/// Why a sealed segment could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealedError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("its columns are not those of this release")]
    Columns,
    #[error("its footer does not list its documents")]
    Documents,
}

/// Reads a sealed segment. Its checksum must be verified before.
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
        // The reader's batches have the metadata of the file. They are replaced by those of batches from an open
        // segment.
        Some(batch.and_then(|batch| batch.with_schema(schema()).map_err(|_| SealedError::Columns)))
    }
}

fn document_line(SealedDocument { task, attempt, rows }: SealedDocument) -> String {
    format!("{} {:032x} {attempt} {rows}\n", task.host, task.url)
}

fn parse_documents(lines: &str) -> Option<Vec<SealedDocument>> {
    lines.lines().map(parse_document).collect()
}

fn parse_document(line: &str) -> Option<SealedDocument> {
    let mut fields = line.split(' ');
    let host = fields.next()?.parse().ok()?;
    let url = u128::from_str_radix(fields.next()?, 16).ok()?;
    let attempt = fields.next()?.parse().ok()?;
    let rows = fields.next()?.parse().ok()?;
    Some(SealedDocument { task: TaskId { host, url }, attempt, rows })
}

/// Length and CRC-32C of the file at `path`.
pub(crate) fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    checksum_of(&File::open(path)?)
}

/// Length and CRC-32C of `file` from its current position.
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

/// A writer that counts the bytes written and computes their CRC-32C.
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

#[cfg(test)]
mod tests {
    use frontier::HostId;

    use super::*;

    #[test]
    fn the_list_of_documents_is_read_back_with_short_ids_too() {
        let ids = [(0, 0), (7, 9), (u128::MAX >> 4, u128::MAX >> 60), (u128::MAX, u128::MAX)];
        let documents = ids.map(|(host, url)| {
            let task = TaskId { host: HostId(host), url };
            SealedDocument { task, attempt: 1, rows: 2 }
        });
        let lines: String = documents.iter().copied().map(document_line).collect();
        assert_eq!(parse_documents(&lines).unwrap(), documents);
    }
}
