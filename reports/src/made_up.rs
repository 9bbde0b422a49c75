//! Crawls that never took place, for tests.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{Commit, HostRecord, QueueBounds, Session, SessionRecord, Usage};
use frontier::{
    Clock, Connection, FetchRecord, Host, HostId, RequestKind, SessionId, Stage, Stages, TaskId, Timestamp,
    WorkQueue,
};
use sitemap::Entry;
use storage::{DataDir, DocumentHead, EntryScope};
use url::Url;

use crate::{HostReport, Report, Sessions, Tally};

/// The moment `ms` milliseconds after the made-up crawls begin.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + ms * 1000)
}

pub(crate) fn host(origin: &str) -> HostRecord {
    let host = Host::of(&Url::parse(origin).unwrap()).unwrap();
    HostRecord { is_seed: true, ..HostRecord::new(host) }
}

pub(crate) fn id(origin: &str) -> HostId {
    host(origin).host.id()
}

/// A session on a machine of two cores.
pub(crate) fn session(
    number: u32,
    from_ms: i64,
    to_ms: i64,
    process_ms: u64,
    machine_ms: u64,
) -> SessionRecord {
    SessionRecord {
        session: Session { id: SessionId(u128::from(number) + 1), number, started_at: at(from_ms) },
        last_commit_at: at(to_ms),
        commit_seq: 1,
        usage: Usage {
            process_us: process_ms * 1000,
            machine_busy_us: machine_ms * 1000,
            cores: 2,
            peak_rss_bytes: 48_000_000,
            ..Usage::default()
        },
    }
}

/// A tally with these hosts.
pub(crate) fn tally(sessions: Vec<SessionRecord>, hosts: impl IntoIterator<Item = HostRecord>) -> Tally {
    let mut tally = Tally::new(Sessions::in_turn(sessions));
    hosts.into_iter().for_each(|record| tally.add_host(record.host.id(), record));
    tally
}

/// A host of a report.
pub(crate) fn host_of(report: &Report, origin: &str) -> HostReport {
    report.hosts.get(origin).unwrap()
}

/// A host with a name that no URL can have.
pub(crate) fn unheard_of(name: &str) -> HostRecord {
    let host = serde_json::json!({"scheme": "Https", "name": name, "port": 443});
    HostRecord { is_seed: true, ..HostRecord::new(serde_json::from_value(host).unwrap()) }
}

/// What `write` writes, as JSON.
pub(crate) fn json(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> serde_json::Value {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// A request of the first session that brought a urlset, with its stages in milliseconds.
pub(crate) fn fetch(origin: &str, from_ms: i64, stages_ms: &[(Stage, u64)]) -> FetchRecord {
    let mut stages = Stages::default();
    for (stage, ms) in stages_ms {
        stages.add(*stage, Duration::from_millis(*ms));
    }
    let host = id(origin);
    FetchRecord {
        session: SessionId(1),
        task: TaskId { host, url: from_ms.unsigned_abs().into() },
        parent: None,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at: at(from_ms),
        stages,
        bytes_wire: 1_000,
        bytes_decoded: 10_000,
        status: Some(200),
        connection: Connection::Reused,
        document: Some("urlset".into()),
        entries: 50,
        error: None,
        detail: String::new(),
    }
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        at(0)
    }
}

/// A document with its host's origin and its entries.
pub(crate) type Document<'a> = (&'a str, Vec<Entry<'a>>);

/// Writes a data directory with these documents, the way a crawl does.
pub(crate) fn write_crawl(path: &Path, documents: &[Document<'_>]) {
    let bounds = QueueBounds { sitemaps_max: 50_000 };
    let dir = DataDir::open(path, Arc::new(StoppedClock), bounds).unwrap();
    let queue = dir.queue();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let session = runtime.block_on(queue.open_session("test")).unwrap();
    let mut segments = dir.segments(session.id);
    let mut finished = Vec::new();
    let mut found = Vec::new();
    for (place, (origin, entries)) in documents.iter().enumerate() {
        let record = host(origin);
        let url = record.host.url(&format!("/sitemap-{place}.xml"));
        let task = TaskId::of(record.host.id(), &url);
        found.push(frontier::NewTask {
            host: record.host.clone(),
            task: frontier::Task::new(&record.host, url.clone(), frontier::TaskKind::Sitemap),
            found_on: None,
        });
        let head =
            DocumentHead { task, attempt: 1, host: record.host.to_string(), sitemap: url, fetched_at: at(1) };
        let mut rows = dir.rows(head);
        entries.iter().for_each(|entry| rows.push(entry, EntryScope::SameHost).unwrap());
        finished.push(rows.finish().unwrap());
    }
    let segment = segments.append(finished).unwrap();
    let commit = Commit { seq: 1, found, segment, ..Commit::default() };
    runtime.block_on(queue.commit(&session, commit)).unwrap();
}
