//! A segment as the work queue registers it.

use serde::{Deserialize, Serialize};

use super::name::SegmentName;

/// A registered segment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// The file's name within `segments/`.
    pub name: String,
    /// Registered length in bytes. The file may be longer.
    pub bytes: u64,
    /// Number of registered rows.
    pub rows: u64,
    /// CRC-32C of the registered bytes.
    pub crc32c: u32,
    /// Place of its first rows in the order of the crawl.
    pub first: SegmentPlace,
    /// Place of its last rows. It is later than `first` if a sealed segment replaces several.
    pub last: SegmentPlace,
}

impl SegmentRecord {
    /// Whether it is a Parquet file, which never changes.
    pub fn is_sealed(&self) -> bool {
        self.name.parse().is_ok_and(|name: SegmentName| name.sealed.is_some())
    }

    /// Whether it contains the rows of the segment that was begun at `place`.
    pub(crate) fn covers(&self, place: SegmentPlace) -> bool {
        (self.first..=self.last).contains(&place)
    }
}

/// Place of a segment in the crawl. The order of places is the order of rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SegmentPlace {
    /// Number of the session that began the segment.
    pub session: u32,
    /// Number of earlier segments of that session.
    pub seq: u32,
}
