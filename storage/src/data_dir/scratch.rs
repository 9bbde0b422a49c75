//! Temporary files under `tmp/`. The process removes them, or else the next start does. A crawl in memory has none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::segment::error::SegmentError;

/// Creates temporary files for documents that are too large for memory. Counts the bytes that all documents hold in
/// memory. Clones share the numbers of the files and the count.
///
/// ```
/// use storage::Scratch;
///
/// let folder = tempfile::tempdir()?;
/// let scratch = Scratch::new(folder.path());
/// let mut children = scratch.children();
/// children.push("https://a.example/news.xml")?;
/// children.push("https://a.example/shop.xml")?;
///
/// let urls = children.finish()?.reader()?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(urls, ["https://a.example/news.xml", "https://a.example/shop.xml"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Scratch {
    /// `None` if everything stays in memory.
    folder: Option<Arc<Folder>>,
    next: Arc<AtomicU64>,
    held_bytes: Arc<AtomicUsize>,
}

impl Scratch {
    /// Creates files in `dir`, which must be empty.
    pub fn new(dir: &Path) -> Self {
        Self::of(Some(Folder { path: dir.to_owned(), _temporary: None }))
    }

    /// Creates files in a temporary folder, which is removed once there is neither a file nor a clone of this.
    #[cfg(feature = "shared")]
    pub(crate) fn temporary() -> io::Result<Self> {
        let folder = TempDir::with_prefix("crawl-")?;
        Ok(Self::of(Some(Folder { path: folder.path().to_owned(), _temporary: Some(folder) })))
    }

    /// Creates no files: documents stay in memory, whatever their size.
    pub fn in_memory() -> Self {
        Self::of(None)
    }

    fn of(folder: Option<Folder>) -> Self {
        Self { folder: folder.map(Arc::new), next: Arc::default(), held_bytes: Arc::default() }
    }

    /// Whether documents may continue in a file.
    pub(crate) fn has_files(&self) -> bool {
        self.folder.is_some()
    }

    /// Creates an empty file; `None` if everything stays in memory.
    pub(crate) fn create(&self) -> io::Result<Option<ScratchFile>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        File::create_new(&path)?;
        Ok(Some(ScratchFile { path, _folder: folder.clone() }))
    }

    /// The folder of the files, for messages.
    pub(crate) fn dir(&self) -> &Path {
        self.folder.as_ref().map_or("memory".as_ref(), |folder| &folder.path)
    }

    /// Starts to count the bytes that one document holds in memory.
    pub(crate) fn hold(&self) -> HeldBytes {
        HeldBytes { all: self.held_bytes.clone(), bytes: 0 }
    }

    /// The error for a file that could not be created or written.
    pub(crate) fn error(&self, source: io::Error) -> SegmentError {
        SegmentError::Io { path: self.dir().to_owned(), source }
    }
}

/// The folder of the files.
struct Folder {
    path: PathBuf,
    /// Set if the folder is removed with its last file.
    _temporary: Option<TempDir>,
}

/// The bytes that one document holds in memory. They count towards the total until this is dropped.
pub(crate) struct HeldBytes {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl HeldBytes {
    /// Sets the bytes of this document and returns the total. Relaxed order suffices, because no other memory access
    /// depends on the count.
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

/// A file that is removed on drop. It is open only while it is written or read, because each of a hundred documents
/// that are read at the same time may have one, and file descriptors are few.
pub(crate) struct ScratchFile {
    path: PathBuf,
    /// Kept as long as the file.
    _folder: Arc<Folder>,
}

impl ScratchFile {
    /// Appends `bytes`.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        File::options().append(true).open(&self.path)?.write_all(bytes)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for reading.
    pub(crate) fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // If this fails, the next start removes the file.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(all(test, feature = "shared"))]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_removed_with_its_last_file() {
        let scratch = Scratch::temporary().unwrap();
        let (first, last) = (scratch.create().unwrap().unwrap(), scratch.create().unwrap().unwrap());
        drop((scratch, first));
        let folder = last.path().parent().unwrap().to_owned();
        assert!(last.path().is_file());
        drop(last);
        assert!(!folder.exists());
    }
}
