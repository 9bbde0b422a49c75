//! Sends requests: clients, connections, addresses, and the stopwatch of a request. The engine knows only the trait [`Fetch`].

pub mod address;
pub mod client;
pub mod connect_to;
pub mod get;
mod idle_traffic;
pub mod interface;
mod ports;
pub mod resolver;
pub mod stopwatch;
mod timeouts;
pub mod tls;

pub use client::HttpFetch;
pub use connect_to::ConnectTo;
pub use interface::{Client, Fetch, FetchError, GetRequest, Response, ResponseBody, SetupError};
pub use stopwatch::Stopwatch;
