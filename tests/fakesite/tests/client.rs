//! Two clients: one on plain sockets, which sees the exact bytes, and reqwest.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Once;
use std::time::Duration;

use fakesite::{Page, ServeOptions, Server, Site, Web};

/// Longer than any exchange here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// If nothing arrives for this long, the server is considered silent.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

pub(crate) const HOST: &str = "www.example.com";

/// Serves one site as `www.example.com`.
pub(crate) fn serve(site: Site) -> Server {
    Web::new().host(HOST, site).serve(ServeOptions::default()).unwrap()
}

/// Serves one page at `/sitemap.xml`.
pub(crate) fn serve_page(page: Page) -> Server {
    serve(Site::new().page("/sitemap.xml", page))
}

/// The bytes received on a socket, and how the connection ended.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    /// `None` if the server closed the connection properly.
    pub(crate) error: Option<io::ErrorKind>,
}

impl Received {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn status(&self) -> u16 {
        self.text().split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (head, _) = text.split_once("\r\n\r\n")?;
        let line = head.lines().find(|line| line.starts_with(&format!("{name}: ")))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    }

    pub(crate) fn body(&self) -> &[u8] {
        let start = self.bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        &self.bytes[start + 4..]
    }
}

pub(crate) fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request and reads until the end, or until nothing arrives for `silence`.
pub(crate) fn exchange(server: &Server, request: &str, silence: Duration) -> Received {
    let mut stream = connect(server);
    stream.set_read_timeout(Some(silence)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    read_all(&mut stream, usize::MAX)
}

pub(crate) fn read_all(stream: &mut TcpStream, bytes_max: usize) -> Received {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    while bytes.len() < bytes_max {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) => return Received { bytes, error: Some(error.kind()) },
        }
    }
    Received { bytes, error: None }
}

/// Sends a GET for a path of `www.example.com` on a new connection.
pub(crate) fn get(server: &Server, path: &str) -> Received {
    exchange(server, &request(path, "connection: close\r\n"), PATIENCE)
}

pub(crate) fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n{headers}\r\n")
}

/// A reqwest client that trusts the server and resolves the hosts to it. URLs need the server's port.
pub(crate) fn reqwest_client(server: &Server, hosts: &[&str]) -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let authority = reqwest::Certificate::from_pem(server.ca_pem().as_bytes()).unwrap();
    hosts
        .iter()
        .fold(reqwest::Client::builder(), |builder, host| builder.resolve(host, server.address()))
        .tls_certs_only([authority])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// Runs a future to its end.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Waits until `condition` holds, usually of the server's log.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "the condition did not become true within the time limit");
        std::thread::yield_now();
    }
}
