//! Records the changes that [`crate::disk`] makes below a folder, and copies the queue after each of its commits.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A change to a file or folder.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// It was created, unless it existed.
    Create,
    /// Bytes were written at an offset.
    Write(u64, Vec<u8>),
    /// It was truncated to this length.
    Truncate(u64),
    /// The content of the file, or the names in the folder, were made durable.
    Sync,
    /// It was renamed to this path.
    Rename(PathBuf),
    /// It was removed.
    Remove,
    /// The queue made a commit. The path is that of a copy.
    Queue(PathBuf),
}

/// All current recordings.
static ALL: Mutex<Vec<Arc<Recorder>>> = Mutex::new(Vec::new());

struct Recorder {
    root: PathBuf,
    copies: PathBuf,
    changes: Mutex<Vec<(PathBuf, Change)>>,
}

/// A recording, which ends on drop.
pub(super) struct Recording(Arc<Recorder>);

impl Recording {
    /// Starts to record the changes below `root`. Copies of the queue are stored in `copies`.
    pub(super) fn begin(root: &Path, copies: &Path) -> Self {
        fs::create_dir_all(copies).unwrap();
        let recorder =
            Recorder { root: root.to_owned(), copies: copies.to_owned(), changes: Mutex::default() };
        let recorder = Arc::new(recorder);
        ALL.lock().unwrap().push(recorder.clone());
        Self(recorder)
    }

    /// Number of changes so far.
    pub(super) fn len(&self) -> usize {
        self.0.changes.lock().unwrap().len()
    }

    /// All changes, with paths relative to the root.
    pub(super) fn changes(&self) -> Vec<(PathBuf, Change)> {
        self.0.changes.lock().unwrap().clone()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        ALL.lock().unwrap().retain(|recorder| !Arc::ptr_eq(recorder, &self.0));
    }
}

fn recorder_of(path: &Path) -> Option<Arc<Recorder>> {
    ALL.lock().unwrap().iter().find(|recorder| path.starts_with(&recorder.root)).cloned()
}

/// Records a change, if there is a recording for its path.
pub(crate) fn record(path: &Path, change: impl FnOnce() -> Change) {
    let Some(recorder) = recorder_of(path) else { return };
    let below = |path: &Path| path.strip_prefix(&recorder.root).unwrap().to_owned();
    let change = match change() {
        Change::Rename(to) => Change::Rename(below(&to)),
        other => other,
    };
    recorder.changes.lock().unwrap().push((below(path), change));
}

/// Copies the queue in `dir` after a commit.
pub(crate) fn keep_queue(dir: &Path) {
    let Some(recorder) = recorder_of(dir) else { return };
    let copy = recorder.copies.join(recorder.changes.lock().unwrap().len().to_string());
    copy_folder(dir, &copy);
    record(dir, || Change::Queue(copy));
}

/// Copies the folder `from` with everything in it to `to`.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
