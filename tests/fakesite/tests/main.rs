//! Tests of the fake web from the view of a client.

#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test; clippy exempts tests but not their helper functions"
)]

mod client;
mod command;
mod misbehaving;
mod news_web;
mod plain_web;
mod serving;
mod tls;
