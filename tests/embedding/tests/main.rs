//! The crawler as a library, used as a stranger would use it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic fails the test")]

mod dependencies;
mod examples;
mod manners;
mod recipes;
mod site;
mod streaming;
