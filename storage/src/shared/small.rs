//! Decides which small segments of a session are merged.

use crate::sealing::{MERGE_MIN, is_small};
use crate::segment::open::{BYTES_MAX, ROWS_MAX};
use crate::segment::record::SegmentRecord;

/// The last segments of a session, all of them small, in order.
///
/// [`MERGE_MIN`] segments of one level are merged into one of the next level, like digits that carry. So rows are
/// rewritten once per level, and few segments are small, however many were written.
#[derive(Default)]
pub(super) struct SmallSegments(Vec<Small>);

struct Small {
    record: SegmentRecord,
    /// How often its rows have been merged.
    level: u32,
}

/// Small segments that are merged with the next segment.
pub(super) struct Merge {
    /// The segments, in order. Empty if there are too few.
    pub(super) sources: Vec<SegmentRecord>,
    level: u32,
}

impl SmallSegments {
    /// Removes and returns the last segments that are merged with the next one: of each full level, as many as fit
    /// into one segment.
    pub(super) fn take_mergeable(&mut self) -> Merge {
        let (mut from, mut level, mut bytes, mut rows) = (self.0.len(), 0, 0, 0);
        loop {
            let earlier = &self.0[..from];
            let run = earlier.iter().rev().take_while(|small| small.level == level).count();
            if run + 1 < MERGE_MIN {
                break;
            }
            let fits = |small: &&Small| {
                bytes += small.record.bytes;
                rows += small.record.rows;
                bytes <= BYTES_MAX && rows <= ROWS_MAX
            };
            let fitting = earlier.iter().rev().take(run).take_while(fits).count();
            (from, level) = (from - fitting, level + 1);
            if fitting < run {
                break;
            }
        }
        Merge { sources: self.0.drain(from..).map(|small| small.record).collect(), level }
    }

    /// Adds `record`, the result of `merge`. Returns the segments that will not be merged any more: the sources, and
    /// if `record` is not small, all others and `record` too.
    pub(super) fn add(&mut self, merge: Merge, record: SegmentRecord) -> Vec<SegmentRecord> {
        let Merge { sources: mut done, level } = merge;
        if is_small(&record) {
            self.0.push(Small { record, level });
        } else {
            done.extend(self.0.drain(..).map(|small| small.record));
            done.push(record);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::record::SegmentPlace;

    /// Adds `segments`, each with these bytes and rows. Returns the registered segments and the number of rows written.
    fn after(segments: u32, bytes: u64, rows: u64) -> (Vec<SegmentRecord>, u64) {
        let (mut small, mut registered, mut written) = (SmallSegments::default(), Vec::new(), 0);
        for seq in 0..segments {
            let merge = small.take_mergeable();
            let left = registered.len() - merge.sources.len();
            assert_eq!(registered.split_off(left), merge.sources, "the last segments, in order");
            let total = |of: fn(&SegmentRecord) -> u64, own| merge.sources.iter().map(of).sum::<u64>() + own;
            let (bytes, rows) = (total(|source| source.bytes, bytes), total(|source| source.rows, rows));
            let place = SegmentPlace { session: 0, seq };
            let record =
                SegmentRecord { name: format!("{seq}"), bytes, rows, crc32c: seq, first: place, last: place };
            written += rows;
            small.add(merge, record.clone());
            registered.push(record);
        }
        (registered, written)
    }

    #[test]
    fn a_month_of_small_segments_leaves_few() {
        let (segments, rows) = (260_000, 20);
        let (registered, written) = after(segments, 10_000, rows);
        let total = u64::from(segments) * rows;
        assert_eq!(registered.iter().map(|segment| segment.rows).sum::<u64>(), total);
        let (small, large): (Vec<_>, Vec<_>) = registered.into_iter().partition(is_small);
        assert!(small.len() <= 6 * (MERGE_MIN - 1), "{} are small", small.len());
        assert!(large.iter().all(|segment| segment.bytes <= BYTES_MAX + 10_000), "{large:?}");
        assert!(written <= 6 * total, "{written} rows were written for {total}");
    }

    #[test]
    fn large_and_nearly_large_segments_are_not_merged() {
        let large = after(100, BYTES_MAX, 1).0;
        assert_eq!(large.len(), 100);
        let (nearly, _) = after(100, BYTES_MAX / 8 - 1, 1);
        assert!(nearly.iter().all(|segment| segment.bytes < 2 * BYTES_MAX), "{nearly:?}");
    }

    #[test]
    fn segments_before_a_large_one_are_not_merged_with_those_after_it() {
        let mut small = SmallSegments::default();
        let record = |seq: u32, bytes| {
            let place = SegmentPlace { session: 0, seq };
            SegmentRecord { name: format!("{seq}"), bytes, rows: 1, crc32c: 0, first: place, last: place }
        };
        for seq in 0..6 {
            let merge = small.take_mergeable();
            assert!(small.add(merge, record(seq, 9)).is_empty());
        }
        let merge = small.take_mergeable();
        let done = small.add(merge, record(6, BYTES_MAX));
        assert_eq!(done.len(), 7);
        let merge = small.take_mergeable();
        small.add(merge, record(7, 9));
        assert!(small.take_mergeable().sources.is_empty());
    }
}
