//! Hosts by the moment at which something of theirs may start.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::timestamp::Timestamp;

/// The span of a slot of the calendar, 2^14 microseconds (16 ms). Of 2^13 to 2^16 measured, shorter ones cost more with
/// few hosts, longer ones with many.
const SLOT_BITS: u32 = 14;

/// Entries that no longer count are swept out when there are this many more entries than places.
const STALE_MAX: usize = 1_024;

/// Entries of a slot that are looked at in one go, shortly before they are due, so that the processor fetches what
/// they lead to side by side.
const LOOK_AHEAD: usize = 16;

/// A place and the moment at which it is due.
type Entry = (Timestamp, u32);

/// Places by moment, earliest first, then by place: a calendar whose present slot is in order.
///
/// A place has one moment that counts, which its owner keeps; entries that disagree are passed over. With 100,000 places
/// a decision over one heap for all took 1.4 times as long: its lower levels lie in memory that no cache holds.
#[derive(Default)]
pub(crate) struct DueTimes {
    /// The entries that the present slot had when it came up, latest first: taken from the end.
    sorted: Vec<Entry>,
    /// How many at its end were looked at.
    looked_at: usize,
    /// Those of the slots up to `present` that came later.
    near: BinaryHeap<Reverse<Entry>>,
    /// Those of later slots, in no order within a slot.
    far: BTreeMap<i64, Vec<Entry>>,
    present: i64,
    entries: usize,
}

impl DueTimes {
    /// Adds a moment of `place`.
    pub(crate) fn add(&mut self, at: Timestamp, place: u32) {
        let slot = slot(at);
        if slot <= self.present {
            self.near.push(Reverse((at, place)));
        } else {
            self.far.entry(slot).or_default().push((at, place));
        }
        self.entries += 1;
    }

    /// The earliest moment that `counts`, with its place. Those passed over are gone.
    pub(crate) fn first(&mut self, counts: impl Fn(Entry) -> bool) -> Option<Entry> {
        loop {
            if self.looked_at == 0 {
                self.look_ahead(&counts);
            }
            match self.earliest() {
                Some(entry) if counts(entry) => return Some(entry),
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

    /// Looks at the next few of the slot and drops those that do not count.
    fn look_ahead(&mut self, counts: impl Fn(Entry) -> bool) {
        let from = self.sorted.len().saturating_sub(LOOK_AHEAD);
        self.entries -= self.sorted.extract_if(from.., |entry| !counts(*entry)).count();
        self.looked_at = self.sorted.len() - from;
    }

    fn earliest(&self) -> Option<Entry> {
        let near = self.near.peek().map(|&Reverse(entry)| entry);
        self.sorted.last().copied().into_iter().chain(near).min()
    }

    /// Takes out what [`first`](Self::first) gave.
    pub(crate) fn take_first(&mut self) {
        let Some(first) = self.earliest() else { return };
        if self.sorted.last() == Some(&first) {
            self.sorted.pop();
            self.looked_at = self.looked_at.saturating_sub(1);
        } else {
            self.near.pop();
        }
        self.entries -= 1;
    }

    /// Drops what does not count when there is much of it.
    pub(crate) fn sweep(&mut self, places: usize, counts: impl Fn(Entry) -> bool) {
        if self.entries <= 2 * places + STALE_MAX {
            return;
        }
        self.sorted.retain(|&entry| counts(entry));
        self.looked_at = 0;
        self.near.retain(|&Reverse(entry)| counts(entry));
        self.far.retain(|_, entries| {
            entries.retain(|&entry| counts(entry));
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

    fn drain(times: &mut DueTimes, counts: impl Fn(Entry) -> bool) -> Vec<(i64, u32)> {
        let mut drained = Vec::new();
        while let Some((at, place)) = times.first(&counts) {
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
    fn entries_that_do_not_count_are_passed_over_and_swept_out() {
        let mut times = DueTimes::default();
        let counts = |(moment, _): Entry| moment == at(77);
        for moment in 0..100_000 {
            times.add(at(moment * 100), 0);
            times.add(at(77), 1);
            times.take_first();
            times.sweep(1, counts);
        }
        assert!(times.entries <= STALE_MAX + 4, "{}", times.entries);
        times.add(at(77), 1);
        assert!(drain(&mut times, counts).contains(&(77, 1)));
    }
}
