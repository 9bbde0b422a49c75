//! Files that are being written under another name, until they are complete.
//!
//! A process keeps its unfinished file locked. The system releases the lock when the process ends for any reason, so an
//! unlocked file was left by one that was killed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".unfinished";

/// Creates the file that is to become `path`, next to it, and locks it. Removes those that killed processes left there.
pub fn create(path: &Path) -> io::Result<(File, PathBuf)> {
    remove_left(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}{SUFFIX}", std::process::id()));
    let unfinished = path.with_file_name(name);
    loop {
        let file = File::create_new(&unfinished)?;
        // Where there are no locks, nobody takes this file for one that was left.
        let _ = file.lock();
        if is_at(&file, &unfinished) {
            return Ok((file, unfinished));
        }
        // Another process removed it before it was locked.
    }
}

/// Removes the unfinished files of `path` that no process writes any more. If one cannot be removed, it stays.
fn remove_left(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let Ok(listing) = fs::read_dir(dir) else { return };
    for entry in listing.flatten() {
        if is_unfinished(&entry.file_name(), name) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = remove_unless_locked(&entry.path());
        }
    }
}

fn remove_unless_locked(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    file.try_lock()?;
    if is_at(&file, path) { fs::remove_file(path) } else { Ok(()) }
}

/// Whether `candidate` is the name of an unfinished file of `name`, whatever the process.
fn is_unfinished(candidate: &OsStr, name: &OsStr) -> bool {
    let rest = candidate.as_bytes().strip_prefix(name.as_bytes());
    let process = rest.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(SUFFIX.as_bytes()));
    process.is_some_and(|process| !process.is_empty() && process.iter().all(u8::is_ascii_digit))
}

/// Whether `path` leads to `file`.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (open, found) = (file.metadata().map(id), fs::symlink_metadata(path).map(id));
    open.is_ok_and(|open| found.is_ok_and(|found| open == found))
}
