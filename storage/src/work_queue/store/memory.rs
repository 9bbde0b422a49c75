//! The ordered store in memory.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frontier::work_queue::QueueError;
use serde::Serialize;

use super::{Durability, KeyValue, Store, Writes};

/// Number of records that a scan copies at a time.
const SCAN_RECORDS: usize = 64;

/// Records in memory, for crawls that leave nothing behind, such as simulations.
///
/// Clones share the records, so a queue can be opened again on them after the earlier one was dropped in the middle of
/// its work, as after a crash. Every batch survives that, whatever its [`Durability`]. Only the queue that was opened
/// last may use the records: calls of earlier ones fail.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    contents: Arc<Mutex<Contents>>,
    /// Number of the opening that this handle belongs to.
    opening: u64,
}

#[derive(Debug, Default)]
struct Contents {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    openings: u64,
}

impl MemoryStore {
    /// Takes the records over from the queue that has used them.
    pub(crate) fn take_over(&self) -> Self {
        let mut contents = self.lock();
        contents.openings += 1;
        Self { contents: self.contents.clone(), opening: contents.openings }
    }

    fn contents(&self) -> Result<MutexGuard<'_, Contents>, QueueError> {
        let contents = self.lock();
        if contents.openings == self.opening {
            Ok(contents)
        } else {
            Err(QueueError::Storage("the store in memory was opened again".to_owned()))
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // No change of the map can be interrupted by a panic.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    type Scan<'a> = MemoryScan<'a>;

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, QueueError> {
        Ok(self.contents()?.records.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>) -> MemoryScan<'_> {
        let begin = match after {
            Some(key) => Bound::Excluded(key.to_vec()),
            None => Bound::Included(prefix.to_vec()),
        };
        MemoryScan { store: self, prefix: prefix.to_vec(), begin: Some(begin), copied: VecDeque::new() }
    }

    fn replace(&self, writes: &mut Writes, key: &[u8], record: &impl Serialize) -> Result<(), QueueError> {
        writes.put(key, record)
    }

    fn apply(&self, writes: &Writes, _durability: Durability) -> Result<(), QueueError> {
        let mut contents = self.contents()?;
        for (key, record) in writes.iter() {
            match record {
                Some(bytes) => contents.records.insert(key.to_vec(), bytes.to_vec()),
                None => contents.records.remove(key),
            };
        }
        Ok(())
    }

    fn damaged(&self, key: &[u8], reason: &str) -> QueueError {
        QueueError::Storage(format!("record {} in memory: {reason}", key.escape_ascii()))
    }
}

/// The records of a scan, copied some at a time.
pub struct MemoryScan<'a> {
    store: &'a MemoryStore,
    prefix: Vec<u8>,
    /// Where to continue; `None` when all records were copied.
    begin: Option<Bound<Vec<u8>>>,
    copied: VecDeque<KeyValue>,
}

impl MemoryScan<'_> {
    fn copy_more(&mut self) -> Result<(), QueueError> {
        let Some(begin) = self.begin.take() else { return Ok(()) };
        let contents = self.store.contents()?;
        let records = contents.records.range((begin, Bound::Unbounded));
        let records = records.take_while(|(key, _)| key.starts_with(&self.prefix)).take(SCAN_RECORDS);
        self.copied.extend(records.map(|(key, value)| (key.clone(), value.clone())));
        if self.copied.len() == SCAN_RECORDS {
            self.begin = self.copied.back().map(|(key, _)| Bound::Excluded(key.clone()));
        }
        Ok(())
    }
}

impl Iterator for MemoryScan<'_> {
    type Item = Result<KeyValue, QueueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.copied.is_empty()
            && let Err(error) = self.copy_more()
        {
            return Some(Err(error));
        }
        self.copied.pop_front().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(numbers: std::ops::Range<u32>) -> MemoryStore {
        let store = MemoryStore::default().take_over();
        let mut writes = Writes::default();
        for number in numbers {
            writes.put(&[b"K", &number.to_be_bytes()[..]].concat(), &number).unwrap();
        }
        writes.put(b"L", &0_u32).unwrap();
        store.apply(&writes, Durability::None).unwrap();
        store
    }

    fn scanned(store: &MemoryStore, after: Option<&[u8]>) -> Vec<u32> {
        let records = store.scan(b"K", after).map(Result::unwrap);
        records.map(|(key, bytes)| store.decode(&key, &bytes).unwrap()).collect()
    }

    #[test]
    fn a_scan_returns_all_records_of_its_prefix_in_order_however_many_there_are() {
        let pieces = u32::try_from(SCAN_RECORDS).unwrap();
        for number in [0, 1, pieces, pieces + 1, 3 * pieces] {
            let store = filled(0..number);
            assert_eq!(scanned(&store, None), (0..number).collect::<Vec<_>>());
            let after = [b"K", &2_u32.to_be_bytes()[..]].concat();
            assert_eq!(scanned(&store, Some(&after)), (3..number).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_records_outlive_a_handle_and_belong_to_the_last_one() {
        let first = filled(0..3);
        let second = first.take_over();
        assert_eq!(scanned(&second, None), [0, 1, 2]);
        let mut writes = Writes::default();
        writes.remove(b"L");
        assert!(first.apply(&writes, Durability::Power).is_err());
        assert!(first.scan(b"K", None).next().is_some_and(|next| next.is_err()));
        assert!(second.read(b"L").unwrap().is_some(), "the refused call had no effect");
    }
}
