//! Entries that repeat the `loc` of an earlier one, found in bounded memory.
//!
//! One pass over the entries notes a keyed hash of each `loc` with the entry's place; sorted by both, all but the first
//! of a hash are repeats; their places, sorted again, are what a second pass leaves out. So the first of each `loc`
//! stays, in the order of the crawl.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::iter::Peekable;
use std::path::Path;

use super::external_sort::{ExternalSort, Sorted};

/// Memory of each of the two sorts; beyond it they spill.
pub(super) const SORT_BYTES_MAX: usize = 64 << 20;

/// Bytes of a hash and of a place.
const HASH_BYTES: usize = 16;
const PLACE_BYTES: usize = 8;
const NOTE_BYTES: usize = HASH_BYTES + PLACE_BYTES;

/// Takes down the `loc` of each entry.
pub(super) struct Notes {
    // Keys of this process's own, so that nobody can publish URLs whose hashes meet; 128 bits, so that none meet by
    // chance (a billion URLs: one in 10^20).
    high: RandomState,
    low: RandomState,
    notes: ExternalSort<NOTE_BYTES>,
    places: u64,
}

impl Notes {
    /// Holds at most `memory_bytes` and spills into `dir`.
    pub(super) fn new(memory_bytes: usize, dir: &Path) -> Self {
        Self {
            high: RandomState::new(),
            low: RandomState::new(),
            notes: ExternalSort::new(memory_bytes, dir),
            places: 0,
        }
    }

    /// Notes the next entry's `loc`.
    pub(super) fn push(&mut self, loc: &str) -> io::Result<()> {
        let mut note = [0; NOTE_BYTES];
        note[..8].copy_from_slice(&self.high.hash_one(loc).to_be_bytes());
        note[8..HASH_BYTES].copy_from_slice(&self.low.hash_one(loc).to_be_bytes());
        note[HASH_BYTES..].copy_from_slice(&self.places.to_be_bytes());
        self.places += 1;
        self.notes.push(note)
    }

    /// The places of repeats, in their order.
    pub(super) fn repeats(self, memory_bytes: usize, dir: &Path) -> io::Result<Repeats> {
        let mut places = ExternalSort::<PLACE_BYTES>::new(memory_bytes, dir);
        let mut before: Option<[u8; HASH_BYTES]> = None;
        for note in self.notes.sorted()? {
            let note = note?;
            let (mut hash, mut place) = ([0; HASH_BYTES], [0; PLACE_BYTES]);
            hash.copy_from_slice(&note[..HASH_BYTES]);
            place.copy_from_slice(&note[HASH_BYTES..]);
            if before == Some(hash) {
                places.push(place)?;
            }
            before = Some(hash);
        }
        Ok(Repeats { places: places.sorted()?.peekable(), place: 0 })
    }
}

/// Tells of each entry, asked in order, whether it repeats an earlier one.
pub(super) struct Repeats {
    places: Peekable<Sorted<PLACE_BYTES>>,
    place: u64,
}

impl Repeats {
    /// Whether the next entry is a repeat.
    pub(super) fn next_repeats(&mut self) -> io::Result<bool> {
        let place = self.place.to_be_bytes();
        self.place += 1;
        match self.places.next_if(|next| next.as_ref().map_or(true, |next| *next == place)) {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_first_of_each_stays_whether_spilled_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let locs: Vec<String> =
            (0..5_000_u64).map(|place| format!("https://a.example/{}", place * place % 1_009)).collect();
        for memory_bytes in [100, 4_096, SORT_BYTES_MAX] {
            let mut notes = Notes::new(memory_bytes, dir.path());
            locs.iter().for_each(|loc| notes.push(loc).unwrap());
            let mut repeats = notes.repeats(memory_bytes, dir.path()).unwrap();
            let mut seen = HashSet::new();
            for loc in &locs {
                assert_eq!(repeats.next_repeats().unwrap(), !seen.insert(loc), "{loc}");
            }
        }
    }
}
