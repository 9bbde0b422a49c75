//! The place for segments that `--output` names.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use url::Url;

use super::bucket::Bucket;
use super::error::PlaceError;
use super::layout::{Listed, segment_path};
use super::mount::Mount;
use crate::data_dir::layout::SEGMENTS_DIR;

/// The place for the segments of a shared crawl: `s3://bucket/prefix`, or `file:///folder` on a mount that every
/// machine has.
///
/// Clones share one connection pool. All calls block, so they must come from a thread that may block. Requests to a
/// bucket run on the runtime that was passed to [`Self::open`], which must have its own threads.
///
/// The endpoint, the region and the credentials of a bucket come from the usual environment variables:
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

impl SegmentStore {
    /// Opens the place at `url`. Makes one request, to check that it can be read.
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

    /// Sets how long requests are retried while the server of a bucket fails. The default is two minutes. Calls on a
    /// mount are not retried.
    #[must_use]
    pub fn with_retry_timeout(self, timeout: Duration) -> Self {
        let kind = match self.kind {
            Kind::Bucket(bucket) => Kind::Bucket(bucket.with_retry_timeout(timeout)),
            mount @ Kind::Mount(_) => mount,
        };
        Self { kind, ..self }
    }

    /// The URL of a segment.
    pub fn url_of(&self, name: &str) -> String {
        format!("{}/{}", self.url, segment_path(name))
    }

    /// Creates the object `path` with `content` durably, in one step: the object is never there in part. Succeeds if
    /// there is an equal one already, because the answer to an earlier try may have been lost.
    pub(super) fn create(&self, path: &str, content: &mut File) -> Result<(), PlaceError> {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.create(path, content),
            Kind::Mount(mount) => mount.create(path, content),
        }
    }

    /// Copies the object `path` to `into`, which must be empty.
    pub(super) fn fetch(&self, path: &str, into: &mut File) -> Result<(), PlaceError> {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.fetch(path, into),
            Kind::Mount(mount) => mount.fetch(path, into),
        }
    }

    /// All objects in `segments/`.
    pub(super) fn list(&self) -> Result<Vec<Listed>, PlaceError> {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.list(SEGMENTS_DIR),
            Kind::Mount(mount) => mount.list(SEGMENTS_DIR),
        }
    }

    /// All files that are not in a folder; empty for a bucket, which holds no unfinished objects.
    pub(super) fn list_root(&self) -> Result<Vec<Listed>, PlaceError> {
        match &self.kind {
            Kind::Bucket(_) => Ok(Vec::new()),
            Kind::Mount(mount) => mount.list_root(),
        }
    }

    /// Removes the object `path`, if it exists.
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

/// The error for `url`, which may be the URL of something else and contain a password.
fn no_place(url: &str) -> PlaceError {
    let shown = if url.contains('@') { url.split(':').next().unwrap_or_default() } else { url };
    PlaceError::NoPlace(shown.to_owned())
}
