//! Sends requests: clients, connections, addresses, and the stopwatch of a request.

pub mod address;
pub mod client;
pub mod connect_to;
pub mod cooldowns;
pub mod get;
pub mod host_slots;
pub mod resolver;
pub mod stopwatch;
pub mod tls;

pub use client::Clients;
pub use connect_to::ConnectTo;
pub use get::{FetchError, Response, get};
pub use stopwatch::Stopwatch;
