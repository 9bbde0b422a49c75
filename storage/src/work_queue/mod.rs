//! Durable work queues: implementations of [`frontier::WorkQueue`].

mod fetch_mark;
pub(crate) mod local;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod store;

pub use fetch_mark::FetchMark;
