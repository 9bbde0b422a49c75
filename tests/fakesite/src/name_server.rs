//! A name server with slow or changing answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long it waits for a query before it checks whether it was stopped.
const LISTEN_FOR: Duration = Duration::from_millis(50);
/// Maximum size of a query over UDP without extensions (RFC 1035 section 4.2.1).
const QUERY_BYTES_MAX: usize = 512;
/// Size of the header of a message (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;
/// Record types of addresses (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

type Addresses = dyn Fn(&str, u32) -> Vec<IpAddr> + Send + Sync;

/// A name server that answers address queries over UDP on a free port of 127.0.0.1. Dropping it stops it.
pub struct NameServer {
    address: SocketAddr,
    queries: Arc<Mutex<Vec<Query>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A query that a name server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name in lower case, without the final dot.
    pub name: String,
    /// Whether the query is for IPv6 addresses; otherwise it is for IPv4 addresses or another record type.
    pub is_v6: bool,
}

impl NameServer {
    /// Starts a server that answers every query with 127.0.0.1 after `delay`.
    pub fn start(delay: Duration) -> io::Result<Self> {
        Self::with(delay, |_, _| vec![Ipv4Addr::LOCALHOST.into()])
    }

    /// Starts a server that answers with the result of `addresses`. Its arguments are the name, and the number of the
    /// query among those for the same name and address family (IPv4 or IPv6), from 1. Addresses of the other family
    /// are omitted.
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
        let (is_stopped, log) = (Arc::clone(&is_over), Arc::clone(&queries));
        let thread = thread::Builder::new().name("name server".to_owned()).spawn(move || {
            let mut query = [0; QUERY_BYTES_MAX];
            while !is_stopped.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut query) else { continue };
                let Some(answer) = answer(&query[..length], &log, &addresses) else { continue };
                let socket = Arc::clone(&socket);
                // Several queries are delayed concurrently.
                thread::spawn(move || {
                    thread::sleep(delay);
                    socket.send_to(&answer, client)
                });
            }
        })?;
        Ok(Self { address, queries, is_over, thread: Some(thread) })
    }

    /// The address it listens on.
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

/// The answer to a query with one question: addresses, or no records for other record types. `None` for an invalid
/// query.
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
    // Flags: a response, recursion desired and available. Counts: one question and its answers.
    let mut message = vec![query[0], query[1], 0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0];
    message.extend_from_slice(question);
    for address in found {
        // A pointer to the name of the question, type, class IN, TTL 0 because the next answer may differ.
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
