//! Finds entries that repeat the `loc` of an earlier entry, in bounded memory.
//!
//! 1. A pass over the entries records a keyed hash of each `loc` with the index of the entry.
//! 2. The pairs are sorted. All entries with the same hash, except the first, are repeats.
//! 3. The indexes of the repeats are sorted, and a second pass over the entries leaves them out.
//!
//! So the first entry of each `loc` stays, in the order of the crawl.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::iter::Peekable;
use std::path::Path;

use super::external_sort::{ExternalSort, Sorted};

/// Memory of each of the two sorts. Beyond it they spill to files.
pub(super) const SORT_BYTES_MAX: usize = 64 << 20;

/// Size of a hash.
const HASH_BYTES: usize = 16;

/// Size of the index of an entry.
const INDEX_BYTES: usize = 8;

/// Size of a hash with an index.
const RECORD_BYTES: usize = HASH_BYTES + INDEX_BYTES;

/// The hash of each entry's `loc`, with the index of the entry.
pub(super) struct LocHashes {
    // Two random keys per process, so that nobody can publish URLs whose hashes collide. Together they give 128 bits,
    // so that a billion URLs collide by chance with a probability of 10^-20.
    high: RandomState,
    low: RandomState,
    records: ExternalSort<RECORD_BYTES>,
    count: u64,
}

impl LocHashes {
    /// Holds at most `memory_bytes` in memory and spills into `dir`.
    pub(super) fn new(memory_bytes: usize, dir: &Path) -> Self {
        Self {
            high: RandomState::new(),
            low: RandomState::new(),
            records: ExternalSort::new(memory_bytes, dir),
            count: 0,
        }
    }

    /// Adds the `loc` of the next entry.
    pub(super) fn push(&mut self, loc: &str) -> io::Result<()> {
        let mut record = [0; RECORD_BYTES];
        record[..8].copy_from_slice(&self.high.hash_one(loc).to_be_bytes());
        record[8..HASH_BYTES].copy_from_slice(&self.low.hash_one(loc).to_be_bytes());
        record[HASH_BYTES..].copy_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        self.records.push(record)
    }

    /// The indexes of the repeats, in ascending order.
    pub(super) fn repeats(self, memory_bytes: usize, dir: &Path) -> io::Result<Repeats> {
        let mut indexes = ExternalSort::<INDEX_BYTES>::new(memory_bytes, dir);
        let mut previous: Option<[u8; HASH_BYTES]> = None;
        for record in self.records.sorted()? {
            let record = record?;
            let (mut hash, mut index) = ([0; HASH_BYTES], [0; INDEX_BYTES]);
            hash.copy_from_slice(&record[..HASH_BYTES]);
            index.copy_from_slice(&record[HASH_BYTES..]);
            if previous == Some(hash) {
                indexes.push(index)?;
            }
            previous = Some(hash);
        }
        Ok(Repeats { indexes: indexes.sorted()?.peekable(), next: 0 })
    }
}

/// Says of each entry, in order, whether it repeats an earlier one.
pub(super) struct Repeats {
    indexes: Peekable<Sorted<INDEX_BYTES>>,
    /// Index of the next entry.
    next: u64,
}

impl Repeats {
    /// Whether the next entry is a repeat.
    pub(super) fn is_next_a_repeat(&mut self) -> io::Result<bool> {
        let index = self.next.to_be_bytes();
        self.next += 1;
        match self.indexes.next_if(|repeat| repeat.as_ref().map_or(true, |repeat| *repeat == index)) {
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
    fn the_first_of_each_loc_stays_whether_spilled_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let locs: Vec<String> =
            (0..5_000_u64).map(|n| format!("https://a.example/{}", n * n % 1_009)).collect();
        for memory_bytes in [100, 4_096, SORT_BYTES_MAX] {
            let mut hashes = LocHashes::new(memory_bytes, dir.path());
            locs.iter().for_each(|loc| hashes.push(loc).unwrap());
            let mut repeats = hashes.repeats(memory_bytes, dir.path()).unwrap();
            let mut seen = HashSet::new();
            for loc in &locs {
                assert_eq!(repeats.is_next_a_repeat().unwrap(), !seen.insert(loc), "{loc}");
            }
        }
    }
}
