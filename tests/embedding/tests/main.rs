//! The crawler as a library, as any other program uses it.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod dependencies;
mod examples;
mod manners;
mod recipes;
mod site;
mod streaming;
