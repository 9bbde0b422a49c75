//! The file `format`: marks a folder as a data directory and gives the version of its layout. Its second line is a
//! checksum of the first, so that a damaged version is not mistaken for a later one.

use std::fs;
use std::io;
use std::path::Path;

use super::error::OpenError;
use super::layout::FORMAT_FILE;
use super::links;
use super::replace::replace_durably;

/// The version that this release reads and writes. Every change of the format before release 0.1.0 raises it, and
/// older directories are refused.
const VERSION: u32 = 4;

/// The text before the version.
const MAGIC: &str = "sitemap-crawler data directory, format ";

/// Whether `dir` is marked as a data directory. An unknown version is an error, and so is a symbolic link in it.
pub(crate) fn check(dir: &Path) -> Result<bool, OpenError> {
    links::refuse(dir)?;
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
        Some(found) => Err(OpenError::Older { path: dir.to_owned(), found, known: VERSION }),
        None => {
            let reason = "it is not the format file of a data directory".to_owned();
            Err(OpenError::Damaged { path, reason })
        }
    }
}

/// Marks `dir` as a data directory of the current version.
pub(crate) fn write(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(FORMAT_FILE);
    let line = format!("{MAGIC}{VERSION}");
    let text = format!("{line}\n{:08x}\n", crc32c::crc32c(line.as_bytes()));
    replace_durably(&path, text.as_bytes()).map_err(|error| OpenError::io("write", &path, error))
}

/// The first line, if the second one is its checksum.
fn checked(text: &str) -> Option<&str> {
    let (line, checksum) = text.split_once('\n')?;
    (checksum == format!("{:08x}\n", crc32c::crc32c(line.as_bytes()))).then_some(line)
}
