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

/// An upload of a whole segment may take so long.
const REQUEST_TIMEOUT: &str = "180 seconds";
const CONNECT_TIMEOUT: &str = "10 seconds";

/// How long a request is tried again while the server fails: a worker must outlive its short outages.
const OUTAGE_MAX: Duration = Duration::from_secs(180);
const RETRIES_MAX: usize = 30;

/// The same for the first request, which a person waits for.
const RETRIES_AT_START_MAX: usize = 2;

/// Puts of one object whose answer was lost.
const PUTS_MAX: u32 = 5;

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
        let build = |retries_max| {
            let retry =
                RetryConfig { max_retries: retries_max, retry_timeout: OUTAGE_MAX, ..RetryConfig::default() };
            let built = builder.clone().with_retry(retry).build();
            built
                .map_err(|error| PlaceError::Setup { bucket: name.clone(), what: told(&error) })
                .map(Arc::new)
        };
        let endpoint = endpoint.unwrap_or_else(|| "Amazon S3".to_owned()).into();
        let at_start =
            Self { store: build(RETRIES_AT_START_MAX)?, runtime, name: name.clone(), endpoint, prefix };
        match at_start.runtime.block_on(at_start.store.get(&at_start.path(MARKER))) {
            Ok(_) => {}
            Err(Error::NotFound { source, .. }) if !is_no_bucket(&source.to_string()) => {}
            Err(error) => return Err(at_start.error(MARKER, &error)),
        }
        Ok(Self { store: build(RETRIES_MAX)?, ..at_start })
    }

    pub(super) fn create(&self, path: &str, content: &mut File) -> Result<(), PlaceError> {
        let read = content.rewind().and_then(|()| read_chunks(content));
        let chunks = read.map_err(|source| PlaceError::Scratch { source })?;
        self.runtime.block_on(self.put(path, chunks))
    }

    /// Puts an object that is not there. When the answer was lost or the server failed, looks whether it got there.
    async fn put(&self, path: &str, chunks: Vec<Bytes>) -> Result<(), PlaceError> {
        let place = self.path(path);
        let mut pause = Duration::from_millis(250);
        let mut puts = 1;
        loop {
            let payload: PutPayload = chunks.iter().cloned().collect();
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let Err(error) = self.store.put_opts(&place, payload, options).await else { return Ok(()) };
            if is_final(&error) {
                return Err(self.error(path, &error));
            }
            match self.holds(&place, &chunks).await {
                Ok(Some(true)) => return Ok(()),
                Ok(Some(false)) => return Err(PlaceError::Taken { url: self.url(path) }),
                Ok(None) if puts < PUTS_MAX => {}
                Err(error) if puts < PUTS_MAX && !is_final(&error) => {}
                Ok(None) | Err(_) => return Err(self.error(path, &error)),
            }
            puts += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
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
        self.runtime.block_on(async {
            let failed = |error: Error| match error {
                Error::NotFound { ref source, .. } if !is_no_bucket(&source.to_string()) => {
                    PlaceError::NotFound { url: self.url(path) }
                }
                error => self.error(path, &error),
            };
            let mut chunks = self.store.get(&self.path(path)).await.map_err(failed)?.into_stream();
            while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
                into.write_all(&chunk).map_err(|source| PlaceError::Scratch { source })?;
            }
            Ok(())
        })
    }

    pub(super) fn list(&self, dir: &str) -> Result<Vec<Listed>, PlaceError> {
        let dir = self.path(dir);
        let objects = self.store.list(Some(&dir)).map_ok(|object| {
            let parts = object.location.prefix_match(&dir);
            let path =
                parts.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
            let written_at = Timestamp::from_micros(object.last_modified.timestamp_micros());
            Listed { path: path.unwrap_or_default(), written_at }
        });
        self.runtime.block_on(objects.try_collect()).map_err(|error| self.error(dir.as_ref(), &error))
    }

    pub(super) fn remove(&self, path: &str) -> Result<(), PlaceError> {
        match self.runtime.block_on(self.store.delete(&self.path(path))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(path, &error)),
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
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
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
    is_no_bucket(&told(error))
        || matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
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
