//! A proxy that forwards requests, one per connection, and injects faults into some of them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Maximum size of the head of a request.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// A fault to inject into a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The server executes the request, and the connection is closed without an answer.
    LoseAnswer,
    /// The server does not receive the request, and the connection is closed without an answer.
    LoseRequest,
    /// The server executes the request, and the answer has this status instead.
    DoneBut(u16),
    /// The server does not receive the request, and the answer has this status.
    Refuse(u16),
}

/// A proxy in front of the server. Dropping it stops it.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Faults for the next requests whose first line starts with the text.
    faults: Vec<(String, Fault)>,
    /// The first line of every request.
    seen: Vec<String>,
    is_over: bool,
}

impl Proxy {
    pub(crate) fn start(upstream: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self { port: listener.local_addr()?.port(), state: Arc::default() };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if lock(&state).is_over {
                    return;
                }
                let state = state.clone();
                // If the connection fails, the client notices.
                thread::spawn(move || pass(&client, upstream, &state));
            }
        });
        Ok(proxy)
    }

    /// The URL it listens on.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Injects `fault` into the next `times` requests that start with `method` and have no fault yet.
    pub fn inject(&self, method: &str, fault: Fault, times: usize) {
        lock(&self.state).faults.extend((0..times).map(|_| (method.to_owned(), fault)));
    }

    /// Number of injected faults that no request has met yet.
    pub fn faults_left(&self) -> usize {
        lock(&self.state).faults.len()
    }

    /// Number of requests received that start with `method`.
    pub fn count(&self, method: &str) -> usize {
        lock(&self.state).seen.iter().filter(|line| line.starts_with(method)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.state).is_over = true;
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic of another thread leaves the state valid.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass(client: &TcpStream, upstream: u16, state: &Mutex<State>) -> io::Result<()> {
    let (line, request) = read_request(client)?;
    let fault = {
        let mut state = lock(state);
        state.seen.push(line.clone());
        let at = state.faults.iter().position(|(method, _)| line.starts_with(method.as_str()));
        at.map(|at| state.faults.remove(at).1)
    };
    let mut answer = Vec::new();
    if !matches!(fault, Some(Fault::LoseRequest | Fault::Refuse(_))) {
        let mut server = TcpStream::connect(("127.0.0.1", upstream))?;
        server.write_all(&request)?;
        server.read_to_end(&mut answer)?;
    }
    match fault {
        None => { client }.write_all(&answer)?,
        Some(Fault::LoseAnswer | Fault::LoseRequest) => {}
        Some(Fault::DoneBut(status) | Fault::Refuse(status)) => {
            let head =
                format!("HTTP/1.1 {status} Injected\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            { client }.write_all(head.as_bytes())?;
        }
    }
    client.shutdown(Shutdown::Both)
}

/// Reads a request. Returns its first line, and the whole request with the header `connection: close`.
fn read_request(client: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(client.take(u64::MAX));
    let (mut request, mut body_bytes, mut first) = (Vec::new(), 0, None);
    let mut head = (&mut reader).take(HEAD_BYTES_MAX);
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(length) = lower.strip_prefix("content-length:") {
            body_bytes = length.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            request.extend_from_slice(b"connection: close\r\n\r\n");
            break;
        }
        if !lower.starts_with("connection:") {
            request.extend_from_slice(line.as_bytes());
        }
        first.get_or_insert(line);
    }
    reader.take(body_bytes).read_to_end(&mut request)?;
    Ok((first.unwrap_or_default().trim_end().to_owned(), request))
}
