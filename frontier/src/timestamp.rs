//! Timestamps and the clock that provides them.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in microseconds since the Unix epoch (UTC).
///
/// All timestamps of a session come from one monotonic clock, which is set from the wall clock once, at the
/// session's start. Their differences are therefore correct even if the system's time changes during the session.
///
/// ```
/// use std::time::Duration;
///
/// use frontier::Timestamp;
///
/// let start = Timestamp::from_micros(1_700_000_000_000_000);
/// let end = start + Duration::from_millis(1_500);
/// assert_eq!(end.since(start), Duration::from_millis(1_500));
/// assert_eq!(start.since(end), Duration::ZERO);
/// assert_eq!(end.to_string(), "2023-11-14T22:13:21.500000Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The timestamp `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time elapsed since `earlier`; zero if `earlier` is the later of the two.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Timestamp {
    /// The time between two timestamps, in either order.
    pub fn distance(self, other: Self) -> Duration {
        self.since(other).max(other.since(self))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the largest timestamp, so that a delay sent by a remote server cannot overflow.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC with microseconds, as in every output.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            Err(_) => write!(f, "{} us after the epoch", self.0),
        }
    }
}

/// Tells the time and waits for a moment: the system's clock in a crawl, a manually driven one in tests and simulations.
///
/// ```
/// use std::sync::atomic::{AtomicI64, Ordering};
///
/// use frontier::{Clock, Timestamp};
///
/// /// A clock that shows the time it was set to, for tests.
/// struct TestClock(AtomicI64);
///
/// impl Clock for TestClock {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_micros(self.0.load(Ordering::Relaxed))
///     }
///
///     async fn sleep_until(&self, moment: Timestamp) {
///         self.0.fetch_max(moment.as_micros(), Ordering::Relaxed);
///     }
/// }
///
/// let clock = TestClock(AtomicI64::new(5));
/// let earlier = clock.now();
/// clock.0.store(8, Ordering::Relaxed);
/// assert_eq!(clock.now().since(earlier).as_micros(), 3);
/// ```
pub trait Clock: Send + Sync {
    /// The current time. Never goes back.
    fn now(&self) -> Timestamp;

    /// Waits until the clock shows `moment` or later. Returns at once if it already does.
    fn sleep_until(&self, moment: Timestamp) -> impl Future<Output = ()> + Send
    where
        Self: Sized;
}
