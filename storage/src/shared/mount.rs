//! A folder on a shared mount.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use frontier::Timestamp;

use super::error::PlaceError;
use super::layout::{Listed, unfinished_name};
use crate::disk::{DurableFile, remove, rename_new, sync_dir};

/// A folder on a shared mount. A file appears in it only when it is complete: it is written under another name,
/// synced and renamed, and its folder is synced.
#[derive(Clone)]
pub(super) struct Mount {
    root: PathBuf,
}

impl Mount {
    /// Opens the folder at `root`. It is not created: if the mount is missing, segments must not go to a local
    /// folder.
    pub(super) fn open(root: &Path) -> Result<Self, PlaceError> {
        fs::read_dir(root).map_err(|error| io_error("read", root, error))?;
        Ok(Self { root: root.to_owned() })
    }

    pub(super) fn create(&self, path: &str, content: &mut File) -> Result<(), PlaceError> {
        let path = self.root.join(path);
        let parent = path.parent().unwrap_or(&self.root);
        self.create_dirs(parent)?;
        let id = getrandom::u64().map_err(|error| io_error("create", &path, error.into()))?;
        let unfinished = parent.join(unfinished_name(&file_name(&path), id));
        let written = write(&unfinished, content).map_err(|error| io_error("write", &unfinished, error));
        let created = written.and_then(|()| match rename_new(&unfinished, &path) {
            // On a network mount, this may also be the file that an earlier request has renamed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_equal(&path, content),
            renamed => renamed.map_err(|error| io_error("create", &path, error)),
        });
        // Needed only after an error. If this fails too, the file is removed as garbage later.
        let _ = remove(&unfinished);
        created?;
        sync_dir(parent).map_err(|error| io_error("sync", parent, error))
    }

    /// Creates `dir` and its missing parents, and makes each new name durable.
    fn create_dirs(&self, dir: &Path) -> Result<(), PlaceError> {
        if dir.is_dir() || !dir.starts_with(&self.root) {
            return Ok(());
        }
        let Some(parent) = dir.parent() else { return Ok(()) };
        self.create_dirs(parent)?;
        match fs::create_dir(dir) {
            // Another worker has created it in the meantime.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created.map_err(|error| io_error("create", dir, error))?,
        }
        sync_dir(parent).map_err(|error| io_error("sync", parent, error))
    }

    pub(super) fn fetch(&self, path: &str, into: &mut File) -> Result<(), PlaceError> {
        let path = self.root.join(path);
        let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, into));
        copied.map(|_| ()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PlaceError::NotFound { url: display(&path) },
            _ => io_error("read", &path, error),
        })
    }

    /// All files in the folders below `dir`.
    pub(super) fn list(&self, dir: &str) -> Result<Vec<Listed>, PlaceError> {
        let mut listed = Vec::new();
        let dir = self.root.join(dir);
        for session in entries(&dir)? {
            listed.extend(list_files(&session, &dir)?);
        }
        Ok(listed)
    }

    /// All files that are not in a folder.
    pub(super) fn list_root(&self) -> Result<Vec<Listed>, PlaceError> {
        list_files(&self.root, &self.root)
    }

    pub(super) fn remove(&self, path: &str) -> Result<(), PlaceError> {
        let path = self.root.join(path);
        match remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path, error)),
            _ => Ok(()),
        }
    }
}

fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Writes `content` to the new file `path` and syncs it.
fn write(path: &Path, content: &mut File) -> io::Result<()> {
    content.rewind()?;
    let mut file = DurableFile::create(path)?;
    io::copy(content, &mut file)?;
    file.sync()
}

/// Fails if the file at `path` does not contain `content`.
fn check_equal(path: &Path, content: &mut File) -> Result<(), PlaceError> {
    let are_equal = are_equal(path, content).map_err(|error| io_error("read", path, error))?;
    if are_equal { Ok(()) } else { Err(PlaceError::Taken { url: display(path) }) }
}

fn are_equal(one: &Path, other: &mut File) -> io::Result<bool> {
    other.rewind()?;
    let mut one = BufReader::new(File::open(one)?).bytes();
    let mut other = BufReader::new(other).bytes();
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (one, other) if one != other => return Ok(false),
            _ => {}
        }
    }
}

/// The files in `dir`, with paths below `root`.
fn list_files(dir: &Path, root: &Path) -> Result<Vec<Listed>, PlaceError> {
    let mut listed = Vec::new();
    for path in entries(dir)? {
        let written_at = match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(written_at) => written_at,
            // Another worker has renamed or removed it in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error("read", &path, error)),
        };
        let since_epoch = written_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let Ok(path) = path.strip_prefix(root) else { continue };
        let path = path.to_string_lossy().into_owned();
        let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        listed.push(Listed { path, written_at: Timestamp::from_micros(micros) });
    }
    Ok(listed)
}

/// The paths of everything in `dir`; empty if there is no such folder.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, PlaceError> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(io_error("read", dir, error)),
    };
    let paths = listing.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<io::Result<_>>().map_err(|error| io_error("read", dir, error))
}

fn io_error(verb: &'static str, path: &Path, source: io::Error) -> PlaceError {
    PlaceError::Mount { verb, path: display(path), source }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
