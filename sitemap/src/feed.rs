//! The elements of RSS 2.0 and 1.0, and of Atom 1.0 and 0.3.
//!
//! The loc of an entry is its link; in RSS, a guid that is a permalink is used if there is no link. The lastmod is
//! the date of the last change, or the date of publication if there is none.

use quick_xml::events::BytesStart;

use crate::attribute::Attributes;
use crate::document_kind::DocumentKind;
use crate::draft::{Draft, Field};
use crate::element::{Element, Place, Role};
use crate::namespace::Vocabulary;

/// Ranks of the sources of a loc; the highest wins.
const LINK: u8 = 2;
const GUID: u8 = 1;

/// The field of a guid, which is a loc only if it is an absolute URL.
pub(crate) const PERMALINK: Field = Field::Loc(GUID);

/// Ranks of the sources of a lastmod; the highest wins.
const CHANGED: u8 = 3;
const PUBLISHED: u8 = 2;
const CREATED: u8 = 1;

/// Where an element of a feed belongs, inside a parent with this role.
pub(crate) fn place(kind: DocumentKind, parent: Role, element: &Element<'_>, draft: &mut Draft) -> Place {
    let (vocabulary, local, tag) = (element.vocabulary, element.local, element.tag);
    // RSS 1.0 elements have their own namespace, which differs from that of the root.
    let is_own = matches!(vocabulary, Vocabulary::Own | Vocabulary::Foreign) && !tag.name().0.contains(':')
        || vocabulary == Vocabulary::Own;
    let item = if kind == DocumentKind::Atom { "entry" } else { "item" };
    match parent {
        Role::Root | Role::Channel if is_own && local == item => Place::As(Role::Entry),
        Role::Root if is_own && local == "channel" => Place::As(Role::Channel),
        Role::Entry if is_own && local == item => Place::CloseFirst,
        Role::Entry if local == "link" && (is_own || vocabulary == Vocabulary::Atom) => {
            Place::As(place_link(kind, is_own, tag, draft))
        }
        Role::Entry if is_own && local == "guid" => Place::As(place_guid(tag)),
        Role::Entry => {
            Place::As(date_field(kind, is_own, vocabulary, local).map_or(Role::Ignored, Role::Field))
        }
        Role::Field(_) | Role::Inner => Place::As(Role::Inner),
        _ => Place::As(Role::Ignored),
    }
}

/// The role of a link. In Atom, the URL is in `href`, and only links to the page itself are stored. In RSS, the URL
/// is the text of the element.
fn place_link(kind: DocumentKind, is_own: bool, tag: &BytesStart<'_>, draft: &mut Draft) -> Role {
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
                draft.store_loc(&href, if is_own { LINK } else { GUID });
            }
            Role::Ignored
        }
        None if kind == DocumentKind::Rss && is_own => Role::Field(Field::Loc(LINK)),
        None => Role::Ignored,
    }
}

/// Whether a relation is `alternate`, as a name or as the equivalent IRI (RFC 4287 section 4.2.7.2).
fn is_alternate(rel: &str) -> bool {
    let rel = rel.trim();
    rel.strip_prefix("http://www.iana.org/assignments/relation/")
        .unwrap_or(rel)
        .eq_ignore_ascii_case("alternate")
}

/// The role of a guid. It is a permalink unless `isPermaLink` is `false` (RSS 2.0).
fn place_guid(tag: &BytesStart<'_>) -> Role {
    let is_permalink = Attributes::of(tag)
        .find(|(name, _)| name.eq_ignore_ascii_case("isPermaLink"))
        .is_none_or(|(_, value)| !value.trim().eq_ignore_ascii_case("false"));
    if is_permalink { Role::Field(PERMALINK) } else { Role::Ignored }
}

/// The lastmod field of an element that contains a date.
fn date_field(kind: DocumentKind, is_own: bool, vocabulary: Vocabulary, local: &str) -> Option<Field> {
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
