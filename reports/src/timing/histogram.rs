//! Durations of a whole crawl's requests, in a histogram of bounded size.

use hdrhistogram::Histogram;

use crate::figures::Times;

/// Longest duration that the histogram distinguishes: a week, in microseconds. The exact maximum is kept separately.
const SPAN_US_MAX: u64 = 7 * 24 * 3600 * 1_000_000;

/// Significant decimal digits. A quantile is off by at most 0.1 %; the histogram takes about 120 KB.
const DIGITS: u8 = 3;

/// Sum, maximum and quantiles of durations.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    histogram: Histogram<u32>,
    total_us: u64,
    max_us: u64,
}

impl Spans {
    /// An empty histogram with quantiles within 0.1 %.
    #[expect(clippy::expect_used, reason = "the number of digits is a valid constant")]
    pub(crate) fn new() -> Self {
        // It grows with the longest duration, up to the bound in `add`, because most hosts answer within a second.
        let mut histogram = Histogram::new(DIGITS).expect("valid number of digits");
        histogram.auto(true);
        Self { histogram, total_us: 0, max_us: 0 }
    }

    /// Adds a duration in microseconds. Zero counts too: quantiles are over all requests, and a request on a reused
    /// connection spends no time connecting.
    pub(crate) fn add(&mut self, span_us: u64) {
        // Cannot fail, because the histogram grows for any duration up to the bound.
        let _ = self.histogram.record(span_us.min(SPAN_US_MAX));
        self.total_us = self.total_us.saturating_add(span_us);
        self.max_us = self.max_us.max(span_us);
    }

    /// Sum, share of `whole_us`, quantiles and maximum.
    pub(crate) fn times(&self, whole_us: u64) -> Times {
        Times::of(self.total_us, self.max_us, whole_us, |share| self.quantile_us(share))
    }

    /// The duration that `share` (0 to 1) of all durations do not exceed, in microseconds; 0 if there are none.
    fn quantile_us(&self, share: f64) -> u64 {
        self.histogram.value_at_quantile(share).min(self.max_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_thousandth_and_the_maximum_is_exact() {
        let mut spans = Spans::new();
        (1..=1000).for_each(|ms| spans.add(ms * 1000));
        for (share, expected_us) in [(0.5, 500_000_u64), (0.9, 900_000), (0.99, 990_000)] {
            let found_us = spans.quantile_us(share);
            assert!(found_us.abs_diff(expected_us) <= expected_us / 1000 + 1, "{share}: {found_us}");
        }
        assert_eq!(spans.max_us, 1_000_000);
        assert_eq!(spans.total_us, 500_500_000);
    }

    #[test]
    fn without_spans_everything_is_zero() {
        let spans = Spans::new();
        assert_eq!((spans.quantile_us(0.5), spans.max_us, spans.total_us), (0, 0, 0));
    }

    #[test]
    fn a_span_longer_than_a_week_is_counted_in_full() {
        let mut spans = Spans::new();
        spans.add(SPAN_US_MAX * 3);
        assert_eq!(spans.total_us, SPAN_US_MAX * 3);
        assert_eq!(spans.max_us, SPAN_US_MAX * 3);
        assert!(spans.quantile_us(0.99) >= SPAN_US_MAX);
    }
}
