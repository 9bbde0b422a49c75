//! The elements of `urlset` and `sitemapindex` of sitemaps.org, with the news, image, video and alternate extensions.

use crate::alternate::Alternate;
use crate::attribute::{self, Attributes};
use crate::document_kind::DocumentKind;
use crate::draft::{Draft, Field};
use crate::element::{Attribute, Element, Place, Role};
use crate::image::Image;
use crate::namespace::Vocabulary;
use crate::news::News;
use crate::output::Output;
use crate::problem::{ProblemKind, quote};
use crate::sink::Sink;
use crate::video::{ContentSegment, Price, Video};

/// Where an element of a sitemap belongs, inside a parent with this role.
pub(crate) fn place<S: Sink>(
    kind: DocumentKind,
    parent: Role,
    element: &Element<'_>,
    draft: &mut Draft,
    out: &mut Output<'_, S>,
) -> Place {
    let (vocabulary, local) = (element.vocabulary, element.local);
    let is_own = vocabulary == Vocabulary::Own;
    let role = match parent {
        Role::Root if is_own => return place_in_root(kind, element, out),
        Role::Entry | Role::Child if is_own => return place_in_entry(element, draft, out),
        Role::Entry | Role::Child => place_extension(element, draft, out),
        Role::News | Role::Publication => place_news(vocabulary, local),
        Role::Image => value(vocabulary, Vocabulary::Image, &Image::FIELDS, "", local, Field::Image),
        Role::Video => place_video(vocabulary, local),
        Role::TvShow => value(vocabulary, Vocabulary::Video, &Video::FIELDS, "tvshow_", local, Field::Video),
        Role::Root => place_foreign_in_root(element, out),
        Role::Field(open) if is_own && is_left_open(draft, open, local) => return Place::CloseFirst,
        Role::Field(_) | Role::Inner => Role::Inner,
        Role::Passed | Role::Channel | Role::Ignored => Role::Ignored,
    };
    Place::As(role)
}

/// The field for an attribute of an element inside a video.
pub(crate) fn attribute_place(element: Field, attribute: &str) -> Option<Attribute> {
    match element {
        Field::Price => index_of(&Price::FIELDS, "", attribute).map(Attribute::Price),
        Field::Segment => index_of(&ContentSegment::FIELDS, "", attribute).map(Attribute::Segment),
        Field::Video(element) => {
            let element = Video::FIELDS.get(usize::from(element))?;
            let is_attribute = |field: &str| {
                field.strip_prefix(element).and_then(|rest| rest.strip_prefix('_')) == Some(attribute)
            };
            Video::FIELDS.iter().position(|field| is_attribute(field)).map(Attribute::Video)
        }
        _ => None,
    }
}

/// A field without an entry around it begins one. An unknown element may be there in place of `url`, or around several
/// of them.
fn place_in_root<S: Sink>(kind: DocumentKind, element: &Element<'_>, out: &mut Output<'_, S>) -> Place {
    let (place, action) = match element.local {
        "url" if kind == DocumentKind::Urlset => return Place::As(Role::Entry),
        "sitemap" if kind == DocumentKind::Index => return Place::As(Role::Child),
        "url" => (Place::As(Role::Entry), "read anyway"),
        "sitemap" => (Place::As(Role::Child), "read anyway"),
        "urlset" | "sitemapindex" => (Place::As(Role::Root), "read anyway"),
        "image" | "video" | "news" => (Place::As(Role::Ignored), "skipped"),
        local => match entry_field(local) {
            Some(field) => (Place::ImpliedEntry(Role::Field(field)), "read as part of an entry"),
            None => (Place::As(Role::Root), "only entries inside it are read"),
        },
    };
    report_misplaced(element, action, out);
    place
}

/// Ignores an element of another vocabulary in the root. An entry in another namespace, or an extension outside of
/// an entry, is reported.
fn place_foreign_in_root<S: Sink>(element: &Element<'_>, out: &mut Output<'_, S>) -> Role {
    let is_extension = matches!(
        element.vocabulary,
        Vocabulary::News | Vocabulary::Image | Vocabulary::Video | Vocabulary::Xhtml
    );
    if is_entry(element.local) || is_extension {
        report_misplaced(element, "skipped", out);
    }
    Role::Ignored
}

fn place_in_entry<S: Sink>(element: &Element<'_>, draft: &mut Draft, out: &mut Output<'_, S>) -> Place {
    match entry_field(element.local) {
        Some(field) if draft.has(field) && (draft.is_implied || matches!(field, Field::Loc(_))) => {
            Place::NextEntry(Role::Field(field))
        }
        Some(field) => Place::As(Role::Field(field)),
        None if is_entry(element.local) => Place::CloseFirst,
        None => Place::As(place_without_namespace(element, draft, out)),
    }
}

fn place_extension<S: Sink>(element: &Element<'_>, draft: &mut Draft, out: &mut Output<'_, S>) -> Role {
    match (element.vocabulary, element.local) {
        (Vocabulary::News, "news") => Role::News,
        (Vocabulary::Image, "image") => Role::Image,
        (Vocabulary::Video, "video") => Role::Video,
        (Vocabulary::Xhtml, _) => place_link(element, draft, out),
        (Vocabulary::News | Vocabulary::Image | Vocabulary::Video, _) => {
            report_misplaced(element, "skipped", out);
            Role::Ignored
        }
        (Vocabulary::Undeclared, _) => place_without_namespace(element, draft, out),
        _ => Role::Ignored,
    }
}

/// The role of an element of an extension that is known by its local name alone.
#[cold]
fn place_without_namespace<S: Sink>(
    element: &Element<'_>,
    draft: &mut Draft,
    out: &mut Output<'_, S>,
) -> Role {
    let role = match element.local {
        "news" => Role::News,
        "image" => Role::Image,
        "video" => Role::Video,
        _ => return place_link(element, draft, out),
    };
    out.problem(ProblemKind::UndeclaredNamespace, element.at, || {
        format!("element {} has no namespace, read by its name", quote(element.name()))
    });
    role
}

/// Adds an alternate from `<link rel="alternate" hreflang href media type title/>`. The element itself has no content.
fn place_link<S: Sink>(element: &Element<'_>, draft: &mut Draft, out: &mut Output<'_, S>) -> Role {
    if element.local != "link" {
        return Role::Ignored;
    }
    let mut rel = None;
    let mut values = [const { None }; Alternate::FIELDS.len()];
    for (name, value) in Attributes::of(element.tag) {
        if name.eq_ignore_ascii_case("rel") {
            rel = Some(value);
        } else if let Some(field) =
            Alternate::FIELDS.iter().position(|field| name.eq_ignore_ascii_case(field))
        {
            values[field] = Some(value);
        }
    }
    let is_alternate = rel.is_none_or(|rel| rel.trim().eq_ignore_ascii_case("alternate"));
    if values[Alternate::HREF].is_some() && is_alternate {
        let (has_raw_ampersand, has_html) = attribute::odd_references(element.tag.attributes_raw());
        if has_html {
            out.problem(ProblemKind::UnknownEntity, element.at, || {
                format!("references of HTML in the attributes of {}, read as such", quote(element.name()))
            });
        }
        if has_raw_ampersand {
            out.problem(ProblemKind::RawAmpersand, element.at, || {
                format!("raw \"&\" in the attributes of {}, kept as text", quote(element.name()))
            });
        }
        draft.add_alternate(&values);
    }
    Role::Ignored
}

fn place_news(vocabulary: Vocabulary, local: &str) -> Role {
    match local {
        "publication" => Role::Publication,
        _ => value(vocabulary, Vocabulary::News, &News::FIELDS, "", local, Field::News),
    }
}

fn place_video(vocabulary: Vocabulary, local: &str) -> Role {
    match local {
        _ if !is_or_lacks(vocabulary, Vocabulary::Video) => Role::Ignored,
        "tag" => Role::Field(Field::Tag),
        "price" => Role::Field(Field::Price),
        "content_segment_loc" => Role::Field(Field::Segment),
        "tvshow" => Role::TvShow,
        _ => value(vocabulary, Vocabulary::Video, &Video::FIELDS, "", local, Field::Video),
    }
}

/// Whether an element is of the vocabulary `expected` or has no namespace that says otherwise.
fn is_or_lacks(vocabulary: Vocabulary, expected: Vocabulary) -> bool {
    vocabulary == expected || matches!(vocabulary, Vocabulary::Own | Vocabulary::Undeclared)
}

/// The role of a value of a record, by the local name of its element. A missing prefix is accepted.
fn value(
    vocabulary: Vocabulary,
    expected: Vocabulary,
    fields: &[&str],
    prefix: &str,
    local: &str,
    field: impl FnOnce(u8) -> Field,
) -> Role {
    if !is_or_lacks(vocabulary, expected) {
        return Role::Ignored;
    }
    let index = index_of(fields, prefix, local).and_then(|index| u8::try_from(index).ok());
    index.map_or(Role::Ignored, |index| Role::Field(field(index)))
}

fn index_of(fields: &[&str], prefix: &str, name: &str) -> Option<usize> {
    // Compares lengths first: they rule out nearly every field without a call.
    let length = prefix.len() + name.len();
    fields.iter().position(|field| field.len() == length && field.strip_prefix(prefix) == Some(name))
}

/// Whether the open field was not closed before the element `local`, which starts the next field or the next entry.
///
/// An entry inside a field without text does not count, because some publishers write `<loc><url>…</url></loc>`.
fn is_left_open(draft: &Draft, open: Field, local: &str) -> bool {
    let is_of_entry = matches!(open, Field::Loc(_) | Field::Lastmod(_) | Field::Changefreq | Field::Priority);
    is_of_entry && (entry_field(local).is_some() || is_entry(local) && draft.has_text())
}

/// The field of `url` or `sitemap` with this local name.
fn entry_field(local: &str) -> Option<Field> {
    match local {
        "loc" => Some(Field::Loc(0)),
        "lastmod" => Some(Field::Lastmod(0)),
        "changefreq" => Some(Field::Changefreq),
        "priority" => Some(Field::Priority),
        _ => None,
    }
}

/// Whether this is the local name of a field of `url` or `sitemap`.
pub(crate) fn is_field(local: &str) -> bool {
    entry_field(local).is_some()
}

pub(crate) fn is_entry(local: &str) -> bool {
    matches!(local, "url" | "sitemap")
}

fn report_misplaced<S: Sink>(element: &Element<'_>, action: &str, out: &mut Output<'_, S>) {
    out.problem(ProblemKind::MisplacedElement, element.at, || {
        format!("element {} does not belong here, {action}", quote(element.name()))
    });
}
