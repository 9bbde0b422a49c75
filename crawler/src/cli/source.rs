//! Opens a crawl for reading: a shared one, a stopped one, or one that another process is running.

use std::path::Path;

use storage::{CrawlReader, LiveReader, OpenError};

use super::args::{CommonArgs, SourceArgs};
#[cfg(feature = "shared")]
use super::shared_source::SharedSource;

/// A crawl that was opened for reading.
pub enum CrawlSource {
    /// In the data directory, and not running.
    Stopped(Box<CrawlReader>),
    /// In the data directory, and running in another process.
    Live(LiveReader),
    /// In a store, running or not.
    #[cfg(feature = "shared")]
    Shared(Box<SharedSource>),
}

impl CrawlSource {
    /// Opens the crawl that the flags name, without its entries. If they name no store, it is the crawl in the data directory.
    #[cfg_attr(not(feature = "shared"), expect(unused_variables, reason = "there is no store"))]
    pub fn records_only(common: &CommonArgs, source: &SourceArgs) -> anyhow::Result<Self> {
        #[cfg(feature = "shared")]
        if let Some(shared) = SharedSource::records_only(&source.store)? {
            return Ok(Self::Shared(Box::new(shared)));
        }
        Ok(Self::of_data_dir(&common.data_dir)?)
    }

    /// Like [`Self::records_only`], with the entries.
    #[cfg_attr(not(feature = "shared"), expect(unused_variables, reason = "there is no store"))]
    pub fn with_entries(common: &CommonArgs, source: &SourceArgs) -> anyhow::Result<Self> {
        #[cfg(feature = "shared")]
        if let Some(shared) = SharedSource::with_entries(&source.store)? {
            return Ok(Self::Shared(Box::new(shared)));
        }
        Ok(Self::of_data_dir(&common.data_dir)?)
    }

    fn of_data_dir(path: &Path) -> Result<Self, OpenError> {
        let in_use = match CrawlReader::open(path) {
            Ok(reader) => return Ok(Self::Stopped(Box::new(reader))),
            Err(in_use @ OpenError::InUse { .. }) => in_use,
            Err(other) => return Err(other),
        };
        let OpenError::InUse { pid: Some(pid), .. } = in_use else { return Err(in_use) };
        if let Some(reader) = LiveReader::open(path, pid) {
            return Ok(Self::Live(reader));
        }
        // The process may have ended in the meantime.
        CrawlReader::open(path).map(|reader| Self::Stopped(Box::new(reader)))
    }
}
