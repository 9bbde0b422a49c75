//! The ordered store underneath the queue of one machine: on disk ([`SledStore`]) or in memory ([`MemoryStore`]).

mod memory;
mod sled;

use frontier::work_queue::QueueError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::memory::MemoryStore;
pub(crate) use self::sled::CACHE_BYTES;
pub use self::sled::SledStore;
use crate::codec;

/// A key and the bytes of its record.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Records in the order of their keys, changed in atomic batches.
///
/// One thread at a time makes all calls. No key may be the beginning of another: an implementation may store parts of
/// a record under longer keys.
pub trait Store: Send + Sized + 'static {
    /// The iterator of [`Self::scan`].
    type Scan<'a>: Iterator<Item = Result<KeyValue, QueueError>>
    where
        Self: 'a;

    /// The bytes of the record under `key`, or `None` if no record has this key.
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, QueueError>;

    /// The records whose keys begin with `prefix`, in the order of their keys. If `after` is given, starts after that
    /// key. `prefix` must not be empty. Memory does not grow with the number of records.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>) -> Self::Scan<'_>;

    /// Adds to `writes` what writes `record` under `key`, where a longer record may stand.
    fn replace(&self, writes: &mut Writes, key: &[u8], record: &impl Serialize) -> Result<(), QueueError>;

    /// Applies `writes` atomically, in their order. The state is unknown after an error.
    fn apply(&self, writes: &Writes, durability: Durability) -> Result<(), QueueError>;

    /// The error for a record that cannot be what was written.
    fn damaged(&self, key: &[u8], reason: &str) -> QueueError;

    /// Reads the record under `key`.
    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, QueueError> {
        self.read(key)?.map(|bytes| self.decode(key, &bytes)).transpose()
    }

    /// Decodes the record that was found under `key`.
    fn decode<T: DeserializeOwned>(&self, key: &[u8], bytes: &[u8]) -> Result<T, QueueError> {
        codec::decode(bytes).map_err(|error| self.damaged(key, &error.to_string()))
    }
}

/// What a write must survive once it is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Nothing: it may be lost in a crash.
    None,
    /// The end of the process, including `kill -9`.
    Process,
    /// A power cut of the machine.
    Power,
}

/// Writes that are applied atomically. Keys and records are in one buffer, because a commit may have tens of thousands.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    bytes: Vec<u8>,
    writes: Vec<Write>,
}

/// The key and the record of a write, which follow each other in the buffer.
#[derive(Clone, Copy, Debug)]
struct Write {
    key_at: usize,
    record_at: usize,
    end: usize,
    is_removal: bool,
}

impl Writes {
    /// Writes `record` under `key`. If a longer record may stand there, use [`Store::replace`].
    pub fn put(&mut self, key: &[u8], record: &impl Serialize) -> Result<(), QueueError> {
        let (key_at, record_at) = self.add_key(key);
        let encoded = codec::encode_onto(std::mem::take(&mut self.bytes), record);
        self.bytes = encoded.map_err(|error| QueueError::Storage(error.to_string()))?;
        self.writes.push(Write { key_at, record_at, end: self.bytes.len(), is_removal: false });
        Ok(())
    }

    /// Removes the record under `key`, which must be one that [`Store::replace`] never wrote.
    pub fn remove(&mut self, key: &[u8]) {
        let (key_at, end) = self.add_key(key);
        self.writes.push(Write { key_at, record_at: end, end, is_removal: true });
    }

    /// Returns where the key begins and ends.
    fn add_key(&mut self, key: &[u8]) -> (usize, usize) {
        let key_at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        (key_at, self.bytes.len())
    }

    /// Number of bytes of the last record.
    fn last_record_bytes(&self) -> usize {
        self.writes.last().map_or(0, |write| write.end - write.record_at)
    }

    /// The keys with the bytes of their new records, or `None` where the record is removed, in the order of the writes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes.iter().map(|write| {
            let record = (!write.is_removal).then(|| &self.bytes[write.record_at..write.end]);
            (&self.bytes[write.key_at..write.record_at], record)
        })
    }
}
