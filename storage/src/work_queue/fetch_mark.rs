//! A position in the requests of a crawl.

use serde::{Deserialize, Serialize};

/// A position in the requests of a crawl: after those of one commit. The default is the position before the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FetchMark {
    /// The session's number.
    pub(crate) session: u32,
    /// The commit's number within its session, which begins at 1.
    pub(crate) commit_seq: u64,
}
