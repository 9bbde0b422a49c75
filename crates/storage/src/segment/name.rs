//! The name of a segment: the session that wrote it and its place among that session's segments.

use std::fmt;
use std::str::FromStr;

use frontier::SessionId;

/// Extension of an open segment: an Arrow IPC stream.
const OPEN_EXTENSION: &str = "arrow";

/// Identifies a segment; `Display` gives the file name, `<session>-<seq>.arrow`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SegmentName {
    /// The session that wrote it.
    pub(crate) session: SessionId,
    /// Segments of that session before it.
    pub(crate) seq: u32,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:06}.{OPEN_EXTENSION}", self.session, self.seq)
    }
}

/// The text is no name of a segment.
#[derive(Debug, thiserror::Error)]
#[error("not a segment's name")]
pub(crate) struct NotASegment;

impl FromStr for SegmentName {
    type Err = NotASegment;

    fn from_str(text: &str) -> Result<Self, NotASegment> {
        let (session, rest) = text.split_once('-').ok_or(NotASegment)?;
        let seq =
            rest.strip_suffix(OPEN_EXTENSION).and_then(|rest| rest.strip_suffix('.')).ok_or(NotASegment)?;
        let session = SessionId(u128::from_str_radix(session, 16).map_err(|_| NotASegment)?);
        let name = Self { session, seq: seq.parse().map_err(|_| NotASegment)? };
        // One name per segment: other spellings of the same numbers are not ours.
        if name.to_string() == text { Ok(name) } else { Err(NotASegment) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_only_in_its_own_spelling() {
        let name = SegmentName { session: SessionId(0xabc), seq: 7 };
        let text = name.to_string();
        assert_eq!(text, "00000000000000000000000000000abc-000007.arrow");
        assert_eq!(text.parse::<SegmentName>().unwrap(), name);
        for other in ["abc-7.arrow", "x.arrow", "", "00000000000000000000000000000abc-000007.parquet"] {
            assert!(other.parse::<SegmentName>().is_err(), "{other}");
        }
    }
}
