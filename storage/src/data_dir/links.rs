//! Refuses symbolic links in a data directory. What they lead to belongs to somebody else, and would be overwritten, cut
//! off or removed.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::OpenError;
use super::layout::{QUEUE_DIR, SCRATCH_DIR, SEGMENTS_DIR};

/// Fails if there is a symbolic link in the data directory at `path`, or in one of its folders. `path` itself may be one.
pub(super) fn refuse(path: &Path) -> Result<(), OpenError> {
    refuse_in(path)?;
    [QUEUE_DIR, SEGMENTS_DIR, SCRATCH_DIR].iter().try_for_each(|folder| refuse_in(&path.join(folder)))
}

fn refuse_in(folder: &Path) -> Result<(), OpenError> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(OpenError::io("read", folder, error)),
    };
    for entry in listing {
        let entry = entry.map_err(|error| OpenError::io("read", folder, error))?;
        let kind = entry.file_type().map_err(|error| OpenError::io("read", &entry.path(), error))?;
        if kind.is_symlink() {
            return Err(OpenError::Link { path: entry.path() });
        }
    }
    Ok(())
}
