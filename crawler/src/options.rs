//! What a caller may ask for, checked once, and the default of each option.

use std::time::Duration;

use frontier::scope::ScopeError;

/// The default of each option. Those of the scope are in [`frontier::Scope`].
pub mod defaults {
    use std::time::Duration;

    /// Requests per second and host.
    pub const RATE: f64 = 1.0;
    /// Requests in flight over all hosts.
    pub const CONCURRENCY: u16 = 100;
    /// Requests in flight per host.
    pub const HOST_CONCURRENCY: u16 = 1;
    /// Requests in flight per site, unless more are allowed for one host.
    pub const SITE_CONCURRENCY: u16 = 4;
    /// Time limit of each stage of a request.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// The User-Agent, without contact.
    pub const USER_AGENT: &str = concat!("sitemap-crawler/", env!("CARGO_PKG_VERSION"));
}

/// Largest number of requests in flight over all hosts.
pub const CONCURRENCY_MAX: u16 = 10_000;
/// Largest number of requests in flight per host.
pub const HOST_CONCURRENCY_MAX: u16 = 1_000;
/// Longest time limit of a stage of a request.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

/// An option or a seed whose value cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// The rate is negative or not a number.
    #[error("{0} is not a rate: expected requests per second, or 0 for no limit")]
    Rate(f64),
    /// A number of requests in flight is out of range.
    #[error("{found} requests in flight are not possible: expected 1 to {max}")]
    Concurrency {
        /// The number given.
        found: usize,
        /// The largest number allowed.
        max: u16,
    },
    /// The time limit is zero or longer than [`TIMEOUT_MAX`].
    #[error("{} s are not a time limit: expected more than 0 and at most {} s", .0.as_secs_f64(), TIMEOUT_MAX.as_secs())]
    Timeout(Duration),
    /// The User-Agent, with the contact.
    #[error(
        "{0:?} is not a valid User-Agent: it must be printable ASCII that begins with a name such as my-crawler/1.0"
    )]
    UserAgent(String),
    /// A header, by its number from 1. The text is not repeated, because it may be a secret.
    #[error("header number {0} is not of the form 'Name: value'")]
    Header(usize),
    /// The proxy. The text is not repeated, because it may contain a password.
    #[error("the proxy is not a URL of a proxy")]
    Proxy,
    /// A pattern of the scope.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A seed.
    #[error("{place}: {reason}")]
    Seed {
        /// Where it is given, such as a file and a line.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of seeds that cannot be read.
    #[error("failed to read seeds from {path}: {reason}")]
    SeedFile {
        /// The file.
        path: String,
        /// Why it cannot be read.
        reason: std::io::Error,
    },
    /// The scope differs from the one that the crawl was started with.
    #[error(
        "the crawl was started with other flags: {0}; omit the flag, or start another crawl with another --data-dir or \
         another name"
    )]
    ScopeChanged(String),
    /// The seeds name no site.
    #[error("the seeds contain no site")]
    NoSeeds,
    /// The store holds several crawls, and none of them was named.
    #[cfg(feature = "shared")]
    #[error("the store holds several crawls: choose one with --crawl: {0}")]
    WhichCrawl(String),
}
