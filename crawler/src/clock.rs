//! The one place that asks the system what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use frontier::{Clock, Timestamp};

/// The wall clock as read once, carried on by the monotonic clock: a jump of the system's time cannot shorten a
/// delay, and differences of moments are true spans.
#[derive(Debug)]
pub struct SystemClock {
    set_at: Instant,
    set_to: Timestamp,
}

impl SystemClock {
    /// A clock that shows `now`.
    #[cfg(feature = "shared")]
    pub fn set_to(now: Timestamp) -> Self {
        Self { set_at: Instant::now(), set_to: now }
    }

    /// Reads the wall clock, for the first and only time.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Self { set_at: Instant::now(), set_to: Timestamp::from_micros(micros) }
    }

    /// The tokio deadline that falls on `moment`.
    pub fn instant(&self, moment: Timestamp) -> tokio::time::Instant {
        let span: Duration = moment.since(self.set_to);
        // Beyond any wait of ours; keeps a date far in the future from overflowing the system's clock type.
        const FAR: Duration = Duration::from_secs(365 * 24 * 3600);
        tokio::time::Instant::from_std(self.set_at + span.min(FAR))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.set_to + self.set_at.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_falls_on_its_moment() {
        let clock = SystemClock::new();
        let moment = clock.now() + Duration::from_secs(5);
        let wait = clock.instant(moment).duration_since(tokio::time::Instant::now());
        assert!(wait <= Duration::from_secs(5) && wait > Duration::from_secs(4), "{wait:?}");
    }

    #[test]
    fn a_moment_at_the_end_of_time_is_a_deadline_too() {
        let clock = SystemClock::new();
        let far = clock.instant(Timestamp::from_micros(i64::MAX));
        assert!(far > tokio::time::Instant::now() + Duration::from_secs(86_400));
    }
}
