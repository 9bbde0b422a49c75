//! The URLs of the sitemaps that an index names, kept until its outcome is final.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use crate::data_dir::scratch::Scratch;
use crate::data_dir::spill::{Spill, Spilled, SpilledReader};
use crate::segment::error::SegmentError;

/// Bytes collected before the held bytes are counted again.
const COUNT_EVERY_BYTES: usize = 16 << 10;

/// Bytes of the length before each URL.
const LENGTH_BYTES: usize = 4;

/// Collects the URLs that an index names, in its order. It holds up to 1 MiB in memory, or less if many documents are
/// read at the same time. The rest goes to a file under `tmp/`, which is removed on drop.
pub struct Children {
    spill: Spill,
    number: u64,
    bytes: usize,
    bytes_counted: usize,
}

impl Scratch {
    /// An empty collection for the children of an index.
    pub fn children(&self) -> Children {
        Children::new(self.clone())
    }
}

impl Children {
    fn new(scratch: Scratch) -> Self {
        Self { spill: Spill::new(scratch), number: 0, bytes: 0, bytes_counted: 0 }
    }

    /// Adds a URL. Fails if the file cannot be written or the URL has 4 GiB or more. Do not use the collection after
    /// an error.
    pub fn push(&mut self, url: &str) -> Result<(), SegmentError> {
        let length = u32::try_from(url.len())
            .map_err(|_| SegmentError::EntryTooLarge { bytes: url.len(), max: u32::MAX as usize })?;
        let tail = self.spill.tail();
        tail.extend_from_slice(&length.to_le_bytes());
        tail.extend_from_slice(url.as_bytes());
        self.number += 1;
        self.bytes += url.len();
        if self.bytes - self.bytes_counted >= COUNT_EVERY_BYTES {
            self.bytes_counted = self.bytes;
            self.spill.spill_if_large()?;
        }
        Ok(())
    }

    /// Number of URLs.
    pub fn len(&self) -> u64 {
        self.number
    }

    /// Whether there are no URLs.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// Total bytes of the URLs.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory, without those of a collection that has no file to continue in.
    pub fn held_bytes(&self) -> usize {
        self.spill.held_bytes()
    }

    /// Completes the collection.
    pub fn finish(mut self) -> Result<FinishedChildren, SegmentError> {
        self.spill.spill_if_large()?;
        Ok(FinishedChildren { spilled: Arc::new(self.spill.finish()), number: self.number })
    }
}

/// All URLs that an index names. Dropping them removes their file.
pub struct FinishedChildren {
    spilled: Arc<Spilled>,
    number: u64,
}

impl FinishedChildren {
    /// Number of URLs.
    pub fn len(&self) -> u64 {
        self.number
    }

    /// Whether there are no URLs.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// Reads the URLs, in the order of the index. Fails if the file cannot be read.
    pub fn reader(&self) -> Result<ChildrenReader, SegmentError> {
        let reader = SpilledReader::new(self.spilled.clone()).map_err(|error| self.spilled.error(error))?;
        Ok(ChildrenReader {
            reader: BufReader::new(reader),
            spilled: self.spilled.clone(),
            left: self.number,
        })
    }
}

/// Reads the URLs that an index names.
pub struct ChildrenReader {
    reader: BufReader<SpilledReader>,
    spilled: Arc<Spilled>,
    left: u64,
}

impl ChildrenReader {
    /// Whether all URLs were read.
    pub fn is_at_end(&self) -> bool {
        self.left == 0
    }

    fn read(&mut self) -> io::Result<String> {
        let (mut length, mut url) = ([0; LENGTH_BYTES], String::new());
        self.reader.read_exact(&mut length)?;
        self.reader.by_ref().take(u32::from_le_bytes(length).into()).read_to_string(&mut url)?;
        Ok(url)
    }
}

impl Iterator for ChildrenReader {
    type Item = Result<String, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.read().map_err(|error| self.spilled.error(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(children: &FinishedChildren) -> Vec<String> {
        children.reader().unwrap().collect::<Result<_, _>>().unwrap()
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
    fn children_of_many_indexes_share_one_memory_limit() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path());
        let indexes: Vec<FinishedChildren> = (0..20)
            .map(|index| {
                let mut children = Children::new(scratch.clone());
                (0..1_000).for_each(|n| children.push(&format!("{index} {n:0800}")).unwrap());
                children.finish().unwrap()
            })
            .collect();
        assert!(scratch.hold().set(0) <= 8 << 20, "at most 8 of 16 MiB are in memory");
        for (index, children) in indexes.iter().enumerate() {
            assert_eq!(read(children)[999], format!("{index} {:0800}", 999));
        }
    }
}
