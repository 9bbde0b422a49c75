//! Records what [`crate::disk`] does below a folder, and keeps a copy of the queue after each of its commits.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What happened to a file or folder.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// It was created, if it was not there.
    Create,
    /// Bytes were written from there on.
    Write(u64, Vec<u8>),
    /// It was cut back to so many bytes.
    Cut(u64),
    /// What was written to it is durable; of a folder, the names in it.
    Sync,
    /// It was renamed, from the path at which it is recorded.
    Rename(PathBuf),
    /// It was removed.
    Remove,
    /// The queue made a commit: a copy of it.
    Queue(PathBuf),
}

/// All recordings that go on.
static ALL: Mutex<Vec<Arc<Recorder>>> = Mutex::new(Vec::new());

struct Recorder {
    root: PathBuf,
    copies: PathBuf,
    changes: Mutex<Vec<(PathBuf, Change)>>,
}

/// A recording; ends when dropped.
pub(super) struct Recording(Arc<Recorder>);

impl Recording {
    /// Records what is done below `root` from now on; copies of the queue go to `copies`.
    pub(super) fn begin(root: &Path, copies: &Path) -> Self {
        fs::create_dir_all(copies).unwrap();
        let recorder =
            Recorder { root: root.to_owned(), copies: copies.to_owned(), changes: Mutex::default() };
        let recorder = Arc::new(recorder);
        ALL.lock().unwrap().push(recorder.clone());
        Self(recorder)
    }

    /// Changes so far.
    pub(super) fn len(&self) -> usize {
        self.0.changes.lock().unwrap().len()
    }

    /// All changes with their paths below the root.
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

/// Records a change, if anyone records there.
pub(crate) fn record(path: &Path, change: impl FnOnce() -> Change) {
    let Some(recorder) = recorder_of(path) else { return };
    let below = |path: &Path| path.strip_prefix(&recorder.root).unwrap().to_owned();
    let change = match change() {
        Change::Rename(to) => Change::Rename(below(&to)),
        other => other,
    };
    recorder.changes.lock().unwrap().push((below(path), change));
}

/// Keeps a copy of the queue in `dir` as it is after a commit.
pub(crate) fn keep_queue(dir: &Path) {
    let Some(recorder) = recorder_of(dir) else { return };
    let copy = recorder.copies.join(recorder.changes.lock().unwrap().len().to_string());
    copy_folder(dir, &copy);
    record(dir, || Change::Queue(copy));
}

/// Copies the folder `from`, which holds files alone or folders of such, to `to`.
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
