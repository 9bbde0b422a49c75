//! What a user of the crate sees: the corpus, the awkward documents, and pieces of any size.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and say what they skip")]

mod ceilings;
mod chunking;
mod corpus;
mod fixtures;
mod reading;
