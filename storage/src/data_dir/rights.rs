//! Finds files that this user may not read. They need not be damaged.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use super::error::OpenError;

/// Fails if this user may not read the file or folder at `path`, or a file in that folder, and names it. Other errors are
/// left to the caller, who will meet them too.
pub(crate) fn refuse_unreadable(path: &Path) -> Result<(), OpenError> {
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::PermissionDenied => Err(OpenError::io("read", path, error)),
        _ => Ok(()),
    };
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => return refused(error),
    };
    if kind.is_file() {
        return File::open(path).map_or_else(refused, |_| Ok(()));
    }
    if !kind.is_dir() {
        return Ok(());
    }
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(error) => return refused(error),
    };
    listing.flatten().try_for_each(|entry| refuse_unreadable(&entry.path()))
}
