//! The file `committed`, which detects a queue that lost its last commits.
//!
//! A damaged database whose end was lost looks like an older one, and nothing inside it shows the loss. The file
//! records how much the queue must contain at least. It is one line of fixed length: the number of sessions, the
//! number of the last session's last commit, the number of registered rows, and a CRC-32C of these. It is written in
//! place after every synced commit but is not synced itself. It may therefore be behind the queue but never ahead of
//! it, not even after a power cut.

use std::io;
use std::path::{Path, PathBuf};

use frontier::work_queue::SessionRecord;

use crate::data_dir::error::OpenError;
use crate::disk::DurableFile;

/// The contents of the file: how much was committed to a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Committed {
    /// Number of sessions opened.
    pub(crate) sessions: u64,
    /// Number of the last session's last commit.
    pub(crate) commit_seq: u64,
    /// Number of rows registered.
    pub(crate) rows: u64,
}

impl Committed {
    /// The contents for a queue with these sessions and rows.
    pub(crate) fn of(sessions: &[SessionRecord], rows: u64) -> Self {
        let commit_seq = sessions.last().map_or(0, |record| record.commit_seq);
        Self { sessions: sessions.len() as u64, commit_seq, rows }
    }

    fn line(self) -> String {
        let Self { sessions, commit_seq, rows } = self;
        let figures = format!("{sessions:010} {commit_seq:020} {rows:020}");
        format!("{figures} {:08x}\n", crc32c::crc32c(figures.as_bytes()))
    }

    /// Parses the line; `None` if it is damaged or was never written.
    fn parse(line: &str) -> Option<Self> {
        let mut figures = line.split(' ').map_while(|figure| figure.parse().ok());
        let mut figure = || figures.next();
        let committed = Self { sessions: figure()?, commit_seq: figure()?, rows: figure()? };
        (committed.line() == line).then_some(committed)
    }
}

/// The path of the file.
pub(crate) struct CommittedFile {
    path: PathBuf,
}

impl CommittedFile {
    /// The file at `path`.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the queue in `queue_dir` contains at least as much as the file records.
    pub(crate) fn check(
        &self,
        queue_dir: &Path,
        sessions: &[SessionRecord],
        rows: u64,
    ) -> Result<(), OpenError> {
        // If this file is damaged or missing, that is no reason to distrust the queue.
        let Some(recorded) = std::fs::read_to_string(&self.path).ok().as_deref().and_then(Committed::parse)
        else {
            return Ok(());
        };
        let known = sessions.iter().zip(1..).find(|(_, sessions)| *sessions == recorded.sessions);
        let commit_seq = known.map(|(record, _)| record.commit_seq);
        if recorded.sessions == 0
            || commit_seq.is_some_and(|known| known >= recorded.commit_seq) && rows >= recorded.rows
        {
            return Ok(());
        }
        let (found, known) = (sessions.len(), commit_seq.unwrap_or(0));
        let reason = format!(
            "the queue lost commits: it has {found} sessions, commit {known} and {rows} entries, but {} sessions, \
             commit {} and {} entries were recorded",
            recorded.sessions, recorded.commit_seq, recorded.rows
        );
        Err(OpenError::Damaged { path: queue_dir.to_owned(), reason })
    }

    /// Opens the file for writing.
    pub(crate) fn open(&self) -> io::Result<DurableFile> {
        DurableFile::open(&self.path)
    }
}

/// Replaces the contents of the file.
pub(crate) fn write(file: &DurableFile, committed: Committed) -> io::Result<()> {
    file.replace(committed.line().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_a_damaged_one_is_not() {
        let committed = Committed { sessions: 3, commit_seq: 1 << 40, rows: u64::MAX };
        let line = committed.line();
        assert_eq!(Committed::parse(&line), Some(committed));
        for at in 0..line.len() {
            let mut damaged = line.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!(Committed::parse(&String::from_utf8(damaged).unwrap()), None, "byte {at}");
        }
        assert_eq!(Committed::parse(""), None);
    }
}
