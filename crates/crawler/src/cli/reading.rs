//! The crawl in the data dir, read: at rest under its lock, or beside the process that is at work on it.

use std::path::Path;

use storage::{CrawlReader, LiveReader, OpenError};

/// A crawl to be read.
pub enum Reading {
    /// Nobody is at work on it.
    AtRest(Box<CrawlReader>),
    /// A process is.
    Live(LiveReader),
}

impl Reading {
    /// Opens the crawl at `path`.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let in_use = match CrawlReader::open(path) {
            Ok(reader) => return Ok(Self::AtRest(Box::new(reader))),
            Err(in_use @ OpenError::InUse { .. }) => in_use,
            Err(other) => return Err(other),
        };
        let OpenError::InUse { pid: Some(pid), .. } = in_use else { return Err(in_use) };
        if let Some(reader) = LiveReader::open(path, pid) {
            return Ok(Self::Live(reader));
        }
        // It may have ended meanwhile.
        CrawlReader::open(path).map(|reader| Self::AtRest(Box::new(reader)))
    }
}
