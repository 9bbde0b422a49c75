//! The work queue of a shared crawl.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use frontier::Clock;
use frontier::work_queue::QueueBounds;

use super::database::Database;
use super::values;

/// How long a session lives after its last renewal or commit. After that, any other session may reclaim its hosts. A
/// worker stops fetching [`frontier::work_queue::RENEWAL_MARGIN`] earlier.
pub const SESSION_TTL: Duration = Duration::from_secs(60);

/// The work queue of one crawl that many machines share.
///
/// All times are those of the database server's clock, see [`crate::SharedCrawl::now`]. Calls survive a restart of
/// the server and a change of the primary. They fail if the server is unavailable for longer. If the answer to a
/// commit is lost, the queue detects by its number whether it was applied, and never applies it twice. The queue must
/// be used in the runtime in which its [`Database`] was opened.
#[derive(Clone)]
pub struct PostgresQueue {
    pub(super) database: Database,
    pub(super) crawl: i32,
    pub(super) bounds: QueueBounds,
    /// Clock that tests use instead of the server's.
    pub(super) clock: Option<Arc<dyn Clock>>,
}

impl PostgresQueue {
    /// The current time for statements. `None` makes them use the server's clock; only tests have `Some`.
    pub(super) fn now_override(&self) -> Option<SystemTime> {
        self.clock.as_ref().map(|clock| values::moment(clock.now()))
    }
}
