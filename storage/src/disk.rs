//! The changes to files that must outlive the machine's power, one function for each kind. What is not synced may be lost in
//! any order; tests record what is done here and look at what a power cut would leave (`power_cut`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

#[cfg(test)]
use super::power_cut::recorder::{Change, record};

/// A file that is written to become durable.
#[derive(Debug)]
pub(crate) struct DurableFile {
    file: File,
    #[cfg(test)]
    path: std::path::PathBuf,
    /// Bytes written through this.
    #[cfg(test)]
    at: u64,
}

impl DurableFile {
    /// Creates the file at `path`, which is not there yet. Its name is durable only after [`sync_dir`].
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        #[cfg(test)]
        record(path, || Change::Create);
        Ok(Self::new(path, file))
    }

    /// Opens the file at `path` for [`Self::replace`], or creates it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        #[cfg(test)]
        record(path, || Change::Create);
        Ok(Self::new(path, file))
    }

    /// Opens the file at `path`, which another one writes, for [`Self::sync`].
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

    /// Writes `bytes` at the beginning, over what is there.
    pub(crate) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, 0)?;
        #[cfg(test)]
        record(&self.path, || Change::Write(0, bytes.to_vec()));
        Ok(())
    }

    /// Stands in for a full disk.
    #[cfg(test)]
    pub(crate) fn make_unwritable(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }

    /// Makes what was written durable.
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

/// Cuts the file at `path` back to `bytes`, durably.
pub(crate) fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_data()?;
    #[cfg(test)]
    {
        record(path, || Change::Cut(bytes));
        record(path, || Change::Sync);
    }
    Ok(())
}

/// Renames a file; durable only after [`sync_dir`].
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    #[cfg(test)]
    record(from, || Change::Rename(to.to_owned()));
    Ok(())
}

/// Removes a file; durable only after [`sync_dir`].
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
