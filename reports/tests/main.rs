//! Tests of the public interface that the command line uses.

#[cfg(test)]
mod memory;
