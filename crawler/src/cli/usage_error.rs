//! Errors in the flags of the program itself. Those in the options of a crawl are [`crawler::OptionError`].

/// A flag whose value cannot be used. The exit code is that of a usage error.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// `--since`.
    #[error("--since {0:?} is not a date such as 2026-01-31 or 2026-01-31T12:00:00Z")]
    Since(String),
    /// `--url` of `parse`.
    #[error("--url {0:?} is not an absolute URL")]
    Base(String),
    /// Seeds from standard input.
    #[error("failed to read seeds from stdin: {0}")]
    Stdin(std::io::Error),
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
}
