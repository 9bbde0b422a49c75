//! Errors of starting a server.

use std::io;
use std::net::SocketAddr;

/// Why a web could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The socket could not be opened, usually because the port is taken.
    #[error("could not listen on {address}: {cause}")]
    Listen {
        /// The address to listen on.
        address: SocketAddr,
        /// The error of the system.
        cause: io::Error,
    },
    /// The thread or its event loop could not be started.
    #[error("could not start the server's thread: {0}")]
    Thread(io::Error),
    /// The certificate authority could not be created.
    #[error("could not make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the settings or the key.
    #[error("could not set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}
