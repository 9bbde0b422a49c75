//! A queue of hosts ordered by when their next request is due.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::timestamp::Timestamp;

/// Binary logarithm of the length of a calendar slot in microseconds: 2^14 µs, or 16 ms. Measured from 2^13 to 2^16,
/// shorter slots cost more with few hosts, longer ones with many.
const SLOT_BITS: u32 = 14;

/// Outdated entries are swept out when the entries exceed twice the number of places by this many.
const STALE_MAX: usize = 1_024;

/// Number of entries of a slot that are checked together, shortly before they are due, so that the processor loads
/// the hosts they refer to in parallel.
const LOOK_AHEAD: usize = 16;

/// A due time and the place that is due.
type Entry = (Timestamp, u32);

/// Places ordered by due time, then by place: a calendar in which only the present slot is sorted.
///
/// A place is the key of a host in the schedule. The schedule knows the current due time of each place. Entries with
/// any other time are outdated and skipped. With 100,000 places, a decision over a single heap took 1.4 times as
/// long, because its lower levels lie in memory outside every cache.
#[derive(Default)]
pub(crate) struct DueTimes {
    /// The entries of the present slot from when it became the present one, latest first. They are taken from the end.
    sorted: Vec<Entry>,
    /// Number of entries at the end of `sorted` that were checked.
    checked: usize,
    /// Entries of the slots up to `present` that were added later.
    near: BinaryHeap<Reverse<Entry>>,
    /// Entries of later slots, unordered within a slot.
    far: BTreeMap<i64, Vec<Entry>>,
    present: i64,
    entries: usize,
}

impl DueTimes {
    /// Adds a due time of `place`.
    pub(crate) fn add(&mut self, at: Timestamp, place: u32) {
        let slot = slot(at);
        if slot <= self.present {
            self.near.push(Reverse((at, place)));
        } else {
            self.far.entry(slot).or_default().push((at, place));
        }
        self.entries += 1;
    }

    /// The earliest entry for which `is_current` holds. Removes the outdated entries before it.
    pub(crate) fn first(&mut self, is_current: impl Fn(Entry) -> bool) -> Option<Entry> {
        loop {
            if self.checked == 0 {
                self.look_ahead(&is_current);
            }
            match self.earliest() {
                Some(entry) if is_current(entry) => return Some(entry),
                Some(_) => self.take_first(),
                None => {
                    let (slot, mut entries) = self.far.pop_first()?;
                    self.present = slot;
                    entries.sort_unstable_by_key(|&entry| Reverse(entry));
                    self.sorted = entries;
                }
            }
        }
    }

    /// Checks the next few entries of the slot and drops the outdated ones.
    fn look_ahead(&mut self, is_current: impl Fn(Entry) -> bool) {
        let from = self.sorted.len().saturating_sub(LOOK_AHEAD);
        self.entries -= self.sorted.extract_if(from.., |entry| !is_current(*entry)).count();
        self.checked = self.sorted.len() - from;
    }

    fn earliest(&self) -> Option<Entry> {
        let near = self.near.peek().map(|&Reverse(entry)| entry);
        self.sorted.last().copied().into_iter().chain(near).min()
    }

    /// Removes the entry that [`first`](Self::first) returned.
    pub(crate) fn take_first(&mut self) {
        let Some(first) = self.earliest() else { return };
        if self.sorted.last() == Some(&first) {
            self.sorted.pop();
            self.checked = self.checked.saturating_sub(1);
        } else {
            self.near.pop();
        }
        self.entries -= 1;
    }

    /// Drops outdated entries if there are many of them.
    pub(crate) fn sweep(&mut self, places: usize, is_current: impl Fn(Entry) -> bool) {
        if self.entries <= 2 * places + STALE_MAX {
            return;
        }
        self.sorted.retain(|&entry| is_current(entry));
        self.checked = 0;
        self.near.retain(|&Reverse(entry)| is_current(entry));
        self.far.retain(|_, entries| {
            entries.retain(|&entry| is_current(entry));
            !entries.is_empty()
        });
        self.entries = self.sorted.len() + self.near.len() + self.far.values().map(Vec::len).sum::<usize>();
    }
}

fn slot(at: Timestamp) -> i64 {
    at.as_micros() >> SLOT_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn drain(times: &mut DueTimes, is_current: impl Fn(Entry) -> bool) -> Vec<(i64, u32)> {
        let mut drained = Vec::new();
        while let Some((at, place)) = times.first(&is_current) {
            drained.push((at.as_micros(), place));
            times.take_first();
        }
        assert_eq!(times.entries, 0);
        drained
    }

    #[test]
    fn places_come_by_moment_then_by_place_near_and_far() {
        let mut times = DueTimes::default();
        for (place, moment) in
            [(3, 20), (1, 10), (9, 5_000_000), (0, 20), (8, 5_000_001), (2, -5), (7, 400_000)]
        {
            times.add(at(moment), place);
        }
        let expected = [(-5, 2), (10, 1), (20, 0), (20, 3), (400_000, 7), (5_000_000, 9), (5_000_001, 8)];
        assert_eq!(drain(&mut times, |_| true), expected);
    }

    #[test]
    fn a_moment_before_the_present_slot_comes_first() {
        let mut times = DueTimes::default();
        times.add(at(9_000_000), 1);
        assert_eq!(times.first(|_| true), Some((at(9_000_000), 1)));
        times.add(at(50), 2);
        times.add(at(10_000_000), 3);
        assert_eq!(drain(&mut times, |_| true), [(50, 2), (9_000_000, 1), (10_000_000, 3)]);
    }

    #[test]
    fn outdated_entries_are_skipped_and_swept_out() {
        let mut times = DueTimes::default();
        let is_current = |(moment, _): Entry| moment == at(77);
        for moment in 0..100_000 {
            times.add(at(moment * 100), 0);
            times.add(at(77), 1);
            times.take_first();
            times.sweep(1, is_current);
        }
        assert!(times.entries <= STALE_MAX + 4, "{}", times.entries);
        times.add(at(77), 1);
        assert!(drain(&mut times, is_current).contains(&(77, 1)));
    }
}
