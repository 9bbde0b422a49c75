//! The rate limiter: the last check before a request leaves.

use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::Quota;
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;

use crate::host::HostId;
use crate::timestamp::Timestamp;

/// Idle hosts are forgotten once in this many requests.
const REQUESTS_BETWEEN_CLEANUPS: u64 = 10_000;

/// Limits the requests to each host to `--rate`, independently of the schedule. It allows no burst, however long a
/// host was idle.
///
/// ```
/// use std::time::Duration;
///
/// use frontier::{HostId, RateLimiter, Timestamp};
///
/// let (host, now) = (HostId(1), Timestamp::from_micros(1_700_000_000_000_000));
/// let limiter = RateLimiter::new(2.0);
/// assert_eq!(limiter.wait(host, now), None);
/// assert_eq!(limiter.wait(host, now), Some(Duration::from_millis(500)));
/// assert_eq!(limiter.wait(HostId(2), now), None);
/// assert_eq!(limiter.wait(host, now + Duration::from_millis(500)), None);
/// ```
pub struct RateLimiter(Option<Limiter>);

struct Limiter {
    clock: CallerClock,
    hosts: governor::RateLimiter<HostId, HashMapStateStore<HostId>, CallerClock, NoOpMiddleware<Moment>>,
    requests: AtomicU64,
}

impl RateLimiter {
    /// Creates a limiter for `rate` requests per second and host. If `rate` is not a positive finite number there is
    /// no limit.
    pub fn new(rate: f64) -> Self {
        let period = Duration::try_from_secs_f64(rate.recip()).ok();
        let quota = period.and_then(Quota::with_period);
        Self(quota.map(|quota| {
            let clock = CallerClock::default();
            let hosts = governor::RateLimiter::new(
                quota.allow_burst(NonZeroU32::MIN),
                HashMapStateStore::default(),
                clock.clone(),
            );
            Limiter { clock, hosts, requests: AtomicU64::new(0) }
        }))
    }

    /// How long a request to `host` must wait at `now` before asking again. `None` if it may leave; it then counts
    /// as sent.
    pub fn wait(&self, host: HostId, now: Timestamp) -> Option<Duration> {
        let limiter = self.0.as_ref()?;
        limiter.clock.advance(now);
        let requests = limiter.requests.fetch_add(1, Ordering::Relaxed);
        if requests % REQUESTS_BETWEEN_CLEANUPS == REQUESTS_BETWEEN_CLEANUPS - 1 {
            limiter.hosts.retain_recent();
            limiter.hosts.shrink_to_fit();
        }
        let not_until = limiter.hosts.check_key(&host).err()?;
        // Rounded up to microseconds, our clock's resolution, so that asking again after the wait succeeds.
        let wait = not_until.wait_time_from(limiter.clock.now()).as_nanos();
        Some(Duration::from_micros(u64::try_from(wait.div_ceil(1_000)).unwrap_or(u64::MAX)))
    }
}

/// A governor clock that shows the time given by the caller.
#[derive(Clone, Default)]
struct CallerClock(Arc<AtomicU64>);

impl CallerClock {
    /// Advances to `now`. Never goes back, as governor requires.
    fn advance(&self, now: Timestamp) {
        self.0.fetch_max(u64::try_from(now.as_micros()).unwrap_or(0).saturating_mul(1_000), Ordering::SeqCst);
    }
}

impl Clock for CallerClock {
    type Instant = Moment;

    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

/// Nanoseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Moment(u64);

impl Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span.as_u64()))
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, span: Nanos) -> Self {
        Self(self.0.checked_sub(span.as_u64()).unwrap_or(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HostId = HostId(1);
    const B: HostId = HostId(2);

    fn at_ms(ms: i64) -> Timestamp {
        // A date in this century: governor counts nanoseconds in 64 bits.
        Timestamp::from_micros(1_800_000_000_000_000 + ms * 1_000)
    }

    #[test]
    fn a_host_passes_once_in_its_period_and_others_are_not_held_up() {
        let limiter = RateLimiter::new(2.0);
        assert_eq!(limiter.wait(A, at_ms(0)), None);
        assert_eq!(limiter.wait(A, at_ms(100)), Some(Duration::from_millis(400)));
        assert_eq!(limiter.wait(B, at_ms(100)), None);
        assert_eq!(limiter.wait(A, at_ms(500)), None);
    }

    #[test]
    fn an_idle_host_saves_up_no_burst() {
        let limiter = RateLimiter::new(1.0);
        assert_eq!(limiter.wait(A, at_ms(0)), None);
        assert_eq!(limiter.wait(A, at_ms(60_000)), None);
        assert_eq!(limiter.wait(A, at_ms(60_001)), Some(Duration::from_millis(999)));
    }

    #[test]
    fn the_returned_wait_suffices_at_any_rate() {
        for rate in [0.1, 0.7, 3.0, 7.0, 1e3] {
            let limiter = RateLimiter::new(rate);
            assert_eq!(limiter.wait(A, at_ms(0)), None);
            let wait = limiter.wait(A, at_ms(0)).unwrap();
            assert!(wait.as_secs_f64() >= 1.0 / rate - 1e-6, "{rate}: {wait:?}");
            assert_eq!(limiter.wait(A, at_ms(0) + wait), None, "{rate}");
        }
    }

    #[test]
    fn no_rate_is_no_limit() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let limiter = RateLimiter::new(rate);
            assert_eq!((limiter.wait(A, at_ms(0)), limiter.wait(A, at_ms(0))), (None, None), "{rate}");
        }
    }

    #[test]
    fn forgetting_idle_hosts_lets_none_pass_early() {
        let limiter = RateLimiter::new(1.0);
        let ids = u128::from(REQUESTS_BETWEEN_CLEANUPS);
        for id in 0..ids - 1 {
            assert_eq!(limiter.wait(HostId(id), at_ms(0)), None);
        }
        assert!(limiter.wait(HostId(7), at_ms(1)).is_some(), "requested just before, and kept");
        assert!(limiter.wait(HostId(8), at_ms(1)).is_some());
    }
}
