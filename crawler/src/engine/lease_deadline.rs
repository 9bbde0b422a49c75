//! For how long a session may send requests: past that, another worker may have its hosts.

use std::pin::pin;
use std::task::Poll;

use frontier::{Clock, Timestamp};
use tokio::sync::watch;

/// Up to when requests may leave; clones share it.
#[derive(Clone)]
pub struct LeaseDeadline {
    until: watch::Sender<Timestamp>,
}

impl LeaseDeadline {
    /// Up to `until`, to begin with.
    pub fn new(until: Timestamp) -> Self {
        Self { until: watch::Sender::new(until) }
    }

    /// Up to `until` from now on.
    #[cfg(feature = "shared")]
    pub fn extend(&self, until: Timestamp) {
        self.until.send_replace(until);
    }

    /// Whether requests may leave at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < *self.until.borrow()
    }

    /// Waits until requests may leave. Where the session is lost that is never, and whoever waits is dropped with it.
    pub async fn held(&self, clock: &impl Clock) {
        // Fails when every sender is gone, and this is one.
        let _ = self.until.subscribe().wait_for(|until| clock.now() < *until).await;
    }

    /// What `asking` comes to; `None` where the tenure ended while its request `is_here` still: it does not leave any more.
    ///
    /// A request leaves when the future that makes it is polled, so that is when the clock is read. A process that was
    /// stopped while it made a connection finds that connection ready when it goes on, and others at work on the host.
    pub async fn within<T>(
        &self,
        clock: &impl Clock,
        is_here: impl Fn() -> bool,
        asking: impl Future<Output = T>,
    ) -> Option<T> {
        let mut asking = pin!(asking);
        std::future::poll_fn(|cx| {
            if is_here() && !self.holds(clock.now()) {
                return Poll::Ready(None);
            }
            asking.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

#[cfg(all(test, feature = "shared"))]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::*;

    /// A clock that shows what it is set to, in seconds.
    struct HandClock(AtomicI64);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            at(self.0.load(Ordering::Relaxed))
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn it_holds_up_to_its_moment_and_can_be_extended_by_any_clone() {
        let lease_deadline = LeaseDeadline::new(at(10));
        let keeper = lease_deadline.clone();
        assert!(lease_deadline.holds(at(9)) && !lease_deadline.holds(at(10)));
        keeper.extend(at(20));
        assert!(lease_deadline.holds(at(19)) && !lease_deadline.holds(at(20)));
    }

    #[tokio::test]
    async fn who_comes_too_late_waits_until_it_is_extended() {
        let (lease_deadline, clock) = (LeaseDeadline::new(at(10)), HandClock(AtomicI64::new(10)));
        let mut held = pin!(lease_deadline.held(&clock));
        assert!(tokio::time::timeout(Duration::ZERO, &mut held).await.is_err());
        lease_deadline.extend(at(11));
        held.await;
    }

    #[tokio::test]
    async fn a_request_that_is_here_when_it_ends_does_not_leave_and_one_that_left_is_answered() {
        let (lease_deadline, clock) = (LeaseDeadline::new(at(10)), HandClock(AtomicI64::new(9)));
        assert_eq!(lease_deadline.within(&clock, || true, ready(7)).await, Some(7));
        {
            let mut connecting = pin!(lease_deadline.within(&clock, || true, pending::<()>()));
            assert!(tokio::time::timeout(Duration::ZERO, &mut connecting).await.is_err());
            clock.0.store(10, Ordering::Relaxed);
            assert_eq!(connecting.await, None);
        }
        assert_eq!(lease_deadline.within(&clock, || false, ready(7)).await, Some(7));
    }
}
