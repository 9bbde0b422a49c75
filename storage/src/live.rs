//! The file `live.json`: the state of a running crawl. Its process writes it about once a second, and it is read
//! without a lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::data_dir::error::OpenError;
use crate::data_dir::layout::{LIVE_FILE, SEGMENTS_DIR};
use crate::data_dir::replace::replace_unsynced;
use crate::segment::error::ReadError;
use crate::segment::reader::SegmentReader;
use crate::segment::record::SegmentRecord;

/// Number of times that a reader polls the file, and the pause after each: 5 s in all.
const POLLS_MAX: u32 = 100;
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The published state of a running crawl.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Live {
    /// Id of the process that runs the crawl.
    pub pid: u32,
    /// Incremented each time the file is written.
    pub revision: u64,
    /// All registered segments, in the order of their rows.
    pub segments: Vec<SegmentRecord>,
    /// The origins of all hosts.
    pub origins: Vec<String>,
    /// Rendered outputs of commands that need no entries, by command and format, such as `status.text`.
    pub outputs: std::collections::BTreeMap<String, String>,
}

impl Live {
    /// Writes this to the data directory at `dir`. Replaces the earlier state. Not synced, because it is useless
    /// after a crash.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), OpenError> {
        let path = dir.join(LIVE_FILE);
        let json = serde_json::to_vec(self).map_err(io::Error::other);
        let written = json.and_then(|json| replace_unsynced(&path, &json));
        written.map_err(|error| OpenError::io("write", &path, error))
    }

    /// The state that process `pid` has written; `None` if it has not written any yet.
    fn read(dir: &Path, pid: u32) -> Option<Self> {
        let live: Self = serde_json::from_slice(&fs::read(dir.join(LIVE_FILE)).ok()?).ok()?;
        (live.pid == pid).then_some(live)
    }
}

/// Reads a crawl that another process is running. It sees what was committed until about a second ago.
pub struct LiveReader {
    dir: PathBuf,
    live: Live,
}

impl LiveReader {
    /// Reads the state that process `pid` has written to the data directory at `dir`. Waits up to 5 s for it, because
    /// a process writes it only once it has started. Returns `None` if there is none by then: the process may not be
    /// a crawl.
    pub fn open(dir: &Path, pid: u32) -> Option<Self> {
        let live = wait_for(|| Live::read(dir, pid))?;
        Some(Self { dir: dir.to_owned(), live })
    }

    /// The state that was read.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// All entries that were registered when this was opened, like [`crate::CrawlReader::entries`].
    ///
    /// Sealing does not change their order. If segments are sealed in the meantime, reading continues after the rows
    /// that were already returned.
    pub fn entries(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        let total = self.live.segments.iter().map(|segment| segment.rows).sum();
        let (live, current) = (self.live.clone(), None);
        let mut entries = Entries { dir: &self.dir, live, current, returned: 0, total };
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
    /// The segment being read, and the number of rows to skip at its start.
    current: Option<(SegmentReader, u64)>,
    returned: u64,
    total: u64,
}

impl Entries<'_> {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        while self.returned < self.total {
            let Some((reader, skip)) = &mut self.current else {
                self.current = Some(self.open_next()?);
                continue;
            };
            let Some(batch) = reader.next().transpose()? else {
                self.current = None;
                continue;
            };
            let rows = batch.num_rows();
            let skipped = usize::try_from(*skip).map_or(rows, |skip| skip.min(rows));
            *skip -= skipped as u64;
            let wanted =
                usize::try_from(self.total - self.returned).unwrap_or(usize::MAX).min(rows - skipped);
            if wanted > 0 {
                self.returned += wanted as u64;
                return Ok(Some(batch.slice(skipped, wanted)));
            }
        }
        Ok(None)
    }

    /// Opens the segment that contains the next row. Tries again if it was sealed and removed before it could be
    /// opened.
    fn open_next(&mut self) -> Result<(SegmentReader, u64), ReadError> {
        let segments = self.dir.join(SEGMENTS_DIR);
        loop {
            let Some((segment, skip)) = self.next_segment() else {
                return Err(self.ended(&segments));
            };
            match SegmentReader::open(&segments, segment) {
                Err(ReadError::Io { source, path }) if source.kind() == io::ErrorKind::NotFound => {
                    let (dir, pid, revision) = (self.dir, self.live.pid, self.live.revision);
                    let later = || Live::read(dir, pid).filter(|live| live.revision > revision);
                    self.live = wait_for(later).ok_or_else(|| self.ended(&path))?;
                }
                opened => return opened.map(|reader| (reader, skip)),
            }
        }
    }

    fn next_segment(&self) -> Option<(SegmentRecord, u64)> {
        let mut begin = 0;
        self.live.segments.iter().find_map(|segment| {
            let end = begin + segment.rows;
            let skip = (self.returned < end).then(|| self.returned.saturating_sub(begin));
            begin = end;
            skip.map(|skip| (segment.clone(), skip))
        })
    }

    fn ended(&self, path: &Path) -> ReadError {
        let source = io::Error::other("the crawl that was running has ended; try again");
        ReadError::Io { path: path.to_owned(), source }
    }
}

fn wait_for<T>(mut poll: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..POLLS_MAX {
        if let Some(found) = poll() {
            return Some(found);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    None
}
