//! A queue built anew from the segments and the seeds, where the one that was there cannot be trusted.
//!
//! Documents that hold entries are done as soon as they are found whole in a segment; all else (robots.txt, indexes, what
//! failed, what was damaged) is asked again by the next `crawl resume`. Nothing is deleted: what is damaged or not needed
//! any more goes to a folder under `damaged/`. Interrupted at any moment, it can be done again.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontier::work_queue::{Commit, QueueBounds, QueueError, Session};
use frontier::{
    Clock, FetchedDocument, Host, NewTask, Outcome, Task, TaskId, TaskKind, TaskOutcome, Timestamp,
};
use parquet::errors::ParquetError;
use url::Url;

use crate::data_dir::{
    COMMITTED_FILE, Lock, OpenError, QUEUE_DIR, SCRATCH_DIR, SEGMENTS_DIR, SETTINGS_FILE, format, make_dir,
    seeds, settings,
};
use crate::disk::{self, DurableFile, sync_dir};
use crate::recovery;
use crate::sealing::into_io;
use crate::segment::name::SegmentName;
use crate::segment::salvage::salvage;
use crate::segment::sealed::{self, Extent, SealedDocument, SealedReader, SealedWriter};
use crate::segment::{BatchView, ReadError};
use crate::work_queue::sled::witness::Witness;
use crate::work_queue::sled::{SegmentPlace, SegmentRecord, SledQueue};

/// Where things are put aside.
const DAMAGED_DIR: &str = "damaged";

/// The new queue until it is whole.
const NEW_QUEUE_DIR: &str = "queue.new";

/// Documents that become true in one commit.
const COMMIT_DOCUMENTS_MAX: usize = 500;

/// What became of a data directory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rebuilt {
    /// Documents that need not be asked again.
    pub documents: u64,
    /// Their entries.
    pub entries: u64,
    /// Seeds that are known.
    pub seeds: u64,
    /// Seeds whose line is damaged.
    pub seeds_damaged: u64,
    /// Whether what was remembered of the flags is lost.
    pub settings_lost: bool,
    /// Segments of which not everything is whole, by name.
    pub damaged: Vec<String>,
    /// Where everything is that was put aside.
    pub aside: PathBuf,
}

/// Why a queue could not be rebuilt. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The data directory could not be opened or written.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A segment could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Builds the queue of the crawl at `path` anew.
///
/// Takes the lock, whatever else is damaged. Fails with [`OpenError::NotFound`] where there is no crawl.
pub fn rebuild(path: &Path, clock: Arc<dyn Clock>) -> Result<Rebuilt, RebuildError> {
    let is_marked = match format::check(path) {
        Ok(is_marked) => is_marked,
        Err(OpenError::Damaged { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if !is_marked && ![QUEUE_DIR, SEGMENTS_DIR].iter().any(|name| path.join(name).is_dir()) {
        return Err(OpenError::NotFound { path: path.to_owned() }.into());
    }
    let lock = Arc::new(Lock::take(path)?);
    let mut rebuilding = Rebuilding::begin(path)?;
    if !is_marked {
        format::write(path)?;
    }
    rebuilding.gather()?;
    rebuilding.build(lock, clock)?;
    Ok(rebuilding.rebuilt)
}

struct Rebuilding {
    dir: PathBuf,
    rebuilt: Rebuilt,
    seeds: Vec<NewTask>,
    known: HashSet<TaskId>,
    /// The sealed segments by the moment of their first document.
    segments: BTreeMap<(Timestamp, String), Kept>,
}

/// A sealed segment that counts.
struct Kept {
    extent: Extent,
    documents: Vec<Document>,
}

/// A document of a segment, as the queue is told of it.
#[derive(Clone)]
struct Document {
    sealed: SealedDocument,
    host: Host,
    sitemap: String,
    fetched_at: Timestamp,
}

impl Rebuilding {
    /// Puts the queue aside.
    fn begin(dir: &Path) -> Result<Self, RebuildError> {
        let aside =
            (1..).map(|n: u32| dir.join(DAMAGED_DIR).join(n.to_string())).find(|aside| !aside.exists());
        let aside = aside.unwrap_or_else(|| dir.join(DAMAGED_DIR));
        for dir in [&aside.join(SEGMENTS_DIR), &dir.join(SEGMENTS_DIR), &dir.join(SCRATCH_DIR)] {
            make_dir(dir)?;
        }
        recovery::empty(&dir.join(SCRATCH_DIR))?;
        let half_built = dir.join(NEW_QUEUE_DIR);
        if half_built.exists() {
            fs::remove_dir_all(&half_built).map_err(|error| OpenError::io("remove", &half_built, error))?;
        }
        for name in [QUEUE_DIR, COMMITTED_FILE] {
            move_aside(&dir.join(name), &aside.join(name))?;
        }
        let mut rebuilt = Rebuilt { aside, ..Rebuilt::default() };
        if let Err(OpenError::Damaged { path, .. }) = settings::read(dir) {
            rebuilt.settings_lost = true;
            move_aside(&path, &rebuilt.aside.join(SETTINGS_FILE))?;
        }
        let seeds = seeds::read(dir)?;
        rebuilt.seeds = seeds.tasks.len() as u64;
        rebuilt.seeds_damaged = seeds.damaged;
        let (known, segments) = (HashSet::new(), BTreeMap::new());
        Ok(Self { dir: dir.to_owned(), rebuilt, seeds: seeds.tasks, known, segments })
    }

    /// Finds the whole documents of all segments, each once, and has them in sealed segments.
    fn gather(&mut self) -> Result<(), RebuildError> {
        let dir = self.dir.join(SEGMENTS_DIR);
        let listing = fs::read_dir(&dir).map_err(|error| OpenError::io("read", &dir, error))?;
        let (mut sealed, mut open) = (Vec::new(), Vec::new());
        for entry in listing {
            let name = entry.map_err(|error| OpenError::io("read", &dir, error))?.file_name();
            let name = name.to_string_lossy().into_owned();
            match name.parse::<SegmentName>() {
                Ok(SegmentName { sealed: Some(crc32c), .. }) => match documents(&dir.join(&name), crc32c)? {
                    Some(kept) => sealed.push((name, kept)),
                    None => self.put_aside(&name)?,
                },
                Ok(_) => open.push(name),
                Err(_) => self.put_aside(&name)?,
            }
        }
        // What was made of others comes before those others.
        sealed.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.documents.len()));
        for (name, kept) in sealed {
            self.keep_sealed(name, kept)?;
        }
        open.sort_unstable();
        open.into_iter().try_for_each(|name| self.seal(&name))
    }

    /// Takes a sealed segment as it is, or none of it where another one holds its documents. Both hold what was merged, so
    /// one that holds a part of another's does not occur but by hand; its own part is asked again.
    fn keep_sealed(&mut self, name: String, kept: Kept) -> Result<(), RebuildError> {
        if kept.documents.iter().any(|document| self.known.contains(&document.sealed.task)) {
            return self.move_aside(&name);
        }
        self.keep(name, kept);
        Ok(())
    }

    fn keep(&mut self, name: String, kept: Kept) {
        let Some(first) = kept.documents.first() else { return };
        self.known.extend(kept.documents.iter().map(|document| document.sealed.task));
        self.rebuilt.documents += kept.documents.len() as u64;
        self.rebuilt.entries += kept.extent.rows;
        self.segments.insert((first.fetched_at, name), kept);
    }

    /// Seals what is whole and new of an open segment, and puts that aside.
    fn seal(&mut self, name: &str) -> Result<(), RebuildError> {
        let path = self.dir.join(SEGMENTS_DIR).join(name);
        let unfinished = self.dir.join(SCRATCH_DIR).join(name);
        let bytes = fs::read(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
        let refused = |error| OpenError::io("write", &unfinished, error);
        let failed = |error: ParquetError| refused(into_io(error));
        let mut writer =
            SealedWriter::new(DurableFile::create(&unfinished).map_err(refused)?).map_err(failed)?;
        let mut documents: Vec<Document> = Vec::new();
        let mut seen = HashSet::new();
        salvage(&bytes, |head, batches| {
            let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            let sealed = SealedDocument { task: head.task, attempt: head.attempt, rows };
            let document = Document::new(sealed, &head.host, &head.sitemap, head.fetched_at);
            let is_new = !self.known.contains(&head.task) && seen.insert(head.task);
            if let Some(document) = document.filter(|_| is_new) {
                batches.iter().try_for_each(|batch| writer.write(batch)).map_err(failed)?;
                writer.document(sealed);
                documents.push(document);
            }
            Ok::<(), OpenError>(())
        })?;
        let extent = writer.finish().map_err(failed)?;
        if !documents.is_empty() {
            let parsed = name.parse::<SegmentName>().ok();
            let sealed = parsed.map(|name| SegmentName { sealed: Some(extent.crc32c), ..name }.to_string());
            let sealed = sealed.unwrap_or_else(|| name.to_owned());
            let to = self.dir.join(SEGMENTS_DIR).join(&sealed);
            disk::rename(&unfinished, &to).map_err(|error| OpenError::io("create", &to, error))?;
            self.keep(sealed, Kept { extent, documents });
        } else {
            disk::remove(&unfinished).map_err(refused)?;
        }
        self.sync_segments()?;
        self.move_aside(name)
    }

    fn sync_segments(&self) -> Result<(), OpenError> {
        let dir = self.dir.join(SEGMENTS_DIR);
        sync_dir(&dir).map_err(|error| OpenError::io("sync", &dir, error))
    }

    fn put_aside(&mut self, name: &str) -> Result<(), RebuildError> {
        self.rebuilt.damaged.push(name.to_owned());
        self.move_aside(name)
    }

    fn move_aside(&self, name: &str) -> Result<(), RebuildError> {
        let (from, to) = (self.dir.join(SEGMENTS_DIR), self.rebuilt.aside.join(SEGMENTS_DIR));
        Ok(move_aside(&from.join(name), &to.join(name))?)
    }

    /// Builds the queue beside its place, and brings it there when it is whole.
    fn build(&mut self, lock: Arc<Lock>, clock: Arc<dyn Clock>) -> Result<(), RebuildError> {
        let new = self.dir.join(NEW_QUEUE_DIR);
        let witness = Witness::at(self.dir.join(COMMITTED_FILE));
        let bounds = QueueBounds { sitemaps_max: u64::MAX };
        let (queue, _) = SledQueue::open(&new, &witness, lock, clock, bounds)?;
        let mut commits = Commits { session: queue.open_session_blocking()?, queue, seq: 0 };
        commits.make(Commit { found: std::mem::take(&mut self.seeds), ..Commit::default() })?;
        let mut records = Vec::new();
        for (seq, ((_, name), kept)) in (0..).zip(std::mem::take(&mut self.segments)) {
            for documents in kept.documents.chunks(COMMIT_DOCUMENTS_MAX) {
                commits.make(Commit {
                    found: documents.iter().map(Document::found).collect(),
                    ..Commit::default()
                })?;
                commits.make(Commit {
                    outcomes: documents.iter().map(Document::outcome).collect(),
                    ..Commit::default()
                })?;
            }
            let place = SegmentPlace { session: commits.session.number, seq };
            let Extent { bytes, rows, crc32c } = kept.extent;
            records.push(SegmentRecord { name, bytes, rows, crc32c, first: place, last: place });
        }
        commits.queue.adopt_segments_blocking(records)?;
        // Closes it.
        drop(commits);
        let place = self.dir.join(QUEUE_DIR);
        let moved = fs::rename(&new, &place).and_then(|()| sync_dir(&self.dir));
        Ok(moved.map_err(|error| OpenError::io("create", &place, error))?)
    }
}

/// One commit after the other.
struct Commits {
    queue: SledQueue,
    session: Session,
    seq: u64,
}

impl Commits {
    fn make(&mut self, commit: Commit) -> Result<(), QueueError> {
        self.seq += 1;
        self.queue.commit_blocking(&self.session, Commit { seq: self.seq, ..commit })
    }
}

impl Document {
    /// `None` for an origin that is none, or another's.
    fn new(sealed: SealedDocument, origin: &str, sitemap: &str, fetched_at: Timestamp) -> Option<Self> {
        let host = Host::of(&Url::parse(origin).ok()?)?;
        let is_its = host.id() == sealed.task.host;
        is_its.then(|| Self { sealed, host, sitemap: sitemap.to_owned(), fetched_at })
    }

    /// The task as if a document of its host had named it. Where it was redirected, the URL is the one that it led to.
    fn found(&self) -> NewTask {
        let task =
            Task { id: self.sealed.task, ..Task::new(&self.host, self.sitemap.as_str(), TaskKind::Sitemap) };
        NewTask { host: self.host.clone(), task, found_on: Some(self.host.id()) }
    }

    fn outcome(&self) -> TaskOutcome {
        let SealedDocument { task, attempt, rows } = self.sealed;
        let fetched =
            FetchedDocument { document: "urlset".into(), entries: rows, ..FetchedDocument::default() };
        let final_url = TaskId::of(self.host.id(), &self.sitemap);
        TaskOutcome {
            task,
            outcome: Outcome::Fetched(fetched),
            attempts: attempt,
            read_as: Some(final_url).filter(|url| *url != task),
            refused: BTreeMap::new(),
        }
    }
}

/// The documents of the sealed segment at `path`; `None` if it is not whole.
fn documents(path: &Path, crc32c: u32) -> Result<Option<Kept>, RebuildError> {
    let io = |source| ReadError::Io { path: path.to_owned(), source };
    let (bytes, found) = sealed::checksum(path).map_err(io)?;
    if found != crc32c {
        return Ok(None);
    }
    let Ok(reader) = SealedReader::open(File::open(path).map_err(io)?) else { return Ok(None) };
    let mut begins = Vec::new();
    let mut rows = 0;
    for document in &reader.documents {
        begins.push((rows, *document));
        rows += document.rows;
    }
    let (mut documents, mut at, mut next) = (Vec::new(), 0, begins.into_iter().peekable());
    for batch in reader {
        let Ok(batch) = batch else { return Ok(None) };
        let Ok(view) = BatchView::new(&batch) else { return Ok(None) };
        let end = at + view.len() as u64;
        while let Some((begin, document)) = next.next_if(|(begin, _)| *begin < end) {
            let Ok(row) = usize::try_from(begin - at) else { return Ok(None) };
            let row = view.row(row);
            let Some(document) = Document::new(document, row.host, row.sitemap, row.fetched_at) else {
                return Ok(None);
            };
            documents.push(document);
        }
        at = end;
    }
    let is_whole = at == rows && next.peek().is_none();
    Ok(is_whole.then_some(Kept { extent: Extent { bytes, crc32c, rows }, documents }))
}

/// Moves something, if it is there.
fn move_aside(from: &Path, to: &Path) -> Result<(), OpenError> {
    match disk::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::io("put aside", from, error)),
        _ => Ok(()),
    }
}
