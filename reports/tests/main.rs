//! What the command line relies on, tested through the public interface.

#[cfg(test)]
mod memory;
