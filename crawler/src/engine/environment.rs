//! What a crawl runs on.

use std::sync::Arc;

use frontier::{Clock, WorkQueue};
use storage::EntryWriter;

use super::seeding::SeedSource;
use crate::fetch::Fetch;

/// What a crawl runs on: one machine, one of many machines, or a simulation.
pub trait Environment: Sized + 'static {
    /// The queue of tasks.
    type Queue: WorkQueue;
    /// The seeds that are not in the queue yet.
    type Seeds: SeedSource;
    /// Writes entries.
    type Writer: EntryWriter + Sync;
    /// The way to the web.
    type Fetch: Fetch;
    /// Tells the time and waits for it.
    type Clock: Clock + 'static;
}

/// The parts of an [`Environment`], ready for one session.
pub struct Services<E: Environment> {
    /// The queue of tasks.
    pub queue: Arc<E::Queue>,
    /// Writes entries.
    pub writer: E::Writer,
    /// The way to the web.
    pub fetch: E::Fetch,
    /// The time.
    pub clock: Arc<E::Clock>,
}
