//! Power cuts: the real code works on a real folder, and what it does to files is recorded. For a cut at any moment, a disk
//! that lost or reordered what was not synced is made from the record, and the crawl goes on there.
//!
//! What must hold: the queue is as the model is after some of the first commits, all synced ones among them; the entries are
//! exactly those of these commits; and the crawl, gone on with, ends as if nothing had happened. sled's own files are
//! taken as they were after one of its commits, the last synced one or a later one: that is what its log gives back.

mod disk_model;
pub(crate) mod recorder;

use std::fs;
use std::path::{Path, PathBuf};

use frontier::work_queue::suite::HandClock;
use frontier::work_queue::{Commit, ModelQueue, QueueBounds, Session};
use frontier::{FetchedDocument, Host, NewTask, Outcome, Task, TaskKind, TaskOutcome, Timestamp, WorkQueue};
use proptest::prelude::*;
use sitemap::Entry;
use tempfile::TempDir;
use url::Url;

use self::disk_model::{DiskModel, Survival};
use self::recorder::{Change, Recording};
use crate::{BatchView, CrawlReader, DataDir, DocumentHead, EntryScope, SegmentWriter, SledQueue, rebuild};

const BOUNDS: QueueBounds = QueueBounds { sitemaps_max: u64::MAX };

/// What a crawl does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Finds a sitemap, and reads it with so many entries.
    Read(usize),
    /// Finds a sitemap only.
    Find,
    /// Appends entries, and ends before the commit; another session begins.
    Torn,
    /// Another session begins.
    Restart,
    /// All segments are sealed, and merged where there are many; another session begins.
    Seal,
    /// The same beside the reading of a sitemap.
    SealBeside,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_usize..4).prop_map(Step::Read),
        2 => Just(Step::Find),
        1 => Just(Step::Torn),
        1 => Just(Step::Restart),
        2 => Just(Step::Seal),
        1 => Just(Step::SealBeside),
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
    fn after_a_power_cut_at_any_moment_a_crawl_goes_on_and_nothing_is_lost(
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
    // The last sealing merges the eight.
    let history = History::of(&[[Step::Read(2), Step::Seal]; 8].concat());
    let is_merging = |(path, _): &(PathBuf, Change)| path.ends_with("merging");
    let begin = history.changes.iter().position(is_merging).expect("something is merged");
    for at in begin - 12..=history.changes.len() {
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

/// The sitemap of that number, with its entries.
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
            document: "urlset".into(),
            entries: self.entries as u64,
            ..FetchedDocument::default()
        };
        let (task, outcome) = (self.task().id, Outcome::Fetched(fetched));
        let outcome = TaskOutcome { task, outcome, attempts: 1, read_as: None, refused: Default::default() };
        Commit { outcomes: vec![outcome], ..Commit::default() }
    }
}

/// A session at work.
struct Work {
    data_dir: DataDir,
    queue: SledQueue,
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

    /// The commit that makes `document` true, its entries appended.
    fn append(&mut self, document: Document) -> Commit {
        let task = document.task();
        let (host, sitemap) = (host().to_string(), task.url);
        let fetched_at = Timestamp::default();
        let head = DocumentHead { task: task.id, attempt: 1, host, sitemap, fetched_at };
        let mut rows = self.data_dir.rows(head);
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
        self.data_dir.sealer().unwrap().finish().unwrap();
    }
}

/// What became true in the queue, one after the other.
struct Truth {
    /// Changes to files before it was answered.
    changes: usize,
    /// `None`: a session was opened.
    commit: Option<Commit>,
    /// What was read.
    document: Option<Document>,
    is_synced: bool,
}

/// A crawl, and all that it did to files.
struct History {
    folder: TempDir,
    /// Changes until the first session was open.
    first: usize,
    changes: Vec<(PathBuf, Change)>,
    truths: Vec<Truth>,
    documents: Vec<Document>,
}

impl History {
    fn of(steps: &[Step]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("crawl");
        let recording = Recording::begin(&root, &folder.path().join("queues"));
        let mut making = Making { recording, truths: Vec::new(), documents: Vec::new() };
        let mut work = making.begin(&root);
        let first = making.recording.len();
        for &step in steps {
            work = making.perform(step, work, &root);
        }
        drop(work);
        let Making { recording, truths, documents } = making;
        Self { folder, first, changes: recording.changes(), truths, documents }
    }

    /// Cuts the power after so many changes.
    fn check(&self, changes: usize, survival: &Survival, is_rebuilt: bool) {
        let folder = tempfile::tempdir_in(&self.folder).unwrap();
        let root = folder.path().join("crawl");
        fs::create_dir(&root).unwrap();
        DiskModel::after(&self.changes[..changes]).cut(survival, &root);
        let what = format!("cut after {:?}, {survival:?}", &self.changes[..changes].last());
        self.check_state(&root, changes, &what);
        if is_rebuilt {
            rebuild(&root, HandClock::at(Timestamp::default())).unwrap();
        }
        self.go_on(&root, &what);
    }

    /// The state is that of a prefix, and all that was synced is in it.
    fn check_state(&self, root: &Path, changes: usize, what: &str) {
        let reader = CrawlReader::open(root).unwrap_or_else(|error| panic!("{what}: {error}"));
        let sessions = reader.sessions();
        let (session, seq) = (sessions.len(), sessions.last().map_or(0, |last| last.commit_seq));
        let mut sessions_seen = 0;
        let is_in = |truth: &&Truth| {
            sessions_seen += usize::from(truth.commit.is_none());
            let truth_seq = truth.commit.as_ref().map_or(0, |commit| commit.seq);
            (sessions_seen, truth_seq) <= (session, seq)
        };
        let prefix = self.truths.iter().take_while(is_in).count();
        let is_certain = |truth: &Truth| truth.is_synced && truth.changes <= changes;
        let certain = self.truths.iter().rposition(is_certain).map_or(0, |last| last + 1);
        assert!(prefix >= certain, "{what}: {prefix} commits are left of {certain} that were synced");

        let model = ModelQueue::new(HandClock::at(Timestamp::default()), BOUNDS);
        block_on(replay(&model, &self.truths[..prefix]));
        let hosts: Vec<_> = reader.hosts().map(|host| host.unwrap().1).collect();
        assert_eq!(hosts, model.hosts(), "{what}");
        let documents = self.truths[..prefix].iter().filter_map(|truth| truth.document);
        assert_eq!(locs(&reader, what), documents.flat_map(Document::locs).collect::<Vec<_>>(), "{what}");
    }

    /// Reads all that is not read, and seals it.
    fn go_on(&self, root: &Path, what: &str) {
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
        let reader = CrawlReader::open(root).unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut found = locs(&reader, what);
        found.sort();
        assert_eq!(found, expected, "{what}: in the end");
    }
}

/// A history that is being made.
struct Making {
    recording: Recording,
    truths: Vec<Truth>,
    documents: Vec<Document>,
}

impl Making {
    fn begin(&mut self, root: &Path) -> Work {
        let work = Work::begin(root);
        self.is_true(None, None, true);
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
            Step::SealBeside => {
                let sealer = work.data_dir.sealer().unwrap();
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
        self.is_true(Some(commit), None, false);
        document
    }

    fn read(&mut self, work: &mut Work, document: Document) {
        let commit = work.append(document);
        let commit = work.commit(commit);
        let is_synced = commit.segment.is_some();
        self.is_true(Some(commit), Some(document), is_synced);
    }

    fn is_true(&mut self, commit: Option<Commit>, document: Option<Document>, is_synced: bool) {
        self.truths.push(Truth { changes: self.recording.len(), commit, document, is_synced });
    }
}

async fn replay(model: &ModelQueue, truths: &[Truth]) {
    let mut session = None;
    for truth in truths {
        match (&truth.commit, &session) {
            (Some(commit), Some(session)) => model.commit(session, commit.clone()).await.unwrap(),
            _ => session = Some(model.open_session("model").await.unwrap()),
        }
    }
}

fn locs(reader: &CrawlReader, what: &str) -> Vec<String> {
    let mut locs = Vec::new();
    for batch in reader.entries() {
        let batch = batch.unwrap_or_else(|error| panic!("{what}: {error}"));
        locs.extend(BatchView::new(&batch).unwrap().rows().map(|row| row.entry.loc.to_owned()));
    }
    locs
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
