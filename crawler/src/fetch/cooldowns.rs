//! The hosts that asked to be left in peace, for whoever would ask them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frontier::{HostId, Timestamp};

/// Cooldowns that are remembered. Of further ones the schedule and the queue alone know: only a robots.txt that redirects to such
/// a host does not find out.
const COOLDOWNS_MAX: usize = 100_000;

/// Until when hosts are to be left in peace, whichever task would ask them: a robots.txt may redirect to a host that is not
/// lent, or that asked for a rest while the request waited for its turn.
#[derive(Default)]
pub struct Cooldowns {
    // One lock for all hosts: it is held for a look into the map.
    until: Mutex<HashMap<HostId, Timestamp>>,
}

impl Cooldowns {
    /// `host` asked at `now` to be left in peace until `until`.
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

    /// Until when `host` rests; `None` if it may be asked at `now`.
    pub fn of(&self, host: HostId, now: Timestamp) -> Option<Timestamp> {
        self.until().get(&host).copied().filter(|until| *until > now)
    }

    fn until(&self) -> MutexGuard<'_, HashMap<HostId, Timestamp>> {
        // A moment cannot be left half changed.
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
    fn the_longest_rest_of_a_host_holds_up_to_its_end() {
        let cooldowns = Cooldowns::default();
        cooldowns.add(HostId(1), at(9), at(0));
        cooldowns.add(HostId(1), at(5), at(0));
        assert_eq!(cooldowns.of(HostId(1), at(8)), Some(at(9)));
        assert_eq!((cooldowns.of(HostId(1), at(9)), cooldowns.of(HostId(2), at(0))), (None, None));
    }

    #[test]
    fn the_hosts_remembered_are_bounded_and_those_whose_rest_is_over_make_room() {
        let cooldowns = Cooldowns::default();
        for id in 0..=COOLDOWNS_MAX as u64 {
            cooldowns.add(HostId(id), at(9), at(0));
        }
        assert_eq!(cooldowns.of(HostId(COOLDOWNS_MAX as u64), at(1)), None);
        cooldowns.add(HostId(7), at(20), at(10));
        assert_eq!(cooldowns.of(HostId(7), at(11)), Some(at(20)));
        assert_eq!(cooldowns.until().len(), 1);
    }
}
