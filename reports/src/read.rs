//! Builds a report or a status from a crawl's records.

use frontier::work_queue::{Counts, HostRecord, QueueError};
use frontier::{FetchRecord, HostId, Timestamp};
use storage::{CrawlReader, LiveReader};

use crate::report::Report;
use crate::status::{RESUME, Status, StatusTally};
use crate::timing::sessions::Sessions;
use crate::timing::tally::Tally;
use crate::timing::timeline::{CHART_ROWS_MAX, Timeline, TimelineTally};

/// A source of the records of a crawl.
pub trait RecordSource {
    /// Whether a worker is running.
    fn is_running(&self) -> bool;

    /// The command that continues the crawl.
    fn resumed_by(&self) -> String;

    /// What is wrong with the running crawl although it goes on; `None` if nothing is.
    fn problem(&self) -> Option<String>;

    /// The saved flags of the crawl, as JSON text.
    fn settings(&self) -> Option<&str>;

    /// All sessions.
    fn sessions(&self) -> Sessions;

    /// The totals of the queue at `now`.
    fn counts(&self, now: Timestamp) -> Result<Counts, QueueError>;

    /// All hosts, ordered by id.
    fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>>;

    /// All requests, ordered by session and, within a session, by commit.
    fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>>;
}

impl RecordSource for CrawlReader {
    fn is_running(&self) -> bool {
        false
    }

    fn resumed_by(&self) -> String {
        RESUME.to_owned()
    }

    fn problem(&self) -> Option<String> {
        None
    }

    fn settings(&self) -> Option<&str> {
        self.settings()
    }

    fn sessions(&self) -> Sessions {
        Sessions::consecutive(self.sessions().to_vec())
    }

    fn counts(&self, now: Timestamp) -> Result<Counts, QueueError> {
        self.counts(now)
    }

    fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
        self.hosts()
    }

    fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>> {
        self.fetches()
    }
}

/// The totals are those of the moment at which the reader was opened.
impl RecordSource for LiveReader {
    fn is_running(&self) -> bool {
        true
    }

    fn resumed_by(&self) -> String {
        RESUME.to_owned()
    }

    fn problem(&self) -> Option<String> {
        let failure = self.seal_failure()?;
        Some(format!("entries are not sealed: {failure}; nothing is lost, and sealing is tried again"))
    }

    fn settings(&self) -> Option<&str> {
        self.settings()
    }

    fn sessions(&self) -> Sessions {
        Sessions::consecutive(self.sessions().to_vec())
    }

    fn counts(&self, _now: Timestamp) -> Result<Counts, QueueError> {
        Ok(self.counts().clone())
    }

    fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
        self.hosts()
    }

    fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>> {
        self.fetches()
    }
}

/// Builds the report of a crawl in one pass over its requests. Memory grows with the number of hosts.
pub fn report(reader: &impl RecordSource) -> Result<Report, QueueError> {
    Ok(finish(&tally(reader)?, reader))
}

/// Builds the report of a crawl and its timeline. This takes two passes over the requests, because the first pass
/// finds the slowest hosts, which the second pass shows.
pub fn report_with_timeline(reader: &impl RecordSource) -> Result<(Report, Timeline), QueueError> {
    let tally = tally(reader)?;
    let mut timeline = TimelineTally::new(reader.sessions(), tally.slowest_hosts(CHART_ROWS_MAX));
    for fetch in reader.fetches() {
        timeline.add_fetch(&fetch?);
    }
    Ok((finish(&tally, reader), timeline.finish()))
}

fn finish(tally: &Tally, reader: &impl RecordSource) -> Report {
    let report = tally.finish(settings(reader.settings()), reader.is_running());
    Report { resumed_by: reader.resumed_by(), ..report }
}

fn tally(reader: &impl RecordSource) -> Result<Tally, QueueError> {
    let mut tally = Tally::new(reader.sessions());
    for host in reader.hosts() {
        let (id, record) = host?;
        tally.add_host(id, record);
    }
    for fetch in reader.fetches() {
        tally.add_fetch(&fetch?);
    }
    Ok(tally)
}

/// The status of a crawl at `now`.
pub fn status(reader: &impl RecordSource, now: Timestamp) -> Result<Status, QueueError> {
    let mut tally = StatusTally::default();
    for host in reader.hosts() {
        tally.add(&host?.1);
    }
    let status = tally.finish(&reader.counts(now)?, reader.is_running(), &reader.resumed_by());
    Ok(Status { problem: reader.problem(), ..status })
}

/// Parses the saved flags of a crawl. Invalid JSON is returned as a string, so that it still shows in the report.
fn settings(text: Option<&str>) -> serde_json::Value {
    text.map_or(serde_json::Value::Null, |text| {
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
    })
}
