//! A proxy in front of a server that cuts connections in COMMIT.
//!
//! It parses only the frames of the messages: a byte for the kind, then a length (PostgreSQL, chapter 55, "Message
//! Formats"). It does not support encryption.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Maximum length of a message. Messages of the tests are much shorter.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// The text of a `Query` message that commits, and of the `CommandComplete` message that confirms it.
const COMMIT: &[u8] = b"COMMIT\0";
const QUERY: u8 = b'Q';
const COMMAND_COMPLETE: u8 = b'C';

/// Where a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// The server does not receive the COMMIT.
    BeforeCommit,
    /// The server commits, and its answer is lost.
    AfterCommit,
}

/// A proxy in front of a server. Dropping it stops the listener; existing connections stay open.
pub struct Proxy {
    url: String,
    listener: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Every `every`th COMMIT is cut, at each of `cuts` in turn.
    every: usize,
    cuts: Vec<Cut>,
    /// COMMITs received so far.
    commits: usize,
    /// The cuts made so far.
    cuts_made: Vec<Cut>,
    is_over: bool,
}

impl State {
    /// Counts a COMMIT, and returns where to cut it, if anywhere.
    fn next(&mut self) -> Option<Cut> {
        self.commits += 1;
        if self.cuts.is_empty() || !self.commits.is_multiple_of(self.every) {
            return None;
        }
        let cut = self.cuts.get(self.commits / self.every % self.cuts.len()).copied();
        self.cuts_made.extend(cut);
        cut
    }
}

impl Proxy {
    /// Starts a proxy in front of the server at `url`, in the format of [`crate::URL_VARIABLE`].
    ///
    /// # Errors
    ///
    /// If `url` has another format, or the proxy cannot listen.
    pub fn before(url: &str) -> io::Result<Self> {
        let invalid = || io::Error::other("the URL must look like postgres://user@127.0.0.1:5432/database");
        let (user, rest) = url.rsplit_once('@').ok_or_else(invalid)?;
        let (server, database) = rest.split_once('/').ok_or_else(invalid)?;
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
                // If the connection fails, the client notices.
                let _ = pass(client, upstream, &state);
            }
        });
        Ok(proxy)
    }

    /// The URL of the same database through the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on cuts every `every`th COMMIT, at each of `cuts` in turn.
    pub fn cut_every(&self, every: usize, cuts: &[Cut]) {
        let mut state = lock(&self.state);
        state.every = every;
        state.cuts = cuts.to_vec();
    }

    /// Number of connections cut in this way.
    pub fn count(&self, cut: Cut) -> usize {
        lock(&self.state).cuts_made.iter().filter(|&&made| made == cut).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.state).is_over = true;
        let _ = TcpStream::connect(self.listener);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic of another thread leaves the state valid.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forwards both directions of a connection on two threads. When one direction ends, both are closed.
fn pass(client: TcpStream, upstream: SocketAddr, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
    let is_answer_lost = Arc::new(AtomicBool::new(false));
    let (state, is_lost) = (state.clone(), is_answer_lost.clone());
    thread::spawn(move || {
        let _ = forward_client(&client, &server, &state, &is_lost);
        cut(&client, &server);
    });
    thread::spawn(move || {
        let _ = forward_server(&server_too, &client_too, &is_answer_lost);
        cut(&client_too, &server_too);
    });
    Ok(())
}

fn cut(one: &TcpStream, other: &TcpStream) {
    // They may be closed already.
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

/// Forwards messages of the client, up to a COMMIT that the server must not receive.
fn forward_client(
    client: &TcpStream,
    server: &TcpStream,
    state: &Mutex<State>,
    is_answer_lost: &AtomicBool,
) -> io::Result<()> {
    // The first message has a length but no kind.
    let mut message = read_rest(client, Vec::new())?;
    loop {
        if message.first() == Some(&QUERY) && message.ends_with(COMMIT) {
            match lock(state).next() {
                Some(Cut::BeforeCommit) => return Ok(()),
                Some(Cut::AfterCommit) => is_answer_lost.store(true, Ordering::SeqCst),
                None => {}
            }
        }
        { server }.write_all(&message)?;
        message = read_message(client)?;
    }
}

/// Forwards messages of the server, up to a confirmation that the client must not receive.
fn forward_server(server: &TcpStream, client: &TcpStream, is_answer_lost: &AtomicBool) -> io::Result<()> {
    loop {
        let message = read_message(server)?;
        let is_done = message.first() == Some(&COMMAND_COMPLETE) && message.ends_with(COMMIT);
        if is_done && is_answer_lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        { client }.write_all(&message)?;
    }
}

/// Reads a message that starts with the byte for its kind.
fn read_message(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    read_rest(from, kind.to_vec())
}

/// Reads the rest of a message and appends it to `message`: a length in bytes that includes itself, and the content.
fn read_rest(mut from: &TcpStream, mut message: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(length.len());
    if rest > MESSAGE_BYTES_MAX {
        return Err(io::Error::other("not a message of PostgreSQL"));
    }
    message.extend_from_slice(&length);
    let from_byte = message.len();
    message.resize(from_byte + rest, 0);
    from.read_exact(&mut message[from_byte..])?;
    Ok(message)
}
