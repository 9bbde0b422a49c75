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

use super::error::PlaceError;
use super::layout::{Listed, MARKER};

/// How long a call is retried while the server fails: a worker survives short outages and reports a long one. A whole
/// segment must be transferred within this time, so the connection needs at least 5 Mbit/s.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);
const REQUEST_TIMEOUT: &str = "120 seconds";
const CONNECT_TIMEOUT: &str = "10 seconds";

/// Pauses before the retries of the first request. There are few, because a person is waiting for it.
const FIRST_REQUEST_PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(500)];

/// The pause between two tries. It doubles from the first value to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LAST: Duration = Duration::from_secs(10);

/// Size of the chunks in which an object is held in memory.
const CHUNK_BYTES: usize = 1 << 20;

/// A bucket and the prefix of all objects of the crawl.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    runtime: Handle,
    name: String,
    /// For messages.
    endpoint: Arc<str>,
    prefix: Path,
    retry_timeout: Duration,
}

impl Bucket {
    /// Opens the bucket of `url`. Makes one request, to check that it can be read.
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
        // If this fails, the process has already set a provider, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The library retries nothing: its retries and ours would multiply.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let built = builder.with_retry(retry).build();
        let store = built
            .map_err(|error| PlaceError::Setup { bucket: name.clone(), reason: with_causes(&error) })?
            .into();
        let endpoint = endpoint.unwrap_or_else(|| "Amazon S3".to_owned()).into();
        let bucket = Self { store, runtime, name, endpoint, prefix, retry_timeout: RETRY_TIMEOUT };
        match bucket.runtime.block_on(bucket.first_request()) {
            Ok(()) => {}
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(bucket.error(MARKER, &error)),
        }
        Ok(bucket)
    }

    async fn first_request(&self) -> Result<(), Error> {
        let marker = self.path(MARKER);
        for pause in FIRST_REQUEST_PAUSES {
            match self.store.get(&marker).await {
                Err(error) if !is_final(&error) => tokio::time::sleep(pause).await,
                answer => return answer.map(|_| ()),
            }
        }
        self.store.get(&marker).await.map(|_| ())
    }

    /// Sets how long calls are retried. The default is [`RETRY_TIMEOUT`].
    pub(super) fn with_retry_timeout(self, retry_timeout: Duration) -> Self {
        Self { retry_timeout, ..self }
    }

    pub(super) fn create(&self, path: &str, content: &mut File) -> Result<(), PlaceError> {
        let read = content.rewind().and_then(|()| read_chunks(content));
        let chunks = read.map_err(|source| PlaceError::Scratch { source })?;
        let place = self.path(path);
        match self.retry(path, async || self.put(&place, &chunks).await)? {
            true => Ok(()),
            false => Err(PlaceError::Taken { url: self.url(path) }),
        }
    }

    /// Puts an object that does not exist. If the answer is lost or the server fails, checks whether the object was
    /// written. Returns false if there is an object with other content.
    async fn put(&self, place: &Path, chunks: &[Bytes]) -> Result<bool, Error> {
        let payload: PutPayload = chunks.iter().cloned().collect();
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let Err(error) = self.store.put_opts(place, payload, options).await else { return Ok(true) };
        if is_final(&error) {
            return Err(error);
        }
        self.holds(place, chunks).await?.ok_or(error)
    }

    /// Whether the object has this content; `None` if it does not exist. Compares the lengths first.
    async fn holds(&self, place: &Path, chunks: &[Bytes]) -> Result<Option<bool>, Error> {
        let found = match self.store.get(place).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (bytes, crc32c) = chunks.iter().fold((0, 0), add_chunk);
        if found.meta.size != bytes {
            return Ok(Some(false));
        }
        let add = |sum, chunk: Bytes| std::future::ready(Ok(add_chunk(sum, &chunk)));
        let stored = found.into_stream().try_fold((0, 0), add).await?;
        Ok(Some(stored == (bytes, crc32c)))
    }

    pub(super) fn fetch(&self, path: &str, into: &mut File) -> Result<(), PlaceError> {
        let place = self.path(path);
        let copied = self.retry(path, async || {
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
        let prefix = self.path(dir);
        self.retry(dir, async || {
            let objects = self.store.list(Some(&prefix)).map_ok(|object| {
                let parts = object.location.prefix_match(&prefix);
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
        self.retry(path, async || match self.store.delete(&place).await {
            Err(error) if is_not_found(&error) => Ok(()),
            removed => removed,
        })
    }

    /// Repeats `attempt` until it succeeds, fails with an error that a retry cannot change, or the retry timeout
    /// ends. Repeating `attempt` must have no further effect.
    fn retry<T>(
        &self,
        path: &str,
        mut attempt: impl AsyncFnMut() -> Result<T, Error>,
    ) -> Result<T, PlaceError> {
        let mut last = String::from("no answer");
        let tries = async {
            let mut pause = PAUSE_FIRST;
            loop {
                match attempt().await {
                    Err(error) if !is_final(&error) => last = with_causes(&error),
                    answer => return answer,
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_LAST);
            }
        };
        let answer = self.runtime.block_on(async { tokio::time::timeout(self.retry_timeout, tries).await });
        match answer {
            Ok(answer) => answer.map_err(|error| self.error(path, &error)),
            Err(_) => {
                let waited_s = self.retry_timeout.as_secs();
                Err(PlaceError::Unavailable { url: self.url(path), waited_s, reason: last })
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
        let text = with_causes(error);
        match error {
            _ if is_no_bucket(&text) => {
                PlaceError::NoBucket { bucket: self.name.clone(), endpoint: self.endpoint.to_string() }
            }
            Error::NotFound { .. } => PlaceError::NotFound { url: self.url(path) },
            _ if is_refused(error) => {
                let code = code(&text).unwrap_or("no reason given").to_owned();
                PlaceError::Refused { url: self.url(path), code }
            }
            _ => PlaceError::Failed { url: self.url(path), reason: text },
        }
    }
}

/// A builder with the settings of the environment variables that start with `AWS_`.
fn builder(environment: impl IntoIterator<Item = (String, String)>) -> AmazonS3Builder {
    let variables = environment.into_iter().filter(|(name, _)| name.starts_with("AWS_"));
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables {
        // Unknown variables are those of other programs.
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        // Such an endpoint is given deliberately.
        builder = builder.with_allow_http(true);
    }
    builder
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT)
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), CONNECT_TIMEOUT)
}

/// Whether a retry cannot change the error.
fn is_final(error: &Error) -> bool {
    is_no_bucket(&with_causes(error)) || is_refused(error) || matches!(error, Error::NotFound { .. })
}

/// Whether the credentials are wrong or do not permit the request. For listings, only the text of the error shows it.
fn is_refused(error: &Error) -> bool {
    matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        || with_causes(error).contains("403 Forbidden")
}

/// Whether the bucket exists but the object does not.
fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !is_no_bucket(&with_causes(error))
}

fn is_no_bucket(text: &str) -> bool {
    text.contains("NoSuchBucket")
}

/// The error code in the XML of the server's answer.
fn code(text: &str) -> Option<&str> {
    text.split_once("<Code>")?.1.split_once("</Code>").map(|(code, _)| code)
}

/// The text of the error and its causes, on one line.
fn with_causes(error: &Error) -> String {
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

/// Adds a chunk to a length and a CRC-32C.
fn add_chunk((bytes, crc32c): (u64, u32), chunk: &Bytes) -> (u64, u32) {
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
