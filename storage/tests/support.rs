//! A temporary data directory, and a session that makes small commits.

use std::future::Future;
use std::path::{Path, PathBuf};

use frontier::work_queue::{Commit, QueueBounds, SegmentRef, Session};
use frontier::{
    Connection, DocumentKind, FetchRecord, FetchedDocument, Host, NewTask, Outcome, RequestKind, Stages,
    Task, TaskId, TaskKind, TaskOutcome, Timestamp, WorkQueue,
};
use queue_suite::HandClock;
use sitemap::Entry;
use storage::{BatchView, CrawlReader, DataDir, DocumentHead, EntryScope, LocalQueue, OpenError, SledStore};
use tempfile::TempDir;
use url::Url;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// The path of a data directory in a temporary folder.
pub(crate) struct Place {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::named("crawl-data")
    }

    pub(crate) fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        Self { _folder: folder, path }
    }

    pub(crate) fn open(&self) -> Result<DataDir, OpenError> {
        open(&self.path)
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.path.join("segments")
    }

    pub(crate) fn locs(&self) -> Vec<String> {
        let reader = CrawlReader::open(&self.path).unwrap();
        let batches = reader.entries().map(Result::unwrap);
        batches
            .flat_map(|batch| {
                let view = BatchView::new(&batch).unwrap();
                view.rows().map(|row| row.entry.loc.to_owned()).collect::<Vec<_>>()
            })
            .collect()
    }
}

pub(crate) fn open(path: &Path) -> Result<DataDir, OpenError> {
    DataDir::open(path, HandClock::at(NOW), QueueBounds { sitemaps_max: 1_000, hosts_per_site_max: u64::MAX })
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A session and its data directory.
pub(crate) struct Work {
    pub(crate) data_dir: DataDir,
    pub(crate) queue: LocalQueue<SledStore>,
    pub(crate) session: Session,
    segments: storage::SegmentWriter,
    seq: u64,
}

impl Work {
    pub(crate) fn begin(place: &Place) -> Self {
        let data_dir = place.open().unwrap();
        let queue = data_dir.queue();
        let session = block_on(queue.open_session("test")).unwrap();
        let segments = data_dir.segments(session.id);
        Self { data_dir, queue, session, segments, seq: 0 }
    }

    /// Appends the document of sitemap `n`, without committing.
    pub(crate) fn append(&mut self, n: u32, entries: usize) -> SegmentRef {
        let task = sitemap_task(n);
        let head = DocumentHead {
            task: task.id,
            attempt: 1,
            host: "https://a.example".to_owned(),
            sitemap: task.url,
            fetched_at: NOW,
        };
        let mut rows = self.data_dir.rows(head);
        for i in 0..entries {
            let loc = format!("https://a.example/{n}/{i}");
            rows.push(&Entry { loc: &loc, ..Entry::default() }, EntryScope::SameHost).unwrap();
        }
        self.segments.append(vec![rows.finish().unwrap()]).unwrap().unwrap()
    }

    pub(crate) fn commit(&mut self, commit: Commit) {
        self.seq += 1;
        block_on(self.queue.commit(&self.session, Commit { seq: self.seq, ..commit })).unwrap();
    }

    /// Commits that sitemap `n` was found, and then that it was fetched with this number of entries.
    pub(crate) fn crawl(&mut self, n: u32, entries: usize) {
        self.commit(Commit { found: vec![found(n)], ..Commit::default() });
        let segment = Some(self.append(n, entries));
        self.commit(Commit { outcomes: vec![outcome(n, entries as u64)], segment, ..Commit::default() });
    }
}

fn sitemap_task(n: u32) -> Task {
    let host = host();
    let url = format!("{host}/sitemap-{n}.xml");
    Task {
        id: TaskId::of(host.id(), &url),
        url,
        kind: TaskKind::Sitemap,
        depth: 0,
        parent: None,
        hops: 0,
        attempts: 0,
        not_before: None,
        named_by: vec![host.id()],
    }
}

pub(crate) fn host() -> Host {
    Host::of(&Url::parse("https://a.example/").unwrap()).unwrap()
}

pub(crate) fn found(n: u32) -> NewTask {
    NewTask { host: host(), task: sitemap_task(n), found_on: None }
}

/// A request for the sitemap `n` in the session of `work`.
pub(crate) fn fetch(work: &Work, n: u32) -> FetchRecord {
    FetchRecord {
        session: work.session.id,
        task: sitemap_task(n).id,
        parent: None,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at: NOW,
        stages: Stages::default(),
        bytes_wire: u64::from(n),
        bytes_decoded: 0,
        status: Some(404),
        connection: Connection::New,
        document: None,
        entries: 0,
        error: None,
        detail: String::new(),
    }
}

pub(crate) fn outcome(n: u32, entries: u64) -> TaskOutcome {
    let fetched = FetchedDocument { document: DocumentKind::Urlset, entries, ..FetchedDocument::default() };
    TaskOutcome::new(sitemap_task(n).id, Outcome::Fetched(fetched), 1)
}
