//! The changes to files that must survive a power cut, with one function for each kind. Changes that are not synced
//! may be lost in any order. Tests record the calls made here and check what a power cut would leave (`power_cut`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

#[cfg(test)]
use crate::power_cut::recorder::{Change, record};

/// A file whose writes become durable with [`Self::sync`].
#[derive(Debug)]
pub(crate) struct DurableFile {
    file: File,
    #[cfg(test)]
    path: std::path::PathBuf,
    /// Bytes written so far, which is the offset of the next write.
    #[cfg(test)]
    at: u64,
}

impl DurableFile {
    /// Creates the file at `path`, which must not exist. Its name is durable only after [`sync_dir`].
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        #[cfg(test)]
        record(path, || Change::Create);
        Ok(Self::new(path, file))
    }

    /// Opens or creates the file at `path` for [`Self::replace`].
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        #[cfg(test)]
        record(path, || Change::Create);
        Ok(Self::new(path, file))
    }

    /// Opens the file at `path`, which other code writes, for [`Self::sync`].
    pub(crate) fn of_another(path: &Path) -> io::Result<Self> {
        Ok(Self::new(path, OpenOptions::new().read(true).write(true).open(path)?))
    }

    #[cfg_attr(not(test), expect(unused_variables, reason = "tests record the path"))]
    fn new(path: &Path, file: File) -> Self {
        Self {
            file,
            #[cfg(test)]
            path: path.to_owned(),
            #[cfg(test)]
            at: 0,
        }
    }

    /// Overwrites the start of the file with `bytes`.
    pub(crate) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, 0)?;
        #[cfg(test)]
        record(&self.path, || Change::Write(0, bytes.to_vec()));
        Ok(())
    }

    /// Makes all further writes fail, to simulate a full disk.
    #[cfg(test)]
    pub(crate) fn make_unwritable(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        #[cfg(test)]
        record(&self.path, || Change::Sync);
        Ok(())
    }
}

impl Write for DurableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        #[cfg(test)]
        {
            record(&self.path, || Change::Write(self.at, bytes[..written].to_vec()));
            self.at += written as u64;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Truncates the file at `path` to `bytes` durably.
pub(crate) fn truncate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_data()?;
    #[cfg(test)]
    {
        record(path, || Change::Truncate(bytes));
        record(path, || Change::Sync);
    }
    Ok(())
}

/// Renames a file. The change is durable only after [`sync_dir`].
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    #[cfg(test)]
    record(from, || Change::Rename(to.to_owned()));
    Ok(())
}

/// Renames a file in one step, unless `to` exists: then it fails with [`io::ErrorKind::AlreadyExists`]. The change is
/// durable only after [`sync_dir`].
///
/// If the file system has no such rename (NFS), creates a hard link and removes `from`.
#[cfg(feature = "shared")]
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let renamed = tempfile::TempPath::try_from_path(from)?.persist_noclobber(to);
    renamed.map_err(|tempfile::PathPersistError { error, path }| {
        // Without this, dropping `path` would remove the file.
        let _ = path.keep();
        error
    })?;
    #[cfg(test)]
    record(from, || Change::Rename(to.to_owned()));
    Ok(())
}

/// Removes a file. The change is durable only after [`sync_dir`].
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    #[cfg(test)]
    record(path, || Change::Remove);
    Ok(())
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()?;
    #[cfg(test)]
    record(dir, || Change::Sync);
    Ok(())
}
