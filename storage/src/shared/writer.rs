//! The writer of a worker's segments.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::SegmentRef;
use frontier::{Clock, SessionId, Timestamp};
use parquet::errors::ParquetError;
use tempfile::TempDir;

use super::small::SmallSegments;
use super::store::{PlaceError, SegmentStore, segment_path};
use crate::data_dir::scratch::Scratch;
use crate::disk::DurableFile;
use crate::sealing::into_io;
use crate::segment::name::SegmentName;
use crate::segment::reader::SegmentReader;
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

/// How long the object of a segment is kept that a larger one replaced: for those who listed it before and are still reading.
pub const REPLACED_KEPT_FOR: Duration = Duration::from_secs(6 * 3600);

/// Gathers the entries of finished documents in a file on this machine, and rolls it: rewrites it as Parquet and brings
/// that to the [`SegmentStore`] under its final name. Of a slow crawl each roll is small: then and again one takes the small
/// segments before it in.
///
/// Nothing of it outlives the process: what was not rolled and registered is asked again.
pub struct SharedWriter {
    store: SegmentStore,
    session: SessionId,
    next_seq: u32,
    scratch: TempDir,
    gathered: Option<Gathered>,
    clock: Arc<dyn Clock>,
    /// A copy of each lies in the scratch folder.
    small: SmallSegments,
    /// Segments that a larger one holds, and since when.
    replaced: VecDeque<(Timestamp, String)>,
}

/// What was gathered since the last roll: an open segment that is never synced.
struct Gathered {
    record: SegmentRecord,
    out: Checksummed<BufWriter<File>>,
}

impl SharedWriter {
    /// A writer of the segments of `session`.
    pub fn new(store: SegmentStore, session: SessionId, clock: Arc<dyn Clock>) -> Result<Self, PlaceError> {
        let scratch = TempDir::with_prefix("crawl-");
        let scratch = scratch.and_then(|dir| fs::create_dir(dir.path().join(ROWS_DIR)).map(|()| dir));
        let scratch = scratch.map_err(|source| PlaceError::Scratch { source })?;
        let (small, replaced) = (SmallSegments::default(), VecDeque::new());
        Ok(Self { store, session, next_seq: 0, scratch, gathered: None, clock, small, replaced })
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

    /// Writes segments of the scratch folder as one Parquet file.
    fn seal<'a>(
        &self,
        sources: impl Iterator<Item = &'a SegmentRecord>,
        to: &Path,
    ) -> Result<Extent, SegmentError> {
        let failed = |error: ParquetError| scratch(into_io(error));
        let mut writer = SealedWriter::new(DurableFile::create(to).map_err(scratch)?).map_err(failed)?;
        let mut documents = Vec::new();
        for source in sources {
            let reader = SegmentReader::open(self.scratch.path(), source.clone()).map_err(unreadable)?;
            let copied = reader.copy(
                |document| documents.push(document),
                |rows| {
                    let refused = |error| PlaceError::Scratch { source: into_io(error) };
                    writer.write(rows).map_err(|error| ReadError::from(refused(error)))
                },
            );
            copied.map_err(unreadable)?;
        }
        documents.into_iter().for_each(|document| writer.document(document));
        writer.finish().map_err(failed)
    }

    /// The next segment of the session.
    fn written(&self, Extent { bytes, crc32c, rows }: Extent) -> SegmentRecord {
        let (session, seq) = (self.session, self.next_seq);
        let name = SegmentName { session, seq, sealed: Some(crc32c) }.to_string();
        let place = SegmentPlace { seq, ..SegmentPlace::default() };
        SegmentRecord { name, bytes, rows, crc32c, first: place, last: place }
    }

    fn remove_copy(&self, segment: &SegmentRecord) -> Result<(), SegmentError> {
        fs::remove_file(self.scratch.path().join(&segment.name)).map_err(scratch)
    }

    /// Removes the objects of replaced segments that nobody reads any more. Whoever asks for the next roll has committed the
    /// ones before, so they are registered no longer.
    fn remove_replaced(&mut self) {
        let now = self.clock.now();
        while let Some((since, name)) = self.replaced.front() {
            // Should the place refuse, the next roll tries again; what is left in the end is garbage of this session.
            if *since + REPLACED_KEPT_FOR > now || self.store.remove(&segment_path(name)).is_err() {
                return;
            }
            self.replaced.pop_front();
        }
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
    /// Small segments right before it may become one with it: then it is registered instead of them.
    ///
    /// Blocks on the place, for minutes while that fails. After an error what was gathered is gone.
    fn roll(&mut self) -> Result<Option<SegmentRef>, SegmentError> {
        let Some(Gathered { mut record, mut out }) = self.gathered.take() else { return Ok(None) };
        out.flush().map_err(scratch)?;
        (record.bytes, record.crc32c) = (out.bytes, out.crc32c);
        drop(out);
        let merge = self.small.take_ripe();
        let replaces_from = merge.sources.first().map(|first| first.first.seq);
        let sealed = self.scratch.path().join(SEALED_FILE);
        let extent = self.seal(merge.sources.iter().chain([&record]), &sealed)?;
        let written = self.written(extent);
        let mut file = File::open(&sealed).map_err(scratch)?;
        self.store.create(&segment_path(&written.name), &mut file)?;
        self.next_seq += 1;
        self.remove_replaced();

        self.remove_copy(&record)?;
        fs::rename(sealed, self.scratch.path().join(&written.name)).map_err(scratch)?;
        let now = self.clock.now();
        self.replaced.extend(merge.sources.iter().map(|source| (now, source.name.clone())));
        for done in self.small.add(merge, written.clone()) {
            self.remove_copy(&done)?;
        }
        let SegmentRecord { name, bytes, rows, crc32c, .. } = written;
        Ok(Some(SegmentRef { name, from_bytes: 0, to_bytes: bytes, rows, crc32c, replaces_from }))
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
