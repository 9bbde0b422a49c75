//! What a client of the fake web sees.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; the exemption for tests stops at their helpers"
)]

mod client;
mod command;
mod misbehaving;
mod news_web;
mod plain_web;
mod serving;
mod tls;
