//! The cooldowns of hosts, checked before every request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frontier::{HostId, Timestamp};

/// Maximum number of remembered cooldowns. The schedule and the queue know further ones too, so only a robots.txt that
/// redirects to such a host would not be held back.
const COOLDOWNS_MAX: usize = 100_000;

/// The cooldowns of hosts, for requests of any task. A robots.txt may redirect to a host that is not leased, and a host may
/// ask for a cooldown while a request is waiting for its slot.
#[derive(Default)]
pub struct Cooldowns {
    // One lock for all hosts, because it is held only for one access to the map.
    until: Mutex<HashMap<HostId, Timestamp>>,
}

impl Cooldowns {
    /// Adds a cooldown of `host` until `until`.
    pub fn add(&self, host: HostId, until: Timestamp, now: Timestamp) {
        let mut cooldowns = self.until();
        if cooldowns.len() >= COOLDOWNS_MAX {
            cooldowns.retain(|_, until| *until > now);
        }
        if cooldowns.len() < COOLDOWNS_MAX || cooldowns.contains_key(&host) {
            let cooldown = cooldowns.entry(host).or_insert(until);
            *cooldown = until.max(*cooldown);
        }
    }

    /// The end of the cooldown of `host`. `None` if requests are allowed at `now`.
    pub fn of(&self, host: HostId, now: Timestamp) -> Option<Timestamp> {
        self.until().get(&host).copied().filter(|until| *until > now)
    }

    fn until(&self) -> MutexGuard<'_, HashMap<HostId, Timestamp>> {
        // A poisoned lock is safe to use, because a timestamp cannot be left half written.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_longest_cooldown_of_a_host_applies_until_its_end() {
        let cooldowns = Cooldowns::default();
        cooldowns.add(HostId(1), at(9), at(0));
        cooldowns.add(HostId(1), at(5), at(0));
        assert_eq!(cooldowns.of(HostId(1), at(8)), Some(at(9)));
        assert_eq!((cooldowns.of(HostId(1), at(9)), cooldowns.of(HostId(2), at(0))), (None, None));
    }

    #[test]
    fn the_number_of_cooldowns_is_bounded_and_expired_ones_are_dropped() {
        let cooldowns = Cooldowns::default();
        for id in 0..=COOLDOWNS_MAX as u128 {
            cooldowns.add(HostId(id), at(9), at(0));
        }
        assert_eq!(cooldowns.of(HostId(COOLDOWNS_MAX as u128), at(1)), None);
        cooldowns.add(HostId(7), at(20), at(10));
        assert_eq!(cooldowns.of(HostId(7), at(11)), Some(at(20)));
        assert_eq!(cooldowns.until().len(), 1);
    }
}
