//! Writes results to stdout or a file, and failures to stderr.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::io::Errno;
use storage::{OpenError, RebuildError};

use super::usage_error::UsageError;
use super::{exit_code, unfinished};

/// Prints what failed, its causes and a hint to stderr. Returns the exit code.
pub fn show_failure(error: &anyhow::Error) -> u8 {
    let mut lines = vec![format!("error: {error}")];
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Transparent errors repeat the text of their cause.
        if !said.contains(&cause) {
            lines.push(format!("  caused by: {cause}"));
            said = cause;
        }
    }
    if let Some(hint) = error.chain().find_map(hint) {
        lines.push(format!("  hint: {hint}"));
    }
    note(&lines.join("\n"));
    let is_usage =
        error.is::<UsageError>() || matches!(error.downcast_ref(), Some(crawler::Error::Option(_)));
    if is_usage { exit_code::USAGE } else { exit_code::FAILURE }
}

/// The next step for the user. `None` if the message names it already.
fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref() {
        return hint_of_io(error);
    }
    let (crawler::Error::Open(error) | crawler::Error::Rebuild(RebuildError::Open(error))) =
        cause.downcast_ref()?
    else {
        return None;
    };
    match error {
        OpenError::InUse { .. } => Some("wait for it, stop it with SIGINT, or use another --data-dir"),
        OpenError::Newer { .. } => {
            Some("use the release that wrote it or a later one; if there is none, `crawl rebuild`")
        }
        OpenError::Older { .. } => Some(
            "start the crawl again with a new --data-dir, or use the release that wrote this one to export it",
        ),
        OpenError::NotFound { .. } => Some("start a crawl with `crawl --seeds FILE`, or name its --data-dir"),
        OpenError::Foreign { .. } => Some("name an empty or new --data-dir"),
        OpenError::Link { .. } => {
            Some("put what it leads to in its place, or remove it; --data-dir itself may be a link")
        }
        OpenError::Io { .. } | OpenError::Damaged { .. } | OpenError::Queue(_) => None,
    }
}

fn hint_of_io(error: &io::Error) -> Option<&'static str> {
    if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) {
        return Some(
            "raise the limit on open files (ulimit -n), then run the command again: nothing is lost",
        );
    }
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Some("make room there, then run the command again: nothing is lost")
        }
        ErrorKind::PermissionDenied => {
            Some("give your user the right to do that, or name another place, then run the command again")
        }
        ErrorKind::ReadOnlyFilesystem => {
            Some("make it writable, or name another place, then run the command again")
        }
        _ => None,
    }
}

/// Prints a message to stderr. Errors are ignored, because there is no other place to report them.
pub fn note(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// The destination of a result: stdout, or a file that appears complete or not at all.
pub enum Output {
    /// Standard output.
    Stdout(BufWriter<io::Stdout>),
    /// A file. It is written under another name in the same directory first, see [`unfinished`].
    File {
        /// Writes the unfinished file.
        writer: BufWriter<File>,
        /// Path while unfinished.
        unfinished: PathBuf,
        /// Final path.
        path: PathBuf,
    },
}

impl Output {
    /// Opens `path`, or stdout.
    pub fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            return Ok(Self::Stdout(BufWriter::with_capacity(1 << 16, io::stdout())));
        };
        let failed = || format!("failed to write {}", path.display());
        // A device or a pipe is written directly.
        let in_place = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let created = if in_place {
            File::create(path).map(|file| (file, path.to_owned()))
        } else {
            unfinished::create(path)
        };
        let (file, unfinished) = created.with_context(failed)?;
        Ok(Self::File { writer: BufWriter::with_capacity(1 << 16, file), unfinished, path: path.to_owned() })
    }

    /// Call when everything was written: moves the file to its final path.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        if let Self::File { writer, unfinished, path } = &self
            && unfinished != path
        {
            writer.get_ref().sync_all()?;
            std::fs::rename(unfinished, path)?;
        }
        Ok(())
    }

    /// Call when something failed: removes the unfinished file.
    pub fn abandon(self) {
        if let Self::File { unfinished, path, .. } = self
            && unfinished != path
        {
            let _ = std::fs::remove_file(unfinished);
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(writer) => writer.write(bytes),
            Self::File { writer, .. } => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(writer) => writer.flush(),
            Self::File { writer, .. } => writer.flush(),
        }
    }
}

/// Writes a whole result to `path` or stdout. If the reader of a pipe has gone (`| head`), this ends without an error.
pub fn write_result(
    path: Option<&Path>,
    write: impl FnOnce(&mut Output) -> io::Result<()>,
) -> anyhow::Result<u8> {
    let mut output = Output::open(path)?;
    let written = write(&mut output).and_then(|()| output.flush());
    end(output, written, path)
}

/// Finishes an output, or abandons it if `written` is an error. Returns the exit code.
pub fn end(output: Output, written: io::Result<()>, path: Option<&Path>) -> anyhow::Result<u8> {
    let finished = match written {
        Ok(()) => output.finish(),
        Err(error) => {
            output.abandon();
            Err(error)
        }
    };
    match finished {
        Ok(()) => Ok(exit_code::OK),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit_code::OK),
        Err(error) => {
            let place = path.map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
            Err(anyhow::Error::new(error).context(format!("failed to write {place}")))
        }
    }
}

/// Opens `path`, or stdin for `-`.
pub fn read_input(path: &Path) -> anyhow::Result<Box<dyn io::Read>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(Box::new(file))
}
