//! A port that is slow to accept connections.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Interval at which to check for a waiting client.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The state SYN-SENT in `/proc/net/tcp`.
const SYN_SENT: &str = "02";

/// A port in front of a server whose queue of unaccepted connections is full. The first client gets no answer and
/// connects only when its system retransmits the SYN. All later connections are forwarded.
///
/// The kernel completes connections without the listening program, so this is how a slow accept looks to a client.
pub struct FullBacklog {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FullBacklog {
    /// The time that the first client takes to connect: the initial retransmission time-out of RFC 6298 section 2.1.
    pub const DELAY: Duration = Duration::from_secs(1);

    /// Opens a free port in front of `server`.
    pub fn before(server: SocketAddr) -> io::Result<Self> {
        Self::open(move |listener| relay(listener, server))
    }

    /// Opens a free port on which connecting never succeeds and never fails.
    pub fn for_good() -> io::Result<Self> {
        Self::open(|listener| async move {
            let _filling = TcpStream::connect(listener.local_addr()?).await?;
            std::future::pending().await
        })
    }

    fn open<F>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>>,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            socket.listen(0)
        })?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("full backlog".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // After a failure no client can connect, which the test notices.
                    _ = serve(listener) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The port, on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for FullBacklog {
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

async fn relay(listener: TcpListener, server: SocketAddr) -> io::Result<()> {
    let address = listener.local_addr()?;
    // A queue of length zero holds one connection.
    let filling = TcpStream::connect(address).await?;
    while !has_waiting_client(address)? {
        // The kernel sends no notification when a client starts to wait, so this polls.
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    listener.accept().await?;
    drop(filling);
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut onward = TcpStream::connect(server).await?;
            client.set_nodelay(true)?;
            onward.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut client, &mut onward).await
        });
    }
}

/// Whether a client has sent a SYN to this port and not been answered.
fn has_waiting_client(address: SocketAddr) -> io::Result<bool> {
    let port = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let waits = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&port)) && fields.next() == Some(SYN_SENT)
    };
    Ok(table.lines().any(waits))
}
