//! Errors of an export.

use std::io;
use std::path::PathBuf;

use parquet::errors::ParquetError;

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// `host` is neither an origin nor a host name.
    #[error("{0:?} is not a host: give an origin such as https://www.example.com, or a host name")]
    BadHost(String),
    /// The crawl has no such host.
    #[error("the crawl has no host {0:?}")]
    UnknownHost(String),
    /// The entries could not be read.
    #[error("cannot read the crawl's entries: {0}")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The reader of the output closed the pipe, as `head` does. This is not a failure.
    #[error("the reader of the output closed the pipe")]
    BrokenPipe,
    /// Temporary data for finding repeats could not be written or read.
    #[error("cannot keep temporary data in {}: {source}", dir.display())]
    Spill {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Write(io::Error),
    /// The entries could not be encoded.
    #[error("cannot encode the output: {0}")]
    Encode(ParquetError),
}

impl ExportError {
    /// Wraps an error of the source of the entries.
    pub(super) fn read(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Read(Box::new(error))
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::BrokenPipe } else { Self::Write(error) }
    }
}

impl From<ParquetError> for ExportError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(error) => Self::from(*error),
                Err(cause) => Self::Encode(ParquetError::External(cause)),
            },
            _ => Self::Encode(error),
        }
    }
}
