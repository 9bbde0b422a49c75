//! The exit codes of `crawl`, which are part of its contract.

/// Success. A crawl ran to its end; its hosts may have failed.
pub const OK: u8 = 0;
/// The command failed. For `parse`, the document is not a sitemap.
pub const FAILURE: u8 = 1;
/// The command line or the seeds are invalid.
pub const USAGE: u8 = 2;
/// With `--strict`: a site is incomplete.
pub const INCOMPLETE: u8 = 4;
/// Stopped by a signal. `crawl resume` continues the crawl.
pub const INTERRUPTED: u8 = 130;
