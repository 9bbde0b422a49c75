//! The mark that says whose segments lie in a place: two crawls in one place would take each other's for garbage.

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::store::{PlaceError, SegmentStore};

/// The object that holds the mark.
pub(super) const MARKER: &str = "crawl";

/// What it says before the crawl's identity.
const MAGIC: &str = "segments of the sitemap crawl ";

/// Bytes read of it.
const MARKER_BYTES_MAX: u64 = 1024;

impl SegmentStore {
    /// Marks the place as that of the crawl with this identity. One that is marked for another crawl is an error.
    pub fn mark(&self, crawl: &str) -> Result<(), PlaceError> {
        let scratch = |source| PlaceError::Scratch { source };
        let mut file = tempfile::tempfile().map_err(scratch)?;
        file.write_all(text(crawl).as_bytes()).map_err(scratch)?;
        match self.create(MARKER, &mut file) {
            Err(PlaceError::Taken { .. }) => Err(PlaceError::OtherCrawl { url: self.to_string() }),
            marked => marked,
        }
    }

    /// Checks that the place is marked as that of the crawl with this identity.
    pub fn check_mark(&self, crawl: &str) -> Result<(), PlaceError> {
        let scratch = |source| PlaceError::Scratch { source };
        let mut file = tempfile::tempfile().map_err(scratch)?;
        match self.fetch(MARKER, &mut file) {
            Err(PlaceError::NotFound { .. }) => return Err(PlaceError::NotMarked { url: self.to_string() }),
            fetched => fetched?,
        }
        let found = read(&mut file).map_err(scratch)?;
        if found == text(crawl) { Ok(()) } else { Err(PlaceError::OtherCrawl { url: self.to_string() }) }
    }
}

fn text(crawl: &str) -> String {
    format!("{MAGIC}{crawl}\n")
}

fn read(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MARKER_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
