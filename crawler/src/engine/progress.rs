//! The state of a running crawl, for people.

use frontier::schedule::WaitingFor;
use frontier::work_queue::Counts;

/// The state of a running crawl, as it is shown to people.
#[derive(Clone, Debug, Default)]
pub struct ProgressState {
    /// The queue's totals.
    pub counts: Counts,
    /// Requests in flight.
    pub in_flight: usize,
    /// Errors so far.
    pub errors: u64,
    /// What the hosts are waiting for.
    pub waiting_for: WaitingFor,
}
