//! Sealing: segments that no longer grow become Parquet, and small ones become one, beside the crawl.
//!
//! The new file is written under `tmp/`, synced, brought to its place, and its folder synced; then one commit of the queue
//! registers it instead of what it was made of, and only then are those files removed. Whatever the moment of a crash, the
//! rows are registered once, and the next start removes what is left over.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use frontier::work_queue::QueueError;
use parquet::errors::ParquetError;

use crate::data_dir::{SCRATCH_DIR, SEGMENTS_DIR};
use crate::disk::{self, DurableFile, sync_dir};
use crate::segment::name::SegmentName;
use crate::segment::reader::SegmentReader;
use crate::segment::sealed::{Extent, SealedWriter};
use crate::segment::{BYTES_MAX, ROWS_MAX, ReadError};
use crate::work_queue::sled::{SegmentPlace, SegmentRecord, SledQueue};

/// Bytes below which a sealed segment is small.
const SMALL_BYTES: u64 = BYTES_MAX / 8;

/// Rows below which a sealed segment is small.
const SMALL_ROWS: u64 = ROWS_MAX / 8;

/// Small neighbours that are worth merging. Fewer would have the same rows written again and again.
pub(crate) const MERGE_MIN: usize = 8;

/// Under `tmp/`, the file that is being written.
const SEALING_FILE: &str = "sealing";
const MERGING_FILE: &str = "merging";

/// Why segments could not be sealed. They stay as they are, and the next start tries again.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A segment could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system refused: mostly the disk is full.
    #[error("cannot seal entries in {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// The thread could not be started, or ended before its time.
    #[error("the sealing thread has ended")]
    Thread,
    /// It was told to stop.
    #[error("sealing was stopped")]
    Stopped,
}

/// Seals the segments of a data directory on a thread of its own, one file at a time: it takes one core at most, and the
/// memory of a row group.
pub struct Sealer {
    orders: mpsc::Sender<Order>,
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), SealError>>,
}

/// What the thread is told.
pub(crate) enum Order {
    /// A segment is full.
    Full,
    /// No segment grows any more.
    Finish,
}

impl Sealer {
    /// Begins with what earlier sessions left, and goes on whenever a segment is full.
    pub(crate) fn start(dir: &Path, queue: SledQueue) -> Result<Self, SealError> {
        let (orders, received) = mpsc::channel();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let sealing = Sealing { dir: dir.to_owned(), queue, is_stopped: is_stopped.clone() };
        let (thread, wakes) = (std::thread::Builder::new().name("seal".to_owned()), orders.clone());
        let thread = thread.spawn(move || sealing.run(wakes, &received)).map_err(|_| SealError::Thread)?;
        Ok(Self { orders, is_stopped, thread })
    }

    /// Seals everything, the session's own segment too; nothing may be appended any more. Blocks until it is done.
    pub fn finish(self) -> Result<(), SealError> {
        // Should the thread have ended, it tells why.
        let _ = self.orders.send(Order::Finish);
        self.thread.join().map_err(|_| SealError::Thread)?
    }

    /// Gives up what is being sealed, for the next start to do.
    pub fn stop(self) -> Result<(), SealError> {
        self.is_stopped.store(true, Ordering::Relaxed);
        match self.finish() {
            Err(SealError::Stopped) => Ok(()),
            ended => ended,
        }
    }
}

struct Sealing {
    dir: PathBuf,
    queue: SledQueue,
    is_stopped: Arc<AtomicBool>,
}

impl Sealing {
    fn run(&self, wakes: mpsc::Sender<Order>, orders: &mpsc::Receiver<Order>) -> Result<(), SealError> {
        self.queue.tell_when_full(wakes)?;
        self.seal_all(false)?;
        while let Ok(Order::Full) = orders.recv() {
            self.seal_all(false)?;
        }
        self.seal_all(true)
    }

    /// Does all that there is to do. `is_over`: no segment grows any more.
    fn seal_all(&self, is_over: bool) -> Result<(), SealError> {
        loop {
            self.check_stopped()?;
            let (segments, growing) = self.queue.segments_blocking()?;
            let sources = next_sources(&segments, growing.filter(|_| !is_over));
            if sources.is_empty() || !self.unite(sources)? {
                return Ok(());
            }
        }
    }

    /// Makes one sealed segment of `sources`; false when it would have the name of one of them.
    fn unite(&self, sources: &[SegmentRecord]) -> Result<bool, SealError> {
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else { return Ok(false) };
        let is_merge = sources.iter().all(SegmentRecord::is_sealed);
        let unfinished = self.dir.join(SCRATCH_DIR).join(if is_merge { MERGING_FILE } else { SEALING_FILE });
        let extent = self.write(sources, &unfinished).inspect_err(|_| {
            // Should it stay, the next start empties the folder.
            let _ = disk::remove(&unfinished);
        })?;
        let name = first.name.parse::<SegmentName>().map_err(|_| SealError::Thread)?;
        let name = SegmentName { sealed: Some(extent.crc32c), ..name }.to_string();
        if sources.iter().any(|source| source.name == name) {
            return Ok(false);
        }
        let dir = self.dir.join(SEGMENTS_DIR);
        let path = dir.join(&name);
        let moved = disk::rename(&unfinished, &path).and_then(|()| sync_dir(&dir));
        moved.map_err(|source| SealError::Write { path, source })?;
        let Extent { bytes, crc32c, rows } = extent;
        let sealed = SegmentRecord { name, bytes, rows, crc32c, first: first.first, last: last.last };
        self.queue.replace_segments_blocking(sources.to_vec(), sealed)?;
        for source in sources {
            // Should it stay, the next start removes it.
            let _ = disk::remove(&dir.join(&source.name));
        }
        Ok(true)
    }

    fn write(&self, sources: &[SegmentRecord], unfinished: &Path) -> Result<Extent, SealError> {
        let refused = |source| SealError::Write { path: unfinished.to_owned(), source };
        let failed = |error: ParquetError| refused(into_io(error));
        let mut writer =
            SealedWriter::new(DurableFile::create(unfinished).map_err(refused)?).map_err(failed)?;
        let mut documents = Vec::new();
        for source in sources {
            let reader = SegmentReader::open(&self.dir.join(SEGMENTS_DIR), source.clone())?;
            reader.copy(
                |document| documents.push(document),
                |rows| {
                    self.check_stopped()?;
                    writer.write(rows).map_err(failed)
                },
            )?;
        }
        documents.into_iter().for_each(|document| writer.document(document));
        writer.finish().map_err(failed)
    }

    fn check_stopped(&self) -> Result<(), SealError> {
        if self.is_stopped.load(Ordering::Relaxed) { Err(SealError::Stopped) } else { Ok(()) }
    }
}

/// What the system said, where Parquet's error is but a wrapping of it.
pub(crate) fn into_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}

/// The next segments to become one, neighbours in the order of the crawl; none when there is nothing to do.
fn next_sources(segments: &[SegmentRecord], growing: Option<SegmentPlace>) -> &[SegmentRecord] {
    let is_ripe = |segment: &SegmentRecord| !segment.is_sealed() && growing != Some(segment.first);
    if let Some(begin) = segments.iter().position(is_ripe) {
        return fitting(&segments[begin..], is_ripe);
    }
    let is_small = |segment: &SegmentRecord| segment.is_sealed() && is_small(segment);
    let mut begin = 0;
    while begin < segments.len() {
        let run = segments[begin..].iter().take_while(|segment| is_small(segment)).count();
        if run >= MERGE_MIN {
            return fitting(&segments[begin..begin + run], is_small);
        }
        begin += run + 1;
    }
    &[]
}

/// Whether a sealed segment is worth merging.
pub(crate) fn is_small(segment: &SegmentRecord) -> bool {
    segment.bytes < SMALL_BYTES && segment.rows < SMALL_ROWS
}

/// The first of `segments` and those that follow it, as long as they are wanted and one segment holds them all.
fn fitting(segments: &[SegmentRecord], is_wanted: impl Fn(&SegmentRecord) -> bool) -> &[SegmentRecord] {
    let (mut rows, mut bytes) = (0, 0);
    let fits = |segment: &&SegmentRecord| {
        rows += segment.rows;
        bytes += segment.bytes;
        is_wanted(segment) && rows <= ROWS_MAX && bytes <= BYTES_MAX
    };
    let count = segments.iter().take_while(fits).count().max(1);
    &segments[..count]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u32, is_sealed: bool, bytes: u64) -> SegmentRecord {
        let name = SegmentName { session: frontier::SessionId(1), seq, sealed: is_sealed.then_some(seq) };
        let place = SegmentPlace { session: 0, seq };
        SegmentRecord { name: name.to_string(), bytes, rows: 1, crc32c: 0, first: place, last: place }
    }

    fn seqs(segments: &[SegmentRecord], growing: Option<u32>) -> Vec<u32> {
        let growing = growing.map(|seq| SegmentPlace { session: 0, seq });
        next_sources(segments, growing).iter().map(|segment| segment.first.seq).collect()
    }

    #[test]
    fn open_segments_are_sealed_together_but_for_the_one_that_grows() {
        let segments =
            [segment(0, true, 9), segment(1, false, 9), segment(2, false, 9), segment(3, false, 9)];
        assert_eq!(seqs(&segments, Some(3)), [1, 2]);
        assert_eq!(seqs(&segments, None), [1, 2, 3]);
        assert_eq!(seqs(&segments[3..], Some(3)), [0; 0]);
    }

    #[test]
    fn a_segment_does_not_outgrow_its_bound() {
        let segments =
            [segment(0, false, BYTES_MAX - 1), segment(1, false, 9), segment(2, false, BYTES_MAX + 1)];
        assert_eq!(seqs(&segments, None), [0]);
        assert_eq!(seqs(&segments[1..], None), [1]);
        assert_eq!(seqs(&segments[2..], None), [2], "a single one is sealed, however large");
    }

    #[test]
    fn small_neighbours_are_merged_once_there_are_enough() {
        let mut segments: Vec<SegmentRecord> = (0..7).map(|seq| segment(seq, true, 9)).collect();
        assert_eq!(seqs(&segments, None), [0; 0]);
        segments.insert(0, segment(8, true, SMALL_BYTES));
        segments.push(segment(9, true, 9));
        assert_eq!(seqs(&segments, None), [0, 1, 2, 3, 4, 5, 6, 9]);
        segments.insert(4, segment(10, true, SMALL_BYTES));
        assert_eq!(seqs(&segments, None), [0; 0], "they are no neighbours");
    }
}
