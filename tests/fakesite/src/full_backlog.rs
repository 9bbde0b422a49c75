//! A port that takes its time to take connections.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// How often is looked for a client that waits.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The state SYN-SENT in Linux's table of connections.
const SYN_SENT: &str = "02";

/// A port in front of a server whose queue of unaccepted connections is full: the first client that comes is left
/// without an answer, and connects only when its system tries again. From then on all connections are passed on.
///
/// A connection is made by the kernel, without the listening program; so this is how a slow accept looks from outside.
pub struct FullBacklog {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FullBacklog {
    /// How long the first client takes to connect: the initial retransmission time-out of RFC 6298 section 2.1.
    pub const DELAY: Duration = Duration::from_secs(1);

    /// Opens a free port in front of `server`.
    pub fn before(server: SocketAddr) -> io::Result<Self> {
        Self::open(move |listener| relay(listener, server))
    }

    /// Opens a free port that no client ever connects to, and none is refused at.
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
                    // A failure shows as a client that never connects.
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
        // The thread may have ended by itself; then there is nobody to tell.
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
    // A queue of length zero holds one.
    let filling = TcpStream::connect(address).await?;
    while !somebody_waits_for(address)? {
        // Between two looks: nothing tells when somebody has joined the queue.
        tokio::time::sleep(LOOK_EVERY).await;
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

/// Whether a connection to this port has been asked for and not been made.
fn somebody_waits_for(address: SocketAddr) -> io::Result<bool> {
    let port = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let waits = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&port)) && fields.next() == Some(SYN_SENT)
    };
    Ok(table.lines().any(waits))
}
