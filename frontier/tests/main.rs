//! Tests of the crate through its public interface.

// `#[cfg(test)]` tells clippy that the helpers are test code too, where a panic reports a failure.
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod robots;
