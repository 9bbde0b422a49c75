//! The writer of a worker's segments.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use frontier::SessionId;
use frontier::work_queue::SegmentRef;
use parquet::errors::ParquetError;
use tempfile::TempDir;

use super::store::{PlaceError, SegmentStore, segment_path};
use crate::data_dir::scratch::Scratch;
use crate::disk::DurableFile;
use crate::sealing::into_io;
use crate::segment::name::SegmentName;
use crate::segment::reader::{OpenReader, SegmentReader};
use crate::segment::sealed::{Checksummed, Extent, SealedWriter};
use crate::segment::{
    BYTES_MAX, EntryWriter, FinishedRows, ROWS_MAX, ReadError, SegmentError, schema_message,
};
use crate::work_queue::sled::{SegmentPlace, SegmentRecord};

/// In the scratch folder: what is being read, and what becomes a segment.
const ROWS_DIR: &str = "rows";
const SEALED_FILE: &str = "sealed";

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 256 << 10;

/// Gathers the entries of finished documents in a file on this machine, and rolls it: rewrites it as Parquet and brings
/// that to the [`SegmentStore`] under its final name.
///
/// Nothing of it outlives the process: what was not rolled and registered is asked again.
pub struct SharedWriter {
    store: SegmentStore,
    session: SessionId,
    next_seq: u32,
    scratch: TempDir,
    gathered: Option<Gathered>,
}

/// What was gathered since the last roll: an open segment that is never synced.
struct Gathered {
    record: SegmentRecord,
    out: Checksummed<BufWriter<File>>,
}

impl SharedWriter {
    /// A writer of the segments of `session`.
    pub fn new(store: SegmentStore, session: SessionId) -> Result<Self, PlaceError> {
        let scratch = TempDir::with_prefix("crawl-");
        let scratch = scratch.and_then(|dir| std::fs::create_dir(dir.path().join(ROWS_DIR)).map(|()| dir));
        let scratch = scratch.map_err(|source| PlaceError::Scratch { source })?;
        Ok(Self { store, session, next_seq: 0, scratch, gathered: None })
    }

    /// Where the entries of documents wait that are being read, for as long as the writer lives.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(&self.scratch.path().join(ROWS_DIR))
    }

    fn begin(&self) -> Result<Gathered, SegmentError> {
        let name = SegmentName { session: self.session, seq: self.next_seq, sealed: None }.to_string();
        let file = File::create(self.scratch.path().join(&name)).map_err(scratch)?;
        let place = SegmentPlace::default();
        let record = SegmentRecord { name, bytes: 0, rows: 0, crc32c: 0, first: place, last: place };
        let mut out = Checksummed { out: BufWriter::with_capacity(WRITE_BYTES, file), bytes: 0, crc32c: 0 };
        out.write_all(&schema_message()?).map_err(scratch)?;
        Ok(Gathered { record, out })
    }

    /// Rewrites an open segment of the scratch folder as Parquet.
    fn seal(&self, record: SegmentRecord, to: &Path) -> Result<Extent, SegmentError> {
        let failed = |error: ParquetError| scratch(into_io(error));
        let mut writer = SealedWriter::new(DurableFile::create(to).map_err(scratch)?).map_err(failed)?;
        let mut documents = Vec::new();
        let reader = OpenReader::open(self.scratch.path(), record).map_err(unreadable)?;
        SegmentReader::Open(Box::new(reader))
            .copy(
                |document| documents.push(document),
                |rows| {
                    writer
                        .write(rows)
                        .map_err(|error| ReadError::from(PlaceError::Scratch { source: into_io(error) }))
                },
            )
            .map_err(unreadable)?;
        documents.into_iter().for_each(|document| writer.document(document));
        writer.finish().map_err(failed)
    }
}

impl EntryWriter for SharedWriter {
    const GATHERS_FOR: Duration = Duration::from_secs(10);

    /// Gathers `documents`. When they fill a segment it is rolled: then, as with [`Self::roll`], what the commit registers
    /// is given.
    fn append(&mut self, documents: Vec<FinishedRows>) -> Result<Option<SegmentRef>, SegmentError> {
        let mut gathered = match self.gathered.take() {
            Some(gathered) => gathered,
            None => self.begin()?,
        };
        for document in &documents {
            document.copy_to(&mut gathered.out).map_err(scratch)?;
            gathered.record.rows += document.len();
        }
        let is_full = gathered.record.rows >= ROWS_MAX || gathered.out.bytes >= BYTES_MAX;
        self.gathered = Some(gathered);
        if is_full { self.roll() } else { Ok(None) }
    }

    /// Makes a segment of what was gathered; `None` where that is nothing. It is durable in its place when this returns.
    ///
    /// Blocks on the place, for minutes while that fails. After an error what was gathered is gone.
    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError> {
        let Some(Gathered { mut record, mut out }) = self.gathered.take() else { return Ok(None) };
        out.flush().map_err(scratch)?;
        (record.bytes, record.crc32c) = (out.bytes, out.crc32c);
        drop(out);
        let gathered = self.scratch.path().join(&record.name);
        let sealed = self.scratch.path().join(SEALED_FILE);
        let extent = self.seal(record, &sealed)?;
        let (session, seq) = (self.session, self.next_seq);
        let name = SegmentName { session, seq, sealed: Some(extent.crc32c) }.to_string();
        let mut file = File::open(&sealed).map_err(scratch)?;
        self.store.create(&segment_path(&name), &mut file)?;
        self.next_seq += 1;
        std::fs::remove_file(gathered).and_then(|()| std::fs::remove_file(sealed)).map_err(scratch)?;
        let Extent { bytes, crc32c, rows } = extent;
        Ok(Some(SegmentRef { name, from_bytes: 0, to_bytes: bytes, rows, crc32c }))
    }
}

fn scratch(source: io::Error) -> SegmentError {
    PlaceError::Scratch { source }.into()
}

fn unreadable(error: ReadError) -> SegmentError {
    match error {
        ReadError::Place(error) => error.into(),
        other => scratch(io::Error::other(other)),
    }
}
