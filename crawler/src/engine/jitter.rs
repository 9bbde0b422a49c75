//! Random numbers that spread retries over time.

use std::hash::{BuildHasher, RandomState};

/// Generates random numbers, by the SplitMix64 sequence. Nothing secret depends on them.
#[derive(Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// The sequence of `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number. It is at least 0 and less than 1.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = (mixed ^ (mixed >> 31)) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}

impl Default for Jitter {
    /// A sequence that differs from those of other runs and sessions: its seed is a key of the standard library's hasher.
    fn default() -> Self {
        Self::seeded(RandomState::new().hash_one(0))
    }
}
