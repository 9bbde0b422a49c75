//! Reads a crawl that another process is running.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use frontier::work_queue::{Counts, HostRecord, QueueError, SessionRecord, TaskState};
use frontier::{FetchRecord, HostId, TaskId};
use serde::de::DeserializeOwned;

use super::address::Address;
use super::question::{self, ANSWER_BYTES_MAX, Greeting, Page, Question};
use crate::data_dir::error::OpenError;
use crate::data_dir::layout::SEGMENTS_DIR;
use crate::data_dir::settings;
use crate::segment::error::ReadError;
use crate::segment::reader::SegmentReader;
use crate::segment::record::SegmentRecord;
use crate::work_queue::FetchMark;
use crate::work_queue::local::QueueView;

/// Maximum time until the crawl's process answers. It answers between its commits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Reads a crawl that another process is running, by asking that process. It sees what was committed when it asks.
///
/// Records come one by one, in the same order as from a [`crate::CrawlReader`]. They are asked for in pages, and the
/// crawl goes on between two pages: a host may be newer than its requests, or the reverse.
pub struct LiveReader {
    dir: PathBuf,
    view: QueueView,
    seal_failure: Option<String>,
    settings: Option<String>,
}

impl LiveReader {
    /// Asks the process that runs the crawl in the data directory at `path` for the state of the crawl.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if no process answers. One that has just been started may answer later.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut connection = Connection::open(path)?;
        let (view, seal_failure) = (connection.ask(Question::View)?, connection.ask(Question::SealFailure)?);
        Ok(Self { dir: path.to_owned(), view, seal_failure, settings: settings::read(path)? })
    }

    /// The data directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The stored flags of the crawl, see [`crate::DataDir::set_settings`].
    pub fn settings(&self) -> Option<&str> {
        self.settings.as_deref()
    }

    /// Why entries could not be sealed when this was opened; `None` if nothing was wrong. The crawl tries again.
    pub fn seal_failure(&self) -> Option<&str> {
        self.seal_failure.as_deref()
    }

    /// The totals when this was opened.
    pub fn counts(&self) -> &Counts {
        &self.view.counts
    }

    /// All sessions when this was opened, by number.
    pub fn sessions(&self) -> &[SessionRecord] {
        &self.view.sessions
    }

    /// All hosts, like [`crate::CrawlReader::hosts`].
    pub fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
        self.pages(Question::Hosts { after: None })
    }

    /// The origins of all hosts, in the order of their ids.
    pub fn origins(&self) -> impl Iterator<Item = Result<String, QueueError>> {
        self.hosts().map(|host| Ok(host?.1.host.to_string()))
    }

    /// The states of all tasks, like [`crate::CrawlReader::tasks`].
    pub fn tasks(&self) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
        self.pages(Question::Tasks { after: None })
    }

    /// All requests, like [`crate::CrawlReader::fetches`].
    pub fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>> {
        self.pages(Question::Fetches { after: FetchMark::default() })
    }

    /// The records of all pages from `first` on. Ends after the first error.
    fn pages<T: DeserializeOwned>(&self, first: Question) -> impl Iterator<Item = Result<T, QueueError>> {
        let (mut connection, mut next) = (None, Some(first));
        let mut page = Vec::new().into_iter();
        std::iter::from_fn(move || {
            loop {
                if let Some(item) = page.next() {
                    return Some(Ok(item));
                }
                match self.page(&mut connection, next.take()?) {
                    Ok(found) => (page, next) = (found.items.into_iter(), found.next),
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    fn page<T: DeserializeOwned>(
        &self,
        connection: &mut Option<Connection>,
        question: Question,
    ) -> Result<Page<T>, QueueError> {
        match connection {
            Some(connection) => connection.ask(question),
            None => connection.insert(Connection::open(&self.dir)?).ask(question),
        }
    }

    /// All entries that were registered when this was opened, like [`crate::CrawlReader::entries`].
    ///
    /// Sealing does not change their order. If segments are sealed in the meantime, reading continues after the rows
    /// that were already returned.
    pub fn entries(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        let segments = self.view.segments.clone();
        let total = segments.iter().map(|segment| segment.rows).sum();
        let mut entries = Entries { dir: &self.dir, segments, current: None, returned: 0, total };
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
    segments: Vec<SegmentRecord>,
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

    /// Opens the segment that contains the next row. Asks for the segments again if it was sealed and removed before it
    /// could be opened.
    fn open_next(&mut self) -> Result<(SegmentReader, u64), ReadError> {
        let segments = self.dir.join(SEGMENTS_DIR);
        let failed = |path: &Path, source| ReadError::Io { path: path.to_owned(), source };
        loop {
            let Some((segment, skip)) = self.next_segment() else {
                return Err(failed(&segments, io::Error::other("registered entries are missing")));
            };
            match SegmentReader::open(&segments, segment) {
                Err(ReadError::Io { source, path }) if source.kind() == io::ErrorKind::NotFound => {
                    let asked =
                        LiveReader::open(self.dir).map_err(|error| failed(&path, io::Error::other(error)));
                    let registered = asked?.view.segments;
                    if registered == self.segments {
                        return Err(failed(&path, source));
                    }
                    self.segments = registered;
                }
                opened => return opened.map(|reader| (reader, skip)),
            }
        }
    }

    fn next_segment(&self) -> Option<(SegmentRecord, u64)> {
        let mut begin = 0;
        self.segments.iter().find_map(|segment| {
            let end = begin + segment.rows;
            let skip = (self.returned < end).then(|| self.returned.saturating_sub(begin));
            begin = end;
            skip.map(|skip| (segment.clone(), skip))
        })
    }
}

/// A connection to the process that runs a crawl.
struct Connection(UnixStream);

impl Connection {
    fn open(dir: &Path) -> Result<Self, QueueError> {
        let connect = || {
            let stream = UnixStream::connect(Address::in_dir(dir)?.path())?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            Ok(Self(stream))
        };
        let mut connection = connect().map_err(|error| unanswered(&error))?;
        connection.exchange::<()>(
            &question::message(&Greeting::of_this_release()).map_err(|error| unanswered(&error))?,
        )?;
        Ok(connection)
    }

    fn ask<T: DeserializeOwned>(&mut self, question: Question) -> Result<T, QueueError> {
        self.exchange(&question::message(&question).map_err(|error| unanswered(&error))?)
    }

    /// Sends a message and returns what answers it.
    fn exchange<T: DeserializeOwned>(&mut self, message: &[u8]) -> Result<T, QueueError> {
        let answer: Result<T, String> = self.send_and_receive(message).map_err(|error| unanswered(&error))?;
        answer.map_err(QueueError::Storage)
    }

    fn send_and_receive<T: DeserializeOwned>(&mut self, message: &[u8]) -> io::Result<T> {
        self.0.write_all(message)?;
        let mut begin = [0; 4];
        self.0.read_exact(&mut begin)?;
        let mut bytes = vec![0; question::value_length(begin, ANSWER_BYTES_MAX)?];
        self.0.read_exact(&mut bytes)?;
        question::value(&bytes)
    }
}

/// The error if a process does not answer as expected.
fn unanswered(error: &io::Error) -> QueueError {
    QueueError::Unavailable(format!(
        "the process that runs the crawl does not answer ({error}); it may have ended"
    ))
}
