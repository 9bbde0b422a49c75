//! What a running crawl shows: `live.json`, written by its process about once a second and read without a lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::data_dir::{OpenError, SEGMENTS_DIR, replace_file};
use crate::segment::ReadError;
use crate::segment::reader::SegmentReader;
use crate::work_queue::sled::SegmentRecord;

const LIVE_FILE: &str = "live.json";

/// How often, and how far apart, a reader looks for what it wants of a process at work: 5 s in all.
const LOOKS_MAX: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a running crawl shows of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Live {
    /// The process at work.
    pub pid: u32,
    /// Incremented with every writing.
    pub revision: u64,
    /// All registered segments, in the order of their rows.
    pub segments: Vec<SegmentRecord>,
    /// The hosts, by their origins.
    pub origins: Vec<String>,
    /// Outputs for commands that want no entries, by command and format: `status.text`.
    pub outputs: std::collections::BTreeMap<String, String>,
}

impl Live {
    /// Shows this in the data directory at `dir`, in place of what was shown. Not synced: a crash ends its use.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), OpenError> {
        let path = dir.join(LIVE_FILE);
        let json = serde_json::to_vec(self).map_err(io::Error::other);
        let written = json.and_then(|json| replace_file(&path, &json));
        written.map_err(|error| OpenError::io("write", &path, error))
    }

    /// What process `pid` shows; `None` while it shows nothing.
    fn read(dir: &Path, pid: u32) -> Option<Self> {
        let live: Self = serde_json::from_slice(&fs::read(dir.join(LIVE_FILE)).ok()?).ok()?;
        (live.pid == pid).then_some(live)
    }
}

/// Reads a crawl that another process is at work on: what was committed up to about a second ago.
pub struct LiveReader {
    dir: PathBuf,
    live: Live,
}

impl LiveReader {
    /// Reads what process `pid` shows of the data directory at `dir`; waits for it for a moment, since a process shows
    /// nothing before it is at work. `None` when it does not come: it may be no crawl.
    pub fn open(dir: &Path, pid: u32) -> Option<Self> {
        let live = wait_for(|| Live::read(dir, pid))?;
        Some(Self { dir: dir.to_owned(), live })
    }

    /// What was shown.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// All entries that were registered when this was opened, as [`crate::CrawlReader::entries`] gives them.
    ///
    /// Their order stays the same when segments are sealed meanwhile, so reading goes on behind the rows already given.
    pub fn entries(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        let total = self.live.segments.iter().map(|segment| segment.rows).sum();
        let (live, current) = (self.live.clone(), None);
        let mut entries = Entries { dir: &self.dir, live, current, given: 0, total };
        let mut is_over = false;
        std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let batch = entries.next_batch().transpose();
            is_over = !matches!(batch, Some(Ok(_)));
            batch
        })
    }
}

struct Entries<'a> {
    dir: &'a Path,
    live: Live,
    /// The segment being read, and rows to pass over at its beginning.
    current: Option<(SegmentReader, u64)>,
    given: u64,
    total: u64,
}

impl Entries<'_> {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        while self.given < self.total {
            let Some((reader, skip)) = &mut self.current else {
                self.current = Some(self.open_next()?);
                continue;
            };
            let Some(batch) = reader.next().transpose()? else {
                self.current = None;
                continue;
            };
            let rows = batch.num_rows();
            let passed = usize::try_from(*skip).map_or(rows, |skip| skip.min(rows));
            *skip -= passed as u64;
            let wanted = usize::try_from(self.total - self.given).unwrap_or(usize::MAX).min(rows - passed);
            if wanted > 0 {
                self.given += wanted as u64;
                return Ok(Some(batch.slice(passed, wanted)));
            }
        }
        Ok(None)
    }

    /// Opens the segment that holds the next row, as often as it is sealed before it could be opened.
    fn open_next(&mut self) -> Result<(SegmentReader, u64), ReadError> {
        let segments = self.dir.join(SEGMENTS_DIR);
        loop {
            let Some((segment, skip)) = self.next_segment() else {
                return Err(self.gone(&segments));
            };
            match SegmentReader::open(&segments, segment) {
                Err(ReadError::Io { source, path }) if source.kind() == io::ErrorKind::NotFound => {
                    let (dir, pid, revision) = (self.dir, self.live.pid, self.live.revision);
                    let later = || Live::read(dir, pid).filter(|live| live.revision > revision);
                    self.live = wait_for(later).ok_or_else(|| self.gone(&path))?;
                }
                opened => return opened.map(|reader| (reader, skip)),
            }
        }
    }

    fn next_segment(&self) -> Option<(SegmentRecord, u64)> {
        let mut begin = 0;
        self.live.segments.iter().find_map(|segment| {
            let end = begin + segment.rows;
            let skip = (self.given < end).then(|| self.given.saturating_sub(begin));
            begin = end;
            skip.map(|skip| (segment.clone(), skip))
        })
    }

    fn gone(&self, path: &Path) -> ReadError {
        let source = io::Error::other("the crawl that was at work on it has ended; try again");
        ReadError::Io { path: path.to_owned(), source }
    }
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    None
}
