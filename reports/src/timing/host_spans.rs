//! Durations of one host's requests, in a histogram that grows with its contents.

use super::small_counter::SmallCounter;
use crate::figures::Times;

/// Buckets per power of two. A quantile is off by at most one sixteenth, 6.25 %.
const BUCKETS_PER_DOUBLING: u64 = 16;

/// Sum, maximum and quantiles of durations. Quantiles are within 7 %.
///
/// Only non-empty buckets take memory, 16 bytes each. Three requests take 48 bytes. Thousands of requests that take
/// between a millisecond and half a minute need at most 4 KB.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostSpans {
    buckets: SmallCounter<u16>,
    total_us: u64,
    max_us: u64,
}

impl HostSpans {
    /// Adds a duration in microseconds.
    pub(crate) fn add(&mut self, span_us: u64) {
        self.buckets.add(bucket_of(span_us));
        self.total_us = self.total_us.saturating_add(span_us);
        self.max_us = self.max_us.max(span_us);
    }

    /// Sum, share of `whole_us`, quantiles and maximum.
    pub(crate) fn times(&self, whole_us: u64) -> Times {
        Times::of(self.total_us, self.max_us, whole_us, |share| self.quantile_us(share))
    }

    /// The duration that `share` (0 to 1) of all durations do not exceed, in microseconds; 0 if there are none.
    fn quantile_us(&self, share: f64) -> u64 {
        let count: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        let wanted = (count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted
        });
        bucket.map_or(0, |(bucket, _)| longest_in(*bucket).min(self.max_us))
    }
}

/// Each duration below 32 µs has its own bucket. Above that, each power of two has 16 buckets.
fn bucket_of(span_us: u64) -> u16 {
    let shift = span_us.checked_ilog2().unwrap_or(0).saturating_sub(BUCKETS_PER_DOUBLING.ilog2());
    // At most 59 x 16 + 31, which fits.
    (u64::from(shift) * BUCKETS_PER_DOUBLING + (span_us >> shift)) as u16
}

/// The longest duration in a bucket, in microseconds.
fn longest_in(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let shift = (bucket / BUCKETS_PER_DOUBLING).saturating_sub(1);
    let first = bucket - shift * BUCKETS_PER_DOUBLING;
    (first << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_seven_per_cent_and_the_maximum_is_exact() {
        let mut spans = HostSpans::default();
        (1..=30_000).for_each(|ms| spans.add(ms * 1000));
        for (share, expected_us) in [(0.5, 15_000_000_u64), (0.9, 27_000_000), (0.99, 29_700_000)] {
            let found_us = spans.quantile_us(share);
            assert!(found_us.abs_diff(expected_us) <= expected_us * 7 / 100, "{share}: {found_us}");
        }
        assert_eq!(spans.max_us, 30_000_000);
        assert!(spans.buckets.iter().count() <= 256, "4 KB");
    }

    #[test]
    fn every_span_lies_in_its_bucket_and_buckets_are_narrow() {
        let mut previous = None;
        for bucket in 0..=bucket_of(u64::MAX) {
            let longest_us = longest_in(bucket);
            let shortest_us: u64 = previous.map_or(0, |longest_us: u64| longest_us + 1);
            assert_eq!((bucket_of(shortest_us), bucket_of(longest_us)), (bucket, bucket));
            assert!((longest_us - shortest_us) <= shortest_us / BUCKETS_PER_DOUBLING, "{bucket}");
            previous = Some(longest_us);
        }
        assert_eq!(previous, Some(u64::MAX));
    }

    #[test]
    fn a_few_spans_have_the_quantiles_of_the_list() {
        let mut spans = HostSpans::default();
        [3, 9, 14].into_iter().for_each(|us| spans.add(us));
        assert_eq!([0.0, 0.33, 0.5, 0.9, 1.0].map(|share| spans.quantile_us(share)), [3, 3, 9, 14, 14]);
        assert_eq!(HostSpans::default().times(0), Times::default());
    }
}
