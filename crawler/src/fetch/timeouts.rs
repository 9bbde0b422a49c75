//! How long a request may take.

use std::time::Duration;

/// The time limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// `--timeout`: limit for resolving the name, connect, TLS, the first byte and each stall of the body.
    pub stage: Duration,
    /// Limit for the whole fetch.
    pub whole: Duration,
}

impl Timeouts {
    /// The limits for a given `--timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self { stage: timeout, whole: timeout * 5 }
    }
}
