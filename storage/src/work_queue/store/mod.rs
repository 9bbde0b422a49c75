//! The ordered store underneath the queue of one machine: on disk ([`SledStore`]) or in memory ([`MemoryStore`]).

mod memory;
mod sled;

use frontier::work_queue::QueueError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::memory::MemoryStore;
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
    fn apply(&self, writes: Writes, durability: Durability) -> Result<(), QueueError>;

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

/// Writes that are applied atomically.
#[derive(Clone, Debug, Default)]
pub struct Writes(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Writes {
    /// Writes `record` under `key`. If a longer record may stand there, use [`Store::replace`].
    pub fn put(&mut self, key: &[u8], record: &impl Serialize) -> Result<(), QueueError> {
        self.push(key, encode(record)?);
        Ok(())
    }

    fn push(&mut self, key: &[u8], bytes: Vec<u8>) {
        self.0.push((key.to_vec(), Some(bytes)));
    }

    /// Removes the record under `key`, which must be one that [`Store::replace`] never wrote.
    pub fn remove(&mut self, key: &[u8]) {
        self.0.push((key.to_vec(), None));
    }
}

/// The keys with their new bytes, or `None` where the record is removed.
impl IntoIterator for Writes {
    type Item = (Vec<u8>, Option<Vec<u8>>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn encode(record: &impl Serialize) -> Result<Vec<u8>, QueueError> {
    codec::encode(record).map_err(|error| QueueError::Storage(error.to_string()))
}
