//! The way from a data directory to a report or a status.

use frontier::Timestamp;
use frontier::work_queue::QueueError;
use storage::CrawlReader;

use crate::status::StatusTally;
use crate::{LANES_MAX, Report, Status, Tally, Timeline, TimelineTally};

/// Makes the report of a crawl that nobody is at work on. One pass over its requests; memory grows with its hosts.
pub fn report(reader: &CrawlReader) -> Result<Report, QueueError> {
    Ok(tally(reader)?.finish(settings(reader.settings()), false))
}

/// The same with what was going on when. Two passes over the requests, since the first one finds the hosts that are
/// shown in the second.
pub fn report_with_timeline(reader: &CrawlReader) -> Result<(Report, Timeline), QueueError> {
    let tally = tally(reader)?;
    let mut timeline = TimelineTally::new(reader.sessions(), tally.slowest_hosts(LANES_MAX));
    for fetch in reader.fetches() {
        timeline.add_fetch(&fetch?);
    }
    Ok((tally.finish(settings(reader.settings()), false), timeline.finish()))
}

fn tally(reader: &CrawlReader) -> Result<Tally, QueueError> {
    let mut tally = Tally::new(reader.sessions().to_vec());
    for host in reader.hosts() {
        let (id, record) = host?;
        tally.add_host(id, record);
    }
    for fetch in reader.fetches() {
        tally.add_fetch(&fetch?);
    }
    Ok(tally)
}

/// Tells how far a crawl is that nobody is at work on, as seen at `now`.
pub fn status(reader: &CrawlReader, now: Timestamp) -> Result<Status, QueueError> {
    let mut tally = StatusTally::default();
    for host in reader.hosts() {
        tally.add(&host?.1);
    }
    Ok(tally.finish(&reader.counts(now)?, false))
}

/// What the crawl remembers of its flags. Text that is no JSON is shown as it is rather than lost.
pub fn settings(text: Option<&str>) -> serde_json::Value {
    text.map_or(serde_json::Value::Null, |text| {
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
    })
}
