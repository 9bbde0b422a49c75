//! Durable work queues: implementations of [`frontier::WorkQueue`].

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod sled;
