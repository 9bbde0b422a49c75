//! Detects the format of a document from the start of its text; file names and content types are often wrong.

use crate::draft::trim;
use crate::limits::SNIFF_BYTES;
use crate::loc;

/// The format that the start of a document shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Markup that starts at this offset in bytes. The root element decides which kind.
    Xml(usize),
    /// One URL per line.
    Text,
    /// Neither.
    Unknown,
}

/// The possible starts of a sitemap.
const OPENINGS: [&str; 5] = ["<?xml", "<urlset", "<sitemapindex", "<rss", "<feed"];

/// The format of a document whose text, after leading white space, begins with `start`. `None` while more text is
/// needed.
///
/// A text document is detected by a line with an absolute URL within its first [`SNIFF_BYTES`]. A sitemap after
/// messages of the server is detected within the same bytes by the tag with which it starts.
pub(crate) fn format(start: &str, last: bool) -> Option<Format> {
    if start.starts_with('<') {
        return Some(Format::Xml(0));
    }
    if !last && start.len() < SNIFF_BYTES {
        return None;
    }
    let start = &start[..start.floor_char_boundary(SNIFF_BYTES)];
    let is_binary = start.contains('\0');
    if let Some(opening) = sitemap_start(start).filter(|_| !is_binary) {
        return Some(Format::Xml(opening));
    }
    let has_url = start.lines().any(|line| loc::begins_with_http(trim(line)));
    Some(if has_url && !is_binary { Format::Text } else { Format::Unknown })
}

/// Offset of the first tag that starts a sitemap. `None` if a line of a web page or a URL comes first: text inside a
/// web page or a list of URLs is not a sitemap.
fn sitemap_start(text: &str) -> Option<usize> {
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.to_ascii_lowercase();
        let page = ["<html", "<!doctype html"].iter().filter_map(|tag| lower.find(tag)).min();
        if loc::begins_with_http(trim(line)) {
            return None;
        }
        match (opening(&lower), page) {
            (Some(opening), None) => return Some(line_start + opening),
            (Some(opening), Some(page)) if opening < page => return Some(line_start + opening),
            (_, Some(_)) => return None,
            (None, None) => line_start += line.len(),
        }
    }
    None
}

/// Offset of the tag in a line, in lower case, that starts a sitemap. Text that only mentions such a tag does not count:
/// the tag is the first in its line, follows another one, or has an attribute of a document.
fn opening(line: &str) -> Option<usize> {
    line.match_indices('<').map(|(at, _)| at).find(|&at| {
        let (before, tag) = (line[..at].trim_end(), &line[at..]);
        let Some(rest) = OPENINGS.iter().find_map(|opening| tag.strip_prefix(opening)) else { return false };
        let attributes = rest.split('>').next().unwrap_or_default();
        let is_whole = !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let has_attribute = ["xmlns", "version"].iter().any(|name| attributes.contains(name));
        is_whole && (before.is_empty() || before.ends_with('>') || has_attribute)
    })
}

/// Length in bytes of the white space and byte order marks before a document.
pub(crate) fn blank_length(text: &str) -> usize {
    let rest =
        text.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
    text.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_detected_by_its_first_character() {
        assert_eq!(format("<ab", false), Some(Format::Xml(0)));
        assert_eq!(format("<", true), Some(Format::Xml(0)));
        assert_eq!(format("<b", false), Some(Format::Xml(0)));
        assert_eq!(blank_length("\u{feff}\n <a/>"), 5);
    }

    #[test]
    fn messages_before_a_sitemap_end_at_its_first_line() {
        assert_eq!(format("Notice: x\n <?xml version='1.0'?>", true), Some(Format::Xml(11)));
        assert_eq!(format("Notice: x<?xml version='1.0'?>", true), Some(Format::Xml(9)));
        assert_eq!(format("a { b: c }</style> <URLSET>", true), Some(Format::Xml(19)));
        assert_eq!(format("-->\n<rss version='2.0'>", true), Some(Format::Xml(4)));
        assert_eq!(format("a text about <urlset>", true), Some(Format::Unknown));
        assert_eq!(format("Notice\n<HTML><pre>\n<urlset>", true), Some(Format::Unknown));
        assert_eq!(format("Notice <html><urlset xmlns='x'>", true), Some(Format::Unknown));
        assert_eq!(format("a text about <urlsets xmlns='x'>", true), Some(Format::Unknown));
        assert_eq!(format("http://a.example/\n<urlset>", true), Some(Format::Text));
        assert_eq!(format("PK\0\n<urlset>", true), Some(Format::Unknown));
    }

    #[test]
    fn text_is_detected_by_a_line_with_a_url() {
        assert_eq!(format("http://a.example/", false), None);
        assert_eq!(format("HTTP://a.example/", true), Some(Format::Text));
        assert_eq!(format("a note\n\nhttps://a.example/\n", true), Some(Format::Text));
        assert_eq!(format("see http://a.example/", true), Some(Format::Unknown));
        assert_eq!(format("", true), Some(Format::Unknown));
    }
}
