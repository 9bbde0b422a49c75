//! Why a place for segments could not be used.

use std::io;

/// Why a place for segments could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The text is not the URL of such a place. It is shown in part only if it may contain a secret.
    #[error(
        "{0:?} is no place for the segments of a shared crawl: name s3://bucket/prefix, or file:///folder on a mount that every machine has"
    )]
    NoPlace(String),
    /// The URL contains a user name or a password.
    #[error(
        "the URL of a bucket holds no credentials: they are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Credentials,
    /// The environment variables for the bucket are invalid.
    #[error("cannot use the bucket {bucket}: {reason}")]
    Setup {
        /// The bucket.
        bucket: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {bucket} at {endpoint}")]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// The server that was asked.
        endpoint: String,
    },
    /// The credentials are wrong, or do not permit the request.
    #[error("{url}: access refused ({code})")]
    Refused {
        /// The bucket or object.
        url: String,
        /// The error code that the server sent.
        code: String,
    },
    /// The server could not be reached, or failed, until the retries ended.
    #[error("{url} has been failing for {waited_s} s: {reason}")]
    Unavailable {
        /// The object.
        url: String,
        /// How long the request was retried, in seconds.
        waited_s: u64,
        /// The last error.
        reason: String,
    },
    /// The server could not be reached, or failed, at the first request.
    #[error("{url}: {reason}")]
    Failed {
        /// The bucket or object.
        url: String,
        /// The error.
        reason: String,
    },
    /// The operating system reported an error on the mount.
    #[error("cannot {verb} {path}: {source}")]
    Mount {
        /// The operation, as a verb.
        verb: &'static str,
        /// The file or folder.
        path: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// There is an object with this name and other content.
    #[error("{url} already exists with other content")]
    Taken {
        /// The object.
        url: String,
    },
    /// A segment differs from what was registered.
    #[error("{url} was altered: {reason}")]
    Altered {
        /// The segment.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The object does not exist.
    #[error("{url} is missing")]
    NotFound {
        /// The object.
        url: String,
    },
    /// The place contains the segments of another crawl.
    #[error("{url} holds the segments of another crawl")]
    OtherCrawl {
        /// The place.
        url: String,
    },
    /// The place is not marked as that of a crawl.
    #[error("{url} is not where this crawl keeps its segments")]
    NotMarked {
        /// The place.
        url: String,
    },
    /// Temporary files could not be written on this machine.
    #[error("cannot keep temporary data in {}: {source}", std::env::temp_dir().display())]
    Scratch {
        /// The error of the operating system.
        source: io::Error,
    },
}
