//! The object that says which crawl a place belongs to. Without it, two crawls in one place would remove each other's
//! segments as garbage.

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::error::PlaceError;
use super::layout::MARKER;
use super::store::SegmentStore;

/// The text before the identity of the crawl.
const MAGIC: &str = "segments of the sitemap crawl ";

/// Limit on the bytes read.
const MARKER_BYTES_MAX: u64 = 1024;

impl SegmentStore {
    /// Marks the place as belonging to the crawl with this identity. Fails if it belongs to another one.
    pub fn mark(&self, crawl: &str) -> Result<(), PlaceError> {
        let scratch = |source| PlaceError::Scratch { source };
        let mut file = tempfile::tempfile().map_err(scratch)?;
        file.write_all(text(crawl).as_bytes()).map_err(scratch)?;
        match self.create(MARKER, &mut file) {
            Err(PlaceError::Taken { .. }) => Err(PlaceError::OtherCrawl { url: self.to_string() }),
            marked => marked,
        }
    }

    /// Checks that the place is marked as belonging to the crawl with this identity.
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
