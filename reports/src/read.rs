//! The way from a crawl's records to a report or a status.

use frontier::work_queue::{Counts, HostRecord, QueueError};
use frontier::{FetchRecord, HostId, Timestamp};
use storage::CrawlReader;

use crate::status::{RESUME, StatusTally};
use crate::{LANES_MAX, Report, Sessions, Status, Tally, Timeline, TimelineTally};

/// Where the records of a crawl are read from.
pub trait RecordSource {
    /// Whether somebody is at work on it.
    fn is_running(&self) -> bool;

    /// The command that goes on with it.
    fn resumed_by(&self) -> String;

    /// What it remembers of its flags.
    fn settings(&self) -> Option<&str>;

    /// All sessions.
    fn sessions(&self) -> Sessions;

    /// The totals, as seen at `now`.
    fn counts(&self, now: Timestamp) -> Result<Counts, QueueError>;

    /// All hosts, by id.
    fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>>;

    /// All requests, by session, and each session's in the order of its commits.
    fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>>;
}

impl RecordSource for CrawlReader {
    fn is_running(&self) -> bool {
        false
    }

    fn resumed_by(&self) -> String {
        RESUME.to_owned()
    }

    fn settings(&self) -> Option<&str> {
        self.settings()
    }

    fn sessions(&self) -> Sessions {
        Sessions::in_turn(self.sessions().to_vec())
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

/// Makes the report of a crawl. One pass over its requests; memory grows with its hosts.
pub fn report(reader: &impl RecordSource) -> Result<Report, QueueError> {
    Ok(finish(&tally(reader)?, reader))
}

/// The same with what was going on when. Two passes over the requests, since the first one finds the hosts that are
/// shown in the second.
pub fn report_with_timeline(reader: &impl RecordSource) -> Result<(Report, Timeline), QueueError> {
    let tally = tally(reader)?;
    let mut timeline = TimelineTally::new(reader.sessions(), tally.slowest_hosts(LANES_MAX));
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

/// Tells how far a crawl is, as seen at `now`.
pub fn status(reader: &impl RecordSource, now: Timestamp) -> Result<Status, QueueError> {
    let mut tally = StatusTally::default();
    for host in reader.hosts() {
        tally.add(&host?.1);
    }
    Ok(tally.finish(&reader.counts(now)?, reader.is_running(), &reader.resumed_by()))
}

/// What the crawl remembers of its flags. Text that is no JSON is shown as it is rather than lost.
pub fn settings(text: Option<&str>) -> serde_json::Value {
    text.map_or(serde_json::Value::Null, |text| {
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
    })
}
