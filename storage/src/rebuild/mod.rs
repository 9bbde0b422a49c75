//! Builds a new queue from the segments and the seeds, in place of one that cannot be trusted.
//!
//! A document with entries counts as done if it is whole in a segment. The next `crawl resume` requests everything
//! else again: robots.txt, indexes, failures and damaged documents. Nothing is deleted: damaged files, and files that
//! are no longer needed, are moved to a folder under `damaged/`. A rebuild that was interrupted at any moment can be
//! repeated.

mod documents;
mod new_queue;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontier::work_queue::QueueError;
use frontier::{Clock, TaskId, Timestamp};
use parquet::errors::ParquetError;

use self::documents::{Document, WholeSegment};
use self::new_queue::{COMMIT_TASKS_MAX, NewQueue};
use crate::data_dir::error::OpenError;
use crate::data_dir::layout::{
    COMMITTED_FILE, QUEUE_DIR, SCRATCH_DIR, SEEDS_FILE, SEGMENTS_DIR, SETTINGS_FILE,
};
use crate::data_dir::lock::Lock;
use crate::data_dir::rights::refuse_unreadable;
use crate::data_dir::{create_dir, format, seeds, settings};
use crate::disk::{self, DurableFile, sync_dir};
use crate::recovery;
use crate::sealing::{SEALING_FILE, into_io};
use crate::segment::error::ReadError;
use crate::segment::name::SegmentName;
use crate::segment::salvage::salvage;
use crate::segment::sealed::{Extent, SealedDocument, SealedWriter};

/// Folder that damaged and superseded files are moved to.
const DAMAGED_DIR: &str = "damaged";

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

/// Rebuilds the queue of the crawl at `path`. Keeps no seed and no document in memory.
///
/// Locks the data directory, even if its other files are damaged. Fails with [`OpenError::NotFound`] if there is no
/// crawl. Fails before anything is changed if this user may not read one of the files: they need not be damaged.
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
    for name in [SETTINGS_FILE, SEEDS_FILE, COMMITTED_FILE, QUEUE_DIR, SEGMENTS_DIR] {
        refuse_unreadable(&path.join(name))?;
    }
    let mut rebuilding = Rebuilding::begin(path)?;
    if !is_marked {
        format::write(path)?;
    }
    // The open segments are sealed before there is a queue, because both need much memory.
    let segments = rebuilding.gather()?;
    let mut queue = NewQueue::create(path, lock, clock)?;
    rebuilding.add_seeds(&mut queue)?;
    let kept = rebuilding.add_segments(&mut queue, segments)?;
    queue.finish(path, kept.into_iter().map(|((_, name), extent)| (name, extent)))?;
    Ok(rebuilding.rebuilt)
}

/// The sealed segments that are whole, by name.
type WholeSegments = BTreeMap<String, WholeSegment>;

/// The sealed segments that are kept, by the time of their first document and by name.
type KeptSegments = BTreeMap<(Timestamp, String), Extent>;

struct Rebuilding {
    dir: PathBuf,
    rebuilt: Rebuilt,
}

impl Rebuilding {
    /// Moves the old queue aside.
    fn begin(dir: &Path) -> Result<Self, RebuildError> {
        let damaged_settings = match settings::read(dir) {
            Err(OpenError::Damaged { path, .. }) => Some(path),
            other => other.map(|_| None)?,
        };
        let aside =
            (1..).map(|n: u32| dir.join(DAMAGED_DIR).join(n.to_string())).find(|aside| !aside.exists());
        let aside = aside.unwrap_or_else(|| dir.join(DAMAGED_DIR));
        for dir in [&aside.join(SEGMENTS_DIR), &dir.join(SEGMENTS_DIR), &dir.join(SCRATCH_DIR)] {
            create_dir(dir)?;
        }
        recovery::remove_temporary(&dir.join(SCRATCH_DIR))?;
        NewQueue::remove_unfinished(dir)?;
        for name in [QUEUE_DIR, COMMITTED_FILE] {
            move_aside(&dir.join(name), &aside.join(name))?;
        }
        if let Some(path) = &damaged_settings {
            move_aside(path, &aside.join(SETTINGS_FILE))?;
        }
        let rebuilt = Rebuilt { aside, settings_lost: damaged_settings.is_some(), ..Rebuilt::default() };
        Ok(Self { dir: dir.to_owned(), rebuilt })
    }

    fn add_seeds(&mut self, queue: &mut NewQueue) -> Result<(), RebuildError> {
        let mut tasks = Vec::with_capacity(COMMIT_TASKS_MAX);
        for seed in seeds::lines(&self.dir)? {
            let Some(seed) = seed? else {
                self.rebuilt.seeds_damaged += 1;
                continue;
            };
            self.rebuilt.seeds += 1;
            tasks.push(seed);
            if tasks.len() == COMMIT_TASKS_MAX {
                queue.add_tasks(&mut tasks)?;
            }
        }
        Ok(queue.add_tasks(&mut tasks)?)
    }

    /// Finds the segments that are whole. Seals what is whole of the open ones.
    fn gather(&mut self) -> Result<WholeSegments, RebuildError> {
        let dir = self.dir.join(SEGMENTS_DIR);
        let listing = fs::read_dir(&dir).map_err(|error| OpenError::io("read", &dir, error))?;
        let (mut whole, mut open) = (WholeSegments::new(), Vec::new());
        for entry in listing {
            let name = entry.map_err(|error| OpenError::io("read", &dir, error))?.file_name();
            let name = name.to_string_lossy().into_owned();
            match name.parse::<SegmentName>() {
                Ok(SegmentName { sealed: Some(crc32c), .. }) => {
                    match documents::check(&dir.join(&name), crc32c)? {
                        Some(segment) => drop(whole.insert(name, segment)),
                        None => self.move_aside_damaged(&name)?,
                    }
                }
                Ok(parsed) => open.push((name, parsed)),
                Err(_) => self.move_aside_damaged(&name)?,
            }
        }
        open.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut seen = HashSet::new();
        for (name, parsed) in open {
            whole.extend(self.seal(&name, parsed, &mut seen)?);
        }
        Ok(whole)
    }

    /// Seals the documents of an open segment that are whole and not seen yet, and moves the open segment aside.
    fn seal(
        &self,
        name: &str,
        parsed: SegmentName,
        seen: &mut HashSet<TaskId>,
    ) -> Result<Option<(String, WholeSegment)>, RebuildError> {
        let unfinished = self.dir.join(SCRATCH_DIR).join(SEALING_FILE);
        let sealed = self.write_sealed(name, &unfinished, seen)?.map(|segment| {
            let name = SegmentName { sealed: Some(segment.extent.crc32c), ..parsed };
            (name.to_string(), segment)
        });
        match &sealed {
            Some((sealed, _)) => {
                let to = self.segment_path(sealed);
                disk::rename(&unfinished, &to).map_err(|error| OpenError::io("create", &to, error))?;
            }
            None => disk::remove(&unfinished).map_err(|error| OpenError::io("remove", &unfinished, error))?,
        }
        self.sync_segments()?;
        self.move_aside(name)?;
        Ok(sealed)
    }

    /// Writes the documents of the open segment `name` that are whole and not seen yet to a new file. Returns `None` if
    /// there are none.
    fn write_sealed(
        &self,
        name: &str,
        unfinished: &Path,
        seen: &mut HashSet<TaskId>,
    ) -> Result<Option<WholeSegment>, RebuildError> {
        let path = self.segment_path(name);
        let bytes = fs::read(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
        let io = |error| OpenError::io("write", unfinished, error);
        let parquet = |error: ParquetError| io(into_io(error));
        let mut writer = SealedWriter::new(DurableFile::create(unfinished).map_err(io)?).map_err(parquet)?;
        let (mut documents, mut first_at) = (0, None);
        salvage(&bytes, |head, batches| {
            let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            let sealed = SealedDocument { task: head.task, attempt: head.attempt, rows };
            let document = Document::new(sealed, &head.host, &head.sitemap, head.fetched_at);
            if let Some(document) = document.filter(|_| seen.insert(head.task)) {
                batches.iter().try_for_each(|batch| writer.write(batch)).map_err(parquet)?;
                writer.add_document(sealed);
                documents += 1;
                first_at.get_or_insert(document.fetched_at);
            }
            Ok::<(), OpenError>(())
        })?;
        let extent = writer.finish().map_err(parquet)?;
        Ok(first_at.map(|first_at| WholeSegment { extent, documents, first_at }))
    }

    /// Keeps each document once, in one of the segments: a segment of which another one has any document is moved aside.
    /// The result of a sealing or a merge has all documents of its sources. A partial overlap occurs only if somebody
    /// copies files; then the documents that are not in the other segment are requested again.
    fn add_segments(
        &mut self,
        queue: &mut NewQueue,
        segments: WholeSegments,
    ) -> Result<KeptSegments, RebuildError> {
        let mut segments: Vec<(String, WholeSegment)> = segments.into_iter().collect();
        // The result of a merge comes before its sources, which have fewer documents.
        segments.sort_by_key(|(_, segment)| std::cmp::Reverse(segment.documents));
        let mut kept = KeptSegments::new();
        for (name, segment) in segments {
            let tasks = documents::tasks(&self.segment_path(&name))?;
            if queue.have_any(&tasks)? {
                self.move_aside(&name)?;
                continue;
            }
            drop(tasks);
            self.add_segment(queue, &name, &segment)?;
            kept.insert((segment.first_at, name), segment.extent);
        }
        Ok(kept)
    }

    /// Adds the documents of a sealed segment to the queue.
    fn add_segment(
        &mut self,
        queue: &mut NewQueue,
        name: &str,
        segment: &WholeSegment,
    ) -> Result<(), RebuildError> {
        let path = self.segment_path(name);
        let mut documents = Vec::with_capacity(COMMIT_TASKS_MAX);
        let rows = documents::each(&path, |document| {
            documents.push(document);
            if documents.len() == COMMIT_TASKS_MAX {
                queue.add_documents(&mut documents)?;
            }
            Ok(())
        })?;
        queue.add_documents(&mut documents)?;
        if rows != Some(segment.extent.rows) {
            let reason = "it changed while it was read".to_owned();
            return Err(ReadError::Damaged { path, at: 0, reason }.into());
        }
        self.rebuilt.documents += segment.documents;
        self.rebuilt.entries += segment.extent.rows;
        Ok(())
    }

    fn segment_path(&self, name: &str) -> PathBuf {
        self.dir.join(SEGMENTS_DIR).join(name)
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
        let to = self.rebuilt.aside.join(SEGMENTS_DIR).join(name);
        Ok(move_aside(&self.segment_path(name), &to)?)
    }
}

/// Moves a file or folder, if it exists.
fn move_aside(from: &Path, to: &Path) -> Result<(), OpenError> {
    match disk::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::io("move", from, error)),
        _ => Ok(()),
    }
}
