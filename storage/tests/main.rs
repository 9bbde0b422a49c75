//! A data directory as its users see it: what opens, what is refused, what a crash leaves.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it is surprised")]

mod crash;
mod damage;
mod opening;
mod reading;
mod sealing;
#[cfg(feature = "shared")]
mod shared;
mod support;
