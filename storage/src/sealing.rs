//! Sealing: rewrites segments that no longer grow as Parquet, and merges small ones, while the crawl runs.
//!
//! The new file is written under `tmp/`, synced, renamed into `segments/`, and that folder is synced. Then one commit
//! of the queue registers it instead of its sources, and only after that are the sources removed. At whatever moment
//! a crash occurs, the rows are registered exactly once, and the next start removes the leftover files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use frontier::work_queue::QueueError;
use parquet::errors::ParquetError;

use crate::data_dir::layout::{SCRATCH_DIR, SEGMENTS_DIR};
use crate::disk::{self, DurableFile, sync_dir};
use crate::segment::error::ReadError;
use crate::segment::name::SegmentName;
use crate::segment::open::{BYTES_MAX, ROWS_MAX};
use crate::segment::reader::SegmentReader;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::segment::sealed::{Extent, SealedWriter};
use crate::work_queue::local::LocalWorkQueue;

/// A sealed segment with fewer bytes, and with few rows, is small.
const SMALL_BYTES: u64 = BYTES_MAX / 8;

/// A sealed segment with fewer rows, and with few bytes, is small.
const SMALL_ROWS: u64 = ROWS_MAX / 8;

/// Number of adjacent small segments at which they are merged. With fewer, the same rows would be rewritten too
/// often.
pub(crate) const MERGE_MIN: usize = 8;

/// File under `tmp/` that is being written while open segments are sealed.
pub(crate) const SEALING_FILE: &str = "sealing";

/// File under `tmp/` that is being written while sealed segments are merged.
pub(crate) const MERGING_FILE: &str = "merging";

/// Pause after a failure, unless a segment is full before. A try may read and write 64 MiB.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Why segments could not be sealed. They remain unchanged, and sealing is tried again, at the latest by the next start.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A segment could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The operating system reported an error, most often because the disk is full.
    #[error("cannot seal entries in {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The thread could not be started, or it panicked.
    #[error("the sealing thread has ended")]
    Thread,
    /// Sealing was stopped by [`Sealer::stop`].
    #[error("sealing was stopped")]
    Stopped,
}

/// Why the last try to seal segments failed; empty if it succeeded. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SealFailure(Arc<Mutex<Option<String>>>);

impl SealFailure {
    /// The text of the error.
    pub(crate) fn text(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, error: Option<&SealError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ToString::to_string);
    }
}

/// A message to the sealing thread.
enum Order {
    /// A segment is full.
    Full,
    /// No segment will grow any more.
    Finish,
}

/// Seals the segments of a data directory on a separate thread, one file at a time. It uses at most one core and the
/// memory of one row group. Dropping it stops the thread soon, without waiting for it.
pub struct Sealer {
    orders: mpsc::Sender<Order>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), SealError>>>,
}

impl Sealer {
    /// Starts the thread. It first seals what earlier sessions left, and then continues whenever a segment is full. If it
    /// fails, it calls `on_failure`, tells `failure`, and tries again.
    pub(crate) fn start(
        dir: &Path,
        queue: impl LocalWorkQueue,
        failure: SealFailure,
        on_failure: impl Fn(&SealError) + Send + 'static,
    ) -> Result<Self, SealError> {
        let (orders, received) = mpsc::channel();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let sealing = Sealing { dir: dir.to_owned(), queue, is_stopped: is_stopped.clone(), failure };
        let (thread, wakes) = (std::thread::Builder::new().name("seal".to_owned()), orders.clone());
        let thread = thread.spawn(move || sealing.run(wakes, &received, on_failure));
        Ok(Self { orders, is_stopped, thread: Some(thread.map_err(|_| SealError::Thread)?) })
    }

    /// Seals everything, including the open segment of this session. Nothing may be appended any more. Blocks until
    /// done.
    pub fn finish(mut self) -> Result<(), SealError> {
        // If the thread has already ended, the join returns the reason.
        let _ = self.orders.send(Order::Finish);
        let Some(thread) = self.thread.take() else { return Err(SealError::Thread) };
        thread.join().map_err(|_| SealError::Thread)?
    }

    /// Stops without completing the file that is being written. The next start seals the rest.
    pub fn stop(self) -> Result<(), SealError> {
        self.is_stopped.store(true, Ordering::Relaxed);
        match self.finish() {
            Err(SealError::Stopped) => Ok(()),
            ended => ended,
        }
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        // The thread holds the queue, and with it the lock of the data directory.
        self.is_stopped.store(true, Ordering::Relaxed);
        let _ = self.orders.send(Order::Finish);
    }
}

struct Sealing<Q> {
    dir: PathBuf,
    queue: Q,
    is_stopped: Arc<AtomicBool>,
    failure: SealFailure,
}

impl<Q: LocalWorkQueue> Sealing<Q> {
    fn run(
        &self,
        wakes: mpsc::Sender<Order>,
        orders: &mpsc::Receiver<Order>,
        on_failure: impl Fn(&SealError),
    ) -> Result<(), SealError> {
        // If this thread has ended by then, the next start seals the segment.
        self.queue.on_full_segment(move || drop(wakes.send(Order::Full)))?;
        loop {
            let sealed = self.seal_all(false);
            match &sealed {
                Ok(()) => self.failure.set(None),
                Err(SealError::Stopped) => return sealed,
                Err(error) => {
                    self.failure.set(Some(error));
                    on_failure(error);
                }
            }
            let order = match sealed {
                Ok(()) => orders.recv().unwrap_or(Order::Finish),
                Err(_) => match orders.recv_timeout(RETRY_PAUSE) {
                    Ok(order) => order,
                    Err(RecvTimeoutError::Timeout) => Order::Full,
                    Err(RecvTimeoutError::Disconnected) => Order::Finish,
                },
            };
            if matches!(order, Order::Finish) {
                return self.seal_all(true);
            }
        }
    }

    /// Seals and merges until there is nothing to do. `includes_growing`: no segment grows any more.
    fn seal_all(&self, includes_growing: bool) -> Result<(), SealError> {
        loop {
            self.check_stopped()?;
            let (segments, growing) = self.queue.segments()?;
            let sources = next_sources(&segments, growing.filter(|_| !includes_growing));
            if sources.is_empty() || !self.replace(sources)? {
                return Ok(());
            }
        }
    }

    /// Replaces `sources` by one sealed segment. Returns false, and changes nothing, if it would have the name of one
    /// of them.
    fn replace(&self, sources: &[SegmentRecord]) -> Result<bool, SealError> {
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else { return Ok(false) };
        let is_merge = sources.iter().all(SegmentRecord::is_sealed);
        let unfinished = self.dir.join(SCRATCH_DIR).join(if is_merge { MERGING_FILE } else { SEALING_FILE });
        let extent = self.write(sources, &unfinished).inspect_err(|_| {
            // If this fails, the next start removes the file.
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
        self.queue.replace_segments(sources.to_vec(), sealed)?;
        for source in sources {
            // If this fails, the next start removes the file.
            let _ = disk::remove(&dir.join(&source.name));
        }
        Ok(true)
    }

    fn write(&self, sources: &[SegmentRecord], unfinished: &Path) -> Result<Extent, SealError> {
        let io = |source| SealError::Write { path: unfinished.to_owned(), source };
        let parquet = |error: ParquetError| io(into_io(error));
        let mut writer = SealedWriter::new(DurableFile::create(unfinished).map_err(io)?).map_err(parquet)?;
        let mut documents = Vec::new();
        for source in sources {
            let reader = SegmentReader::open(&self.dir.join(SEGMENTS_DIR), source.clone())?;
            reader.copy(
                |document| documents.push(document),
                |rows| {
                    self.check_stopped()?;
                    writer.write(rows).map_err(parquet)
                },
            )?;
        }
        documents.into_iter().for_each(|document| writer.add_document(document));
        writer.finish().map_err(parquet)
    }

    fn check_stopped(&self) -> Result<(), SealError> {
        if self.is_stopped.load(Ordering::Relaxed) { Err(SealError::Stopped) } else { Ok(()) }
    }
}

/// Converts an error of Parquet to the I/O error that it wraps, if any.
pub(crate) fn into_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}

/// The next segments to replace by one, which are adjacent in the order of the crawl. Empty if there is nothing to
/// do.
fn next_sources(segments: &[SegmentRecord], growing: Option<SegmentPlace>) -> &[SegmentRecord] {
    let is_complete = |segment: &SegmentRecord| !segment.is_sealed() && growing != Some(segment.first);
    if let Some(begin) = segments.iter().position(is_complete) {
        return longest_fit(&segments[begin..], is_complete);
    }
    let is_small = |segment: &SegmentRecord| segment.is_sealed() && is_small(segment);
    let mut begin = 0;
    while begin < segments.len() {
        let run = segments[begin..].iter().take_while(|segment| is_small(segment)).count();
        if run >= MERGE_MIN {
            return longest_fit(&segments[begin..begin + run], is_small);
        }
        begin += run + 1;
    }
    &[]
}

/// Whether a sealed segment should be merged with others.
pub(crate) fn is_small(segment: &SegmentRecord) -> bool {
    segment.bytes < SMALL_BYTES && segment.rows < SMALL_ROWS
}

/// The first of `segments` and as many that follow it as are wanted and fit into one segment.
fn longest_fit(segments: &[SegmentRecord], is_wanted: impl Fn(&SegmentRecord) -> bool) -> &[SegmentRecord] {
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
    fn open_segments_are_sealed_together_except_the_one_that_grows() {
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
        assert_eq!(seqs(&segments[2..], None), [2], "a single segment is sealed whatever its size");
    }

    #[test]
    fn adjacent_small_segments_are_merged_once_there_are_enough() {
        let mut segments: Vec<SegmentRecord> = (0..7).map(|seq| segment(seq, true, 9)).collect();
        assert_eq!(seqs(&segments, None), [0; 0]);
        segments.insert(0, segment(8, true, SMALL_BYTES));
        segments.push(segment(9, true, 9));
        assert_eq!(seqs(&segments, None), [0, 1, 2, 3, 4, 5, 6, 9]);
        segments.insert(4, segment(10, true, SMALL_BYTES));
        assert_eq!(seqs(&segments, None), [0; 0], "they are not adjacent");
    }
}
