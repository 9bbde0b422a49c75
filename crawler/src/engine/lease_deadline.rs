//! Limits how long a session may send requests. After that, its hosts may be leased to another worker.

use std::pin::pin;
use std::task::Poll;

use frontier::{Clock, Timestamp};
use tokio::sync::watch;

/// The time until which requests may be sent. Clones share it.
#[derive(Clone)]
pub struct LeaseDeadline {
    until: watch::Sender<Timestamp>,
}

impl LeaseDeadline {
    /// Allows requests until `until`.
    pub fn new(until: Timestamp) -> Self {
        Self { until: watch::Sender::new(until) }
    }

    /// Sets a new deadline.
    #[cfg(feature = "shared")]
    pub fn extend(&self, until: Timestamp) {
        self.until.send_replace(until);
    }

    /// Whether requests may be sent at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < *self.until.borrow()
    }

    /// Waits until requests may be sent. If the session is lost this never returns, and the caller is dropped with the session.
    pub async fn held(&self, clock: &impl Clock) {
        // Cannot fail, because `self` is a sender.
        let _ = self.until.subscribe().wait_for(|until| clock.now() < *until).await;
    }

    /// Runs `sending` to its end. `None` if the deadline passed while its request was `is_unsent`: then it is not sent.
    ///
    /// A request is sent when its future is polled, so the clock is read at each poll. A process that was stopped while it made
    /// a connection may find the connection ready when it continues, while another worker is requesting the same host.
    pub async fn within<T>(
        &self,
        clock: &impl Clock,
        is_unsent: impl Fn() -> bool,
        sending: impl Future<Output = T>,
    ) -> Option<T> {
        let mut sending = pin!(sending);
        std::future::poll_fn(|cx| {
            if is_unsent() && !self.holds(clock.now()) {
                return Poll::Ready(None);
            }
            sending.as_mut().poll(cx).map(Some)
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

        async fn sleep_until(&self, _moment: Timestamp) {
            pending::<()>().await;
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
