//! One listener on loopback for all hosts, schemes and protocols.

mod answer;
mod authority;
mod connection;
mod http1;
mod http2;
mod sending;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::latency::Latency;
use crate::log::{Log, LoggedConnection, LoggedRequest};
use crate::web::Web;

use authority::Authority;

/// The pause after an accept that failed.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// How a [`Web`] is served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The port on 127.0.0.1; 0 takes a free one.
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

/// Why a web could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The socket could not be opened: the port is taken, most often.
    #[error("could not listen on {address}: {cause}")]
    Listen {
        /// Where it tried to listen.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// No thread or no event loop could be had.
    #[error("could not start the server's thread: {0}")]
    Thread(io::Error),
    /// The certificate authority could not be made.
    #[error("could not make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused its settings or the key.
    #[error("could not set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) web: Web,
    pub(crate) options: ServeOptions,
    pub(crate) log: Arc<Log>,
    pub(crate) authority: Arc<Authority>,
}

/// A web that is being served; dropping it stops it and closes all its connections.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(web: Web, options: ServeOptions) -> Result<Self, ServeError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let (listener, address) =
            listen(wanted).map_err(|cause| ServeError::Listen { address: wanted, cause })?;
        let authority = Arc::new(Authority::new()?);
        let shared = Arc::new(Shared { web, options, log: Arc::new(Log::new()), authority });
        // One thread on purpose: what is measured beside it needs the other cores.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let accepting = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("fakesite".to_owned())
            .spawn(move || run(runtime, listener, accepting, stopped))
            .map_err(ServeError::Thread)?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// 127.0.0.1 and the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that clients must trust, as PEM. Each server makes its own.
    pub fn ca_pem(&self) -> &str {
        self.shared.authority.pem()
    }

    /// All requests so far, in the order in which they came.
    pub fn log(&self) -> Vec<LoggedRequest> {
        self.shared.log.requests()
    }

    /// All connections so far, in the order in which they came.
    pub fn connections(&self) -> Vec<LoggedConnection> {
        self.shared.log.connections()
    }

    /// Microseconds since the server started: the clock of the log.
    pub fn now_us(&self) -> u64 {
        self.shared.log.now_us()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The thread may have ended by itself; then there is nobody to tell.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(wanted: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(wanted)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn run(runtime: Runtime, listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        tokio::select! {
            () = accept(listener, shared) => {}
            _ = stopped => {}
        }
    });
    // A page that is just being written in the background is not waited for.
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection::serve(stream, Arc::clone(&shared)));
            }
            // Out of descriptors, most likely: those in use must end first.
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}
