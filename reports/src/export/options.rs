//! Options and counts of an export.

use std::path::PathBuf;

/// The format of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One `loc` per line.
    Txt,
    /// A table with the first image and the first video of each entry.
    Csv,
    /// One JSON object per line, with all published fields.
    Jsonl,
    /// Typed, nested columns with all published fields.
    Parquet,
}

/// Selection and format of an export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportOptions {
    /// The format.
    pub format: Format,
    /// Only entries found on this host: an origin (`https://www.example.com:8443`), or a host name, which matches every
    /// scheme and port.
    pub host: Option<String>,
    /// Only entries whose `lastmod_at` is this moment or later. Entries without `lastmod_at` are kept and counted.
    pub since: Option<jiff::Timestamp>,
    /// Only the first entry of each `loc` among those that the other options select. The crawl is then read twice.
    /// The path is a folder for temporary data beyond 128 MiB: unnamed files with about 24 bytes per entry.
    pub unique: Option<PathBuf>,
}

/// Counts of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExportSummary {
    /// Entries written.
    pub written: u64,
    /// Entries that `host` left out.
    pub other_hosts: u64,
    /// Entries that `since` left out.
    pub older: u64,
    /// Part of `written`: entries without a `lastmod_at` for `since` to test; 0 without `since`.
    pub undated: u64,
    /// Entries that `unique` left out.
    pub repeats: u64,
}
