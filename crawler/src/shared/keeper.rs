//! Keeps the session of a worker alive.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{QueueError, RENEWAL_MARGIN, Session};
use frontier::{Clock, WorkQueue};
use storage::SESSION_TTL;

use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;

/// How often a session is renewed, and how often dead sessions of others are looked for.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// A worker whose session was not renewed for so long may have ended.
pub const SILENCE_MAX: Duration = RENEW_EVERY.saturating_mul(2);

/// How long a session may send requests after a renewal. Other workers may lease its hosts after [`SESSION_TTL`], and
/// requests that are already on their way must have arrived by then.
pub const LEASE_SPAN: Duration = SESSION_TTL.saturating_sub(RENEWAL_MARGIN);

/// Renews a session, and ends sessions of others that were not renewed in time.
pub struct Keeper<Q, C> {
    /// The queue.
    pub queue: Arc<Q>,
    /// The session to renew.
    pub session: Session,
    /// The time.
    pub clock: Arc<C>,
    /// Extended by each renewal.
    pub lease_deadline: LeaseDeadline,
}

impl<Q: WorkQueue, C: Clock> Keeper<Q, C> {
    /// Runs until the session is lost.
    pub async fn keep(self) -> QueueError {
        tokio::select! {
            lost = self.renew() => lost,
            failed = self.reap() => failed,
        }
    }

    async fn renew(&self) -> QueueError {
        let mut jitter = Jitter::default();
        loop {
            self.clock.sleep_until(self.clock.now() + pause(&mut jitter)).await;
            let sent_at = self.clock.now();
            match self.queue.renew(&self.session).await {
                Ok(_) => self.lease_deadline.extend(sent_at + LEASE_SPAN),
                Err(error) => return error,
            }
        }
    }

    async fn reap(&self) -> QueueError {
        let mut jitter = Jitter::default();
        loop {
            self.clock.sleep_until(self.clock.now() + pause(&mut jitter)).await;
            match self.queue.reap().await {
                Ok(0) => {}
                Ok(workers) => {
                    tracing::warn!(
                        workers,
                        "ended sessions of workers that stopped renewing them: their hosts are free"
                    );
                }
                Err(error) => return error,
            }
        }
    }
}

/// The time until the next renewal. It varies, so that workers that started together spread out.
fn pause(jitter: &mut Jitter) -> Duration {
    RENEW_EVERY.mul_f64(0.75 + jitter.next() / 4.0)
}
