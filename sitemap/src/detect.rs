//! What a document is, by how its text begins; labels and content types are often wrong.

use crate::draft::trim;
use crate::limits::SNIFF_BYTES;
use crate::loc;

/// What the beginning of a document shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Markup, which begins that many bytes on; its root element tells the rest.
    Xml(usize),
    /// A URL per line.
    Text,
    /// Neither.
    Unknown,
}

/// How a warning of PHP begins, which some servers print before the document.
const WARNING: &str = "<br";
/// How a sitemap begins.
const OPENINGS: [&str; 3] = ["<?xml", "<urlset", "<sitemapindex"];

/// The format of a document whose text, without white space before it, begins with `start`; nothing while more of it is
/// needed. A text shows itself by a line with an absolute URL within its first [`SNIFF_BYTES`]; so does a sitemap with
/// the messages of a server before it, by a line that begins it.
pub(crate) fn format(start: &str, last: bool) -> Option<Format> {
    if start.starts_with('<') && !start.starts_with(WARNING) && (last || start.len() >= WARNING.len()) {
        return Some(Format::Xml(0));
    }
    if !last && start.len() < SNIFF_BYTES {
        return None;
    }
    let start = &start[..start.floor_char_boundary(SNIFF_BYTES)];
    let is_binary = start.contains('\0');
    if let Some(opening) = opening(start).filter(|_| !is_binary) {
        return Some(Format::Xml(opening));
    }
    if start.starts_with('<') {
        return Some(Format::Xml(0));
    }
    let has_url = start.lines().any(|line| loc::begins_with_http(trim(line)));
    Some(if has_url && !is_binary { Format::Text } else { Format::Unknown })
}

/// Where the first line that begins a sitemap does so. What a web page or a list of URLs holds is no sitemap.
fn opening(text: &str) -> Option<usize> {
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let is_page = ["<html", "<!doctype"].iter().any(|tag| line.to_ascii_lowercase().contains(tag));
        if is_page || loc::begins_with_http(trim(line)) {
            return None;
        }
        let indent = line.len() - line.trim_start().len();
        if OPENINGS.iter().any(|opening| line[indent..].starts_with(opening)) {
            return Some(line_start + indent);
        }
        line_start += line.len();
    }
    None
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
        assert_eq!(format("<ab", false), Some(Format::Xml(0)));
        assert_eq!(format("<", true), Some(Format::Xml(0)));
        assert_eq!(format("<b", false), None);
        assert_eq!(blank_length("\u{feff}\n <a/>"), 5);
    }

    #[test]
    fn messages_before_a_sitemap_are_told_from_it_by_its_first_line() {
        assert_eq!(format("Notice: x\n <?xml version='1.0'?>", true), Some(Format::Xml(11)));
        assert_eq!(format("<br />\n<b>Warning</b>\n<urlset>", true), Some(Format::Xml(22)));
        assert_eq!(format("<br />", true), Some(Format::Xml(0)));
        assert_eq!(format("a text about <urlset>", true), Some(Format::Unknown));
        assert_eq!(format("<br/>\n<HTML><pre>\n<urlset>", true), Some(Format::Xml(0)));
        assert_eq!(format("http://a.example/\n<urlset>", true), Some(Format::Text));
        assert_eq!(format("PK\0\n<urlset>", true), Some(Format::Unknown));
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
