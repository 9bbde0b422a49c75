//! Elements and their roles in a document.

use quick_xml::events::BytesStart;

use crate::draft::Field;
use crate::namespace::Vocabulary;

/// What an open element is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Root,
    /// An element before or around the root element.
    Passed,
    /// `channel` of a feed.
    Channel,
    /// `url`, `item` or `entry`.
    Entry,
    /// `sitemap` of an index.
    Child,
    News,
    Publication,
    Image,
    Video,
    TvShow,
    /// Its text is the value of this field.
    Field(Field),
    /// An element inside a field: its text belongs to the value.
    Inner,
    /// Skipped with everything inside it.
    Ignored,
}

/// A start tag with its name resolved.
pub(crate) struct Element<'e> {
    pub(crate) vocabulary: Vocabulary,
    /// Local name, in lower case.
    pub(crate) local: &'e str,
    pub(crate) tag: &'e BytesStart<'e>,
    /// Offset of the tag in the document.
    pub(crate) at: u64,
}

impl Element<'_> {
    /// The name as written.
    pub(crate) fn name(&self) -> &str {
        self.tag.name().0
    }
}

/// Where an element belongs.
pub(crate) enum Place {
    /// Inside the innermost open element, with this role.
    As(Role),
    /// After the innermost open element, which was not closed. It must be closed before this element is placed again.
    CloseFirst,
    /// First in an entry that has no tag of its own, with this role.
    ImpliedEntry(Role),
    /// First in a new entry, with this role. The open entry ends before this element.
    NextEntry(Role),
}

/// The field that the value of an attribute belongs to, by its index in the `FIELDS` of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Video(usize),
    Price(usize),
    Segment(usize),
}
