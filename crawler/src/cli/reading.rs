//! A crawl to be read: shared by many machines, at rest under its lock, or beside the process that is at work on it.

use std::path::Path;

use storage::{CrawlReader, LiveReader, OpenError};

use super::args::{CommonArgs, SourceArgs};
#[cfg(feature = "shared")]
use super::shared_reading::SharedReading;

/// A crawl to be read.
pub enum Reading {
    /// In the data dir; nobody is at work on it.
    AtRest(Box<CrawlReader>),
    /// In the data dir; a process is at work on it.
    Live(LiveReader),
    /// In a store, at work or not.
    #[cfg(feature = "shared")]
    Shared(Box<SharedReading>),
}

impl Reading {
    /// Opens the crawl that the flags name, the one in the data dir where they name no store, to read its records.
    #[cfg_attr(not(feature = "shared"), expect(unused_variables, reason = "there is no store"))]
    pub fn records(common: &CommonArgs, source: &SourceArgs) -> anyhow::Result<Self> {
        #[cfg(feature = "shared")]
        if let Some(reading) = SharedReading::records(&source.store)? {
            return Ok(Self::Shared(Box::new(reading)));
        }
        Ok(Self::of_data_dir(&common.data_dir)?)
    }

    /// The same, to read its entries.
    #[cfg_attr(not(feature = "shared"), expect(unused_variables, reason = "there is no store"))]
    pub fn entries(common: &CommonArgs, source: &SourceArgs) -> anyhow::Result<Self> {
        #[cfg(feature = "shared")]
        if let Some(reading) = SharedReading::with_entries(&source.store)? {
            return Ok(Self::Shared(Box::new(reading)));
        }
        Ok(Self::of_data_dir(&common.data_dir)?)
    }

    fn of_data_dir(path: &Path) -> Result<Self, OpenError> {
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
