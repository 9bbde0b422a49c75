//! The politeness delay: the pause between two requests to a host.

use std::time::Duration;

use crate::timestamp::Timestamp;

/// The longest Crawl-delay that is obeyed. A host that asks for more is skipped.
///
/// At one request per minute, a site with 1,000 sitemaps already takes most of a day.
pub const CRAWL_DELAY_MAX: Duration = Duration::from_secs(60);

/// Whether a host asks for a longer Crawl-delay than [`CRAWL_DELAY_MAX`].
pub fn is_too_slow(crawl_delay: Option<Duration>) -> bool {
    crawl_delay.is_some_and(|delay| delay > CRAWL_DELAY_MAX)
}

/// Minimum time between two request starts: the longer of `spacing`, which follows from the rate, and `crawl_delay`.
///
/// Crawl-delay is a convention outside RFC 9309. It counts up to [`CRAWL_DELAY_MAX`].
pub fn delay(spacing: Duration, crawl_delay: Option<Duration>) -> Duration {
    spacing.max(crawl_delay.unwrap_or_default().min(CRAWL_DELAY_MAX))
}

/// When the next request to a host is due.
///
/// Delays count from start to start. A cooldown (Retry-After, RFC 9110 section 10.2.3) counts from the end of the
/// answer that asked for it, so it is given as the moment when it ends.
#[derive(Clone, Copy, Debug)]
pub struct DueTime {
    spacing: Duration,
    delay: Duration,
    started_at: Option<Timestamp>,
    cooldown_until: Option<Timestamp>,
}

impl DueTime {
    /// The due time of a host that is leased at `now`, without a Crawl-delay. `spacing` follows from the rate.
    ///
    /// If `asked_before`, a lost session may have sent a request a moment ago, so the host waits for one full delay.
    pub fn of_leased(
        not_before: Option<Timestamp>,
        asked_before: bool,
        spacing: Duration,
        now: Timestamp,
    ) -> Self {
        Self { spacing, delay: spacing, started_at: asked_before.then_some(now), cooldown_until: not_before }
    }

    /// When the next request is due. `None` for a host that has had no request and has no cooldown.
    pub fn at(&self) -> Option<Timestamp> {
        self.started_at.map(|started_at| started_at + self.delay).max(self.cooldown_until)
    }

    /// Notes that a request left at `now`.
    pub fn start(&mut self, now: Timestamp) {
        self.started_at = self.started_at.max(Some(now));
    }

    /// Starts a cooldown: no request may leave before `until`.
    pub fn cool_down(&mut self, until: Timestamp) {
        self.cooldown_until = self.cooldown_until.max(Some(until));
    }

    /// Whether a cooldown, and not the delay, determines the due time at `now`.
    pub fn is_cooling_down(&self, now: Timestamp) -> bool {
        self.cooldown_until > Some(now) && self.cooldown_until == self.at()
    }

    /// Sets the Crawl-delay after the host's robots rules changed.
    pub fn set_crawl_delay(&mut self, crawl_delay: Option<Duration>) {
        self.delay = delay(self.spacing, crawl_delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_longer_of_spacing_and_crawl_delay_counts_up_to_the_ceiling() {
        assert_eq!(delay(SECOND, None), SECOND);
        assert_eq!(delay(SECOND, Some(SECOND * 7)), SECOND * 7);
        assert_eq!(delay(SECOND * 9, Some(SECOND * 7)), SECOND * 9);
        assert_eq!(delay(SECOND, Some(Duration::MAX)), CRAWL_DELAY_MAX);
    }

    #[test]
    fn a_host_that_asks_for_more_than_a_minute_is_too_slow() {
        assert!(!is_too_slow(None));
        assert!(!is_too_slow(Some(CRAWL_DELAY_MAX)));
        assert!(is_too_slow(Some(CRAWL_DELAY_MAX + Duration::from_nanos(1))));
    }

    #[test]
    fn a_new_host_is_due_at_once() {
        assert_eq!(DueTime::of_leased(None, false, SECOND, at(5)).at(), None);
    }

    #[test]
    fn a_host_that_a_lost_session_may_have_asked_waits_one_delay_and_the_delay_may_grow() {
        let mut due = DueTime::of_leased(Some(at(3)), true, SECOND, at(5));
        assert_eq!(due.at(), Some(at(6)));
        due.set_crawl_delay(Some(SECOND * 10));
        assert_eq!(due.at(), Some(at(15)));
    }

    #[test]
    fn a_delay_counts_from_the_start_and_a_cooldown_to_its_end() {
        let mut due = DueTime::of_leased(None, false, SECOND * 2, at(0));
        due.start(at(10));
        assert_eq!(due.at(), Some(at(12)));
        due.cool_down(at(40));
        due.cool_down(at(20));
        assert_eq!(due.at(), Some(at(40)), "a shorter cooldown shortens nothing");
        assert!(due.is_cooling_down(at(39)) && !due.is_cooling_down(at(40)));
    }

    #[test]
    fn no_delay_from_a_remote_server_overflows() {
        let mut due = DueTime::of_leased(None, false, Duration::MAX, at(0));
        due.start(Timestamp::from_micros(i64::MAX));
        assert_eq!(due.at(), Some(Timestamp::from_micros(i64::MAX)));
    }
}
