//! Tests of power cuts. The real code works on a real folder, and its changes to files are recorded. For a power cut
//! at any moment, a disk that lost or reordered unsynced changes is built from the record, and the crawl continues on
//! it.
//!
//! The tests check that the queue equals the model after a prefix of the commits which includes all synced ones, that
//! the entries are exactly those of that prefix, and that the continued crawl ends as if there had been no power cut.
//! sled's own files are copied after each of its commits. After a power cut, they are those of the last synced commit
//! or of a later one, as its log guarantees.

mod disk_model;
#[cfg(feature = "shared")]
mod mount;
pub(crate) mod recorder;

use std::fs;
use std::path::{Path, PathBuf};

use frontier::work_queue::{Commit, QueueBounds, Session};
use frontier::{
    DocumentKind, FetchedDocument, Host, NewTask, Outcome, Task, TaskKind, TaskOutcome, Timestamp, WorkQueue,
};
use proptest::prelude::*;
use queue_suite::{HandClock, ModelQueue};
use sitemap::Entry;
use tempfile::TempDir;
use url::Url;

use self::disk_model::{DiskModel, Survival};
use self::recorder::{Change, Recording};
use crate::{
    BatchView, CrawlReader, DataDir, DocumentHead, EntryScope, LocalQueue, LocalWorkQueue, SegmentWriter,
    SledStore, rebuild,
};

const BOUNDS: QueueBounds = QueueBounds { sitemaps_max: u64::MAX, hosts_per_site_max: u64::MAX };

/// A step of a crawl.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Finds a sitemap with this number of entries, and reads it.
    Read(usize),
    /// Finds a sitemap only.
    Find,
    /// Appends entries and ends before the commit. Then another session starts.
    Torn,
    /// Another session starts.
    Restart,
    /// Seals all segments and merges small ones. Then another session starts.
    Seal,
    /// The same, while a sitemap is read.
    SealWhileReading,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_usize..4).prop_map(Step::Read),
        2 => Just(Step::Find),
        1 => Just(Step::Torn),
        1 => Just(Step::Restart),
        2 => Just(Step::Seal),
        1 => Just(Step::SealWhileReading),
    ]
}

fn survival() -> impl Strategy<Value = Survival> {
    prop_oneof![
        1 => Just(Survival::Lost),
        1 => Just(Survival::Kept),
        3 => proptest::collection::vec(any::<u8>(), 1..40).prop_map(Survival::Mixed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_a_power_cut_at_any_moment_a_crawl_continues_and_nothing_is_lost(
        steps in proptest::collection::vec(step(), 1..10),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), survival(), any::<bool>()), 5),
    ) {
        let history = History::of(&steps);
        for (at, survival, is_rebuilt) in cuts {
            history.check(history.first + at.index(history.changes.len() + 1 - history.first), &survival, is_rebuilt);
        }
    }
}

#[test]
fn a_power_cut_at_each_moment_of_sealing_and_merging_loses_nothing() {
    // The last step merges eight segments.
    let history = History::of(&[[Step::Read(2), Step::Seal]; 8].concat());
    let is_merging = |(path, _): &(PathBuf, Change)| path.ends_with("merging");
    let merging = history.changes.iter().position(is_merging).expect("segments are merged");
    for at in merging - 12..=history.changes.len() {
        for survival in [
            Survival::Lost,
            Survival::Kept,
            Survival::Mixed(vec![1, 0, 0, 1, 1]),
            Survival::Mixed(vec![0, 1]),
        ] {
            history.check(at, &survival, false);
        }
    }
}

fn host() -> Host {
    Host::of(&Url::parse("https://a.example/").unwrap()).unwrap()
}

/// A sitemap, identified by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Document {
    number: usize,
    entries: usize,
}

impl Document {
    fn task(self) -> Task {
        Task::new(&host(), host().url(&format!("/sitemap-{}.xml", self.number)), TaskKind::Sitemap)
    }

    fn locs(self) -> impl Iterator<Item = String> {
        (0..self.entries).map(move |n| format!("https://a.example/{}/{n}", self.number))
    }

    fn found(self) -> Commit {
        let found = vec![NewTask { host: host(), task: self.task(), found_on: None }];
        Commit { found, ..Commit::default() }
    }

    fn read(self) -> Commit {
        let fetched = FetchedDocument {
            document: DocumentKind::Urlset,
            entries: self.entries as u64,
            ..FetchedDocument::default()
        };
        let (task, outcome) = (self.task().id, Outcome::Fetched(fetched));
        Commit { outcomes: vec![TaskOutcome::new(task, outcome, 1)], ..Commit::default() }
    }
}

fn head(document: Document) -> DocumentHead {
    let task = document.task();
    let (host, sitemap) = (host().to_string(), task.url);
    DocumentHead { task: task.id, attempt: 1, host, sitemap, fetched_at: Timestamp::default() }
}

/// A session with everything it needs.
struct Work {
    data_dir: DataDir,
    queue: LocalQueue<SledStore>,
    session: Session,
    segments: SegmentWriter,
    seq: u64,
}

impl Work {
    fn begin(root: &Path) -> Self {
        let data_dir = DataDir::open(root, HandClock::at(Timestamp::default()), BOUNDS).unwrap();
        let queue = data_dir.queue();
        let session = queue.open_session_blocking().unwrap();
        let segments = data_dir.segments(session.id);
        Self { data_dir, queue, session, segments, seq: 0 }
    }

    fn commit(&mut self, commit: Commit) -> Commit {
        self.seq += 1;
        let commit = Commit { seq: self.seq, ..commit };
        self.queue.commit_blocking(&self.session, commit.clone()).unwrap();
        commit
    }

    /// Appends the entries of `document` and returns the commit that registers them.
    fn append(&mut self, document: Document) -> Commit {
        let mut rows = self.data_dir.rows(head(document));
        for loc in document.locs() {
            rows.push(&Entry { loc: &loc, ..Entry::default() }, EntryScope::SameHost).unwrap();
        }
        let segment = self.segments.append(vec![rows.finish().unwrap()]).unwrap();
        Commit { segment, ..document.read() }
    }

    fn is_done(&self, document: Document) -> bool {
        block_on(self.queue.are_done(&self.session, &[document.task().id])).unwrap()[0]
    }

    fn seal(&self) {
        self.data_dir.sealer(|_| ()).unwrap().finish().unwrap();
    }
}

/// A commit, or the opening of a session, that the queue has confirmed.
struct Confirmed {
    /// Number of changes to files until then.
    changes: usize,
    /// The commit; `None` if a session was opened.
    commit: Option<Commit>,
    /// The document that it registered.
    document: Option<Document>,
    is_synced: bool,
}

/// A crawl and all its changes to files.
struct History {
    folder: TempDir,
    /// Number of changes until the first session was opened.
    first: usize,
    changes: Vec<(PathBuf, Change)>,
    confirmed: Vec<Confirmed>,
    documents: Vec<Document>,
}

impl History {
    fn of(steps: &[Step]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("crawl");
        let recording = Recording::begin(&root, &folder.path().join("queues"));
        let mut builder = HistoryBuilder { recording, confirmed: Vec::new(), documents: Vec::new() };
        let mut work = builder.begin(&root);
        let first = builder.recording.len();
        for &step in steps {
            work = builder.perform(step, work, &root);
        }
        drop(work);
        let HistoryBuilder { recording, confirmed, documents } = builder;
        Self { folder, first, changes: recording.changes(), confirmed, documents }
    }

    /// Cuts the power after `changes`, and checks the result.
    fn check(&self, changes: usize, survival: &Survival, is_rebuilt: bool) {
        let folder = tempfile::tempdir_in(&self.folder).unwrap();
        let root = folder.path().join("crawl");
        fs::create_dir(&root).unwrap();
        DiskModel::after(&self.changes[..changes]).cut(survival, &root);
        let cut = format!("cut after {:?}, {survival:?}", &self.changes[..changes].last());
        self.check_state(&root, changes, &cut);
        if is_rebuilt {
            rebuild(&root, HandClock::at(Timestamp::default())).unwrap();
        }
        self.check_end(&root, &cut);
    }

    /// Checks that the state is that of a prefix of the commits that includes all synced ones.
    fn check_state(&self, root: &Path, changes: usize, cut: &str) {
        let reader = CrawlReader::open(root).unwrap_or_else(|error| panic!("{cut}: {error}"));
        let sessions = reader.sessions();
        let (session, seq) = (sessions.len(), sessions.last().map_or(0, |last| last.commit_seq));
        let mut sessions_seen = 0;
        let survived = |confirmed: &&Confirmed| {
            sessions_seen += usize::from(confirmed.commit.is_none());
            let confirmed_seq = confirmed.commit.as_ref().map_or(0, |commit| commit.seq);
            (sessions_seen, confirmed_seq) <= (session, seq)
        };
        let prefix = self.confirmed.iter().take_while(survived).count();
        let is_synced = |confirmed: &Confirmed| confirmed.is_synced && confirmed.changes <= changes;
        let synced = self.confirmed.iter().rposition(is_synced).map_or(0, |last| last + 1);
        assert!(prefix >= synced, "{cut}: {prefix} commits survived, but {synced} were synced");

        let model = ModelQueue::new(HandClock::at(Timestamp::default()), BOUNDS);
        block_on(replay(&model, &self.confirmed[..prefix]));
        let hosts: Vec<_> = reader.hosts().map(|host| host.unwrap().1).collect();
        assert_eq!(hosts, model.hosts(), "{cut}");
        let documents = self.confirmed[..prefix].iter().filter_map(|confirmed| confirmed.document);
        assert_eq!(locs(&reader, cut), documents.flat_map(Document::locs).collect::<Vec<_>>(), "{cut}");
    }

    /// Reads the remaining documents, seals everything, and checks the entries.
    fn check_end(&self, root: &Path, cut: &str) {
        let mut expected: Vec<String> = self.documents.iter().copied().flat_map(Document::locs).collect();
        expected.sort();
        let mut work = Work::begin(root);
        for &document in &self.documents {
            if !work.is_done(document) {
                work.commit(document.found());
                let commit = work.append(document);
                work.commit(commit);
            }
        }
        work.seal();
        drop(work);
        let reader = CrawlReader::open(root).unwrap_or_else(|error| panic!("{cut}: {error}"));
        let mut found = locs(&reader, cut);
        found.sort();
        assert_eq!(found, expected, "{cut}: at the end");
    }
}

/// Runs a crawl and records it.
struct HistoryBuilder {
    recording: Recording,
    confirmed: Vec<Confirmed>,
    documents: Vec<Document>,
}

impl HistoryBuilder {
    fn begin(&mut self, root: &Path) -> Work {
        let work = Work::begin(root);
        self.confirm(None, None, true);
        work
    }

    fn perform(&mut self, step: Step, mut work: Work, root: &Path) -> Work {
        match step {
            Step::Read(entries) => {
                let document = self.find(&mut work, entries);
                self.read(&mut work, document);
            }
            Step::Find => {
                self.find(&mut work, 1);
            }
            Step::Torn => {
                let document = self.find(&mut work, 2);
                work.append(document);
            }
            Step::Restart => {}
            Step::Seal => work.seal(),
            Step::SealWhileReading => {
                let sealer = work.data_dir.sealer(|_| ()).unwrap();
                let document = self.find(&mut work, 2);
                self.read(&mut work, document);
                sealer.finish().unwrap();
            }
        }
        if matches!(step, Step::Read(_) | Step::Find) {
            return work;
        }
        drop(work);
        self.begin(root)
    }

    fn find(&mut self, work: &mut Work, entries: usize) -> Document {
        let document = Document { number: self.documents.len(), entries };
        self.documents.push(document);
        let commit = work.commit(document.found());
        self.confirm(Some(commit), None, false);
        document
    }

    fn read(&mut self, work: &mut Work, document: Document) {
        let commit = work.append(document);
        let commit = work.commit(commit);
        let is_synced = commit.segment.is_some();
        self.confirm(Some(commit), Some(document), is_synced);
    }

    fn confirm(&mut self, commit: Option<Commit>, document: Option<Document>, is_synced: bool) {
        self.confirmed.push(Confirmed { changes: self.recording.len(), commit, document, is_synced });
    }
}

async fn replay(model: &ModelQueue, confirmed: &[Confirmed]) {
    let mut session = None;
    for confirmed in confirmed {
        match (&confirmed.commit, &session) {
            (Some(commit), Some(session)) => model.commit(session, commit.clone()).await.unwrap(),
            _ => session = Some(model.open_session("model").await.unwrap()),
        }
    }
}

fn locs(reader: &CrawlReader, cut: &str) -> Vec<String> {
    let mut locs = Vec::new();
    for batch in reader.entries() {
        let batch = batch.unwrap_or_else(|error| panic!("{cut}: {error}"));
        locs.extend(BatchView::new(&batch).unwrap().rows().map(|row| row.entry.loc.to_owned()));
    }
    locs
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
