//! RSS 2.0 and 1.0, Atom 1.0 and 0.3: which elements of a feed matter.
//!
//! An entry's loc is its link, in RSS else a guid that is a permalink. Its lastmod is the date of its last change where
//! one is given, else of its publication.

use quick_xml::events::BytesStart;

use crate::attribute::Attributes;
use crate::document::DocumentKind;
use crate::draft::Field;
use crate::namespace::Vocabulary;
use crate::tree::{Element, Place, Role, Tree};

/// Ranks of what a loc is taken from; the highest wins.
const LINK: u8 = 2;
const GUID: u8 = 1;

/// A guid is a loc only where it is an absolute URL.
pub(crate) const PERMALINK: Field = Field::Loc(GUID);

/// Ranks of what a lastmod is taken from; the highest wins.
const CHANGED: u8 = 3;
const PUBLISHED: u8 = 2;
const CREATED: u8 = 1;

/// Where an element of a feed belongs.
pub(crate) fn place(tree: &mut Tree, kind: DocumentKind, parent: Role, element: &Element<'_>) -> Place {
    let (vocabulary, local, tag) = (element.vocabulary, element.local, element.tag);
    // The elements of RSS 1.0 have a namespace of their own, which is not that of the root.
    let is_own = matches!(vocabulary, Vocabulary::Own | Vocabulary::Foreign) && !tag.name().0.contains(':')
        || vocabulary == Vocabulary::Own;
    let item = if kind == DocumentKind::Atom { "entry" } else { "item" };
    match parent {
        Role::Root | Role::Channel if is_own && local == item => Place::As(Role::Entry),
        Role::Root if is_own && local == "channel" => Place::As(Role::Channel),
        Role::Entry if is_own && local == item => Place::CloseFirst,
        Role::Entry if local == "link" && (is_own || vocabulary == Vocabulary::Atom) => {
            Place::As(place_link(tree, kind, is_own, tag))
        }
        Role::Entry if is_own && local == "guid" => Place::As(place_guid(tag)),
        Role::Entry => Place::As(date(kind, is_own, vocabulary, local).map_or(Role::Ignored, Role::Field)),
        Role::Field(_) | Role::Inner => Place::As(Role::Inner),
        _ => Place::As(Role::Ignored),
    }
}

/// A link with an `href` (Atom) that leads to the page itself, or one whose text is the URL (RSS).
fn place_link(tree: &mut Tree, kind: DocumentKind, is_own: bool, tag: &BytesStart<'_>) -> Role {
    let (mut rel, mut href) = (None, None);
    for (name, value) in Attributes::of(tag) {
        match name {
            "rel" => rel = Some(value),
            "href" => href = Some(value),
            _ => {}
        }
    }
    match href {
        Some(href) => {
            if rel.is_none_or(|rel| is_alternate(&rel)) {
                tree.draft.store_loc(&href, if is_own { LINK } else { GUID });
            }
            Role::Ignored
        }
        None if kind == DocumentKind::Rss && is_own => Role::Field(Field::Loc(LINK)),
        None => Role::Ignored,
    }
}

/// Whether a relation is `alternate`, as a name or as the IRI that means the same (RFC 4287 section 4.2.7.2).
fn is_alternate(rel: &str) -> bool {
    let rel = rel.trim();
    rel.strip_prefix("http://www.iana.org/assignments/relation/")
        .unwrap_or(rel)
        .eq_ignore_ascii_case("alternate")
}

/// A guid is a permalink unless it says that it is none (RSS 2.0).
fn place_guid(tag: &BytesStart<'_>) -> Role {
    let is_permalink = Attributes::of(tag)
        .find(|(name, _)| name.eq_ignore_ascii_case("isPermaLink"))
        .is_none_or(|(_, value)| !value.trim().eq_ignore_ascii_case("false"));
    if is_permalink { Role::Field(PERMALINK) } else { Role::Ignored }
}

fn date(kind: DocumentKind, is_own: bool, vocabulary: Vocabulary, local: &str) -> Option<Field> {
    let rank = match (vocabulary, local) {
        (Vocabulary::DublinCore, "modified") => CHANGED,
        (Vocabulary::DublinCore, "date") => CREATED,
        (Vocabulary::Atom, "updated") => CHANGED,
        _ if !is_own => return None,
        _ if kind == DocumentKind::Rss && local == "pubdate" => PUBLISHED,
        _ if kind == DocumentKind::Rss => return None,
        (_, "updated" | "modified") => CHANGED,
        (_, "published" | "issued") => PUBLISHED,
        (_, "created") => CREATED,
        _ => return None,
    };
    Some(Field::Lastmod(rank))
}
