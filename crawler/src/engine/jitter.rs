//! Random numbers that spread retries over time.

use std::hash::{BuildHasher, RandomState};

/// Generates random numbers. Nothing secret depends on them, so hashing a counter with the standard library's randomly keyed
/// hasher is sufficient.
#[derive(Debug, Default)]
pub struct Jitter {
    keys: RandomState,
    count: u64,
}

impl Jitter {
    /// The next number. It is at least 0 and less than 1.
    pub fn next(&mut self) -> f64 {
        self.count += 1;
        let bits = self.keys.hash_one(self.count) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}
