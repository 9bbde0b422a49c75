//! Counts by a key of which there are few.

/// Counts by key, in the order of the keys.
///
/// A list: of the two or three keys that most hosts have it takes a tenth of what the node of a tree takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Few<K>(Vec<(K, u64)>);

// Derived, it would ask for a default key.
impl<K> Default for Few<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord> Few<K> {
    /// Counts one more of `key`.
    pub(crate) fn add(&mut self, key: K) {
        match self.0.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(place) => self.0[place].1 += 1,
            Err(place) => {
                // Room for one alone: there may be a million of these lists.
                self.0.reserve_exact(1);
                self.0.insert(place, (key, 1));
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
        let mut few = Few::default();
        [404, 200, 503, 200].into_iter().for_each(|status| few.add(status));
        assert_eq!(few.iter().collect::<Vec<_>>(), [(&200, 2), (&404, 1), (&503, 1)]);
    }
}
