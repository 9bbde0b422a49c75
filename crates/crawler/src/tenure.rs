//! For how long a session may send requests: past that, another worker may have its hosts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use frontier::Timestamp;

/// Up to when requests may leave; clones share it.
#[derive(Clone)]
pub struct Tenure {
    until_us: Arc<AtomicI64>,
}

impl Tenure {
    /// Up to `until`, to begin with.
    pub fn new(until: Timestamp) -> Self {
        Self { until_us: Arc::new(AtomicI64::new(until.as_micros())) }
    }

    /// Up to `until` from now on.
    #[cfg(feature = "shared")]
    pub fn extend(&self, until: Timestamp) {
        // A number that orders nothing else.
        self.until_us.store(until.as_micros(), Ordering::Relaxed);
    }

    /// Whether requests may leave at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        now.as_micros() < self.until_us.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, feature = "shared"))]
mod tests {
    use super::*;

    #[test]
    fn it_holds_up_to_its_moment_and_can_be_extended_by_any_clone() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let tenure = Tenure::new(at(10));
        let keeper = tenure.clone();
        assert!(tenure.holds(at(9)) && !tenure.holds(at(10)));
        keeper.extend(at(20));
        assert!(tenure.holds(at(19)) && !tenure.holds(at(20)));
    }
}
