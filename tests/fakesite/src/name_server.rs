//! A name server that takes its time, or changes its mind.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long it listens before it looks whether it is still wanted.
const LISTEN_FOR: Duration = Duration::from_millis(50);
/// A query over UDP without extensions is no longer (RFC 1035 section 4.2.1).
const QUERY_BYTES_MAX: usize = 512;
/// The header of a message (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;
/// The types of addresses (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

type Addresses = dyn Fn(&str, u32) -> Vec<IpAddr> + Send + Sync;

/// Answers queries for addresses over UDP on a free port of 127.0.0.1; dropping it stops it.
pub struct NameServer {
    address: SocketAddr,
    queries: Arc<Mutex<Vec<Query>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a name server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name in lower case, without the final dot.
    pub name: String,
    /// Whether IPv6 addresses were asked for; else IPv4 ones, or something else altogether.
    pub is_v6: bool,
}

impl NameServer {
    /// Says of every name, after `delay`, that it is at 127.0.0.1.
    pub fn start(delay: Duration) -> io::Result<Self> {
        Self::with(delay, |_, _| vec![Ipv4Addr::LOCALHOST.into()])
    }

    /// Says where a name is as `addresses` does, which is given the name and the how manieth query for addresses of this
    /// kind (IPv4 or IPv6) of this name it is, from 1. Addresses of the other kind are left out of the answer.
    pub fn answering(
        addresses: impl Fn(&str, u32) -> Vec<IpAddr> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::with(Duration::ZERO, addresses)
    }

    fn with(
        delay: Duration,
        addresses: impl Fn(&str, u32) -> Vec<IpAddr> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        socket.set_read_timeout(Some(LISTEN_FOR))?;
        let address = socket.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let queries = Arc::new(Mutex::new(Vec::new()));
        let (over, log) = (Arc::clone(&is_over), Arc::clone(&queries));
        let thread = thread::Builder::new().name("name server".to_owned()).spawn(move || {
            let mut query = [0; QUERY_BYTES_MAX];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut query) else { continue };
                let Some(answer) = answer(&query[..length], &log, &addresses) else { continue };
                let socket = Arc::clone(&socket);
                // Several queries wait at a time, each for itself.
                thread::spawn(move || {
                    thread::sleep(delay);
                    socket.send_to(&answer, client)
                });
            }
        })?;
        Ok(Self { address, queries, is_over, thread: Some(thread) })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All queries so far, in the order in which they came.
    pub fn queries(&self) -> Vec<Query> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// The answer to a query of one question: addresses where they are asked for, else nothing. `None` for what is no query.
fn answer(query: &[u8], log: &Mutex<Vec<Query>>, addresses: &Addresses) -> Option<Vec<u8>> {
    let (mut end, mut labels) = (HEADER_BYTES, Vec::new());
    while *query.get(end)? != 0 {
        let next = end + usize::from(query[end]) + 1;
        labels.push(String::from_utf8_lossy(query.get(end + 1..next)?).to_ascii_lowercase());
        end = next;
    }
    let question = query.get(HEADER_BYTES..end + 5)?;
    let kind = u16::from_be_bytes([question[question.len() - 4], question[question.len() - 3]]);
    let asked = Query { name: labels.join("."), is_v6: kind == TYPE_AAAA };
    let nth = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(asked.clone());
        log.iter().filter(|earlier| **earlier == asked).count()
    };
    let found = match kind {
        TYPE_A | TYPE_AAAA => addresses(&asked.name, u32::try_from(nth).unwrap_or(u32::MAX)),
        _ => Vec::new(),
    };
    let found: Vec<IpAddr> = found.into_iter().filter(|address| address.is_ipv6() == asked.is_v6).collect();
    let count = u8::try_from(found.len()).ok()?;
    // A response, recursion wanted and available; one question, and its answers.
    let mut message = vec![query[0], query[1], 0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0];
    message.extend_from_slice(question);
    for address in found {
        // The name of the question, the type, class IN, no time to live: it may be another one at once.
        message.extend([0xc0, 0x0c]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0]);
        match address {
            IpAddr::V4(v4) => message.extend([&[0, 4][..], &v4.octets()].concat()),
            IpAddr::V6(v6) => message.extend([&[0, 16][..], &v6.octets()].concat()),
        }
    }
    Some(message)
}
