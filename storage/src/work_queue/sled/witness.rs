//! What the queue must know at least, told beside it: a database that lost its end to damage looks like an older one, and
//! nothing in it tells.
//!
//! The file is one line of fixed length: sessions, the number of the last one's last commit, rows registered in all, and a
//! CRC-32C of these. It is written in place after every commit that is synced, and not synced itself: it may be behind the
//! queue, never ahead of it, not even after the power was cut.

use std::io;
use std::path::{Path, PathBuf};

use frontier::work_queue::SessionRecord;

use crate::data_dir::OpenError;
use crate::disk::DurableFile;

/// How far a queue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Extent {
    /// Sessions opened.
    pub(crate) sessions: u64,
    /// The number of the last session's last commit.
    pub(crate) commit_seq: u64,
    /// Rows registered.
    pub(crate) rows: u64,
}

impl Extent {
    /// That of a queue with these sessions and rows.
    pub(crate) fn of(sessions: &[SessionRecord], rows: u64) -> Self {
        let commit_seq = sessions.last().map_or(0, |record| record.commit_seq);
        Self { sessions: sessions.len() as u64, commit_seq, rows }
    }

    fn line(self) -> String {
        let Self { sessions, commit_seq, rows } = self;
        let figures = format!("{sessions:010} {commit_seq:020} {rows:020}");
        format!("{figures} {:08x}\n", crc32c::crc32c(figures.as_bytes()))
    }

    /// `None` for a line that is damaged or was never written: then it tells nothing.
    fn parse(line: &str) -> Option<Self> {
        let mut figures = line.split(' ').map_while(|figure| figure.parse().ok());
        let mut figure = || figures.next();
        let extent = Self { sessions: figure()?, commit_seq: figure()?, rows: figure()? };
        (extent.line() == line).then_some(extent)
    }
}

/// The file.
pub(crate) struct Witness {
    path: PathBuf,
}

impl Witness {
    /// The one at `path`.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that a queue in `queue_dir` knows as much as was told.
    pub(crate) fn check(
        &self,
        queue_dir: &Path,
        sessions: &[SessionRecord],
        rows: u64,
    ) -> Result<(), OpenError> {
        // A second file that is damaged, or gone, is no reason to distrust the first.
        let Some(told) = std::fs::read_to_string(&self.path).ok().as_deref().and_then(Extent::parse) else {
            return Ok(());
        };
        let known = sessions.iter().zip(1..).find(|(_, sessions)| *sessions == told.sessions);
        let commit_seq = known.map(|(record, _)| record.commit_seq);
        if told.sessions == 0 || commit_seq.is_some_and(|known| known >= told.commit_seq) && rows >= told.rows
        {
            return Ok(());
        }
        let (found, known) = (sessions.len(), commit_seq.unwrap_or(0));
        let what = format!(
            "the queue lost commits: it knows {found} sessions, commit {known} and {rows} entries where there were {}, \
             {} and {}",
            told.sessions, told.commit_seq, told.rows
        );
        Err(OpenError::Damaged { path: queue_dir.to_owned(), what })
    }

    /// Opens the file for telling.
    pub(crate) fn open(&self) -> io::Result<DurableFile> {
        DurableFile::open(&self.path)
    }
}

/// Tells that the queue is so far.
pub(crate) fn tell(file: &DurableFile, extent: Extent) -> io::Result<()> {
    file.replace(extent.line().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_a_damaged_one_is_not() {
        let extent = Extent { sessions: 3, commit_seq: 1 << 40, rows: u64::MAX };
        let line = extent.line();
        assert_eq!(Extent::parse(&line), Some(extent));
        for at in 0..line.len() {
            let mut damaged = line.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!(Extent::parse(&String::from_utf8(damaged).unwrap()), None, "byte {at}");
        }
        assert_eq!(Extent::parse(""), None);
    }
}
