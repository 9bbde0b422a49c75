//! Whose rules are read and at hand, within a bound in bytes.
//!
//! Read rules take some ten times the memory of their text. A host of which nothing was judged for long gives them up, keeps
//! the text, and reads it again when its next tasks come.

use std::collections::BTreeMap;

/// The most that the rules at hand of all lent hosts take together, by [`crate::robots::RobotsRules::bytes`]; those used last stay
/// whatever they take. Enough for a few thousand hosts as they are, or for a handful of the largest files there can be.
pub(crate) const BYTES_MAX: usize = 32 << 20;

/// The hosts by when their rules were used last.
#[derive(Default)]
pub(crate) struct LoadedRules {
    /// Place and bytes, by the number of the use.
    by_use: BTreeMap<u64, (usize, usize)>,
    bytes: usize,
    uses: u64,
}

impl LoadedRules {
    /// The rules of the host at `place` were used; gives the number to [forget](Self::forget) this use by.
    pub(crate) fn used(&mut self, place: usize, bytes: usize) -> u64 {
        self.uses += 1;
        self.bytes += bytes;
        self.by_use.insert(self.uses, (place, bytes));
        self.uses
    }

    /// The use is outdone by a later one, or its host is gone.
    pub(crate) fn forget(&mut self, number: u64) {
        if let Some((_, bytes)) = self.by_use.remove(&number) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// The place whose rules were unused longest, where all together take too much; they are no longer counted.
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
    fn those_unused_longest_go_first_and_the_last_one_stays() {
        let mut at_hand = LoadedRules::default();
        let first = at_hand.used(7, 40);
        at_hand.used(8, 40);
        at_hand.forget(first);
        at_hand.used(7, 40);
        assert_eq!(at_hand.take_oldest_beyond(80), None);
        assert_eq!(at_hand.take_oldest_beyond(79), Some(8));
        assert_eq!((at_hand.take_oldest_beyond(1), at_hand.bytes()), (None, 40));
    }
}
