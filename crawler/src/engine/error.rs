//! Why a crawl cannot continue.

use frontier::work_queue::QueueError;

use super::body::WorkerError;
use super::record::RecordError;

/// Why a crawl cannot continue. What was committed is not lost.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Outcomes cannot be made durable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A request could not be made, or its result could not be kept.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A part of the engine ended too early, which is a bug.
    #[error("{0} ended unexpectedly")]
    Part(&'static str),
}
