//! Durable queues of tasks, each an implementation of [`frontier::WorkQueue`].

pub(crate) mod sled;
