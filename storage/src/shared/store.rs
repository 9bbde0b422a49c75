//! The place that `--output` names, and why it could not be used.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontier::Timestamp;
use tokio::runtime::Handle;
use url::Url;

use super::bucket::Bucket;
use super::mount::Mount;
use crate::data_dir::SEGMENTS_DIR;

/// The place of a shared crawl's segments: `s3://bucket/prefix`, or `file:///folder` on a mount that every machine has.
///
/// Clones share one connection pool. All calls block, and must come from a thread that may: of a bucket they run on the
/// runtime given, which has to have threads of its own.
///
/// The endpoint, the region and the credentials of a bucket are those of the usual variables of an environment:
/// `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
#[derive(Clone)]
pub struct SegmentStore {
    kind: Kind,
    url: Arc<str>,
}

#[derive(Clone)]
enum Kind {
    Bucket(Bucket),
    Mount(Mount),
}

/// Why a place for segments could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The text names no such place. What it is is not repeated where it may hold a secret.
    #[error(
        "{0:?} is no place for the segments of a shared crawl: name s3://bucket/prefix, or file:///folder on a mount that every machine has"
    )]
    NoPlace(String),
    /// A URL with a user name or a password.
    #[error(
        "the URL of a bucket holds no credentials: they are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Credentials,
    /// The variables of the environment do not make sense.
    #[error("cannot use the bucket {bucket}: {what}")]
    Setup {
        /// The bucket.
        bucket: String,
        /// What is wrong.
        what: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {bucket} at {endpoint}")]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The credentials are wrong, or may not do this.
    #[error("{url}: access refused ({code})")]
    Refused {
        /// The bucket or object.
        url: String,
        /// The server's word for it.
        code: String,
    },
    /// The server could not be reached, or failed, for too long.
    #[error("{url} was of no use for {waited_s} s: {what}")]
    Away {
        /// The object.
        url: String,
        /// How long it was tried.
        waited_s: u64,
        /// What came last.
        what: String,
    },
    /// The server could not be reached, or failed, when it was first asked.
    #[error("{url}: {what}")]
    Failed {
        /// The bucket or object.
        url: String,
        /// What came.
        what: String,
    },
    /// The mount refused.
    #[error("cannot {verb} {path}: {source}")]
    Mount {
        /// What was tried.
        verb: &'static str,
        /// On which file or folder.
        path: String,
        /// The refusal.
        source: io::Error,
    },
    /// What lies there under this name is something else.
    #[error("{url} is there already, and is not what was to be written")]
    Taken {
        /// The object.
        url: String,
    },
    /// A segment that is not what was registered.
    #[error("{url} was altered: {what}")]
    Altered {
        /// The segment.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file that is not there.
    #[error("{url} is missing")]
    NotFound {
        /// The object.
        url: String,
    },
    /// The place holds another crawl's segments.
    #[error("{url} holds the segments of another crawl")]
    OtherCrawl {
        /// The place.
        url: String,
    },
    /// The place holds nothing of the crawl.
    #[error("{url} is not where this crawl keeps its segments")]
    NotMarked {
        /// The place.
        url: String,
    },
    /// The files that are needed on the way could not be kept on this machine.
    #[error("cannot keep temporary data in {}: {source}", std::env::temp_dir().display())]
    Scratch {
        /// The refusal.
        source: io::Error,
    },
}

/// A file of the place.
pub(super) struct Listed {
    /// Its path within `segments/`.
    pub(super) path: String,
    /// When it was last written, by the clock of the place.
    pub(super) written_at: Timestamp,
}

impl SegmentStore {
    /// The place at `url`, if it can be read: one request is made.
    pub fn open(
        url: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        runtime: Handle,
    ) -> Result<Self, PlaceError> {
        let parsed = Url::parse(url).map_err(|_| no_place(url))?;
        let has_credentials = !parsed.username().is_empty() || parsed.password().is_some();
        let kind = match parsed.scheme() {
            "s3" if has_credentials => return Err(PlaceError::Credentials),
            "s3" => Kind::Bucket(Bucket::open(&parsed, environment, runtime)?),
            "file" => Kind::Mount(Mount::open(&parsed.to_file_path().map_err(|()| no_place(url))?)?),
            _ => return Err(no_place(url)),
        };
        Ok(Self { kind, url: url.trim_end_matches('/').into() })
    }

    /// The same place, given up after so long instead of two minutes when its server fails. A mount is never waited for.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        let kind = match self.kind {
            Kind::Bucket(bucket) => Kind::Bucket(bucket.with_patience(patience)),
            mount @ Kind::Mount(_) => mount,
        };
        Self { kind, ..self }
    }

    /// The URL of a segment.
    pub fn url_of(&self, name: &str) -> String {
        format!("{}/{}", self.url, segment_path(name))
    }

    /// Writes `content` to the new object `path` durably. One that is there already is well if it is equal: the answer to
    /// an earlier try may have been lost.
    pub(super) fn create(&self, path: &str, content: &mut File) -> Result<(), PlaceError> {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.create(path, content),
            Kind::Mount(mount) => mount.create(path, content),
        }
    }

    /// Copies the object `path` into `into`, which is empty.
    pub(super) fn fetch(&self, path: &str, into: &mut File) -> Result<(), PlaceError> {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.fetch(path, into),
            Kind::Mount(mount) => mount.fetch(path, into),
        }
    }

    /// All files in `segments/`.
    pub(super) fn list(&self) -> Result<Vec<Listed>, PlaceError> {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.list(SEGMENTS_DIR),
            Kind::Mount(mount) => mount.list(SEGMENTS_DIR),
        }
    }

    /// Removes the object `path`; one that is not there is well.
    pub(super) fn remove(&self, path: &str) -> Result<(), PlaceError> {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.remove(path),
            Kind::Mount(mount) => mount.remove(path),
        }
    }
}

impl fmt::Display for SegmentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The path of a segment within the place: a folder for each session, since a listing of one is bounded.
pub(super) fn segment_path(name: &str) -> String {
    format!("{SEGMENTS_DIR}/{}", name.replacen('-', "/", 1))
}

/// What was typed may be a URL of something else, with a password in it.
fn no_place(url: &str) -> PlaceError {
    let shown = if url.contains('@') { url.split(':').next().unwrap_or_default() } else { url };
    PlaceError::NoPlace(shown.to_owned())
}

/// Whether two files hold the same.
pub(super) fn are_equal(one: &Path, other: &mut File) -> io::Result<bool> {
    use std::io::{BufReader, Read, Seek};

    other.rewind()?;
    let mut one = BufReader::new(File::open(one)?).bytes();
    let mut other = BufReader::new(other).bytes();
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (one, other) if one != other => return Ok(false),
            _ => {}
        }
    }
}
