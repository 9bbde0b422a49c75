//! Why a crawl could not be started, run or read.

use std::io;

use frontier::work_queue::QueueError;
use reports::ExportError;
use storage::{OpenError, ReadError, RebuildError, SealError, WrongSchema};
#[cfg(feature = "shared")]
use storage::{PlaceError, StoreError};

use crate::engine::error::EngineError;
use crate::fetch::tls::TlsError;
use crate::options::OptionError;

/// Why a crawl could not be started, run or read. What was committed is not lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option or a seed is invalid.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The data directory could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine ended.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Segments could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Stored entries could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Stored entries have other columns than this release knows.
    #[error(transparent)]
    Schema(#[from] WrongSchema),
    /// The queue could not be rebuilt.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// An export failed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The options that the crawl remembers could not be read.
    #[error("failed to read the remembered settings in {place}")]
    Remembered {
        /// The crawl.
        place: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another release wrote the options that the crawl remembers.
    #[error(
        "the settings of {place} have version {found}, but this release reads version {known}: use the release that \
         started the crawl"
    )]
    OtherSettings {
        /// The crawl.
        place: String,
        /// The version found. It is 0 if the settings have none.
        found: u32,
        /// The version that this release reads and writes.
        known: u32,
    },
    /// The operating system refused something that every crawl needs.
    #[error("failed to start")]
    Start(#[source] io::Error),
    /// The database of a shared crawl could not be used.
    #[cfg(feature = "shared")]
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The place for the segments of a shared crawl could not be used.
    #[cfg(feature = "shared")]
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// There is no shared crawl to join or read.
    #[cfg(feature = "shared")]
    #[error("{0}")]
    NotStarted(String),
}

/// What kind of failure an [`Error`] is, for a caller that decides what to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// An option, a seed or an address is invalid. Calling again does not help.
    Invalid,
    /// There is no crawl at the place.
    NotFound,
    /// Another process uses the data directory.
    InUse,
    /// Another release wrote the data.
    OtherRelease,
    /// Stored data is damaged.
    Damaged,
    /// A server of a shared crawl does not answer, or the process of a running crawl. Calling again may help.
    Unavailable,
    /// The operating system reported an error, such as a full disk.
    System,
    /// Anything else.
    Other,
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Option(_) | Self::Tls(TlsError::CaCert { .. }) => Kind::Invalid,
            Self::Open(error) | Self::Rebuild(RebuildError::Open(error)) => kind_of_open(error),
            Self::Queue(error) | Self::Engine(EngineError::Queue(error)) => kind_of_queue(error),
            Self::Read(ReadError::Damaged { .. }) => Kind::Damaged,
            Self::Read(ReadError::Io { .. }) | Self::Start(_) | Self::Seal(SealError::Write { .. }) => {
                Kind::System
            }
            Self::Schema(_) | Self::OtherSettings { .. } => Kind::OtherRelease,
            #[cfg(feature = "shared")]
            Self::Store(error) => kind_of_store(error),
            #[cfg(feature = "shared")]
            Self::Place(PlaceError::NoPlace(_) | PlaceError::Credentials) => Kind::Invalid,
            #[cfg(feature = "shared")]
            Self::Place(PlaceError::Unavailable { .. } | PlaceError::Failed { .. }) => Kind::Unavailable,
            #[cfg(feature = "shared")]
            Self::NotStarted(_) => Kind::NotFound,
            _ => Kind::Other,
        }
    }
}

fn kind_of_open(error: &OpenError) -> Kind {
    match error {
        OpenError::InUse { .. } => Kind::InUse,
        OpenError::Newer { .. } | OpenError::Older { .. } => Kind::OtherRelease,
        OpenError::NotFound { .. } => Kind::NotFound,
        OpenError::Foreign { .. } | OpenError::Link { .. } => Kind::Invalid,
        OpenError::Io { .. } => Kind::System,
        OpenError::Damaged { .. } => Kind::Damaged,
        OpenError::Queue(error) => kind_of_queue(error),
    }
}

fn kind_of_queue(error: &QueueError) -> Kind {
    match error {
        QueueError::Unavailable(_) => Kind::Unavailable,
        _ => Kind::Other,
    }
}

#[cfg(feature = "shared")]
fn kind_of_store(error: &StoreError) -> Kind {
    match error {
        StoreError::Address(_) | StoreError::Refused { .. } | StoreError::Foreign { .. } => Kind::Invalid,
        StoreError::NoDatabase { .. } | StoreError::NoCrawl { .. } => Kind::NotFound,
        StoreError::Unreachable { .. } | StoreError::ReadOnly { .. } => Kind::Unavailable,
        _ => Kind::Other,
    }
}
