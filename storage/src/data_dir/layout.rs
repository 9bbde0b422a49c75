//! Names of the files and folders in a data directory.

/// Locked while a process uses the directory.
pub(super) const LOCK_FILE: &str = "lock";

/// The version of the layout.
pub(super) const FORMAT_FILE: &str = "format";

/// The stored flags of the crawl.
pub(crate) const SETTINGS_FILE: &str = "settings.json";

/// What the crawl was started from.
pub(crate) const SEEDS_FILE: &str = "seeds";

/// Up to where the seeds are in the queue.
pub(crate) const SEEDS_ADDED_FILE: &str = "seeds.added";

/// The work queue.
pub(crate) const QUEUE_DIR: &str = "queue";

/// How much was committed to the queue.
pub(crate) const COMMITTED_FILE: &str = "committed";

/// Where the process of a running crawl answers readers.
pub(crate) const LIVE_SOCKET: &str = "live.sock";

/// The entries.
pub(crate) const SEGMENTS_DIR: &str = "segments";

/// Temporary files.
pub(crate) const SCRATCH_DIR: &str = "tmp";

/// Appended to the name of a file while its new content is written.
pub(super) const UNFINISHED_SUFFIX: &str = ".new";
