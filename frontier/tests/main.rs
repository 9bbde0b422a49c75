//! What the rooms above rely on, tested through the public interface.

// Said once more, so that clippy knows the helpers for tests too: there a panic is how a failure is told.
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod robots;
#[cfg(test)]
mod simulation;
