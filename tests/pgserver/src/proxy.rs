//! A proxy in front of a server that cuts connections in COMMIT.
//!
//! It follows the messages of both sides just enough: each is a byte that tells its kind and a length (PostgreSQL,
//! chapter 55, "Message Formats"). Encryption is not offered through it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What the length of a message says at most: none of ours is near it.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// A message of kind `Query` whose text is this commits; so does the server's answer of kind `CommandComplete` confirm it.
const COMMIT: &[u8] = b"COMMIT\0";
const QUERY: u8 = b'Q';
const COMMAND_COMPLETE: u8 = b'C';

/// Where a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// The server never hears of the COMMIT.
    BeforeCommit,
    /// The server has committed, and its answer is lost.
    AfterCommit,
}

/// A way to a server. It ends when it is dropped; connections that were made through it stay.
pub struct Proxy {
    url: String,
    listener: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How often a connection is cut, and where, in turns.
    every: usize,
    cuts: Vec<Cut>,
    /// COMMITs that came so far.
    commits: usize,
    /// The cuts that were made.
    made: Vec<Cut>,
    is_over: bool,
}

impl State {
    /// What becomes of the COMMIT that came.
    fn next(&mut self) -> Option<Cut> {
        self.commits += 1;
        if self.cuts.is_empty() || !self.commits.is_multiple_of(self.every) {
            return None;
        }
        let cut = self.cuts.get(self.commits / self.every % self.cuts.len()).copied();
        self.made.extend(cut);
        cut
    }
}

impl Proxy {
    /// A proxy in front of the server at `url`, as [`crate::URL_VARIABLE`] describes it.
    ///
    /// # Errors
    ///
    /// Where `url` names no address, or it cannot listen.
    pub fn before(url: &str) -> io::Result<Self> {
        let strange =
            || io::Error::other("an address like postgres://user@127.0.0.1:5432/database is needed");
        let (user, rest) = url.rsplit_once('@').ok_or_else(strange)?;
        let (server, database) = rest.split_once('/').ok_or_else(strange)?;
        let upstream: SocketAddr = server.parse().map_err(io::Error::other)?;
        let listening = TcpListener::bind("127.0.0.1:0")?;
        let listener = listening.local_addr()?;
        let proxy = Self {
            url: format!("{user}@{listener}/{database}?sslmode=disable"),
            listener,
            state: Arc::default(),
        };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for client in listening.incoming().flatten() {
                if lock(&state).is_over {
                    return;
                }
                // A connection that breaks is the business of its ends.
                let _ = pass(client, upstream, &state);
            }
        });
        Ok(proxy)
    }

    /// Where to connect to the same database through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on every `every`th COMMIT is cut, in turns at each of `cuts`.
    pub fn cut_every(&self, every: usize, cuts: &[Cut]) {
        let mut state = lock(&self.state);
        state.every = every;
        state.cuts = cuts.to_vec();
    }

    /// How many connections were cut so.
    pub fn count(&self, cut: Cut) -> usize {
        lock(&self.state).made.iter().filter(|&&made| made == cut).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.state).is_over = true;
        let _ = TcpStream::connect(self.listener);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A thread that failed leaves nothing behind that another could stumble over.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both ways of one connection, each on a thread of its own; either ends both.
fn pass(client: TcpStream, upstream: SocketAddr, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
    let is_answer_lost = Arc::new(AtomicBool::new(false));
    let (state, is_lost) = (state.clone(), is_answer_lost.clone());
    thread::spawn(move || {
        let _ = ask(&client, &server, &state, &is_lost);
        cut(&client, &server);
    });
    thread::spawn(move || {
        let _ = answer(&server_too, &client_too, &is_answer_lost);
        cut(&client_too, &server_too);
    });
    Ok(())
}

fn cut(one: &TcpStream, other: &TcpStream) {
    // It may be cut already.
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

/// What the client says, up to the COMMIT that the server must not hear.
fn ask(
    client: &TcpStream,
    server: &TcpStream,
    state: &Mutex<State>,
    is_answer_lost: &AtomicBool,
) -> io::Result<()> {
    // The first message has a length alone.
    let mut message = read(client, Vec::new())?;
    loop {
        if message.first() == Some(&QUERY) && message.ends_with(COMMIT) {
            match lock(state).next() {
                Some(Cut::BeforeCommit) => return Ok(()),
                Some(Cut::AfterCommit) => is_answer_lost.store(true, Ordering::SeqCst),
                None => {}
            }
        }
        { server }.write_all(&message)?;
        message = read_kind(client)?;
    }
}

/// What the server says, up to the confirmation that the client must not hear.
fn answer(server: &TcpStream, client: &TcpStream, is_answer_lost: &AtomicBool) -> io::Result<()> {
    loop {
        let message = read_kind(server)?;
        let is_done = message.first() == Some(&COMMAND_COMPLETE) && message.ends_with(COMMIT);
        if is_done && is_answer_lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        { client }.write_all(&message)?;
    }
}

/// A message with the byte that tells its kind.
fn read_kind(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    read(from, kind.to_vec())
}

/// `begun` and the rest of the message: a length in bytes that counts itself, and what follows.
fn read(mut from: &TcpStream, mut begun: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(length.len());
    if rest > MESSAGE_BYTES_MAX {
        return Err(io::Error::other("not a message of PostgreSQL"));
    }
    begun.extend_from_slice(&length);
    let from_byte = begun.len();
    begun.resize(from_byte + rest, 0);
    from.read_exact(&mut begun[from_byte..])?;
    Ok(begun)
}
