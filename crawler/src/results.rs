//! Reads what a crawl found: while it runs, or afterwards.

#[cfg(feature = "shared")]
mod shared;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use frontier::work_queue::{HostRecord, QueueError, TaskState};
use frontier::{Clock, FetchRecord, HostId, Outcome, TaskId};
use reports::{
    EntrySource, ExportOptions, ExportSummary, RecordSource, Report, Status, Timeline, Verdict, render,
};
use storage::{CrawlReader, LiveReader, OpenError, Rebuilt};

use crate::clock::SystemClock;
use crate::entry::Entry;
use crate::error::Error;
use crate::event::HostAccount;
#[cfg(feature = "shared")]
use shared::SharedSource;

/// Number of tries to open a crawl that a process is running, and the pause after each: 5 s in all.
const OPEN_TRIES_MAX: u32 = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// What a crawl found, and what it recorded of its requests.
///
/// It reads a crawl at rest, one that a process is running, and one that several machines share. Nothing is read before
/// it is asked for, and rows come one by one. All methods block; call them from a blocking thread in async code.
///
/// While a process runs the crawl in a data directory, that process answers what is asked here. It goes on meanwhile, so
/// figures that are read one after another may be of different moments. If it ends, what is being read fails with
/// [`QueueError::Unavailable`]; open the crawl again.
///
/// ```
/// use crawler::{Crawl, Results};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let page = fakesite::Page::xml("<urlset><url><loc>/a</loc></url><url><loc>/b</loc></url></urlset>");
/// # let site = fakesite::Site::new().page("/sitemap.xml", page);
/// # let server = fakesite::Web::new().host("127.0.0.1", site).serve(Default::default())?;
/// # let site = format!("http://{}/", server.address());
/// # let folder = tempfile::tempdir()?;
/// # let data_dir = folder.path();
/// # let crawl = Crawl::builder().seed(&site).data_dir(data_dir).allow_private(true).run();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(crawl)?;
/// let results = Results::open(data_dir)?;
/// let mut urls = Vec::new();
/// for entry in results.entries() {
///     urls.push(entry?.loc().to_owned());
/// }
/// assert_eq!(urls, [format!("{site}a"), format!("{site}b")]);
/// assert_eq!(results.sitemaps()?.count(), 1);
/// println!("{}", results.verdict()?.sentence);
/// # Ok(())
/// # }
/// ```
pub struct Results {
    source: Source,
}

enum Source {
    /// In a data directory, and not running.
    Stopped(Box<CrawlReader>),
    /// In a data directory, and running.
    Live(Box<LiveReader>),
    /// In a store, running or not.
    #[cfg(feature = "shared")]
    Shared(Box<SharedSource>),
}

/// A sitemap that a crawl knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SitemapRecord {
    /// Its URL.
    pub url: String,
    /// Number of index levels above it.
    pub depth: u16,
    /// Number of attempts made.
    pub attempts: u8,
    /// How it ended. `None` while it is pending.
    pub outcome: Option<Outcome>,
}

/// The form of a rendered report or status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For people with a browser: a web page in one file. A status has none.
    Html,
}

/// A report or a status that is ready to be written. It holds nothing of the crawl open.
pub struct Rendered(Content);

enum Content {
    Text(String),
    Status(Box<Status>),
    Report(Box<Report>),
    Page(Box<(Report, Timeline)>),
}

impl Results {
    /// Opens the crawl in the data directory at `path`. Waits a few seconds for a crawl that has just been started.
    ///
    /// # Errors
    /// [`OpenError`] if there is no crawl, or its data cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut tries = 1;
        loop {
            let in_use = match CrawlReader::open(path) {
                Ok(reader) => return Ok(Self { source: Source::Stopped(Box::new(reader)) }),
                Err(in_use @ OpenError::InUse { pid: Some(_), .. }) => in_use,
                Err(other) => return Err(other.into()),
            };
            match LiveReader::open(path) {
                Ok(reader) => return Ok(Self { source: Source::Live(Box::new(reader)) }),
                // It may be starting, or have ended in the meantime. Or it is no crawl, but a `rebuild`.
                Err(OpenError::Queue(QueueError::Unavailable(_))) if tries < OPEN_TRIES_MAX => {}
                Err(OpenError::Queue(QueueError::Unavailable(_))) => return Err(in_use.into()),
                Err(other) => return Err(other.into()),
            }
            tries += 1;
            std::thread::sleep(OPEN_PAUSE);
        }
    }

    /// Opens a crawl that several machines share. Its entries are there only if the place names its segments.
    #[cfg(feature = "shared")]
    pub fn shared(place: &crate::SharedPlace) -> Result<Self, Error> {
        Ok(Self { source: Source::Shared(Box::new(SharedSource::open(place)?)) })
    }

    /// Whether a process is running the crawl.
    pub fn is_running(&self) -> bool {
        match &self.source {
            Source::Stopped(_) => false,
            Source::Live(_) => true,
            #[cfg(feature = "shared")]
            Source::Shared(source) => source.is_running(),
        }
    }

    /// All entries, in the order in which their documents were read.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, Error>> + '_ {
        crate::entry::entries(self.batches())
    }

    /// All entries as Arrow batches of [`storage::schema`]. A batch has the rows of one document or of several.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, Error>> + '_ {
        let batches: Box<dyn Iterator<Item = _>> = match &self.source {
            Source::Stopped(reader) => Box::new(reader.entries()),
            Source::Live(reader) => Box::new(reader.entries()),
            #[cfg(feature = "shared")]
            Source::Shared(source) => source.batches(),
        };
        batches.map(|batch| Ok(batch?))
    }

    /// All hosts, in the order of their ids. A host that only served the robots.txt of another is left out.
    pub fn hosts(&self) -> Result<impl Iterator<Item = Result<HostAccount, Error>> + '_, Error> {
        let hosts: Box<dyn Iterator<Item = Result<(HostId, HostRecord), QueueError>>> = match &self.source {
            Source::Stopped(reader) => Box::new(reader.hosts()),
            Source::Live(reader) => Box::new(reader.hosts()),
            #[cfg(feature = "shared")]
            Source::Shared(source) => Box::new(RecordSource::hosts(&**source)),
        };
        let account = |host: Result<(HostId, HostRecord), QueueError>| match host {
            Ok((_, host)) if !host.is_site => None,
            Ok((_, host)) => Some(Ok(HostAccount::from(host))),
            Err(error) => Some(Err(Error::from(error))),
        };
        Ok(hosts.filter_map(account))
    }

    /// All requests, in the order in which they were recorded.
    pub fn requests(&self) -> Result<impl Iterator<Item = Result<FetchRecord, Error>> + '_, Error> {
        let requests: Box<dyn Iterator<Item = Result<FetchRecord, QueueError>>> = match &self.source {
            Source::Stopped(reader) => Box::new(reader.fetches()),
            Source::Live(reader) => Box::new(reader.fetches()),
            #[cfg(feature = "shared")]
            Source::Shared(source) => Box::new(source.fetches()),
        };
        Ok(requests.map(|request| Ok(request?)))
    }

    /// All sitemaps that are known, fetched or not, by host and then by the hash of their URL. Guessed paths where there
    /// is nothing are left out, and so is robots.txt.
    pub fn sitemaps(&self) -> Result<impl Iterator<Item = Result<SitemapRecord, Error>> + '_, Error> {
        let tasks: Box<dyn Iterator<Item = Result<(TaskId, TaskState), QueueError>>> = match &self.source {
            Source::Stopped(reader) => Box::new(reader.tasks()),
            Source::Live(reader) => Box::new(reader.tasks()),
            #[cfg(feature = "shared")]
            Source::Shared(source) => Box::new(source.tasks()),
        };
        Ok(tasks.filter_map(|task| match task {
            Ok((_, state)) => SitemapRecord::of(state).map(Ok),
            Err(error) => Some(Err(error.into())),
        }))
    }

    /// The report: where the time went, each host, errors, and the verdict.
    pub fn report(&self) -> Result<Report, Error> {
        Ok(match &self.source {
            Source::Stopped(reader) => reports::report(&**reader)?,
            Source::Live(reader) => reports::report(&**reader)?,
            #[cfg(feature = "shared")]
            Source::Shared(source) => reports::report(&**source)?,
        })
    }

    /// What limited the crawl, and what would shorten it. Like [`Self::report`].
    pub fn verdict(&self) -> Result<Verdict, Error> {
        Ok(self.report()?.verdict)
    }

    /// How far the crawl is.
    pub fn status(&self) -> Result<Status, Error> {
        let now = SystemClock::new().now();
        Ok(match &self.source {
            Source::Stopped(reader) => reports::status(&**reader, now)?,
            Source::Live(reader) => reports::status(&**reader, now)?,
            #[cfg(feature = "shared")]
            Source::Shared(source) => reports::status(&**source, now)?,
        })
    }

    /// The report in a form for output. This closes the crawl, so that others can use it while the output is written.
    pub fn into_report(self, view: View) -> Result<Rendered, Error> {
        match self.source {
            Source::Stopped(reader) => report_of(&*reader, view),
            Source::Live(reader) => match report_of(&*reader, view) {
                // The crawl has ended meanwhile.
                Err(Error::Queue(QueueError::Unavailable(_))) => Self::open(reader.path())?.into_report(view),
                report => report,
            },
            #[cfg(feature = "shared")]
            Source::Shared(source) => report_of(&*source, view),
        }
    }

    /// The status in a form for output. This closes the crawl, so that others can use it while the output is written.
    pub fn into_status(self, view: View) -> Result<Rendered, Error> {
        let status = match (self.status(), &self.source) {
            // The crawl has ended meanwhile.
            (Err(Error::Queue(QueueError::Unavailable(_))), Source::Live(reader)) => {
                return Self::open(reader.path())?.into_status(view);
            }
            (status, _) => status?,
        };
        Ok(Rendered(match view {
            View::Json => Content::Status(Box::new(status)),
            View::Text | View::Html => Content::Text(render::status_text(&status)),
        }))
    }

    /// Writes the entries to `out`. This closes the queue, so that others can use it meanwhile.
    ///
    /// # Errors
    /// [`reports::ExportError`], also if `out` cannot be written.
    pub fn export(
        self,
        options: &ExportOptions,
        out: &mut (impl Write + Send),
    ) -> Result<ExportSummary, Error> {
        let source: Box<dyn EntrySource> = match self.source {
            Source::Stopped(reader) => {
                reports::check_host(reader.origins(), options)?;
                Box::new(reader.into_entries())
            }
            Source::Live(reader) => {
                reports::check_host(reader.origins(), options)?;
                reader
            }
            #[cfg(feature = "shared")]
            Source::Shared(source) => {
                reports::check_host(source.origins(), options)?;
                source
            }
        };
        Ok(reports::export(&*source, options, out)?)
    }
}

impl SitemapRecord {
    fn of(state: TaskState) -> Option<Self> {
        let (task, outcome) = match state {
            TaskState::Pending(task) => (task, None),
            TaskState::Done { task, outcome } => (task, Some(outcome)),
            TaskState::ReadAs => return None,
        };
        let is_sitemap = match task.kind {
            frontier::TaskKind::Robots | frontier::TaskKind::RobotsHop => false,
            frontier::TaskKind::Sitemap => true,
            frontier::TaskKind::Probe(_) | frontier::TaskKind::LastProbe => {
                !matches!(outcome, None | Some(Outcome::Absent))
            }
        };
        is_sitemap.then_some(Self { url: task.url, depth: task.depth, attempts: task.attempts, outcome })
    }
}

impl Rendered {
    /// Writes it to `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match &self.0 {
            Content::Text(text) => out.write_all(text.as_bytes()),
            Content::Status(status) => render::status_json(status, out),
            Content::Report(report) => render::report_json(report, out),
            Content::Page(page) => render::report_html(&page.0, &page.1, out),
        }
    }
}

fn report_of(source: &impl RecordSource, view: View) -> Result<Rendered, Error> {
    Ok(Rendered(match view {
        View::Text => Content::Text(render::report_text(&reports::report(source)?)),
        View::Json => Content::Report(Box::new(reports::report(source)?)),
        View::Html => Content::Page(Box::new(reports::report_with_timeline(source)?)),
    }))
}

/// Builds a new queue for the crawl in the data directory at `path` from its segments and seeds.
///
/// # Errors
/// If another process uses the data directory, or there is no crawl.
pub fn rebuild(path: impl AsRef<Path>) -> Result<Rebuilt, Error> {
    Ok(storage::rebuild(path.as_ref(), Arc::new(SystemClock::new()))?)
}
