//! Detects the protocol of an accepted connection and serves it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

use crate::log::OpenConnection;
use crate::misbehaviour::{Misbehaviour, TlsMisbehaviour};
use crate::request::Scheme;
use crate::web::Site;

use super::authority::Flaw;
use super::flood;
use super::http1::{self, Wire};
use super::http2;
use super::shared::Shared;

/// The first byte of a TLS record that holds a handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves one connection until it is closed.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let connection = Arc::new(shared.log.open_connection());
    // An error ends the connection. The log shows how far it got.
    let _ = serve_layers(stream, &shared, &connection).await;
}

/// Serves plain HTTP or TLS, and again either of them inside a tunnel opened by CONNECT.
async fn serve_layers(
    mut stream: TcpStream,
    shared: &Arc<Shared>,
    connection: &Arc<OpenConnection>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut first = [0; 1];
        if stream.peek(&mut first).await? == 0 {
            return Ok(());
        }
        if first == [TLS_HANDSHAKE] {
            return serve_tls(stream, shared, connection).await;
        }
        connection.update(|entry| {
            entry.scheme = Some(Scheme::Http);
            entry.protocol = Some("http/1.1");
        });
        match http1::serve(stream, Scheme::Http, shared, connection).await? {
            Some(inside) => stream = inside,
            None => return Ok(()),
        }
    }
}

async fn serve_tls(
    stream: TcpStream,
    shared: &Arc<Shared>,
    connection: &Arc<OpenConnection>,
) -> io::Result<()> {
    connection.update(|entry| entry.scheme = Some(Scheme::Https));
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = start.client_hello().server_name().unwrap_or_default().to_ascii_lowercase();
    connection.update(|entry| entry.server_name = Some(name.clone()).filter(|name| !name.is_empty()));
    let site = shared.web.site(&name);
    let misbehaviour = site.and_then(tls_misbehaviour);
    let latency = site.and_then(|site| site.latency).unwrap_or(shared.options.latency);
    pause(&start.io, latency.of(&name, "")).await?;
    let flaw = match misbehaviour {
        None => Flaw::None,
        Some(TlsMisbehaviour::SlowTls(time)) => {
            pause(&start.io, time).await?;
            Flaw::None
        }
        Some(TlsMisbehaviour::NeverAnswers) => return stay_silent(&mut start.io).await,
        Some(TlsMisbehaviour::Garbage) => {
            start.io.write_all(b"this is not the protocol you are looking for\r\n").await?;
            return stay_silent(&mut start.io).await;
        }
        Some(TlsMisbehaviour::ResetsConnection) => return start.io.set_zero_linger(),
        Some(TlsMisbehaviour::WrongName) => Flaw::WrongName,
        Some(TlsMisbehaviour::Expired) => Flaw::Expired,
        Some(TlsMisbehaviour::SelfSigned) => Flaw::SelfSigned,
    };
    let h2 = shared.options.h2 && site.is_none_or(Site::offers_http2);
    let config = shared.authority.config(flaw, h2).map_err(io::Error::other)?;
    let stream = start.into_stream(Arc::new(config)).await?;
    let flood = site.and_then(|site| site.misbehaviour.as_ref()).and_then(flood::frame);
    serve_inside_tls(stream, flood, shared, connection).await
}

async fn serve_inside_tls(
    stream: TlsStream<TcpStream>,
    flood: Option<Vec<u8>>,
    shared: &Arc<Shared>,
    connection: &Arc<OpenConnection>,
) -> io::Result<()> {
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        connection.update(|entry| entry.protocol = Some("h2"));
        let (shared, connection) = (Arc::clone(shared), Arc::clone(connection));
        return match flood {
            None => http2::serve(stream, shared, connection).await,
            Some(frame) => {
                let stream = flood::flooding(stream, &frame, Arc::clone(&connection));
                http2::serve(stream, shared, connection).await
            }
        };
    }
    connection.update(|entry| entry.protocol = Some("http/1.1"));
    http1::serve(stream, Scheme::Https, shared, connection).await.map(drop)
}

fn tls_misbehaviour(site: &Site) -> Option<TlsMisbehaviour> {
    let silent = site.misbehaviour == Some(Misbehaviour::NeverAnswers);
    site.tls.or(silent.then_some(TlsMisbehaviour::NeverAnswers))
}

/// Waits for `time`. Fails if the client closes the connection in that time.
async fn pause(stream: &TcpStream, time: Duration) -> io::Result<()> {
    let over = tokio::time::sleep(time);
    tokio::pin!(over);
    let mut next = [0; 1];
    tokio::select! {
        () = &mut over => return Ok(()),
        peeked = stream.peek(&mut next) => if peeked? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        },
    }
    // The client has sent more data, so it is still connected. The handshake reads the data later.
    over.await;
    Ok(())
}

/// Reads and discards data until the client closes the connection.
async fn stay_silent(stream: &mut TcpStream) -> io::Result<()> {
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}

impl Wire for TcpStream {
    fn reset(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Wire for TlsStream<TcpStream> {
    fn reset(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}
