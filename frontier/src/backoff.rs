//! How long to wait before a URL is requested again.

use std::time::Duration;

/// The wait after the first attempt.
const FIRST: Duration = Duration::from_secs(1);

/// The longest backoff.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// The wait after attempt number `attempt`, from 1: 1 s, doubled with each further attempt, plus up to half of that by
/// `jitter`.
///
/// `jitter` is evenly distributed over 0..1, so that tasks that failed together are not retried together. It never
/// shortens the wait. The wait is at most [`BACKOFF_MAX`].
pub fn backoff(attempt: u8, jitter: f64) -> Duration {
    let doublings = u32::from(attempt.saturating_sub(1)).min(BACKOFF_MAX.as_secs().ilog2() + 1);
    // This comparison turns NaN into no jitter.
    let jitter = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
    (FIRST * 2_u32.pow(doublings)).mul_f64(1.0 + jitter / 2.0).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_each_try_up_to_a_minute() {
        let waits: Vec<u64> = (1..=9).map(|attempt| backoff(attempt, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(u8::MAX, 1.0), BACKOFF_MAX);
    }

    #[test]
    fn jitter_only_ever_lengthens_the_wait() {
        assert_eq!(backoff(1, 0.5), Duration::from_millis(1250));
        assert_eq!(backoff(2, 1.0), Duration::from_secs(3));
        assert_eq!(backoff(1, f64::NAN), FIRST);
        assert_eq!(backoff(1, -7.0), FIRST);
        assert_eq!(backoff(1, f64::INFINITY), Duration::from_millis(1500));
    }
}
