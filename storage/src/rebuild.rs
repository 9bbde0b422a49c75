//! Builds a new queue from the segments and the seeds, in place of one that cannot be trusted.
//!
//! A document with entries counts as done if it is whole in a segment. The next `crawl resume` requests everything
//! else again: robots.txt, indexes, failures and damaged documents. Nothing is deleted: damaged files, and files that
//! are no longer needed, are moved to a folder under `damaged/`. A rebuild that was interrupted at any moment can be
//! repeated.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontier::work_queue::{Commit, QueueBounds, QueueError, Session};
use frontier::{
    Clock, DocumentKind, FetchedDocument, Host, NewTask, Outcome, Task, TaskId, TaskKind, TaskOutcome,
    Timestamp,
};
use parquet::errors::ParquetError;
use url::Url;

use crate::data_dir::error::OpenError;
use crate::data_dir::layout::{COMMITTED_FILE, QUEUE_DIR, SCRATCH_DIR, SEGMENTS_DIR, SETTINGS_FILE};
use crate::data_dir::lock::Lock;
use crate::data_dir::{create_dir, format, seeds, settings};
use crate::disk::{self, DurableFile, sync_dir};
use crate::recovery;
use crate::sealing::into_io;
use crate::segment::batch_view::BatchView;
use crate::segment::error::ReadError;
use crate::segment::name::SegmentName;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::segment::salvage::salvage;
use crate::segment::sealed::{self, Extent, SealedDocument, SealedReader, SealedWriter};
use crate::work_queue::local::committed::CommittedFile;
use crate::work_queue::local::{LocalQueue, LocalWorkQueue};

/// Folder that damaged and superseded files are moved to.
const DAMAGED_DIR: &str = "damaged";

/// Folder of the new queue until it is complete.
const NEW_QUEUE_DIR: &str = "queue.new";

/// Number of documents in one commit.
const COMMIT_DOCUMENTS_MAX: usize = 500;

/// The result of a rebuild.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rebuilt {
    /// Number of documents that need not be requested again.
    pub documents: u64,
    /// Number of their entries.
    pub entries: u64,
    /// Number of readable seeds.
    pub seeds: u64,
    /// Number of damaged lines in the file of seeds.
    pub seeds_damaged: u64,
    /// Whether the stored flags are lost.
    pub settings_lost: bool,
    /// Names of the damaged sealed segments and of files that are not segments.
    pub damaged: Vec<String>,
    /// The folder that files were moved to.
    pub aside: PathBuf,
}

/// Why a queue could not be rebuilt. The rebuild can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The data directory could not be read or written.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A segment could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Rebuilds the queue of the crawl at `path`.
///
/// Locks the data directory, even if its other files are damaged. Fails with [`OpenError::NotFound`] if there is no
/// crawl.
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
    /// The sealed segments, by the time of their first document and by name.
    segments: BTreeMap<(Timestamp, String), WholeSegment>,
}

/// A sealed segment that is whole.
struct WholeSegment {
    extent: Extent,
    documents: Vec<Document>,
}

/// A document of a segment, as it is added to the queue.
#[derive(Clone)]
struct Document {
    sealed: SealedDocument,
    host: Host,
    sitemap: String,
    fetched_at: Timestamp,
}

impl Rebuilding {
    /// Moves the old queue aside.
    fn begin(dir: &Path) -> Result<Self, RebuildError> {
        let aside =
            (1..).map(|n: u32| dir.join(DAMAGED_DIR).join(n.to_string())).find(|aside| !aside.exists());
        let aside = aside.unwrap_or_else(|| dir.join(DAMAGED_DIR));
        for dir in [&aside.join(SEGMENTS_DIR), &dir.join(SEGMENTS_DIR), &dir.join(SCRATCH_DIR)] {
            create_dir(dir)?;
        }
        recovery::remove_temporary(&dir.join(SCRATCH_DIR))?;
        // An interrupted rebuild leaves this folder.
        let unfinished = dir.join(NEW_QUEUE_DIR);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(|error| OpenError::io("remove", &unfinished, error))?;
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

    /// Finds the whole documents of all segments and keeps each of them once, in a sealed segment.
    fn gather(&mut self) -> Result<(), RebuildError> {
        let dir = self.dir.join(SEGMENTS_DIR);
        let listing = fs::read_dir(&dir).map_err(|error| OpenError::io("read", &dir, error))?;
        let (mut sealed, mut open) = (Vec::new(), Vec::new());
        for entry in listing {
            let name = entry.map_err(|error| OpenError::io("read", &dir, error))?.file_name();
            let name = name.to_string_lossy().into_owned();
            match name.parse::<SegmentName>() {
                Ok(SegmentName { sealed: Some(crc32c), .. }) => {
                    match read_sealed(&dir.join(&name), crc32c)? {
                        Some(segment) => sealed.push((name, segment)),
                        None => self.move_aside_damaged(&name)?,
                    }
                }
                Ok(_) => open.push(name),
                Err(_) => self.move_aside_damaged(&name)?,
            }
        }
        // The result of a merge comes before its sources, which have fewer documents.
        sealed.sort_by_key(|(_, segment)| std::cmp::Reverse(segment.documents.len()));
        for (name, segment) in sealed {
            self.keep_sealed(name, segment)?;
        }
        open.sort_unstable();
        open.into_iter().try_for_each(|name| self.seal(&name))
    }

    /// Keeps a sealed segment, or moves it aside if another one contains any of its documents. The result of a merge
    /// contains all documents of its sources. A partial overlap occurs only if somebody copies files; then the
    /// documents that are not in the other segment are requested again.
    fn keep_sealed(&mut self, name: String, segment: WholeSegment) -> Result<(), RebuildError> {
        if segment.documents.iter().any(|document| self.known.contains(&document.sealed.task)) {
            return self.move_aside(&name);
        }
        self.keep(name, segment);
        Ok(())
    }

    fn keep(&mut self, name: String, segment: WholeSegment) {
        let Some(first) = segment.documents.first() else { return };
        self.known.extend(segment.documents.iter().map(|document| document.sealed.task));
        self.rebuilt.documents += segment.documents.len() as u64;
        self.rebuilt.entries += segment.extent.rows;
        self.segments.insert((first.fetched_at, name), segment);
    }

    /// Seals the documents of an open segment that are whole and not known yet, and moves the open segment aside.
    fn seal(&mut self, name: &str) -> Result<(), RebuildError> {
        let path = self.dir.join(SEGMENTS_DIR).join(name);
        let unfinished = self.dir.join(SCRATCH_DIR).join(name);
        let bytes = fs::read(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
        let io = |error| OpenError::io("write", &unfinished, error);
        let parquet = |error: ParquetError| io(into_io(error));
        let mut writer = SealedWriter::new(DurableFile::create(&unfinished).map_err(io)?).map_err(parquet)?;
        let mut documents: Vec<Document> = Vec::new();
        let mut seen = HashSet::new();
        salvage(&bytes, |head, batches| {
            let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            let sealed = SealedDocument { task: head.task, attempt: head.attempt, rows };
            let document = Document::new(sealed, &head.host, &head.sitemap, head.fetched_at);
            let is_new = !self.known.contains(&head.task) && seen.insert(head.task);
            if let Some(document) = document.filter(|_| is_new) {
                batches.iter().try_for_each(|batch| writer.write(batch)).map_err(parquet)?;
                writer.add_document(sealed);
                documents.push(document);
            }
            Ok::<(), OpenError>(())
        })?;
        let extent = writer.finish().map_err(parquet)?;
        if !documents.is_empty() {
            let parsed = name.parse::<SegmentName>().ok();
            let sealed = parsed.map(|name| SegmentName { sealed: Some(extent.crc32c), ..name }.to_string());
            let sealed = sealed.unwrap_or_else(|| name.to_owned());
            let to = self.dir.join(SEGMENTS_DIR).join(&sealed);
            disk::rename(&unfinished, &to).map_err(|error| OpenError::io("create", &to, error))?;
            self.keep(sealed, WholeSegment { extent, documents });
        } else {
            disk::remove(&unfinished).map_err(io)?;
        }
        self.sync_segments()?;
        self.move_aside(name)
    }

    fn sync_segments(&self) -> Result<(), OpenError> {
        let dir = self.dir.join(SEGMENTS_DIR);
        sync_dir(&dir).map_err(|error| OpenError::io("sync", &dir, error))
    }

    fn move_aside_damaged(&mut self, name: &str) -> Result<(), RebuildError> {
        self.rebuilt.damaged.push(name.to_owned());
        self.move_aside(name)
    }

    fn move_aside(&self, name: &str) -> Result<(), RebuildError> {
        let (from, to) = (self.dir.join(SEGMENTS_DIR), self.rebuilt.aside.join(SEGMENTS_DIR));
        Ok(move_aside(&from.join(name), &to.join(name))?)
    }

    /// Builds the new queue in its own folder, and renames the folder when the queue is complete.
    fn build(&mut self, lock: Arc<Lock>, clock: Arc<dyn Clock>) -> Result<(), RebuildError> {
        let new = self.dir.join(NEW_QUEUE_DIR);
        let committed = CommittedFile::at(self.dir.join(COMMITTED_FILE));
        let bounds = QueueBounds { sitemaps_max: u64::MAX };
        let (queue, _) = LocalQueue::open(&new, &committed, lock, clock, bounds)?;
        let mut commits = Commits { session: queue.open_session_blocking()?, queue, seq: 0 };
        commits.make(Commit { found: std::mem::take(&mut self.seeds), ..Commit::default() })?;
        let mut records = Vec::new();
        for (seq, ((_, name), segment)) in (0..).zip(std::mem::take(&mut self.segments)) {
            for documents in segment.documents.chunks(COMMIT_DOCUMENTS_MAX) {
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
            let Extent { bytes, rows, crc32c } = segment.extent;
            records.push(SegmentRecord { name, bytes, rows, crc32c, first: place, last: place });
        }
        commits.queue.adopt_segments(records)?;
        // Closes the queue.
        drop(commits);
        let path = self.dir.join(QUEUE_DIR);
        let moved = fs::rename(&new, &path).and_then(|()| sync_dir(&self.dir));
        Ok(moved.map_err(|error| OpenError::io("create", &path, error))?)
    }
}

/// Numbers the commits of the rebuild.
struct Commits<Q> {
    queue: Q,
    session: Session,
    seq: u64,
}

impl<Q: LocalWorkQueue> Commits<Q> {
    fn make(&mut self, commit: Commit) -> Result<(), QueueError> {
        self.seq += 1;
        self.queue.commit_blocking(&self.session, Commit { seq: self.seq, ..commit })
    }
}

impl Document {
    /// `None` if `origin` is invalid or is not the host of the task.
    fn new(sealed: SealedDocument, origin: &str, sitemap: &str, fetched_at: Timestamp) -> Option<Self> {
        let host = Host::of(&Url::parse(origin).ok()?)?;
        let is_own = host.id() == sealed.task.host;
        is_own.then(|| Self { sealed, host, sitemap: sitemap.to_owned(), fetched_at })
    }

    /// The task, as if a document of its host had named it. After a redirect, the URL is the final one.
    fn found(&self) -> NewTask {
        let task =
            Task { id: self.sealed.task, ..Task::new(&self.host, self.sitemap.as_str(), TaskKind::Sitemap) };
        NewTask { host: self.host.clone(), task, found_on: Some(self.host.id()) }
    }

    fn outcome(&self) -> TaskOutcome {
        let SealedDocument { task, attempt, rows } = self.sealed;
        let fetched =
            FetchedDocument { document: DocumentKind::Urlset, entries: rows, ..FetchedDocument::default() };
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

/// Reads the documents of the sealed segment at `path`; `None` if it is not whole.
fn read_sealed(path: &Path, crc32c: u32) -> Result<Option<WholeSegment>, RebuildError> {
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
    Ok(is_whole.then_some(WholeSegment { extent: Extent { bytes, crc32c, rows }, documents }))
}

/// Moves a file or folder, if it exists.
fn move_aside(from: &Path, to: &Path) -> Result<(), OpenError> {
    match disk::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::io("move", from, error)),
        _ => Ok(()),
    }
}
