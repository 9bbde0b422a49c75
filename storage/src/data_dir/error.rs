//! Why a data directory could not be used.

use std::io;
use std::path::{Path, PathBuf};

use frontier::work_queue::QueueError;

/// Why a data directory, or one of its files, could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("data directory {} is in use by {}", path.display(), process(*pid))]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Id of the process, if it could be read.
        pid: Option<u32>,
    },
    /// A later release wrote it.
    #[error("data directory {} has format {found}, this release reads up to {known}", path.display())]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The version that this release reads and writes.
        known: u32,
    },
    /// An older release wrote it.
    #[error("data directory {} has format {found}, this release reads format {known}", path.display())]
    Older {
        /// The data directory.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The version that this release reads and writes.
        known: u32,
    },
    /// There is no crawl at that path.
    #[error("no crawl in {}", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// The folder contains files of other programs. It is not changed.
    #[error("{} is not a data directory: it contains {name}", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// Name of a file or folder that does not belong to a data directory.
        name: String,
    },
    /// There is a symbolic link in the data directory. What it leads to is not changed.
    #[error("{} is a symbolic link, and what it leads to is not this crawl's", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The operating system reported an error.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The stored state cannot be trusted. `crawl rebuild` recovers what it can from the segments.
    #[error("{} is damaged: {reason}; `crawl rebuild` recovers what the segments hold", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The queue could not be read.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl OpenError {
    pub(crate) fn io(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { verb, path: path.to_owned(), source }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
