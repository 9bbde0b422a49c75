//! Invalid bytes that the decoder found ahead of the parser.

use std::collections::VecDeque;

/// A sequence of bytes that is invalid in the encoding of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadBytes {
    /// Offset of their U+FFFD in the document.
    pub(crate) at: u64,
    /// Number of bytes. 0 marks where a label of the encoding turned out to be wrong.
    pub(crate) count: u8,
}

/// Invalid bytes in the order of the document.
///
/// Each takes 4 bytes, little more than its U+FFFD: a token may consist of invalid bytes alone.
#[derive(Debug, Default)]
pub(crate) struct BadBytesQueue {
    first: Option<BadBytes>,
    /// Offset of the last one.
    last_at: u64,
    /// Those after the first: the distance from the one before, and the count in the lowest bits.
    later: VecDeque<u32>,
}

/// Bits of the count. No encoding has longer invalid sequences.
const COUNT_BITS: u32 = 3;
const COUNT_MAX: u32 = (1 << COUNT_BITS) - 1;

impl BadBytesQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds the next one. It is at most 512 MiB after the last one that is still here, which is more than a token has.
    pub(crate) fn push(&mut self, bad: BadBytes) {
        if self.first.is_none() {
            self.first = Some(bad);
        } else {
            let distance =
                u32::try_from(bad.at - self.last_at).unwrap_or(u32::MAX).min(u32::MAX >> COUNT_BITS);
            self.later.push_back(distance << COUNT_BITS | u32::from(bad.count).min(COUNT_MAX));
        }
        self.last_at = bad.at;
    }

    /// Removes the first one if it is before `offset`.
    pub(crate) fn pop_before(&mut self, offset: u64) -> Option<BadBytes> {
        let bad = self.first.take_if(|bad| bad.at < offset)?;
        self.first = self.later.pop_front().map(|next| BadBytes {
            at: bad.at + u64::from(next >> COUNT_BITS),
            // At most `COUNT_MAX`.
            count: (next & COUNT_MAX) as u8,
        });
        Some(bad)
    }

    /// Bytes of memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.later.capacity() * size_of::<u32>()
    }

    /// Frees unused memory.
    pub(crate) fn release_unused(&mut self) {
        if self.later.is_empty() {
            self.later = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_bytes_come_back_in_their_order_up_to_an_offset() {
        let all = [(3, 1), (6, 3), (9, 4), (1 << 20, 2), ((1 << 20) + 3, 7)]
            .map(|(at, count)| BadBytes { at, count });
        let mut queue = BadBytesQueue::default();
        all.iter().for_each(|bad| queue.push(*bad));
        assert_eq!(queue.pop_before(3), None);
        assert_eq!(
            (queue.pop_before(7), queue.pop_before(7), queue.pop_before(7)),
            (Some(all[0]), Some(all[1]), None)
        );
        queue.push(BadBytes { at: 2 << 20, count: 1 });
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop_before(u64::MAX)).collect();
        assert_eq!(rest, [&all[2..], &[BadBytes { at: 2 << 20, count: 1 }]].concat());
        assert!(queue.is_empty());
    }
}
