//! Why a crawl cannot continue.

use frontier::work_queue::QueueError;
use storage::SegmentError;

use super::seeding::SeedsError;
use crate::fetch::SetupError;

/// Why a crawl cannot continue. What was committed is not lost.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Outcomes cannot be made durable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A client could not be created.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The seeds could not be read.
    #[error(transparent)]
    Seeds(#[from] SeedsError),
    /// The rows of a document could not be stored.
    #[error("failed to keep entries: {0}")]
    Rows(#[from] SegmentError),
    /// A part of the engine ended too early, which is a bug.
    #[error("{0} ended unexpectedly")]
    Part(&'static str),
}

/// Why results can no longer be made durable.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Entries could not be written.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The writing thread has ended.
    #[error("the segment writer stopped")]
    Writer,
}
