//! The robots rules of the leased hosts: set, used, and evicted when they take too much memory.

use std::cmp::Reverse;

use crate::host::HostId;
use crate::robots::loaded_rules;
use crate::timestamp::Timestamp;
use crate::work_queue::RobotsRecord;

use super::Schedule;

/// Limit on the robots rules texts of all leased hosts together, in bytes. The texts of hosts with a request in
/// flight may exceed it. The text of one host has at most about three times
/// [`crate::robots::RobotsRules::BYTES_MAX`].
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// Above this many bytes of texts, waiting hosts are released and few others are leased.
pub const TEXT_BYTES_WANTED: usize = TEXT_BYTES_MAX / 2;

impl Schedule {
    /// Sets the robots rules of a host after they were fetched or turned out to be unreachable.
    pub fn set_robots(&mut self, host: HostId, robots: RobotsRecord, now: Timestamp) {
        let (mut before, mut after) = (0, 0);
        self.update(host, now, |queue| {
            before = queue.text_bytes();
            queue.set_robots(robots);
            after = queue.text_bytes();
        });
        self.rules.text_bytes = self.rules.text_bytes + after - before;
        self.rules_used(host);
    }

    /// The robots rules of a host, as the queue keeps them. `None` if they were never fetched.
    pub fn robots(&self, host: HostId) -> Option<&RobotsRecord> {
        self.hosts.get(*self.places.get(&host)?)?.queue.robots()
    }

    /// Whether the robots rules texts leave room for those of many more hosts.
    pub fn has_room_for_rules(&self) -> bool {
        self.rules.text_bytes < TEXT_BYTES_WANTED
    }

    /// Chooses hosts to release together with their tasks while the robots rules texts take too much memory. Returns
    /// their number.
    ///
    /// Above [`TEXT_BYTES_WANTED`] it chooses among hosts whose next request is not due yet, above
    /// [`TEXT_BYTES_MAX`] among all hosts with nothing in flight, the longest texts first. Their texts are dropped
    /// at once, as the queue keeps them.
    pub fn evict_rules(&mut self, now: Timestamp) -> usize {
        if self.has_room_for_rules() {
            return 0;
        }
        let free = self.hosts.iter().filter(|(_, entry)| entry.queue.can_be_released_without_rules());
        let mut candidates: Vec<(bool, usize, usize)> =
            free.map(|(place, entry)| (entry.waits(now), entry.queue.text_bytes(), place)).collect();
        candidates.sort_unstable_by_key(|&candidate| Reverse(candidate));
        let mut chosen = 0;
        for (waits, _, place) in candidates {
            if self.rules.text_bytes >= if waits { TEXT_BYTES_WANTED } else { TEXT_BYTES_MAX } {
                chosen += 1;
                self.release_without_rules(place, now);
            }
        }
        chosen
    }

    fn release_without_rules(&mut self, place: usize, now: Timestamp) {
        if let Some(entry) = self.hosts.get_mut(place) {
            self.rules.text_bytes -= entry.queue.text_bytes();
            if let Some(rules_use) = entry.rules_use.take() {
                self.rules.loaded.forget(rules_use);
            }
            entry.queue.release_without_rules(entry.due_at().unwrap_or(now));
            self.reschedule(place, now);
        }
    }

    /// Notes that the rules of `host` may have been parsed, and evicts the least recently used rules beyond the limit.
    pub(super) fn rules_used(&mut self, host: HostId) {
        let Some(&place) = self.places.get(&host) else { return };
        if let Some(entry) = self.hosts.get_mut(place) {
            if let Some(rules_use) = entry.rules_use.take() {
                self.rules.loaded.forget(rules_use);
            }
            let bytes = entry.queue.rules_bytes();
            entry.rules_use = (bytes > 0).then(|| self.rules.loaded.used(place, bytes));
        }
        while let Some(oldest) = self.rules.loaded.take_oldest_beyond(loaded_rules::BYTES_MAX) {
            if let Some(entry) = self.hosts.get_mut(oldest) {
                entry.queue.evict_rules();
                entry.rules_use = None;
            }
        }
    }
}
