//! The path of the socket.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::data_dir::layout::LIVE_SOCKET;

/// The longest path that is used as the address of a socket as it is. Systems allow 103 to 107 bytes.
const PATH_BYTES_MAX: usize = 100;

/// The address of a data directory's socket.
pub(super) struct Address {
    path: PathBuf,
    /// The data directory, if its path is too long for an address. The address then leads through this descriptor.
    _dir: Option<File>,
}

impl Address {
    /// The address of the socket in the data directory at `dir`.
    pub(super) fn in_dir(dir: &Path) -> io::Result<Self> {
        let path = dir.join(LIVE_SOCKET);
        if path.as_os_str().as_bytes().len() <= PATH_BYTES_MAX {
            return Ok(Self { path, _dir: None });
        }
        let dir = File::open(dir)?;
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(LIVE_SOCKET);
        Ok(Self { path, _dir: Some(dir) })
    }

    /// The path to bind or connect to. Valid as long as this lives.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
