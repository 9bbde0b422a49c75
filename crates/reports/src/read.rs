//! The way from a data directory to a report or a status.

use frontier::Timestamp;
use frontier::work_queue::QueueError;
use storage::CrawlReader;

use crate::status::StatusTally;
use crate::{Report, Status, Tally};

/// Makes the report of a crawl that nobody is at work on. One pass over its requests; memory grows with its hosts.
pub fn report(reader: &CrawlReader) -> Result<Report, QueueError> {
    let mut tally = Tally::new(reader.sessions().to_vec());
    for host in reader.hosts() {
        let (id, record) = host?;
        tally.add_host(id, record);
    }
    for fetch in reader.fetches() {
        tally.add_fetch(&fetch?);
    }
    Ok(tally.finish(settings(reader), false))
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
fn settings(reader: &CrawlReader) -> serde_json::Value {
    reader.settings().map_or(serde_json::Value::Null, |text| {
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
    })
}
