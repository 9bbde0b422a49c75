//! Errors in the flags or in the seeds.

use frontier::scope::ScopeError;

/// A flag or seed whose value cannot be used. The exit code is that of a usage error.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// `--user-agent` or `--contact`.
    #[error(
        "{0:?} is not a valid User-Agent: it must be printable ASCII that begins with a name such as my-crawler/1.0"
    )]
    UserAgent(String),
    /// `--header`, by its number. The value is not repeated: a header without a colon may be a secret from its first
    /// character.
    #[error("the value of --header number {0} is not of the form 'Name: value'")]
    Header(usize),
    /// `--proxy`. The value is not repeated, because it may contain a password.
    #[error("--proxy is not the URL of a proxy")]
    Proxy,
    /// `--since`.
    #[error("--since {0:?} is not a date such as 2026-01-31 or 2026-01-31T12:00:00Z")]
    Since(String),
    /// `--url` of `parse`.
    #[error("--url {0:?} is not an absolute URL")]
    Base(String),
    /// `--include` or `--exclude`.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A line of a seed file, or a `--seed`.
    #[error("{place}: {reason}")]
    Seed {
        /// File and line, or the flag.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A seed file that cannot be read.
    #[error("failed to read seeds from {path}: {reason}")]
    SeedFile {
        /// The file.
        path: String,
        /// Why it cannot be read.
        reason: std::io::Error,
    },
    /// A scope flag that differs from the one the crawl was started with.
    #[error(
        "the crawl was started with other flags: {0}; omit the flag, or start another crawl with another --data-dir or \
         another name"
    )]
    ScopeChanged(String),
    /// `--store` without `--output`.
    #[cfg(feature = "shared")]
    #[error(
        "--store needs --output: the entries of a shared crawl must be stored where every machine can reach them, in \
         s3://bucket/prefix or in file:///folder on a shared mount, not in a data directory of one machine"
    )]
    NoOutput,
    /// No `--store` where one is required.
    #[cfg(feature = "shared")]
    #[error(
        "--store is missing: it names the database that the machines of a shared crawl use (to write a result to a \
         file, use -o FILE)"
    )]
    NoStore,
    /// A store with several crawls, and no `--crawl`.
    #[cfg(feature = "shared")]
    #[error("the store holds several crawls: choose one with --crawl: {0}")]
    WhichCrawl(String),
    /// No site in all seeds.
    #[error("the seeds contain no site")]
    NoSeeds,
}
