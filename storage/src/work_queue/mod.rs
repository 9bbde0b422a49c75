//! Durable work queues: implementations of [`frontier::WorkQueue`].

pub(crate) mod local;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod store;
