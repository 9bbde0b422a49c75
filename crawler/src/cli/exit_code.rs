//! The exit codes of `crawl`; part of its contract.

/// The crawl ran to its end, whatever its hosts did.
pub const OK: u8 = 0;
/// A failure of ours; for `parse`, nothing that is a sitemap.
pub const FAILURE: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// `--strict`, and a site is incomplete.
pub const INCOMPLETE: u8 = 4;
/// Stopped by a signal; `crawl resume` goes on.
pub const INTERRUPTED: u8 = 130;
