//! The sitemaps that an index names, until its outcome is final.

use std::io::{BufReader, Read};

use crate::data_dir::scratch::Scratch;
use crate::data_dir::spill::{Spill, Spilled};
use crate::segment::SegmentError;

/// Bytes that come together before they count as held.
const FIT_EVERY_BYTES: usize = 16 << 10;

/// Bytes before each URL: its length.
const LENGTH_BYTES: usize = 4;

/// The URLs that an index names, in its order: up to 1 MiB in memory, less when many documents are read at once; the rest
/// in a file under `tmp/` that goes when they are dropped.
pub struct Children {
    spill: Spill,
    number: u64,
    bytes: usize,
    bytes_counted: usize,
}

impl Children {
    pub(crate) fn new(scratch: Scratch) -> Self {
        Self { spill: Spill::new(scratch), number: 0, bytes: 0, bytes_counted: 0 }
    }

    /// Adds a URL. An error is one of the disk, or a URL of 4 GiB; the children are then of no further use.
    pub fn push(&mut self, url: &str) -> Result<(), SegmentError> {
        let length = u32::try_from(url.len())
            .map_err(|_| SegmentError::EntryTooLarge { bytes: url.len(), max: u32::MAX as usize })?;
        let tail = self.spill.tail();
        tail.extend_from_slice(&length.to_le_bytes());
        tail.extend_from_slice(url.as_bytes());
        self.number += 1;
        self.bytes += url.len();
        if self.bytes - self.bytes_counted >= FIT_EVERY_BYTES {
            self.bytes_counted = self.bytes;
            self.spill.fit()?;
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.number
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// Bytes of their URLs.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of them, ready to be recorded.
    pub fn finish(mut self) -> Result<FinishedChildren, SegmentError> {
        self.spill.fit()?;
        Ok(FinishedChildren { spilled: self.spill.finish(), number: self.number })
    }
}

/// The URLs that an index names; dropping them removes what is in a file.
pub struct FinishedChildren {
    spilled: Spilled,
    number: u64,
}

impl FinishedChildren {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.number
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// Hands each to `take`, in the index's order. An error is one of the disk.
    pub fn each(&self, mut take: impl FnMut(&str)) -> Result<(), SegmentError> {
        let mut reader = BufReader::new(self.spilled.read()?);
        let mut url = String::new();
        for _ in 0..self.number {
            let mut length = [0; LENGTH_BYTES];
            reader.read_exact(&mut length).map_err(|error| self.spilled.error(error))?;
            url.clear();
            let part = reader.by_ref().take(u32::from_le_bytes(length).into());
            { part }.read_to_string(&mut url).map_err(|error| self.spilled.error(error))?;
            take(&url);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(children: &FinishedChildren) -> Vec<String> {
        let mut urls = Vec::new();
        children.each(|url| urls.push(url.to_owned())).unwrap();
        urls
    }

    #[test]
    fn children_come_back_in_their_order_from_memory_and_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path());
        for number in [0, 1, 100, 40_000] {
            let urls: Vec<String> =
                (0..number).map(|n| format!("https://ä.example/{n}\n{}", "x".repeat(n % 90))).collect();
            let mut children = Children::new(scratch.clone());
            urls.iter().for_each(|url| children.push(url).unwrap());
            assert_eq!(children.bytes(), urls.iter().map(String::len).sum::<usize>());
            let children = children.finish().unwrap();
            assert_eq!((children.len(), children.is_empty()), (number as u64, number == 0));
            assert_eq!(read(&children), urls);
            let files = || std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(files(), usize::from(number == 40_000));
            drop(children);
            assert_eq!(files(), 0);
        }
    }

    #[test]
    fn children_of_many_indexes_share_the_memory_that_they_may_take() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path());
        let indexes: Vec<FinishedChildren> = (0..20)
            .map(|index| {
                let mut children = Children::new(scratch.clone());
                (0..1_000).for_each(|n| children.push(&format!("{index} {n:0800}")).unwrap());
                children.finish().unwrap()
            })
            .collect();
        assert!(scratch.hold().set(0) <= 8 << 20, "8 MiB of 16 in memory");
        for (index, children) in indexes.iter().enumerate() {
            assert_eq!(read(children)[999], format!("{index} {:0800}", 999));
        }
    }
}
