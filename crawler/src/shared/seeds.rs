//! The seeds of a shared crawl.

use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::Session;
use frontier::{Clock, NewTask};
use storage::{SharedCrawl, StoreError};

use super::retrying_queue::PAUSE;
use crate::engine::seeding::{SeedSource, SeedsError};

/// How often a worker checks whether the seeds that others claimed are in the queue.
const CLAIMS_POLL_EVERY: Duration = Duration::from_secs(1);

/// The seeds that no worker has added to the queue. Each worker claims some at a time, so each seed is added once unless a
/// worker ends with a claim.
pub(super) struct ClaimedSeeds<C> {
    crawl: SharedCrawl,
    clock: Arc<C>,
    claimed: Vec<NewTask>,
}

/// Evaluates to the answer of a call, which is repeated while the server is away.
macro_rules! retry {
    ($self:ident, $call:expr) => {
        loop {
            match $call.await {
                Err(StoreError::Unreachable { .. } | StoreError::ReadOnly { .. }) => $self.pause(PAUSE).await,
                answer => break answer?,
            }
        }
    };
}

impl<C: Clock> ClaimedSeeds<C> {
    pub(super) fn new(crawl: SharedCrawl, clock: Arc<C>) -> Self {
        Self { crawl, clock, claimed: Vec::new() }
    }

    async fn pause(&self, span: Duration) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }
}

impl<C: Clock + 'static> SeedSource for ClaimedSeeds<C> {
    async fn next(&mut self, n: usize) -> Result<Vec<NewTask>, SeedsError> {
        loop {
            self.claimed = retry!(self, self.crawl.claim_seeds(n));
            if !self.claimed.is_empty() || !retry!(self, self.crawl.has_new_seeds()) {
                return Ok(self.claimed.clone());
            }
            self.pause(CLAIMS_POLL_EVERY).await;
        }
    }

    async fn added(&mut self, _: &Session, _: u64) -> Result<(), SeedsError> {
        retry!(self, self.crawl.mark_seeds_added(&self.claimed));
        Ok(())
    }
}
