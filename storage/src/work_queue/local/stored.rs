//! Stored forms of tasks and requests.
//!
//! They omit everything that follows from their key or their host, and name a host only if it is another one. sled uses
//! about three times as much space as the bytes it is given, so repeated data is expensive.

use frontier::work_queue::TaskState;
use frontier::{
    Connection, DocumentKind, ErrorKind, FetchRecord, HostId, Outcome, RequestKind, SessionId, Stages, Task,
    TaskId, TaskKind, Timestamp,
};
use serde::{Deserialize, Serialize};

/// Id of a task, relative to a host. `None` stands for that host. The hash is stored as 16 big-endian bytes, because a
/// variable-length encoding of a random number is longer.
#[derive(Serialize, Deserialize)]
struct StoredId {
    host: Option<HostId>,
    url: [u8; 16],
}

impl StoredId {
    fn new(id: TaskId, relative_to: HostId) -> Self {
        Self { host: unless_same(id.host, relative_to), url: id.url.to_be_bytes() }
    }

    fn id(&self, relative_to: HostId) -> TaskId {
        TaskId { host: self.host.unwrap_or(relative_to), url: u128::from_be_bytes(self.url) }
    }
}

fn unless_same(host: HostId, relative_to: HostId) -> Option<HostId> {
    Some(host).filter(|host| *host != relative_to)
}

/// Stored form of a [`TaskState`], without its id, which is in the key.
#[derive(Serialize, Deserialize)]
pub(super) enum StoredState {
    Pending(StoredTask),
    Done(StoredTask, Outcome),
    ReadAs,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredTask {
    /// URL of the task. If it starts with the origin of the task's host, the origin is omitted and this starts with a
    /// slash.
    url: String,
    kind: TaskKind,
    depth: u16,
    parent: Option<StoredId>,
    hops: u8,
    attempts: u8,
    not_before: Option<Timestamp>,
    /// `None` stands for the task's own host.
    named_by: Vec<Option<HostId>>,
}

impl StoredState {
    /// Stored form of the state of a task whose host has this origin.
    pub(super) fn new(state: TaskState, origin: &str) -> Self {
        match state {
            TaskState::Pending(task) => Self::Pending(StoredTask::new(task, origin)),
            TaskState::Done { task, outcome } => Self::Done(StoredTask::new(task, origin), outcome),
            TaskState::ReadAs => Self::ReadAs,
        }
    }

    /// The state of the task `id`, whose host has this origin.
    pub(super) fn state(self, id: TaskId, origin: &str) -> TaskState {
        match self {
            Self::Pending(task) => TaskState::Pending(task.task(id, origin)),
            Self::Done(task, outcome) => TaskState::Done { task: task.task(id, origin), outcome },
            Self::ReadAs => TaskState::ReadAs,
        }
    }

    /// Whether the URL is no longer pending.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done(..) | Self::ReadAs)
    }
}

impl StoredTask {
    fn new(task: Task, origin: &str) -> Self {
        let Task { id, url, kind, depth, parent, hops, attempts, not_before, named_by } = task;
        let parent = parent.map(|parent| StoredId::new(parent, id.host));
        let named_by = named_by.into_iter().map(|host| unless_same(host, id.host)).collect();
        let path = url.strip_prefix(origin).filter(|path| path.starts_with('/')).map(str::to_owned);
        let url = path.unwrap_or(url);
        Self { url, kind, depth, parent, hops, attempts, not_before, named_by }
    }

    fn task(self, id: TaskId, origin: &str) -> Task {
        let Self { url, kind, depth, parent, hops, attempts, not_before, named_by } = self;
        let parent = parent.map(|parent| parent.id(id.host));
        let named_by = named_by.into_iter().map(|host| host.unwrap_or(id.host)).collect();
        let url = if url.starts_with('/') { format!("{origin}{url}") } else { url };
        Task { id, url, kind, depth, parent, hops, attempts, not_before, named_by }
    }
}

/// Stored form of a [`FetchRecord`], without what follows from its commit.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredFetch {
    /// `None` stands for the session of the commit.
    session: Option<SessionId>,
    host: [u8; 16],
    url: [u8; 16],
    parent: Option<StoredId>,
    kind: RequestKind,
    attempt: u8,
    hop: u8,
    begun_at: Timestamp,
    stages: Stages,
    bytes_wire: u64,
    bytes_decoded: u64,
    status: Option<u16>,
    connection: Connection,
    document: Option<DocumentKind>,
    entries: u64,
    error: Option<ErrorKind>,
    detail: String,
}

impl StoredFetch {
    /// Stored form of `fetch` in a commit of `session`.
    pub(super) fn new(fetch: FetchRecord, session: SessionId) -> Self {
        let host = fetch.task.host;
        Self {
            session: Some(fetch.session).filter(|of| *of != session),
            host: host.0.to_be_bytes(),
            url: fetch.task.url.to_be_bytes(),
            parent: fetch.parent.map(|parent| StoredId::new(parent, host)),
            kind: fetch.kind,
            attempt: fetch.attempt,
            hop: fetch.hop,
            begun_at: fetch.begun_at,
            stages: fetch.stages,
            bytes_wire: fetch.bytes_wire,
            bytes_decoded: fetch.bytes_decoded,
            status: fetch.status,
            connection: fetch.connection,
            document: fetch.document,
            entries: fetch.entries,
            error: fetch.error,
            detail: fetch.detail,
        }
    }

    /// The request in a commit of `session`.
    pub(super) fn fetch(self, session: SessionId) -> FetchRecord {
        let host = HostId(u128::from_be_bytes(self.host));
        FetchRecord {
            session: self.session.unwrap_or(session),
            task: TaskId { host, url: u128::from_be_bytes(self.url) },
            parent: self.parent.map(|parent| parent.id(host)),
            kind: self.kind,
            attempt: self.attempt,
            hop: self.hop,
            begun_at: self.begun_at,
            stages: self.stages,
            bytes_wire: self.bytes_wire,
            bytes_decoded: self.bytes_decoded,
            status: self.status,
            connection: self.connection,
            document: self.document,
            entries: self.entries,
            error: self.error,
            detail: self.detail,
        }
    }

    /// Approximate encoded size.
    pub(super) fn bytes(&self) -> usize {
        /// Approximate size of all fields except `detail`.
        const FIXED_BYTES: usize = 110;
        FIXED_BYTES + self.detail.len()
    }
}

#[cfg(test)]
mod tests {
    use frontier::{DocumentKind, FetchedDocument, Host};
    use url::Url;

    use super::*;
    use crate::codec;

    fn host(name: &str) -> Host {
        Host::of(&Url::parse(&format!("https://{name}.example/")).unwrap()).unwrap()
    }

    fn task() -> Task {
        let (own, other) = (host("a"), host("b"));
        let parent = Some(TaskId::of(own.id(), "parent"));
        let task = Task::new(&own, own.url("/s.xml"), TaskKind::Sitemap);
        Task { parent, named_by: vec![own.id(), other.id()], ..task }
    }

    #[test]
    fn a_stored_task_is_read_back_unchanged() {
        let origin = host("a").to_string();
        let (own, elsewhere) = (task(), "https://a.example.org/s.xml".to_owned());
        let other = Task { parent: Some(TaskId::of(host("b").id(), "parent")), url: elsewhere, ..task() };
        let outcome = Outcome::Fetched(FetchedDocument {
            document: DocumentKind::Urlset,
            ..FetchedDocument::default()
        });
        for state in [
            TaskState::Pending(own.clone()),
            TaskState::Pending(other),
            TaskState::Done { task: own, outcome },
            TaskState::ReadAs,
        ] {
            let bytes = codec::encode(&StoredState::new(state.clone(), &origin)).unwrap();
            assert_eq!(codec::decode::<StoredState>(&bytes).unwrap().state(task().id, &origin), state);
        }
    }

    #[test]
    fn a_stored_request_is_read_back_unchanged() {
        for session in [SessionId(7), SessionId(8)] {
            let fetch = FetchRecord {
                session: SessionId(7),
                task: task().id,
                parent: task().parent,
                kind: RequestKind::Sitemap,
                attempt: 1,
                hop: 2,
                begun_at: Timestamp::from_micros(3),
                stages: Stages::default(),
                bytes_wire: 4,
                bytes_decoded: 5,
                status: Some(200),
                connection: Connection::New,
                document: Some(DocumentKind::Urlset),
                entries: 6,
                error: Some(ErrorKind::Parse),
                detail: "what".to_owned(),
            };
            let bytes = codec::encode(&StoredFetch::new(fetch.clone(), session)).unwrap();
            assert_eq!(codec::decode::<StoredFetch>(&bytes).unwrap().fetch(session), fetch);
        }
    }
}
