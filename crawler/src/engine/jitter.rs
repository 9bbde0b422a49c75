//! Chance, for the jitter of retries alone.

use std::hash::{BuildHasher, RandomState};

/// Numbers that spread retries over time. Nothing secret depends on them, so the standard library's randomly keyed
/// hasher over a counter is random enough.
#[derive(Debug, Default)]
pub struct Jitter {
    keys: RandomState,
    count: u64,
}

impl Jitter {
    /// The next number, from 0 to below 1.
    pub fn next(&mut self) -> f64 {
        self.count += 1;
        let bits = self.keys.hash_one(self.count) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}
