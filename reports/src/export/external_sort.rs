//! Sorts more records than fit in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes read from a sorted run at a time. A merge holds this much of each run in memory.
const RUN_READ_BYTES: usize = 64 << 10;

/// Sorts records of `N` bytes in bounded memory. Records that do not fit are stored as sorted runs in one unnamed
/// file, which the system removes even if the process is killed.
pub(super) struct ExternalSort<const N: usize> {
    records: Vec<[u8; N]>,
    records_max: usize,
    dir: PathBuf,
    file: Option<File>,
    /// Start and end of each run in the file.
    runs: Vec<(u64, u64)>,
}

impl<const N: usize> ExternalSort<N> {
    /// A sorter that holds `memory_bytes` of records and spills into `dir`.
    pub(super) fn new(memory_bytes: usize, dir: &Path) -> Self {
        let records_max = (memory_bytes / N).max(1);
        Self { records: Vec::new(), records_max, dir: dir.to_owned(), file: None, runs: Vec::new() }
    }

    pub(super) fn push(&mut self, record: [u8; N]) -> io::Result<()> {
        self.records.push(record);
        if self.records.len() < self.records_max { Ok(()) } else { self.spill() }
    }

    /// All records, sorted by their bytes.
    pub(super) fn sorted(mut self) -> io::Result<Sorted<N>> {
        if self.runs.is_empty() {
            self.records.sort_unstable();
            return Ok(Sorted::Memory(self.records.into_iter()));
        }
        self.spill()?;
        let Self { file: Some(file), runs, .. } = self else {
            return Ok(Sorted::Memory(Vec::new().into_iter()));
        };
        Merge::new(file, runs).map(Sorted::Merge)
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.dir)?),
        };
        self.records.sort_unstable();
        let mut out = BufWriter::with_capacity(RUN_READ_BYTES, file);
        for record in &self.records {
            out.write_all(record)?;
        }
        out.flush()?;
        let begin = self.runs.last().map_or(0, |(_, end)| *end);
        self.runs.push((begin, begin + (self.records.len() * N) as u64));
        self.records.clear();
        Ok(())
    }
}

/// Sorted records.
pub(super) enum Sorted<const N: usize> {
    Memory(std::vec::IntoIter<[u8; N]>),
    Merge(Merge<N>),
}

impl<const N: usize> Iterator for Sorted<N> {
    type Item = io::Result<[u8; N]>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(records) => records.next().map(Ok),
            Self::Merge(merge) => merge.next(),
        }
    }
}

/// Merges the runs of a file.
pub(super) struct Merge<const N: usize> {
    file: File,
    runs: Vec<Run<N>>,
    /// The next record of each run that has one.
    heads: BinaryHeap<Reverse<([u8; N], usize)>>,
}

struct Run<const N: usize> {
    at: u64,
    end: u64,
    read: std::vec::IntoIter<[u8; N]>,
}

impl<const N: usize> Merge<N> {
    fn new(file: File, runs: Vec<(u64, u64)>) -> io::Result<Self> {
        let runs = runs.into_iter().map(|(at, end)| Run { at, end, read: Vec::new().into_iter() }).collect();
        let mut merge = Self { file, runs, heads: BinaryHeap::new() };
        for run in 0..merge.runs.len() {
            merge.advance(run)?;
        }
        Ok(merge)
    }

    fn next(&mut self) -> Option<io::Result<[u8; N]>> {
        let Reverse((record, run)) = self.heads.pop()?;
        Some(self.advance(run).map(|()| record))
    }

    /// Adds the next record of `run` to the heads.
    fn advance(&mut self, run: usize) -> io::Result<()> {
        let run_left = &mut self.runs[run];
        if run_left.read.len() == 0 && run_left.at < run_left.end {
            let length = (run_left.end - run_left.at).min((RUN_READ_BYTES / N * N) as u64);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(RUN_READ_BYTES)];
            self.file.read_exact_at(&mut bytes, run_left.at)?;
            run_left.at += length;
            run_left.read = bytes.as_chunks::<N>().0.to_vec().into_iter();
        }
        self.heads.extend(run_left.read.next().map(|record| Reverse((record, run))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(records: &[u32], memory_bytes: usize) -> Vec<u32> {
        let dir = tempfile::tempdir().unwrap();
        let mut sort = ExternalSort::<4>::new(memory_bytes, dir.path());
        records.iter().for_each(|record| sort.push(record.to_be_bytes()).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the spill file has no name");
        sort.sorted().unwrap().map(|record| u32::from_be_bytes(record.unwrap())).collect()
    }

    #[test]
    fn runs_longer_than_a_read_are_merged_whole() {
        let records: Vec<u32> = (0..100_000_u32).map(|number| number.wrapping_mul(2_654_435_761)).collect();
        let mut expected = records.clone();
        expected.sort_unstable();
        assert_eq!(sorted(&records, 160_000), expected);
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_the_memory(records in prop::collection::vec(any::<u32>(), 0..200), memory in 0..1000_usize) {
            let mut expected = records.clone();
            expected.sort_unstable();
            prop_assert_eq!(sorted(&records, memory), expected);
        }
    }
}
