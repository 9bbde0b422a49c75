//! Tests of the public interface: the corpus, unusual documents, limits, and pieces of any size.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and report what they skip")]

mod ceilings;
mod chunking;
mod corpus;
mod field;
mod fixtures;
mod memory;
mod pulling;
mod reading;
