//! A folder on a shared mount.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use frontier::Timestamp;

use super::store::{Listed, PlaceError, are_equal};
use crate::disk::{DurableFile, remove, sync_dir};

/// Writes with our own discipline: a new file, its content, a sync of the file, a sync of its folder.
#[derive(Clone)]
pub(super) struct Mount {
    root: PathBuf,
}

impl Mount {
    /// The folder at `root`, which must be there: a mount that is missing must not become a folder of this machine.
    pub(super) fn open(root: &Path) -> Result<Self, PlaceError> {
        fs::read_dir(root).map_err(|error| refused("read", root, error))?;
        Ok(Self { root: root.to_owned() })
    }

    pub(super) fn create(&self, path: &str, content: &mut File) -> Result<(), PlaceError> {
        let path = self.root.join(path);
        let parent = path.parent().unwrap_or(&self.root);
        self.make_dirs(parent)?;
        let mut file = match DurableFile::create(&path) {
            Ok(file) => file,
            // A network mount may lose an answer, too.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_equal = are_equal(&path, content).map_err(|error| refused("read", &path, error))?;
                return if is_equal { Ok(()) } else { Err(PlaceError::Taken { url: shown(&path) }) };
            }
            Err(error) => return Err(refused("create", &path, error)),
        };
        let written = content.rewind().and_then(|()| io::copy(content, &mut file)).and_then(|_| file.sync());
        written.and_then(|()| sync_dir(parent)).map_err(|error| {
            // Should it stay, it is garbage like any other.
            let _ = remove(&path);
            refused("write", &path, error)
        })
    }

    /// Makes `dir` and what is missing above it; each new name is made durable in its parent.
    fn make_dirs(&self, dir: &Path) -> Result<(), PlaceError> {
        if dir.is_dir() || !dir.starts_with(&self.root) {
            return Ok(());
        }
        let Some(parent) = dir.parent() else { return Ok(()) };
        self.make_dirs(parent)?;
        match fs::create_dir(dir) {
            // Another worker was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|error| refused("create", dir, error))?,
        }
        sync_dir(parent).map_err(|error| refused("sync", parent, error))
    }

    pub(super) fn fetch(&self, path: &str, into: &mut File) -> Result<(), PlaceError> {
        let path = self.root.join(path);
        let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, into));
        copied.map(|_| ()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PlaceError::NotFound { url: shown(&path) },
            _ => refused("read", &path, error),
        })
    }

    pub(super) fn list(&self, dir: &str) -> Result<Vec<Listed>, PlaceError> {
        let mut listed = Vec::new();
        let dir = self.root.join(dir);
        for session in entries(&dir)? {
            for path in entries(&session)? {
                let written_at = fs::metadata(&path).and_then(|metadata| metadata.modified());
                let written_at = written_at.map_err(|error| refused("read", &path, error))?;
                let since_epoch = written_at.duration_since(UNIX_EPOCH).unwrap_or_default();
                let Ok(path) = path.strip_prefix(&dir) else { continue };
                let path = path.to_string_lossy().into_owned();
                let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
                listed.push(Listed { path, written_at: Timestamp::from_micros(micros) });
            }
        }
        Ok(listed)
    }

    pub(super) fn remove(&self, path: &str) -> Result<(), PlaceError> {
        let path = self.root.join(path);
        match remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused("remove", &path, error)),
            _ => Ok(()),
        }
    }
}

/// What lies in `dir`; nothing where there is no such folder.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, PlaceError> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(refused("read", dir, error)),
    };
    let paths = listing.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<io::Result<_>>().map_err(|error| refused("read", dir, error))
}

fn refused(verb: &'static str, path: &Path, source: io::Error) -> PlaceError {
    PlaceError::Mount { verb, path: shown(path), source }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
