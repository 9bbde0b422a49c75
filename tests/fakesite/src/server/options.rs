//! Options of a server.

use crate::latency::Latency;

/// How a `Web` is served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// The latency of sites that set none.
    pub latency: Latency,
    /// Whether sites over TLS offer HTTP/2.
    pub h2: bool,
}

/// A free port, no latency, HTTP/2 offered.
impl Default for ServeOptions {
    fn default() -> Self {
        Self { port: 0, latency: Latency::NONE, h2: true }
    }
}
