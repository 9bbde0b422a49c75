//! Limits the number of requests in flight per host, over all tasks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frontier::HostId;
use tokio::sync::Notify;

/// Enforces `--host-concurrency` for each host. The schedule alone cannot, because a robots.txt may redirect to a host to
/// which other requests are in flight.
pub struct HostSlots {
    per_host: usize,
    // One lock for all hosts, because it is held only for one access to the map.
    taken: Mutex<HashMap<HostId, usize>>,
    freed: Notify,
}

/// The slot of a request in flight. Dropping it frees the slot.
pub struct HostSlot {
    slots: Arc<HostSlots>,
    host: HostId,
}

impl HostSlots {
    /// Allows `per_host` requests at the same time to each host, and at least one.
    pub fn new(per_host: usize) -> Self {
        Self { per_host: per_host.max(1), taken: Mutex::default(), freed: Notify::new() }
    }

    /// Waits until another request to `host` may be in flight, and takes its slot.
    pub async fn enter(self: &Arc<Self>, host: HostId) -> HostSlot {
        while !self.take(host) {
            let freed = self.freed.notified();
            let mut freed = std::pin::pin!(freed);
            // From here on no notification is missed. A slot may have been freed just before, so try again.
            freed.as_mut().enable();
            if self.take(host) {
                break;
            }
            freed.await;
        }
        HostSlot { slots: self.clone(), host }
    }

    fn take(&self, host: HostId) -> bool {
        let mut taken = self.taken();
        let number = taken.entry(host).or_default();
        let is_free = *number < self.per_host;
        *number += usize::from(is_free);
        is_free
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<HostId, usize>> {
        // A poisoned lock is safe to use, because a number cannot be left half written.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HostSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        let left = taken.get(&self.host).map_or(0, |number| number.saturating_sub(1));
        if left == 0 {
            taken.remove(&self.host);
        } else {
            taken.insert(self.host, left);
        }
        drop(taken);
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_request_more_waits_until_one_has_ended_and_other_hosts_do_not() {
        let slots = Arc::new(HostSlots::new(2));
        let (first, _second) = (slots.enter(HostId(1)).await, slots.enter(HostId(1)).await);
        let _other = slots.enter(HostId(2)).await;
        let mut third = std::pin::pin!(slots.enter(HostId(1)));
        assert!(tokio::time::timeout(Duration::ZERO, &mut third).await.is_err());
        drop(first);
        third.await;
        assert_eq!(slots.taken().get(&HostId(1)), Some(&1));
    }
}
