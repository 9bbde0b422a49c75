//! The clock of a crawl: the only place that reads the system's wall clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use frontier::{Clock, Timestamp};

/// The wall clock, read once and advanced by the monotonic clock. A jump of the system's time cannot shorten a delay, and
/// the difference of two timestamps is the time that really passed.
#[derive(Debug)]
pub struct SystemClock {
    set_at: Instant,
    set_to: Timestamp,
}

impl SystemClock {
    /// Creates a clock that shows `now`.
    #[cfg(feature = "shared")]
    pub fn set_to(now: Timestamp) -> Self {
        Self { set_at: Instant::now(), set_to: now }
    }

    /// Creates a clock that shows the system's time. The wall clock is not read again.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Self { set_at: Instant::now(), set_to: Timestamp::from_micros(micros) }
    }

    /// The tokio deadline for `moment`.
    fn instant(&self, moment: Timestamp) -> tokio::time::Instant {
        let span: Duration = moment.since(self.set_to);
        // Longer than any wait of a crawl. A date far in the future would overflow the system's clock type.
        const SPAN_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
        tokio::time::Instant::from_std(self.set_at + span.min(SPAN_MAX))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.set_to + self.set_at.elapsed()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep_until(self.instant(moment)).await;
    }
}

/// Waits until `moment`. Never returns if it is `None`.
pub async fn sleep_until(clock: &impl Clock, moment: Option<Timestamp>) {
    match moment {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
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
