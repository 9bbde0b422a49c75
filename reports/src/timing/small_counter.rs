//! A counter for few distinct keys.

/// Counts by key, sorted by key.
///
/// A sorted list: for the two or three keys that most hosts have, it takes a tenth of the memory of one B-tree node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SmallCounter<K>(Vec<(K, u64)>);

// Deriving it would require `K: Default`.
impl<K> Default for SmallCounter<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord> SmallCounter<K> {
    /// Adds one to the count of `key`.
    pub(crate) fn add(&mut self, key: K) {
        match self.0.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => {
                // Room for exactly one more, because there may be a million of these lists.
                self.0.reserve_exact(1);
                self.0.insert(at, (key, 1));
            }
        }
    }

    /// Each key with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, u64)> {
        self.0.iter().map(|(key, count)| (key, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_and_come_in_their_order() {
        let mut counter = SmallCounter::default();
        [404, 200, 503, 200].into_iter().for_each(|status| counter.add(status));
        assert_eq!(counter.iter().collect::<Vec<_>>(), [(&200, 2), (&404, 1), (&503, 1)]);
    }
}
