//! A bucket of an object store that speaks S3.

use std::error::Error as _;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frontier::Timestamp;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    ClientConfigKey, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig,
};
use tokio::runtime::Handle;
use url::Url;

use super::marker::MARKER;
use super::store::{Listed, PlaceError};

/// How long a call is tried again while the server fails: a worker outlives short outages, and tells of a long one. A whole
/// segment must get through meanwhile, so a connection of less than 5 Mbit/s will not do.
const PATIENCE: Duration = Duration::from_secs(120);
const REQUEST_TIMEOUT: &str = "120 seconds";
const CONNECT_TIMEOUT: &str = "10 seconds";

/// How often a request is sent again at once: for the first one, which a person waits for, there is no more than that.
const RETRIES_MAX: usize = 2;

/// Between one try and the next: it doubles from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LAST: Duration = Duration::from_secs(10);

/// Bytes of an object that are held together in memory.
const CHUNK_BYTES: usize = 1 << 20;

/// A bucket and the prefix of all its objects.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    runtime: Handle,
    name: String,
    /// For messages.
    endpoint: Arc<str>,
    prefix: Path,
    patience: Duration,
}

impl Bucket {
    /// The bucket of `url`, if it can be read.
    pub(super) fn open(
        url: &Url,
        environment: impl IntoIterator<Item = (String, String)>,
        runtime: Handle,
    ) -> Result<Self, PlaceError> {
        let Some(name) = url.host_str().map(str::to_owned) else {
            return Err(PlaceError::NoPlace(url.to_string()));
        };
        let prefix = Path::from_url_path(url.path()).map_err(|_| PlaceError::NoPlace(url.to_string()))?;
        let builder = builder(environment).with_bucket_name(&name);
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
        // Whoever set another one first uses it for the same end.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry =
            RetryConfig { max_retries: RETRIES_MAX, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let built = builder.with_retry(retry).build();
        let store =
            built.map_err(|error| PlaceError::Setup { bucket: name.clone(), what: told(&error) })?.into();
        let endpoint = endpoint.unwrap_or_else(|| "Amazon S3".to_owned()).into();
        let bucket = Self { store, runtime, name, endpoint, prefix, patience: PATIENCE };
        match bucket.runtime.block_on(bucket.store.get(&bucket.path(MARKER))) {
            Ok(_) => {}
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(bucket.error(MARKER, &error)),
        }
        Ok(bucket)
    }

    /// The same bucket, given up sooner or later than after [`PATIENCE`].
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(super) fn create(&self, path: &str, content: &mut File) -> Result<(), PlaceError> {
        let read = content.rewind().and_then(|()| read_chunks(content));
        let chunks = read.map_err(|source| PlaceError::Scratch { source })?;
        let place = self.path(path);
        match self.persist(path, async || self.put(&place, &chunks).await)? {
            true => Ok(()),
            false => Err(PlaceError::Taken { url: self.url(path) }),
        }
    }

    /// Puts an object that is not there. When the answer was lost or the server failed, looks whether it got there; false
    /// when it is something else.
    async fn put(&self, place: &Path, chunks: &[Bytes]) -> Result<bool, Error> {
        let payload: PutPayload = chunks.iter().cloned().collect();
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let Err(error) = self.store.put_opts(place, payload, options).await else { return Ok(true) };
        if is_final(&error) {
            return Err(error);
        }
        self.holds(place, chunks).await?.ok_or(error)
    }

    /// Whether the object is what was to be written; `None` when it is not there. The length is compared first.
    async fn holds(&self, place: &Path, chunks: &[Bytes]) -> Result<Option<bool>, Error> {
        let found = match self.store.get(place).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (bytes, crc32c) = chunks.iter().fold((0, 0), sum_up);
        if found.meta.size != bytes {
            return Ok(Some(false));
        }
        let add = |sum, chunk: Bytes| std::future::ready(Ok(sum_up(sum, &chunk)));
        let there = found.into_stream().try_fold((0, 0), add).await?;
        Ok(Some(there == (bytes, crc32c)))
    }

    pub(super) fn fetch(&self, path: &str, into: &mut File) -> Result<(), PlaceError> {
        let place = self.path(path);
        let copied = self.persist(path, async || {
            let mut chunks = self.store.get(&place).await?.into_stream();
            if let Err(error) = into.rewind().and_then(|()| into.set_len(0)) {
                return Ok(Err(error));
            }
            while let Some(chunk) = chunks.try_next().await? {
                if let Err(error) = into.write_all(&chunk) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        })?;
        copied.map_err(|source| PlaceError::Scratch { source })
    }

    pub(super) fn list(&self, dir: &str) -> Result<Vec<Listed>, PlaceError> {
        let within = self.path(dir);
        self.persist(dir, async || {
            let objects = self.store.list(Some(&within)).map_ok(|object| {
                let parts = object.location.prefix_match(&within);
                let path = parts
                    .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
                let written_at = Timestamp::from_micros(object.last_modified.timestamp_micros());
                Listed { path: path.unwrap_or_default(), written_at }
            });
            objects.try_collect().await
        })
    }

    pub(super) fn remove(&self, path: &str) -> Result<(), PlaceError> {
        let place = self.path(path);
        self.persist(path, async || match self.store.delete(&place).await {
            Err(error) if is_not_found(&error) => Ok(()),
            removed => removed,
        })
    }

    /// Tries until there is an answer, or what stands in the way does not pass, or the server has been of no use for too
    /// long. `attempt` must come to the same however often it is made.
    fn persist<T>(
        &self,
        path: &str,
        mut attempt: impl AsyncFnMut() -> Result<T, Error>,
    ) -> Result<T, PlaceError> {
        let mut last = String::from("no answer");
        let trying = async {
            let mut pause = PAUSE_FIRST;
            loop {
                match attempt().await {
                    Err(error) if !is_final(&error) => last = told(&error),
                    answer => return answer,
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_LAST);
            }
        };
        let answer = self.runtime.block_on(async { tokio::time::timeout(self.patience, trying).await });
        match answer {
            Ok(answer) => answer.map_err(|error| self.error(path, &error)),
            Err(_) => {
                Err(PlaceError::Away { url: self.url(path), waited_s: self.patience.as_secs(), what: last })
            }
        }
    }

    fn path(&self, path: &str) -> Path {
        path.split('/').fold(self.prefix.clone(), |place, part| place.join(part))
    }

    fn url(&self, path: &str) -> String {
        format!("s3://{}/{}", self.name, self.path(path))
    }

    fn error(&self, path: &str, error: &Error) -> PlaceError {
        let text = told(error);
        match error {
            _ if is_no_bucket(&text) => {
                PlaceError::NoBucket { bucket: self.name.clone(), endpoint: self.endpoint.to_string() }
            }
            Error::NotFound { .. } => PlaceError::NotFound { url: self.url(path) },
            _ if is_refused(error) => {
                let code = code(&text).unwrap_or("no reason given").to_owned();
                PlaceError::Refused { url: self.url(path), code }
            }
            _ => PlaceError::Failed { url: self.url(path), what: text },
        }
    }
}

/// What the variables of an environment that begin with `AWS_` say.
fn builder(environment: impl IntoIterator<Item = (String, String)>) -> AmazonS3Builder {
    let variables = environment.into_iter().filter(|(name, _)| name.starts_with("AWS_"));
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables {
        // Others of that name are for other programs.
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        // Whoever names an endpoint without TLS wants it.
        builder = builder.with_allow_http(true);
    }
    builder
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT)
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), CONNECT_TIMEOUT)
}

/// Whether trying again changes nothing.
fn is_final(error: &Error) -> bool {
    is_no_bucket(&told(error)) || is_refused(error) || matches!(error, Error::NotFound { .. })
}

/// Whether the credentials are wrong or may not do this. Of a listing only the text tells.
fn is_refused(error: &Error) -> bool {
    matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        || told(error).contains("403 Forbidden")
}

/// Whether there is no such object, in a bucket that is there.
fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !is_no_bucket(&told(error))
}

fn is_no_bucket(text: &str) -> bool {
    text.contains("NoSuchBucket")
}

/// The server's word for what went wrong, in the XML of its answer.
fn code(text: &str) -> Option<&str> {
    text.split_once("<Code>")?.1.split_once("</Code>").map(|(code, _)| code)
}

/// The error with its causes, on one line.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sum_up((bytes, crc32c): (u64, u32), chunk: &Bytes) -> (u64, u32) {
    (bytes + chunk.len() as u64, crc32c::crc32c_append(crc32c, chunk))
}

fn read_chunks(file: &mut File) -> std::io::Result<Vec<Bytes>> {
    let mut chunks = Vec::new();
    loop {
        let mut chunk = Vec::new();
        if file.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)? == 0 {
            return Ok(chunks);
        }
        chunks.push(chunk.into());
    }
}
