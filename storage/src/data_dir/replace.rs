//! Replaces the content of files in one step.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::layout::UNFINISHED_SUFFIX;
use crate::disk::{self, DurableFile, sync_dir};

/// Replaces the content of `path` durably. After a crash the file has either the old or the new content.
pub(super) fn replace_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    // A crash may have left this file.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = DurableFile::create(&unfinished)?;
    file.write_all(content)?;
    file.sync()?;
    disk::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn unfinished(path: &Path) -> PathBuf {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED_SUFFIX);
    unfinished.into()
}
