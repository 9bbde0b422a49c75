//! A model of a disk that loses unsynced changes, or makes them durable in another order.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::recorder::{Change, copy_folder};

/// The log of sled, the only one of its files that we sync.
const QUEUE_LOG: &str = "queue/db";

/// Which of the unsynced changes survive a power cut.
#[derive(Clone, Debug)]
pub(super) enum Survival {
    /// None.
    Lost,
    /// All.
    Kept,
    /// Each number decides on one change. After the last number, the first one follows.
    Mixed(Vec<u8>),
}

/// Decides on one change after the other.
struct Decisions<'a> {
    survival: &'a Survival,
    made: usize,
}

impl Decisions<'_> {
    /// A number from 0 (lost) to `most` (kept).
    fn next(&mut self, most: usize) -> usize {
        self.made += 1;
        match self.survival {
            Survival::Lost => 0,
            Survival::Kept => most,
            Survival::Mixed(numbers) => usize::from(numbers[self.made % numbers.len()]) % (most + 1),
        }
    }

    fn keeps(&mut self) -> bool {
        self.next(1) == 1
    }
}

#[derive(Clone)]
enum Unsynced {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// The content of a file, independent of its name.
#[derive(Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

impl File {
    fn content(&self, decisions: &mut Decisions<'_>) -> Vec<u8> {
        let mut content = self.synced.clone();
        for change in &self.unsynced {
            match change {
                Unsynced::Truncate(bytes) if decisions.keeps() => content.truncate(*bytes),
                Unsynced::Truncate(_) => {}
                // Keeps nothing, the first half, or everything.
                Unsynced::Write(at, bytes) => {
                    write(&mut content, *at, &bytes[..bytes.len() * decisions.next(2) / 2]);
                }
            }
        }
        content
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    content.resize(content.len().max(at + bytes.len()), 0);
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The state of the disk after some changes.
#[derive(Default)]
pub(super) struct DiskModel {
    files: Vec<File>,
    /// Indexes of the files by name, as a process sees them.
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<(PathBuf, Option<usize>)>,
    /// Copies of the queue at its last sync, and after each later commit.
    queues: Vec<PathBuf>,
}

impl DiskModel {
    /// The disk after these changes.
    pub(super) fn after(changes: &[(PathBuf, Change)]) -> Self {
        let mut disk = Self::default();
        changes.iter().for_each(|(path, change)| disk.apply(path, change));
        disk
    }

    fn apply(&mut self, path: &Path, change: &Change) {
        match change {
            Change::Create if self.names.contains_key(path) => {}
            Change::Create => {
                self.files.push(File::default());
                self.name(path, Some(self.files.len() - 1));
            }
            Change::Write(at, bytes) => {
                let at = usize::try_from(*at).unwrap();
                self.file(path).unsynced.push(Unsynced::Write(at, bytes.clone()));
            }
            Change::Truncate(bytes) => {
                self.file(path).unsynced.push(Unsynced::Truncate(usize::try_from(*bytes).unwrap()));
            }
            Change::Sync if self.names.contains_key(path) => {
                let file = self.file(path);
                file.synced = file.content(&mut Decisions { survival: &Survival::Kept, made: 0 });
                file.unsynced.clear();
            }
            Change::Sync if path == Path::new(QUEUE_LOG) => {
                self.queues.drain(..self.queues.len().saturating_sub(1));
            }
            Change::Sync => {
                let is_in = |name: &Path| name.parent() == Some(path);
                for (name, file) in self.unsynced_names.extract_if(.., |(name, _)| is_in(name)) {
                    set(&mut self.synced_names, name, file);
                }
            }
            Change::Rename(to) => {
                let file = self.names[path];
                self.name(to, Some(file));
                self.name(path, None);
            }
            Change::Remove => self.name(path, None),
            Change::Queue(copy) => self.queues.push(copy.clone()),
        }
    }

    fn file(&mut self, path: &Path) -> &mut File {
        &mut self.files[self.names[path]]
    }

    fn name(&mut self, path: &Path, file: Option<usize>) {
        set(&mut self.names, path.to_owned(), file);
        self.unsynced_names.push((path.to_owned(), file));
    }

    /// Creates below `root` the files that exist after a power cut.
    pub(super) fn cut(&self, survival: &Survival, root: &Path) {
        let mut decisions = Decisions { survival, made: 0 };
        let mut names = self.synced_names.clone();
        for (name, file) in &self.unsynced_names {
            if decisions.keeps() {
                set(&mut names, name.clone(), *file);
            }
        }
        for folder in ["segments", "tmp"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (name, file) in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.files[file].content(&mut decisions)).unwrap();
        }
        if let Some(last) = self.queues.len().checked_sub(1) {
            copy_folder(&self.queues[decisions.next(last)], &root.join("queue"));
        }
    }
}

fn set(names: &mut BTreeMap<PathBuf, usize>, name: PathBuf, file: Option<usize>) {
    match file {
        Some(file) => names.insert(name, file),
        None => names.remove(&name),
    };
}
