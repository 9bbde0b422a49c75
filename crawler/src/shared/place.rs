//! The places of a shared crawl: its database, and where its segments are.

use storage::{Database, PlaceError, SegmentStore, SharedCrawl, StoreError};
use tokio::runtime::Handle;

use super::blocking::Blocking;
use crate::builder::SharedPlace;
use crate::error::Error;
use crate::options::OptionError;

/// An open database, and the place for segments.
pub(crate) struct OpenPlace {
    pub blocking: Blocking,
    pub database: Database,
    pub segments: SegmentStore,
}

impl OpenPlace {
    /// Opens the database and the place for segments. Creates missing tables and nothing else.
    pub fn open(place: &SharedPlace) -> Result<Self, Error> {
        let blocking = Blocking::new()?;
        let segments = open_segments(place, blocking.handle())?;
        let database = blocking.block_on(Database::open(&place.store))?;
        Ok(Self { blocking, database, segments })
    }

    /// Refuses a place for segments that is marked, if the crawl does not exist yet: it belongs to another crawl.
    pub fn refuse_foreign_segments(&self, name: &str) -> Result<(), Error> {
        match self.blocking.block_on(self.database.crawl(name)) {
            Ok(_) => Ok(()),
            Err(StoreError::NoCrawl { .. }) => match self.segments.check_mark("") {
                Err(PlaceError::NotMarked { .. }) => Ok(()),
                checked => Ok(checked?),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Marks the place for segments as belonging to this crawl, unless the crawl has segments elsewhere.
    pub fn mark(&self, crawl: &SharedCrawl) -> Result<(), Error> {
        let identity = self.blocking.block_on(crawl.identity())?;
        match self.segments.check_mark(&identity) {
            Err(PlaceError::NotMarked { .. }) if self.blocking.block_on(crawl.segments())?.is_empty() => {
                Ok(self.segments.mark(&identity)?)
            }
            checked => Ok(checked?),
        }
    }
}

/// The place for segments.
pub(crate) fn open_segments(place: &SharedPlace, handle: &Handle) -> Result<SegmentStore, PlaceError> {
    SegmentStore::open(&place.output, place.credentials.iter().cloned(), handle.clone())
}

/// The crawl called `name`, or the only crawl.
pub(crate) async fn find(database: &Database, name: Option<&str>) -> Result<SharedCrawl, Error> {
    if let Some(name) = name {
        return Ok(database.crawl(name).await?);
    }
    match database.crawls().await?.as_slice() {
        [name] => Ok(database.crawl(name).await?),
        [] => Err(Error::NotStarted(format!(
            "there is no crawl in {}: start one with `crawl --seeds FILE --store … --output …`",
            database.place()
        ))),
        names => Err(OptionError::WhichCrawl(names.join(", ")).into()),
    }
}
