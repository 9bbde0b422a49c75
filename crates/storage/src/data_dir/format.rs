//! The format of a data directory: the file that says that it is one, and of which version.

use std::fs;
use std::io;
use std::path::Path;

use super::{FORMAT_FILE, OpenError, write_atomically};

/// The version that this release writes, and the only one so far.
const VERSION: u32 = 1;

/// What the file says before the version.
const MAGIC: &str = "sitemap-crawler data directory, format ";

/// Whether the data directory at `dir` says so of itself. A version that we do not know is an error.
pub(super) fn check(dir: &Path) -> Result<bool, OpenError> {
    let path = dir.join(FORMAT_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(OpenError::io("read", &path, error)),
    };
    let version = text.trim_end().strip_prefix(MAGIC).and_then(|version| version.parse().ok());
    match version {
        Some(VERSION) => Ok(true),
        Some(found) if found > VERSION => {
            Err(OpenError::Newer { path: dir.to_owned(), found, known: VERSION })
        }
        _ => Err(OpenError::Foreign { path: dir.to_owned(), what: FORMAT_FILE.to_owned() }),
    }
}

/// Marks `dir` as a data directory of our version.
pub(super) fn write(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(FORMAT_FILE);
    write_atomically(&path, format!("{MAGIC}{VERSION}\n").as_bytes())
        .map_err(|error| OpenError::io("write", &path, error))
}
