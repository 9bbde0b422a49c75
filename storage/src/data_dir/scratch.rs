//! Files under `tmp/`: nothing in them outlives the process.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::children::Children;
use crate::segment::{DocumentHead, Rows, SegmentError};

/// Makes files under `tmp/` for what is not to be held in memory; clones share the numbering and the count of what is
/// held.
#[derive(Clone)]
pub struct Scratch {
    dir: Arc<Path>,
    next: Arc<AtomicU64>,
    held_bytes: Arc<AtomicUsize>,
}

impl Scratch {
    /// Files in `dir`, which holds none yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), next: Arc::default(), held_bytes: Arc::default() }
    }

    /// Gathers the rows of a document.
    pub fn rows(&self, head: DocumentHead) -> Rows {
        Rows::new(head, self.clone())
    }

    /// Gathers the children of an index.
    pub fn children(&self) -> Children {
        Children::new(self.clone())
    }

    /// A new, empty file.
    pub(crate) fn create(&self) -> io::Result<ScratchFile> {
        let path = self.dir.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        File::create_new(&path)?;
        Ok(ScratchFile(path))
    }

    /// Counts something that is held in memory.
    pub(crate) fn hold(&self) -> HeldBytes {
        HeldBytes { all: self.held_bytes.clone(), bytes: 0 }
    }

    /// A failure to create or to write such a file.
    pub(crate) fn error(&self, source: io::Error) -> SegmentError {
        SegmentError::Io { path: self.dir.to_path_buf(), source }
    }
}

/// What one document holds in memory, counted among all until it is dropped.
pub(crate) struct HeldBytes {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl HeldBytes {
    /// It holds so many bytes now; gives what all of them hold. A count that orders nothing else.
    pub(crate) fn set(&mut self, bytes: usize) -> usize {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.all.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_sub(before, Ordering::Relaxed) - before
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A file that is removed when it is dropped. It is open only while it is written or read: of a hundred documents that
/// are read at once each may have one, and descriptors are few.
pub(crate) struct ScratchFile(PathBuf);

impl ScratchFile {
    /// Adds `bytes` at its end.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        File::options().append(true).open(&self.0)?.write_all(bytes)
    }

    /// Opens it for reading.
    pub(crate) fn open(&self) -> io::Result<File> {
        File::open(&self.0)
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // Should it stay, the next start empties the folder.
        let _ = fs::remove_file(&self.0);
    }
}
