//! What was wrong with a document, and where.

use std::fmt;

use crate::limits::QUOTE_CHARS_MAX;

/// Something wrong with a document, with what was kept or dropped because of it.
///
/// Its `Display` is `problem KIND at byte N: TEXT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What sort of thing was wrong.
    pub kind: ProblemKind,
    /// Where, in bytes of the document: decoded from gzip, and counted as UTF-8 where it came in another encoding or
    /// contained bad bytes. For a problem of the gzip stream itself: bytes decoded so far.
    pub offset: u64,
    /// What was kept or dropped; one short line, safe to print.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "problem {} at byte {}: {}", self.kind.as_str(), self.offset, self.text)
    }
}

/// Declares the kinds once, with their texts.
macro_rules! kinds {
    ( $( $(#[$meta:meta])* $name:ident = $text:literal, )* ) => {
        /// The sorts of problems a document can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemKind { $( $(#[$meta])* $name, )* }

        impl ProblemKind {
            /// Every kind, in declaration order.
            pub const ALL: [Self; [$( $text ),*].len()] = [$( Self::$name ),*];

            /// Its name in output: snake case.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }
        }
    };
}

kinds! {
    /// The gzip stream ended too early; what came out of it was read.
    GzipCutShort = "gzip_cut_short",
    /// The gzip stream is damaged; what came before was read.
    GzipDamaged = "gzip_damaged",
    /// Something that is not gzip follows the gzip stream and was left out.
    GzipTrailingData = "gzip_trailing_data",
    /// Bytes that are not text in the document's encoding became U+FFFD.
    BadEncoding = "bad_encoding",
    /// The declared encoding is unknown; the document was read as UTF-8.
    UnknownEncoding = "unknown_encoding",
    /// A `&` that begins no reference was kept as text.
    RawAmpersand = "raw_ampersand",
    /// A reference to an entity other than the five of XML was kept as text; none is ever expanded.
    UnknownEntity = "unknown_entity",
    /// Markup that is none was left out.
    BadMarkup = "bad_markup",
    /// An end tag without its start tag, or an element that was never closed.
    MismatchedTag = "mismatched_tag",
    /// An element where none belongs was left out or taken by its name.
    MisplacedElement = "misplaced_element",
    /// Text where none belongs, or anything after the end of the document's root.
    TrailingContent = "trailing_content",
    /// A token exceeds its ceiling and was left out.
    TokenTooLong = "token_too_long",
    /// Elements nest too deep; the inner ones were left out.
    TooDeep = "too_deep",
    /// Too many namespace declarations; the further ones were left out.
    TooManyNamespaces = "too_many_namespaces",
    /// An entry exceeds its ceiling; it was kept without the rest.
    EntryTooLarge = "entry_too_large",
    /// More entries than sitemaps.org allows; all are read.
    TooManyEntries = "too_many_entries",
    /// The document exceeds its ceiling; what came before was read.
    DocumentTooLarge = "document_too_large",
    /// The document ends before its root is closed; what was whole was read.
    CutShort = "cut_short",
    /// An entry without a loc was dropped.
    MissingLoc = "missing_loc",
    /// An entry whose loc is no http(s) URL was dropped.
    BadUrl = "bad_url",
    /// An entry whose loc exceeds its ceiling was dropped.
    LocTooLong = "loc_too_long",
    /// An entry was dropped because the document ends before its loc does.
    EntryCutShort = "entry_cut_short",
    /// A link of an image, a video or another version of the page that nobody could follow was left out.
    BadLink = "bad_link",
    /// A loc longer than sitemaps.org allows was kept.
    LongLoc = "long_loc",
    /// A relative loc was resolved against the document's own URL.
    RelativeLoc = "relative_loc",
    /// White space or control characters inside a loc were removed or percent-encoded.
    RepairedLoc = "repaired_loc",
    /// A second loc in one element began an entry of its own.
    RepeatedLoc = "repeated_loc",
    /// The text of an entry without a loc element was taken for its loc.
    BareLoc = "bare_loc",
    /// A field or extension that may occur once occurs again; the first was kept.
    RepeatedField = "repeated_field",
    /// A lastmod that is no date was kept as text.
    BadLastmod = "bad_lastmod",
    /// A changefreq outside the seven words was kept as text.
    BadChangefreq = "bad_changefreq",
    /// A priority outside 0.0 to 1.0 was kept as text.
    BadPriority = "bad_priority",
}

impl ProblemKind {
    /// Whether each problem of this kind stands for one entry that was dropped.
    pub const fn drops_entry(self) -> bool {
        matches!(self, Self::MissingLoc | Self::BadUrl | Self::LocTooLong | Self::EntryCutShort)
    }
}

/// How many problems of each kind a document has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemCounts([u64; ProblemKind::ALL.len()]);

impl Default for ProblemCounts {
    fn default() -> Self {
        Self([0; ProblemKind::ALL.len()])
    }
}

impl ProblemCounts {
    /// How many problems are of this kind.
    pub fn get(&self, kind: ProblemKind) -> u64 {
        self.0[kind as usize]
    }

    /// How many problems there are in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds that occur, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ProblemKind, u64)> + '_ {
        ProblemKind::ALL.into_iter().map(|kind| (kind, self.get(kind))).filter(|&(_, count)| count > 0)
    }

    pub(crate) fn add(&mut self, kind: ProblemKind) {
        self.0[kind as usize] += 1;
    }
}

/// A piece of a document as it may be shown on a terminal or in a log: in quotes, shortened, nothing in it that could
/// move the cursor, turn the writing direction or begin a new line.
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

/// Whether a character may disturb a terminal or the reading order: controls, line and paragraph separators, bidi and
/// other invisible format characters.
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
    fn a_problem_is_printed_on_one_line_with_its_place() {
        let problem = Problem { kind: ProblemKind::BadUrl, offset: 7, text: "dropped".to_owned() };
        assert_eq!(problem.to_string(), "problem bad_url at byte 7: dropped");
    }

    #[test]
    fn what_is_quoted_cannot_disturb_a_terminal() {
        assert_eq!(quote("a\u{1b}[2J\u{202e}\n\"b"), r#""a\u{1b}[2J\u{202e}\n\"b""#);
        assert_eq!(quote(&"x".repeat(1_000)).chars().count(), QUOTE_CHARS_MAX + 3);
    }

    #[test]
    fn kinds_are_counted_apart() {
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
