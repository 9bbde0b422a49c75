//! Limits the memory that documents hold while they are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sitemap::limits::MEMORY_BYTES_MAX;
use tokio::sync::Notify;

/// Bytes that all documents in flight may hold together.
const ALL_BYTES_MAX: usize = 128 << 20;

/// Room for what is read between the moment at which a document must end and the one at which its task runs next and frees its
/// memory: a few slices.
const ENDING_BYTES: usize = 8 << 20;

/// The memory of all documents in flight. Clones share it.
///
/// Nothing waits for memory: a document that waited would keep what it holds, and a slow server decides how long. If there is
/// too little, the document that holds the most ends.
#[derive(Clone, Default)]
pub struct DocumentMemory {
    accounts: Arc<Mutex<Accounts>>,
}

#[derive(Default)]
struct Accounts {
    open: BTreeMap<u64, Account>,
    /// Key of the next account.
    next: u64,
    /// Sum over the accounts of documents that may go on.
    bytes: usize,
}

/// What one document holds.
struct Account {
    bytes: usize,
    must_end: bool,
    over: Arc<Notify>,
}

impl DocumentMemory {
    /// Opens an account for one document. It is closed on drop.
    pub fn open(&self) -> HeldMemory {
        let over = Arc::new(Notify::new());
        let mut accounts = lock(&self.accounts);
        let key = accounts.next;
        accounts.next += 1;
        accounts.open.insert(key, Account { bytes: 0, must_end: false, over: over.clone() });
        HeldMemory { memory: self.clone(), key, over }
    }
}

/// The account of one document.
pub struct HeldMemory {
    memory: DocumentMemory,
    key: u64,
    over: Arc<Notify>,
}

impl HeldMemory {
    /// Sets the bytes that the document holds. Returns false if it must end: it holds more than [`MEMORY_BYTES_MAX`], or the
    /// most of all documents while they hold too much together.
    pub fn set(&self, bytes: usize) -> bool {
        let mut accounts = lock(&self.memory.accounts);
        accounts.set(self.key, bytes);
        while accounts.bytes > ALL_BYTES_MAX - ENDING_BYTES {
            accounts.end_largest();
        }
        accounts.open.get(&self.key).is_some_and(|account| !account.must_end)
    }

    /// Waits until the document must end because of the others.
    pub fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        let over = self.over.clone();
        async move { over.notified().await }
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        let mut accounts = lock(&self.memory.accounts);
        accounts.set(self.key, 0);
        accounts.open.remove(&self.key);
    }
}

impl Accounts {
    fn set(&mut self, key: u64, bytes: usize) {
        let Some(account) = self.open.get_mut(&key).filter(|account| !account.must_end) else { return };
        self.bytes = self.bytes - account.bytes + bytes;
        account.bytes = bytes;
        if bytes > MEMORY_BYTES_MAX {
            self.end(key);
        }
    }

    fn end_largest(&mut self) {
        let going_on = self.open.iter().filter(|(_, account)| !account.must_end);
        match going_on.max_by_key(|(_, account)| account.bytes).map(|(key, _)| *key) {
            Some(key) => self.end(key),
            None => self.bytes = 0,
        }
    }

    fn end(&mut self, key: u64) {
        if let Some(account) = self.open.get_mut(&key) {
            account.must_end = true;
            self.bytes -= account.bytes;
            account.over.notify_one();
        }
    }
}

fn lock(accounts: &Mutex<Accounts>) -> MutexGuard<'_, Accounts> {
    // No call panics while it holds the lock.
    accounts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn must_end(held: &HeldMemory) -> bool {
        lock(&held.memory.accounts).open[&held.key].must_end
    }

    #[test]
    fn a_document_over_its_own_limit_ends_and_no_other() {
        let memory = DocumentMemory::default();
        let (large, small) = (memory.open(), memory.open());
        assert!(small.set(MEMORY_BYTES_MAX) && large.set(1));
        assert!(!large.set(MEMORY_BYTES_MAX + 1));
        assert!(!large.set(0), "what ends does not go on");
        assert!(small.set(1));
        drop(large);
        assert_eq!(lock(&memory.accounts).bytes, 1);
    }

    #[tokio::test]
    async fn beyond_the_sum_the_largest_end_until_the_rest_fits() {
        let memory = DocumentMemory::default();
        let large: Vec<HeldMemory> = (0..40).map(|_| memory.open()).collect();
        let small: Vec<HeldMemory> = (0..1_000).map(|_| memory.open()).collect();
        for (n, held) in large.iter().enumerate() {
            held.set((2 << 20) + n);
        }
        for held in &small {
            assert!(held.set(64 << 10), "a small document goes on");
            let all: usize = lock(&memory.accounts)
                .open
                .values()
                .filter(|held| !held.must_end)
                .map(|held| held.bytes)
                .sum();
            assert!(all <= ALL_BYTES_MAX - ENDING_BYTES, "{all} bytes");
        }
        let ended = large.iter().filter(|held| must_end(held)).count();
        assert_eq!(ended, 12, "62.5 MiB are left for 28 of the large ones");
        assert!(large[28..].iter().all(must_end), "the largest ended");
        large[39].over().await;
        drop((large, small));
        assert_eq!(lock(&memory.accounts).bytes, 0);
    }
}
