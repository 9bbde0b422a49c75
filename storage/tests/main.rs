//! Tests of the public interface: opening, reading, sealing, crashes, damage, and shared segments.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod crash;
mod damage;
mod memory;
mod opening;
mod reading;
mod rebuilding;
mod sealing;
#[cfg(feature = "shared")]
mod shared;
mod support;
