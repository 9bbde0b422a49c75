//! Answers the readers of a running crawl.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontier::work_queue::QueueError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::address::Address;
use super::question::{self, Greeting, Page, QUESTION_BYTES_MAX, Question};
use crate::data_dir::layout::LIVE_SOCKET;
use crate::sealing::SealFailure;
use crate::work_queue::local::LocalWorkQueue;

/// Maximum number of readers at a time, each of which takes a descriptor of the crawl. Further ones wait.
const READERS_MAX: usize = 16;

/// Maximum time in which a reader must take an answer.
const TAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// Records in a page. The queue reads a page within a few milliseconds, and commits wait meanwhile.
const PAGE_HOSTS: usize = 200;
const PAGE_TASKS: usize = 1_000;
const PAGE_FETCHES: usize = 1_000;

/// Answers the readers of a running crawl: [`crate::LiveReader`]. Only processes of the same user are answered.
pub struct LiveServer<Q> {
    queue: Q,
    seal_failure: SealFailure,
    listener: UnixListener,
    socket: Socket,
}

/// The socket's file. It is removed when this is dropped.
struct Socket(PathBuf);

impl<Q: LocalWorkQueue + Clone> LiveServer<Q> {
    /// Listens in the data directory at `dir`, which this process must have locked. Must be called in a tokio runtime.
    pub(crate) fn listen(dir: &Path, queue: Q, seal_failure: SealFailure) -> io::Result<Self> {
        let socket = Socket(dir.join(LIVE_SOCKET));
        // That of a process that was killed.
        match fs::remove_file(&socket.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(Address::in_dir(dir)?.path())?;
        fs::set_permissions(&socket.0, Permissions::from_mode(0o600))?;
        Ok(Self { queue, seal_failure, listener, socket })
    }

    /// Answers until the future is dropped. Ends only if no reader can connect any more.
    pub async fn run(self) -> io::Result<Infallible> {
        let owner = fs::symlink_metadata(&self.socket.0)?.uid();
        let mut readers = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if readers.len() < READERS_MAX => {
                    let (reader, _) = accepted?;
                    // The socket's mode was wider for a moment after it was bound.
                    if reader.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0) {
                        readers.spawn(serve(reader, self.queue.clone(), self.seal_failure.clone()));
                    }
                }
                Some(_) = readers.join_next() => {}
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it stays, the next start removes it.
        let _ = fs::remove_file(&self.0);
    }
}

/// Answers one reader until it closes the connection, or breaks it.
async fn serve(
    mut reader: UnixStream,
    queue: impl LocalWorkQueue,
    seal_failure: SealFailure,
) -> io::Result<()> {
    let greeting: Greeting = question::value(&receive(&mut reader).await?)?;
    let checked = greeting.check();
    send(&mut reader, &question::message(&checked)?).await?;
    if checked.is_err() {
        return Ok(());
    }
    loop {
        let asked = question::value(&receive(&mut reader).await?)?;
        let answer = match asked {
            Question::View => question::answer(queue.view().await),
            Question::SealFailure => question::answer(Ok(seal_failure.text())),
            Question::Hosts { after } => {
                let hosts = queue.hosts_after(after, PAGE_HOSTS).await;
                question::answer(page(hosts, PAGE_HOSTS, |(id, _)| Question::Hosts { after: Some(*id) }))
            }
            Question::Tasks { after } => {
                let tasks = queue.tasks_after(after, PAGE_TASKS).await;
                question::answer(page(tasks, PAGE_TASKS, |(id, _)| Question::Tasks { after: Some(*id) }))
            }
            Question::Fetches { after } => {
                let fetches = queue.fetches_after(after, PAGE_FETCHES).await;
                question::answer(fetches.and_then(|(fetches, after)| {
                    page(Ok(fetches), PAGE_FETCHES, |_| Question::Fetches { after })
                }))
            }
        };
        send(&mut reader, &answer?).await?;
    }
}

/// The page of `items`, which is the last one if it has fewer than `n`. `next` asks for what follows an item.
fn page<T>(
    items: Result<Vec<T>, QueueError>,
    n: usize,
    next: impl FnOnce(&T) -> Question,
) -> Result<Page<T>, QueueError> {
    let items = items?;
    let next = if items.len() < n { None } else { items.last().map(next) };
    Ok(Page { items, next })
}

async fn receive(reader: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut begin = [0; 4];
    reader.read_exact(&mut begin).await?;
    let mut bytes = vec![0; question::value_length(begin, QUESTION_BYTES_MAX)?];
    reader.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn send(reader: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    tokio::time::timeout(TAKE_TIMEOUT, reader.write_all(message)).await?
}
