//! What a document is, by how its text begins; labels and content types are often wrong.

use crate::draft::trim;
use crate::limits::SNIFF_BYTES;
use crate::loc;

/// What the beginning of a document shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Markup; its root element tells the rest.
    Xml,
    /// A URL per line.
    Text,
    /// Neither.
    Unknown,
}

/// The format of a document whose text, without white space before it, begins with `start`; nothing while more of it is
/// needed. A text shows itself by a line with an absolute URL within its first [`SNIFF_BYTES`].
pub(crate) fn format(start: &str, last: bool) -> Option<Format> {
    if start.starts_with('<') {
        return Some(Format::Xml);
    }
    if !last && start.len() < SNIFF_BYTES {
        return None;
    }
    let start = &start[..start.floor_char_boundary(SNIFF_BYTES)];
    let has_url = start.lines().any(|line| loc::begins_with_http(trim(line)));
    Some(if has_url && !start.contains('\0') { Format::Text } else { Format::Unknown })
}

/// The length of what may stand before a document: white space and byte order marks.
pub(crate) fn blank_length(text: &str) -> usize {
    let rest =
        text.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
    text.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_character_tells_markup() {
        assert_eq!(format("<", false), Some(Format::Xml));
        assert_eq!(blank_length("\u{feff}\n <a/>"), 5);
    }

    #[test]
    fn a_url_on_a_line_of_its_own_tells_text() {
        assert_eq!(format("http://a.example/", false), None);
        assert_eq!(format("HTTP://a.example/", true), Some(Format::Text));
        assert_eq!(format("a note\n\nhttps://a.example/\n", true), Some(Format::Text));
        assert_eq!(format("see http://a.example/", true), Some(Format::Unknown));
        assert_eq!(format("", true), Some(Format::Unknown));
    }
}
