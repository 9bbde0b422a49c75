//! The name of a segment: the session that wrote it and its number among the segments of that session.

use std::fmt;
use std::str::FromStr;

use frontier::SessionId;

/// Extension of an open segment, an Arrow IPC stream.
const OPEN_EXTENSION: &str = "arrow";

/// Extension of a sealed segment, a Parquet file.
const SEALED_EXTENSION: &str = "parquet";

/// Identifies a segment. `Display` gives the file name: `<session>-<seq>.arrow` for an open segment,
/// `<session>-<seq>-<crc32c>.parquet` for a sealed one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SegmentName {
    /// The session that wrote the segment, or the first such session if the segment is the result of a merge.
    pub(crate) session: SessionId,
    /// Number of earlier segments of that session.
    pub(crate) seq: u32,
    /// CRC-32C of a sealed segment's bytes; `None` for an open one. It shows whether the file is whole even if the
    /// queue is lost.
    pub(crate) sealed: Option<u32>,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:06}", self.session, self.seq)?;
        match self.sealed {
            None => write!(f, ".{OPEN_EXTENSION}"),
            Some(crc32c) => write!(f, "-{crc32c:08x}.{SEALED_EXTENSION}"),
        }
    }
}

/// The text is not the name of a segment.
#[derive(Debug, thiserror::Error)]
#[error("not a segment's name")]
pub(crate) struct NotASegment;

impl FromStr for SegmentName {
    type Err = NotASegment;

    fn from_str(text: &str) -> Result<Self, NotASegment> {
        let (stem, extension) = text.split_once('.').ok_or(NotASegment)?;
        let mut parts = stem.split('-');
        let mut part = || parts.next().ok_or(NotASegment);
        let (session, seq) = (part()?, part()?);
        let sealed = match extension {
            OPEN_EXTENSION => None,
            SEALED_EXTENSION => Some(u32::from_str_radix(part()?, 16).map_err(|_| NotASegment)?),
            _ => return Err(NotASegment),
        };
        let session = SessionId(u128::from_str_radix(session, 16).map_err(|_| NotASegment)?);
        let name = Self { session, seq: seq.parse().map_err(|_| NotASegment)?, sealed };
        // Each segment has one name. Other spellings of the same numbers are refused.
        if name.to_string() == text { Ok(name) } else { Err(NotASegment) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parsed_in_its_own_spelling_only() {
        for (sealed, text) in [
            (None, "00000000000000000000000000000abc-000007.arrow"),
            (Some(0x12ab), "00000000000000000000000000000abc-000007-000012ab.parquet"),
        ] {
            let name = SegmentName { session: SessionId(0xabc), seq: 7, sealed };
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse::<SegmentName>().unwrap(), name);
        }
        for other in [
            "abc-7.arrow",
            "x.arrow",
            "",
            "00000000000000000000000000000abc-000007.parquet",
            "00000000000000000000000000000abc-000007-000012ab.arrow",
            "00000000000000000000000000000abc-000007-12AB.parquet",
        ] {
            assert!(other.parse::<SegmentName>().is_err(), "{other}");
        }
    }
}
