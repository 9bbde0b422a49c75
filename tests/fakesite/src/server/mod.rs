//! The server: one listener on loopback for all hosts, schemes and protocols.

mod answer;
mod authority;
mod connection;
mod error;
mod flood;
mod http1;
mod http2;
mod options;
mod sending;
mod shared;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::log::{Log, LoggedConnection, LoggedRequest};
use crate::web::Web;

use authority::Authority;
use shared::Shared;

pub use error::ServeError;
pub use options::ServeOptions;

/// Pause after a failed accept.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

impl Web {
    /// Starts serving on 127.0.0.1, on a separate thread.
    ///
    /// # Errors
    ///
    /// If the port is taken, or the system provides no thread, socket or random numbers.
    pub fn serve(self, options: ServeOptions) -> Result<Server, ServeError> {
        Server::start(self, options)
    }
}

/// A running server of a [`Web`]. Dropping it stops it and closes all its connections.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(web: Web, options: ServeOptions) -> Result<Self, ServeError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let (listener, address) =
            listen(wanted).map_err(|cause| ServeError::Listen { address: wanted, cause })?;
        let authority = Arc::new(Authority::new()?);
        let shared = Arc::new(Shared { web, options, log: Arc::new(Log::new()), authority });
        // A single thread, so that the program under test has the other cores.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let accepting = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("fakesite".to_owned())
            .spawn(move || run(runtime, listener, accepting, stopped))
            .map_err(ServeError::Thread)?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address: 127.0.0.1 and the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that clients must trust, as PEM. Each server generates a new one.
    pub fn ca_pem(&self) -> &str {
        self.shared.authority.pem()
    }

    /// All requests so far, in the order of arrival.
    pub fn log(&self) -> Vec<LoggedRequest> {
        self.shared.log.requests()
    }

    /// All connections so far, in the order of arrival.
    pub fn connections(&self) -> Vec<LoggedConnection> {
        self.shared.log.connections()
    }

    /// Microseconds since the start of the server, as in the log.
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
        // Sending fails if the thread has ended already.
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
    // Does not wait for a page that is being written in the background.
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection::serve(stream, Arc::clone(&shared)));
            }
            // Most likely out of file descriptors: other connections must close first.
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}
