//! `urlset` and `sitemapindex` of sitemaps.org with the news, image, video and alternate extensions: which of their
//! elements matter.

use crate::Sink;
use crate::attribute::{self, Attributes};
use crate::document::DocumentKind;
use crate::draft::{Attribute, Field};
use crate::image::Image;
use crate::namespace::Vocabulary;
use crate::news::News;
use crate::output::Output;
use crate::problem::{ProblemKind, quote};
use crate::tree::{Element, Place, Role, Tree};
use crate::video::{ContentSegment, Price, Video};

/// Where an element of a sitemap belongs.
pub(crate) fn place<S: Sink>(
    tree: &mut Tree,
    parent: Role,
    element: &Element<'_>,
    out: &mut Output<'_, S>,
) -> Place {
    let (vocabulary, local) = (element.vocabulary, element.local);
    let is_own = vocabulary == Vocabulary::Own;
    let role = match parent {
        Role::Root if is_own => place_in_root(tree, element, out),
        Role::Entry | Role::Child if is_own => return place_in_entry(tree, parent, element, out),
        Role::Entry | Role::Child => place_extension(tree, element, out),
        Role::News | Role::Publication => place_news(vocabulary, local),
        Role::Image => value(vocabulary, Vocabulary::Image, &Image::FIELDS, "", local, Field::Image),
        Role::Video => place_video(vocabulary, local),
        Role::TvShow => value(vocabulary, Vocabulary::Video, &Video::FIELDS, "tvshow_", local, Field::Video),
        Role::Root => place_foreign_in_root(element, out),
        Role::Field(open) if is_own && is_left_open(tree, open, local) => return Place::CloseFirst,
        Role::Field(_) | Role::Inner => Role::Inner,
        Role::Channel | Role::Ignored => Role::Ignored,
    };
    Place::As(role)
}

/// Where the value of an attribute of a video's element goes.
pub(crate) fn attribute_place(element: Field, attribute: &str) -> Option<Attribute> {
    match element {
        Field::Price => index_of(&Price::FIELDS, "", attribute).map(Attribute::Price),
        Field::Segment => index_of(&ContentSegment::FIELDS, "", attribute).map(Attribute::Segment),
        Field::Video(element) => {
            let element = Video::FIELDS.get(usize::from(element))?;
            let is_of = |field: &str| {
                field.strip_prefix(element).and_then(|rest| rest.strip_prefix('_')) == Some(attribute)
            };
            Video::FIELDS.iter().position(|field| is_of(field)).map(Attribute::Video)
        }
        _ => None,
    }
}

fn place_in_root<S: Sink>(tree: &Tree, element: &Element<'_>, out: &mut Output<'_, S>) -> Role {
    let (role, is_in_place) = match element.local {
        "url" => (Role::Entry, tree.kind() == Some(DocumentKind::Urlset)),
        "sitemap" => (Role::Child, tree.kind() == Some(DocumentKind::Index)),
        "urlset" | "sitemapindex" => (Role::Root, false),
        _ => (Role::Ignored, false),
    };
    if !is_in_place {
        let fate = if role == Role::Ignored { "left out" } else { "taken by its name" };
        misplaced(element, fate, out);
    }
    role
}

/// An entry in a namespace of its own, or an extension that stands beside its entry, is worth a word; others are not.
fn place_foreign_in_root<S: Sink>(element: &Element<'_>, out: &mut Output<'_, S>) -> Role {
    let is_extension =
        !matches!(element.vocabulary, Vocabulary::Foreign | Vocabulary::DublinCore | Vocabulary::Atom);
    if is_entry(element.local) || is_extension {
        misplaced(element, "left out", out);
    }
    Role::Ignored
}

fn place_in_entry<S: Sink>(
    tree: &mut Tree,
    parent: Role,
    element: &Element<'_>,
    out: &mut Output<'_, S>,
) -> Place {
    match entry_field(element.local) {
        Some(Field::Loc(rank)) => {
            if tree.draft.has_loc() {
                tree.begin_next(parent, element.at, out);
            }
            Place::As(Role::Field(Field::Loc(rank)))
        }
        Some(field) => Place::As(Role::Field(field)),
        None if is_entry(element.local) => Place::CloseFirst,
        None => Place::As(place_link(tree, element, out)),
    }
}

fn place_extension<S: Sink>(tree: &mut Tree, element: &Element<'_>, out: &mut Output<'_, S>) -> Role {
    match (element.vocabulary, element.local) {
        (Vocabulary::News, "news") => Role::News,
        (Vocabulary::Image, "image") => Role::Image,
        (Vocabulary::Video, "video") => Role::Video,
        (Vocabulary::Xhtml, _) => place_link(tree, element, out),
        (Vocabulary::News | Vocabulary::Image | Vocabulary::Video, _) => {
            misplaced(element, "left out", out);
            Role::Ignored
        }
        _ => Role::Ignored,
    }
}

/// `<link rel="alternate" hreflang href/>`, which has no content.
fn place_link<S: Sink>(tree: &mut Tree, element: &Element<'_>, out: &mut Output<'_, S>) -> Role {
    if element.local != "link" {
        return Role::Ignored;
    }
    let (mut rel, mut hreflang, mut href) = (None, None, None);
    for (name, value) in Attributes::of(element.tag) {
        match name {
            "rel" => rel = Some(value),
            "hreflang" => hreflang = Some(value),
            "href" => href = Some(value),
            _ => {}
        }
    }
    let is_alternate = rel.is_none_or(|rel| rel.trim().eq_ignore_ascii_case("alternate"));
    if let Some(href) = href.filter(|_| is_alternate) {
        if attribute::has_raw_ampersand(element.tag.attributes_raw()) {
            out.problem(ProblemKind::RawAmpersand, element.at, || {
                format!("in the attributes of {}, kept as text", quote(element.name()))
            });
        }
        tree.draft.add_alternate(hreflang.as_deref(), &href);
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
        _ if !matches!(vocabulary, Vocabulary::Video | Vocabulary::Own) => Role::Ignored,
        "tag" => Role::Field(Field::Tag),
        "price" => Role::Field(Field::Price),
        "content_segment_loc" => Role::Field(Field::Segment),
        "tvshow" => Role::TvShow,
        _ => value(vocabulary, Vocabulary::Video, &Video::FIELDS, "", local, Field::Video),
    }
}

/// The field of a record by its element's local name; forgotten prefixes are forgiven.
fn value(
    vocabulary: Vocabulary,
    expected: Vocabulary,
    fields: &[&str],
    prefix: &str,
    local: &str,
    field: impl FnOnce(u8) -> Field,
) -> Role {
    if vocabulary != expected && vocabulary != Vocabulary::Own {
        return Role::Ignored;
    }
    let index = index_of(fields, prefix, local).and_then(|index| u8::try_from(index).ok());
    index.map_or(Role::Ignored, |index| Role::Field(field(index)))
}

fn index_of(fields: &[&str], prefix: &str, name: &str) -> Option<usize> {
    // Lengths first: nearly every field is told by its own, without a call.
    let length = prefix.len() + name.len();
    fields.iter().position(|field| field.len() == length && field.strip_prefix(prefix) == Some(name))
}

/// Whether the open field should have ended before an own element `local`: it begins the next field, or the next entry
/// while the open field has a value already. (Some write `<loc><url>…</url></loc>`.)
fn is_left_open(tree: &Tree, open: Field, local: &str) -> bool {
    let is_of_entry = matches!(open, Field::Loc(_) | Field::Lastmod(_) | Field::Changefreq | Field::Priority);
    is_of_entry && (entry_field(local).is_some() || is_entry(local) && tree.draft.has_text())
}

/// A field of `url` or `sitemap` by its element's local name.
fn entry_field(local: &str) -> Option<Field> {
    match local {
        "loc" => Some(Field::Loc(0)),
        "lastmod" => Some(Field::Lastmod(0)),
        "changefreq" => Some(Field::Changefreq),
        "priority" => Some(Field::Priority),
        _ => None,
    }
}

fn is_entry(local: &str) -> bool {
    matches!(local, "url" | "sitemap")
}

fn misplaced<S: Sink>(element: &Element<'_>, fate: &str, out: &mut Output<'_, S>) {
    out.problem(ProblemKind::MisplacedElement, element.at, || {
        format!("element {} does not belong here, {fate}", quote(element.name()))
    });
}
