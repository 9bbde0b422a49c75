//! What tells the caller about a running crawl.

use tokio::sync::{mpsc, watch};

use super::progress::ProgressState;
use crate::event::Event;

/// The channels to the caller of a crawl. Clones share them.
#[derive(Clone)]
pub struct Observers {
    /// How far the crawl is.
    pub progress: watch::Sender<ProgressState>,
    /// What is finished and durable. Bounded, so that a slow caller slows the crawl.
    pub events: mpsc::Sender<Event>,
}

impl Observers {
    /// Creates the channels. At most `events_max` events wait for the caller.
    pub fn new(events_max: usize) -> (Self, mpsc::Receiver<Event>, watch::Receiver<ProgressState>) {
        let (events, to_caller) = mpsc::channel(events_max);
        let (progress, shown) = watch::channel(ProgressState::default());
        (Self { progress, events }, to_caller, shown)
    }
}
