//! Durable queues of tasks, each an implementation of [`frontier::WorkQueue`].

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod sled;
