//! Tracks which hosts have parsed robots rules in memory, within a limit in bytes.
//!
//! Parsed rules take about ten times the memory of their text. The least recently used rules are evicted. Their host
//! keeps the text and parses it again when its next tasks come.

use std::collections::BTreeMap;

/// Limit on the parsed rules of all leased hosts together, by [`crate::robots::RobotsRules::bytes`]. The rules used
/// last stay even if they exceed it. It is enough for a few thousand typical hosts, or for a handful of the largest
/// files.
pub(crate) const BYTES_MAX: usize = 32 << 20;

/// Hosts with parsed rules, by the last use of their rules.
#[derive(Default)]
pub(crate) struct LoadedRules {
    /// Place of the host and bytes of its rules, by the number of the use.
    by_use: BTreeMap<u64, (usize, usize)>,
    bytes: usize,
    uses: u64,
}

impl LoadedRules {
    /// Notes a use of the rules of the host at `place`. Returns the number by which to [forget](Self::forget) it.
    pub(crate) fn used(&mut self, place: usize, bytes: usize) -> u64 {
        self.uses += 1;
        self.bytes += bytes;
        self.by_use.insert(self.uses, (place, bytes));
        self.uses
    }

    /// Removes a use, because a later one replaces it or its host is gone.
    pub(crate) fn forget(&mut self, number: u64) {
        if let Some((_, bytes)) = self.by_use.remove(&number) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// Removes the least recently used rules and returns their place, if all rules together take more than `bytes_max`.
    pub(crate) fn take_oldest_beyond(&mut self, bytes_max: usize) -> Option<usize> {
        if self.bytes <= bytes_max || self.by_use.len() <= 1 {
            return None;
        }
        let (_, (place, bytes)) = self.by_use.pop_first()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(place)
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_rules_go_first_and_the_last_ones_stay() {
        let mut loaded = LoadedRules::default();
        let first = loaded.used(7, 40);
        loaded.used(8, 40);
        loaded.forget(first);
        loaded.used(7, 40);
        assert_eq!(loaded.take_oldest_beyond(80), None);
        assert_eq!(loaded.take_oldest_beyond(79), Some(8));
        assert_eq!((loaded.take_oldest_beyond(1), loaded.bytes()), (None, 40));
    }
}
