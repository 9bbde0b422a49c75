//! The problems of a document.

use std::fmt;

use crate::limits::QUOTE_CHARS_MAX;

/// Something wrong with a document, and how it was handled.
///
/// `Display` writes `problem KIND at byte N: TEXT`.
///
/// ```
/// use sitemap::{Problem, ProblemKind};
///
/// let text = "entry without a loc dropped".to_owned();
/// let problem = Problem { kind: ProblemKind::MissingLoc, offset: 8, text };
/// assert_eq!(problem.to_string(), "problem missing_loc at byte 8: entry without a loc dropped");
/// assert!(problem.kind.drops_entry());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of problem.
    pub kind: ProblemKind,
    /// Byte offset in the decoded document. It counts bytes after gzip was removed, and bytes of UTF-8 where the
    /// document has another encoding or contains invalid bytes. For a problem of the gzip stream: bytes decoded so
    /// far.
    pub offset: u64,
    /// What was wrong and what was kept or dropped: one short line, safe to print.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "problem {} at byte {}: {}", self.kind.as_str(), self.offset, self.text)
    }
}

/// Declares the kinds and their names in one place.
macro_rules! kinds {
    ( $( $(#[$meta:meta])* $name:ident = $text:literal, )* ) => {
        /// The kinds of problems that a document can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemKind { $( $(#[$meta])* $name, )* }

        impl ProblemKind {
            /// Every kind, in declaration order.
            pub const ALL: [Self; [$( $text ),*].len()] = [$( Self::$name ),*];

            /// The name used in output, in snake case.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }
        }
    };
}

kinds! {
    /// The gzip stream ended too early; the decoded part was read.
    GzipCutShort = "gzip_cut_short",
    /// The gzip stream is damaged; the part before the damage was read.
    GzipDamaged = "gzip_damaged",
    /// Data after the end of the gzip stream is not gzip and was skipped.
    GzipTrailingData = "gzip_trailing_data",
    /// Bytes that are invalid in the encoding of the document were replaced with U+FFFD.
    BadEncoding = "bad_encoding",
    /// The encoding that the Content-Type or the XML declaration names is unknown, and was ignored.
    UnknownEncoding = "unknown_encoding",
    /// The bytes are not in the encoding that is named, or not in UTF-8 where none is named; they were read in another.
    WrongEncoding = "wrong_encoding",
    /// A `&` that does not start a reference was kept as text.
    RawAmpersand = "raw_ampersand",
    /// A reference to an entity other than the five of XML. If HTML has a character of that name, it was read as that
    /// character, otherwise it was kept as text. Nothing else is ever expanded.
    UnknownEntity = "unknown_entity",
    /// Invalid markup was skipped.
    BadMarkup = "bad_markup",
    /// An end tag without its start tag, or an element that was never closed.
    MismatchedTag = "mismatched_tag",
    /// An element in the wrong place was skipped, or read according to its name.
    MisplacedElement = "misplaced_element",
    /// An element of an extension has no namespace of that extension; it was read by its local name.
    UndeclaredNamespace = "undeclared_namespace",
    /// Text outside the root element, another element after its end, or text after the URL on a line.
    TrailingContent = "trailing_content",
    /// A token exceeds its size limit and was skipped.
    TokenTooLong = "token_too_long",
    /// Elements are nested too deeply, or their names are too long; the inner ones were skipped.
    TooDeep = "too_deep",
    /// There are too many namespace declarations, or they are too long; the last ones were skipped.
    TooManyNamespaces = "too_many_namespaces",
    /// An entry exceeds its size limit; it was kept without the parts that did not fit.
    EntryTooLarge = "entry_too_large",
    /// There are more entries than sitemaps.org allows; all were read.
    TooManyEntries = "too_many_entries",
    /// The document exceeds its size limit or takes too much memory; the part before was read.
    DocumentTooLarge = "document_too_large",
    /// The document ends before its root element is closed; the complete parts were read.
    CutShort = "cut_short",
    /// An entry without a loc was dropped.
    MissingLoc = "missing_loc",
    /// An entry whose loc is not an http or https URL was dropped.
    BadUrl = "bad_url",
    /// An entry whose loc exceeds its size limit was dropped.
    LocTooLong = "loc_too_long",
    /// An entry was dropped because the document ends before its loc is complete.
    EntryCutShort = "entry_cut_short",
    /// A link of an image, a video or an alternate version that is not a valid http or https URL was skipped.
    BadLink = "bad_link",
    /// A loc that is longer than sitemaps.org allows was kept.
    LongLoc = "long_loc",
    /// A relative loc was resolved against the URL of the document or its `xml:base`.
    RelativeLoc = "relative_loc",
    /// White space or unprintable characters in a loc, or the delimiters of a CDATA section, were removed or
    /// percent-encoded.
    RepairedLoc = "repaired_loc",
    /// An entry whose URL is that of a sitemap on the same host was kept, and passed on as a child too.
    SitemapAsEntry = "sitemap_as_entry",
    /// A second loc in one element started a separate entry.
    RepeatedLoc = "repeated_loc",
    /// The text of an entry without a loc element was used as its loc.
    BareLoc = "bare_loc",
    /// A field or extension that may occur once was repeated; the first was kept.
    RepeatedField = "repeated_field",
    /// A lastmod that is not a valid date was kept as text.
    BadLastmod = "bad_lastmod",
    /// A changefreq that is not one of the seven allowed values was kept as text.
    BadChangefreq = "bad_changefreq",
    /// A priority that is not a number from 0.0 to 1.0 was kept as text.
    BadPriority = "bad_priority",
}

impl ProblemKind {
    /// Whether each problem of this kind means that one entry was dropped.
    pub const fn drops_entry(self) -> bool {
        matches!(self, Self::MissingLoc | Self::BadUrl | Self::LocTooLong | Self::EntryCutShort)
    }
}

/// The number of problems of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemCounts([u64; ProblemKind::ALL.len()]);

impl Default for ProblemCounts {
    fn default() -> Self {
        Self([0; ProblemKind::ALL.len()])
    }
}

impl ProblemCounts {
    /// The number of problems of this kind.
    pub fn get(&self, kind: ProblemKind) -> u64 {
        self.0[kind as usize]
    }

    /// The total number of problems.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds with at least one problem, and their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ProblemKind, u64)> + '_ {
        ProblemKind::ALL.into_iter().map(|kind| (kind, self.get(kind))).filter(|&(_, count)| count > 0)
    }

    pub(crate) fn add(&mut self, kind: ProblemKind) {
        self.0[kind as usize] += 1;
    }
}

/// Quotes text of a document so that it is safe to show on a terminal or in a log. The text is shortened, and every
/// character is escaped that could move the cursor, change the writing direction or start a new line.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().min(QUOTE_CHARS_MAX) + 2);
    quoted.push('"');
    for (count, character) in text.chars().enumerate() {
        if count == QUOTE_CHARS_MAX {
            quoted.push('…');
            break;
        }
        if is_unsafe_to_print(character) || matches!(character, '"' | '\\') {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a character could disturb a terminal or the reading order: control characters, line and paragraph
/// separators, bidirectional and other invisible format characters.
pub(crate) fn is_unsafe_to_print(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_on_one_line_with_its_offset() {
        let problem = Problem { kind: ProblemKind::BadUrl, offset: 7, text: "dropped".to_owned() };
        assert_eq!(problem.to_string(), "problem bad_url at byte 7: dropped");
    }

    #[test]
    fn quoted_text_cannot_disturb_a_terminal() {
        assert_eq!(quote("a\u{1b}[2J\u{202e}\n\"b"), r#""a\u{1b}[2J\u{202e}\n\"b""#);
        assert_eq!(quote(&"x".repeat(1_000)).chars().count(), QUOTE_CHARS_MAX + 3);
    }

    #[test]
    fn kinds_are_counted_separately() {
        let mut counts = ProblemCounts::default();
        counts.add(ProblemKind::BadUrl);
        counts.add(ProblemKind::BadUrl);
        counts.add(ProblemKind::BadPriority);
        assert_eq!(counts.total(), 3);
        assert_eq!(
            counts.iter().collect::<Vec<_>>(),
            [(ProblemKind::BadUrl, 2), (ProblemKind::BadPriority, 1)]
        );
    }
}
