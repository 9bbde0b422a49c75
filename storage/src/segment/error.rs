//! Why entries could not be stored or read back.

use std::io;
use std::path::PathBuf;

use arrow_schema::ArrowError;

/// Why the entries of a document could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The operating system reported an error, most often because the disk is full.
    #[error("cannot write entries to {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Entries could not be encoded.
    #[error("cannot encode entries: {0}")]
    Encode(String),
    /// An entry, or the URL of a child, is too large.
    #[error("an entry of {bytes} bytes exceeds {max}")]
    EntryTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A segment of a shared crawl could not be written to its place.
    #[cfg(feature = "shared")]
    #[error(transparent)]
    Place(#[from] crate::shared::error::PlaceError),
}

impl From<ArrowError> for SegmentError {
    fn from(error: ArrowError) -> Self {
        Self::Encode(error.to_string())
    }
}

/// Why entries could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system reported an error.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The segment.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The segment differs from what was written.
    #[error("segment {} is damaged at byte {at}: {reason}; `crawl rebuild` recovers what is whole", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Offset of the damage in bytes.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// A segment of a shared crawl could not be read, or is not the registered one.
    #[cfg(feature = "shared")]
    #[error(transparent)]
    Place(#[from] crate::shared::error::PlaceError),
}
