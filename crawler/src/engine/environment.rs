//! What a crawl runs on.

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
