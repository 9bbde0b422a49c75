//! A name server that takes its time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long it listens before it looks whether it is still wanted.
const LISTEN_FOR: Duration = Duration::from_millis(50);
/// A query over UDP without extensions is no longer (RFC 1035 section 4.2.1).
const QUERY_BYTES_MAX: usize = 512;
/// The header of a message (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;
/// The type of an IPv4 address.
const TYPE_A: [u8; 2] = [0, 1];

/// Says of every name, after a while, that it is at 127.0.0.1; dropping it stops it.
pub struct NameServer {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Answers on a free port of 127.0.0.1, each query after `delay`.
    pub fn start(delay: Duration) -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        socket.set_read_timeout(Some(LISTEN_FOR))?;
        let address = socket.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::Builder::new().name("name server".to_owned()).spawn(move || {
            let mut query = [0; QUERY_BYTES_MAX];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut query) else { continue };
                let Some(answer) = answer(&query[..length]) else { continue };
                let socket = Arc::clone(&socket);
                // Several queries wait at a time, each for itself.
                thread::spawn(move || {
                    thread::sleep(delay);
                    socket.send_to(&answer, client)
                });
            }
        })?;
        Ok(Self { address, is_over, thread: Some(thread) })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer to a query of one question: an address where one is asked for, else nothing. `None` for what is no query.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let mut end = HEADER_BYTES;
    while *query.get(end)? != 0 {
        end += usize::from(query[end]) + 1;
    }
    let question = query.get(HEADER_BYTES..end + 5)?;
    let has_address = question[question.len() - 4..][..2] == TYPE_A;
    // A response, recursion wanted and available; one question, and perhaps one answer.
    let mut message = vec![query[0], query[1], 0x81, 0x80, 0, 1, 0, u8::from(has_address), 0, 0, 0, 0];
    message.extend_from_slice(question);
    if has_address {
        // The name of the question, type A, class IN, a minute, four bytes.
        message.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(message)
}
