//! The format of a data directory: the file that says that it is one, and of which version. Its second line is a checksum
//! of the first, so that a damaged version is not taken for a later one.

use std::fs;
use std::io;
use std::path::Path;

use super::{FORMAT_FILE, OpenError, write_atomically};

/// The version that this release writes, and the only one so far.
const VERSION: u32 = 1;

/// What the file says before the version.
const MAGIC: &str = "sitemap-crawler data directory, format ";

/// Whether the data directory at `dir` says so of itself. A version that we do not know is an error.
pub(crate) fn check(dir: &Path) -> Result<bool, OpenError> {
    let path = dir.join(FORMAT_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(OpenError::io("read", &path, error)),
    };
    let version = checked(&text).and_then(|line| line.strip_prefix(MAGIC)?.parse().ok());
    match version {
        Some(VERSION) => Ok(true),
        Some(found) if found > VERSION => {
            Err(OpenError::Newer { path: dir.to_owned(), found, known: VERSION })
        }
        _ => Err(OpenError::Damaged { path, what: "it does not say what this directory is".to_owned() }),
    }
}

/// Marks `dir` as a data directory of our version.
pub(crate) fn write(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(FORMAT_FILE);
    let line = format!("{MAGIC}{VERSION}");
    let text = format!("{line}\n{:08x}\n", crc32c::crc32c(line.as_bytes()));
    write_atomically(&path, text.as_bytes()).map_err(|error| OpenError::io("write", &path, error))
}

/// The first line, if the second is its checksum.
fn checked(text: &str) -> Option<&str> {
    let (line, checksum) = text.split_once('\n')?;
    (checksum == format!("{:08x}\n", crc32c::crc32c(line.as_bytes()))).then_some(line)
}
