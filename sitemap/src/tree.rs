//! The open elements of a document, and the entry they build.
//!
//! The role of an element follows from the role of its parent, its vocabulary and its local name; [`crate::xml`] and
//! [`crate::feed`] contain the rules. Text is used only inside fields. Mismatched tags are repaired in the way that
//! loses least: an end tag closes all elements up to its start tag, or none if it has no start tag.

mod root;

use std::hash::{BuildHasher, RandomState};

use quick_xml::events::BytesStart;
use url::Url;

use crate::attribute::{self, Attributes};
use crate::buffer;
use crate::document_kind::DocumentKind;
use crate::draft::{Draft, Field, Stored, trim};
use crate::element::{Element, Place, Role};
use crate::limits::{BROKEN_TOKENS_MAX, Limits, NAMES_BYTES_MAX};
use crate::namespace::Namespaces;
use crate::output::Output;
use crate::problem::{ProblemKind, quote};
use crate::sink::Sink;
use crate::{feed, loc, xml};
use root::Preamble;

/// An open element.
struct Open {
    role: Role,
    /// Offset of the name in `Tree::names`.
    name_start: u32,
    /// Hash of the name, or 0 if it was not needed yet.
    name_hash: u64,
}

/// The open elements of a document, and the entry they build.
pub(crate) struct Tree {
    kind: Option<DocumentKind>,
    open: Vec<Open>,
    /// Names of the open elements, concatenated.
    names: String,
    /// Hashes names. Seeded, so that no document can be made of names with the same hash.
    hasher: RandomState,
    /// Number of open elements beyond the maximum depth or the maximum length of all names.
    too_deep: u64,
    namespaces: Namespaces,
    /// Every `xml:base` in scope, with the number of elements around the one that sets it.
    bases: Vec<(usize, Url)>,
    draft: Draft,
    preamble: Preamble,
    /// Why the document is not a sitemap.
    refusal: Option<String>,
    is_root_closed: bool,
    /// Whether the root element has no tags.
    is_root_implied: bool,
    is_broken: bool,
    /// Broken tokens since the last entry.
    broken_tokens: u32,
}

impl Tree {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            kind: None,
            open: Vec::new(),
            names: String::new(),
            hasher: RandomState::new(),
            too_deep: 0,
            namespaces: Namespaces::new(),
            bases: Vec::new(),
            draft: Draft::new(limits.entry_bytes),
            preamble: Preamble::default(),
            refusal: None,
            is_root_closed: false,
            is_root_implied: false,
            is_broken: false,
            broken_tokens: 0,
        }
    }

    pub(crate) fn kind(&self) -> Option<DocumentKind> {
        self.kind
    }

    /// Whether reading must stop.
    pub(crate) fn is_refused(&self) -> bool {
        self.refusal.is_some() || self.is_hopeless()
    }

    /// Why the document is not a sitemap, if it is not.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Whether the document is too broken to read on.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.broken_tokens > BROKEN_TOKENS_MAX
    }

    /// Whether the document has mismatched tags or invalid markup.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether any element is open.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Bytes of memory that grow with the input.
    pub(crate) fn held_bytes(&self) -> usize {
        let bases: usize = self.bases.iter().map(|(_, base)| base.as_str().len()).sum();
        bases + self.names.capacity() + self.namespaces.held_bytes() + self.draft.held_bytes()
    }

    /// Frees memory that nothing uses until the next element.
    pub(crate) fn release_unused(&mut self) {
        buffer::release_unused(&mut self.names);
        if !self.open.iter().any(|open| matches!(open.role, Role::Entry | Role::Child)) {
            self.draft.release_unused();
        }
    }

    // --- Tokens, most frequent first.

    pub(crate) fn start<S: Sink>(
        &mut self,
        tag: &BytesStart<'_>,
        is_empty: bool,
        at: u64,
        out: &mut Output<'_, S>,
    ) {
        let name = tag.name().0;
        // The first element is always placed, because it may be the root.
        let is_long = self.is_open() && self.names.len() + name.len() > NAMES_BYTES_MAX;
        if self.too_deep > 0 || is_long || self.open.len() >= out.limits.depth {
            return self.start_too_deep(is_empty, at, out);
        }
        let role = loop {
            self.declare(tag, at, out);
            match self.place(tag, at, out) {
                Place::As(role) => break role,
                Place::ImpliedEntry(role) => {
                    self.open_implied_entry(at);
                    break role;
                }
                Place::NextEntry(role) => {
                    self.start_next_entry(at, out);
                    break role;
                }
                Place::CloseFirst => {
                    self.namespaces.leave(self.open.len());
                    if !self.is_implied_entry(self.open.last()) {
                        self.mismatch(at, out, || {
                            format!("{} starts before the previous element is closed", quote(name))
                        });
                    }
                    self.close(at, out);
                }
            }
        };
        if matches!(role, Role::Root | Role::Channel | Role::Entry)
            && self.kind.is_some_and(DocumentKind::is_feed)
        {
            self.set_base(tag, out);
        }
        let role = self.begin(role, tag, at, out);
        self.push_open(role, name);
        if is_empty {
            self.close(at, out);
        }
    }

    pub(crate) fn end<S: Sink>(&mut self, name: &str, at: u64, out: &mut Output<'_, S>) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        // Nearly always, the tag closes the innermost element, whose name is the last.
        if self.open.last().is_some_and(|open| &self.names[open.name_start as usize..] == name) {
            self.close(at, out);
        } else {
            self.end_other(name, at, out);
        }
    }

    /// Closes the elements up to the innermost one of that name, which is not the innermost of all.
    #[cold]
    fn end_other<S: Sink>(&mut self, name: &str, at: u64, out: &mut Output<'_, S>) {
        match self.innermost(name) {
            Some(index) => {
                let inner = &self.open[index + 1..];
                let unclosed = inner.iter().filter(|open| !self.is_implied_entry(Some(open))).count();
                if unclosed > 0 {
                    self.mismatch(at, out, || {
                        format!("</{}> also closes {unclosed} unclosed element(s)", printable(name))
                    });
                }
                while self.open.len() > index {
                    self.close(at, out);
                }
            }
            None if self.kind.is_none() => self.ended_before_root(name, at),
            None if self.end_around_root() => {}
            None => self.mismatch(at, out, || format!("</{}> has no start tag, skipped", printable(name))),
        }
    }

    /// Closes the innermost element, whose name is known to match.
    pub(crate) fn end_last<S: Sink>(&mut self, at: u64, out: &mut Output<'_, S>) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
        } else {
            self.close(at, out);
        }
    }

    pub(crate) fn text<S: Sink>(&mut self, text: &str, at: u64, out: &mut Output<'_, S>) {
        match self.open.last().map(|open| open.role) {
            Some(Role::Field(_) | Role::Inner) => self.draft.append(text),
            Some(Role::Entry | Role::Child) => self.draft.append_bare(text),
            Some(_) => {}
            None if self.is_passing() || trim(text).is_empty() => {}
            None => out.problem(ProblemKind::TrailingContent, at, || {
                format!("text {} outside the root element, skipped", quote(text))
            }),
        }
    }

    /// A reference `&name;` in text.
    pub(crate) fn reference<S: Sink>(&mut self, name: &str, at: u64, out: &mut Output<'_, S>) {
        if let Some(character) = attribute::referenced_character(name) {
            return self.text(character.encode_utf8(&mut [0; 4]), at, out);
        }
        if self.is_passing() {
            return;
        }
        if let Some(characters) = attribute::html_characters(name) {
            out.problem(ProblemKind::UnknownEntity, at, || {
                format!("&{name}; is a reference of HTML, read as {}", quote(characters))
            });
            return self.text(characters, at, out);
        }
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '=' || c == '/');
        let kind = if is_name { ProblemKind::UnknownEntity } else { ProblemKind::RawAmpersand };
        out.problem(kind, at, || format!("&{}; kept as text", printable(name)));
        for piece in ["&", name, ";"] {
            self.text(piece, at, out);
        }
    }

    /// Notes that a token was skipped because it is too long.
    pub(crate) fn token_skipped(&mut self) {
        self.draft.damage_field();
    }

    /// Ends the document and returns whether it was cut short. `rest` is the text after the last complete token.
    pub(crate) fn finish<S: Sink>(&mut self, rest: &str, at: u64, out: &mut Output<'_, S>) -> bool {
        if !rest.starts_with('<') && !self.is_open() {
            self.text(rest, at, out);
            return false;
        }
        if self.is_root_implied && self.has_only_implied() && trim(rest).is_empty() {
            while self.is_open() {
                self.close(at, out);
            }
            return false;
        }
        if !self.is_open() && self.is_root_closed {
            out.problem(ProblemKind::TrailingContent, at, || {
                "incomplete tag after the root element, skipped".to_owned()
            });
            return false;
        }
        out.problem(ProblemKind::CutShort, at, || {
            "the document ends early, complete values are kept".to_owned()
        });
        let is_value_complete = rest.starts_with("</");
        while let Some(open) = self.open.last() {
            let role = open.role;
            if matches!(role, Role::Field(_)) && !is_value_complete {
                self.draft.damage_field();
            }
            if matches!(role, Role::Entry | Role::Child) && !self.draft.has(Field::Loc(0)) {
                out.problem(ProblemKind::EntryCutShort, self.draft.offset, || {
                    "entry dropped, the document ends before its loc is complete".to_owned()
                });
                self.pop();
            } else {
                self.close(at, out);
            }
        }
        true
    }

    // --- Elements.

    fn start_too_deep<S: Sink>(&mut self, is_empty: bool, at: u64, out: &mut Output<'_, S>) {
        if self.too_deep == 0 {
            let limit = out.limits.depth;
            out.problem(ProblemKind::TooDeep, at, || {
                format!("elements nested deeper than {limit} levels or with too long names, skipped")
            });
        }
        if !is_empty {
            self.too_deep += 1;
        }
    }

    /// Adds the namespace declarations of a tag.
    fn declare<S: Sink>(&mut self, tag: &BytesStart<'_>, at: u64, out: &mut Output<'_, S>) {
        let raw = tag.attributes_raw();
        if raw.len() < "xmlns".len() || memchr::memmem::find(raw.as_bytes(), b"xmlns").is_none() {
            return;
        }
        let mut fit = true;
        for (name, value) in Attributes::of(tag) {
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) => match rest.strip_prefix(':') {
                    Some(prefix) => prefix,
                    None => continue,
                },
                None => continue,
            };
            fit &= self.namespaces.declare(prefix, &value, self.open.len());
        }
        if !fit {
            out.problem(ProblemKind::TooManyNamespaces, at, || {
                "too many namespace declarations, the last ones were skipped".to_owned()
            });
        }
    }

    /// Applies the `xml:base` of a feed, its channel or an entry, against which relative links are resolved.
    fn set_base<S: Sink>(&mut self, tag: &BytesStart<'_>, out: &Output<'_, S>) {
        let Some((_, text)) = Attributes::of(tag).find(|(name, _)| *name == "xml:base") else { return };
        let outer = self.bases.last().map_or(out.base, |(_, base)| base);
        if let Some(base) = loc::base(&text, outer, out.limits.loc_bytes) {
            self.bases.push((self.open.len(), base));
        }
    }

    fn place<S: Sink>(&mut self, tag: &BytesStart<'_>, at: u64, out: &mut Output<'_, S>) -> Place {
        let (vocabulary, local) = self.namespaces.resolve(tag.name().0);
        let element = Element { vocabulary, local: &local, tag, at };
        match (self.open.last().map(|open| open.role), self.kind) {
            (Some(Role::Ignored), _) => Place::As(Role::Ignored),
            (Some(parent), Some(kind)) if kind.is_feed() => {
                feed::place(kind, parent, &element, &mut self.draft)
            }
            (Some(parent), Some(kind)) => xml::place(kind, parent, &element, &mut self.draft, out),
            _ => self.root(&element, out),
        }
    }

    /// Starts an element in the draft. Returns its role, or `Ignored` if its content does not fit.
    fn begin<S: Sink>(&mut self, role: Role, tag: &BytesStart<'_>, at: u64, out: &mut Output<'_, S>) -> Role {
        let fits = match role {
            Role::Entry | Role::Child => {
                self.draft.begin(at);
                self.draft.base = self.bases.last().map(|(_, base)| base.clone());
                true
            }
            Role::News => {
                let is_first = self.draft.open_news();
                if !is_first {
                    out.problem(ProblemKind::RepeatedField, at, || {
                        "second news element of an entry, skipped".to_owned()
                    });
                }
                is_first
            }
            Role::Image => self.draft.open_image(),
            Role::Video => self.draft.open_video(),
            Role::Field(field) => {
                let fits = match field {
                    Field::Price => self.draft.open_price(),
                    Field::Segment => self.draft.open_segment(),
                    _ => true,
                };
                if fits && matches!(field, Field::Video(_) | Field::Price | Field::Segment) {
                    self.store_attributes(field, tag);
                }
                self.draft.open_field();
                fits
            }
            _ => true,
        };
        if fits { role } else { Role::Ignored }
    }

    /// Stores the attributes of a video's element.
    fn store_attributes(&mut self, field: Field, tag: &BytesStart<'_>) {
        for (name, value) in Attributes::of(tag) {
            if let Some(place) = xml::attribute_place(field, name) {
                self.draft.store_attribute(place, &value);
            }
        }
    }

    /// Closes the innermost open element.
    fn close<S: Sink>(&mut self, at: u64, out: &mut Output<'_, S>) {
        let Some(role) = self.pop() else { return };
        match role {
            Role::Field(field) => {
                if field == feed::PERMALINK && !loc::begins_with_http(self.draft.field_text()) {
                    self.draft.damage_field();
                }
                let stored = self.draft.close_field(field);
                let is_feed = self.kind.is_some_and(DocumentKind::is_feed);
                // In a feed, several elements may have the same meaning.
                if stored == Stored::Repeated && !is_feed {
                    out.problem(ProblemKind::RepeatedField, at, || "repeated value, skipped".to_owned());
                }
            }
            Role::Entry | Role::Child => self.emit(role, out),
            Role::News => self.draft.close_news(),
            Role::Image => self.draft.close_image(),
            Role::Video => self.draft.close_video(),
            Role::Root => self.is_root_closed = self.open.is_empty(),
            Role::Passed => self.note_junk(),
            _ => {}
        }
    }

    #[inline]
    fn push_open(&mut self, role: Role, name: &str) {
        // `names` holds at most `NAMES_BYTES_MAX` and one token, far less than 4 GiB.
        self.open.push(Open { role, name_start: self.names.len() as u32, name_hash: 0 });
        self.names.push_str(name);
    }

    fn pop(&mut self) -> Option<Role> {
        let open = self.open.pop()?;
        self.names.truncate(open.name_start as usize);
        self.namespaces.leave(self.open.len());
        self.bases.pop_if(|(depth, _)| *depth >= self.open.len());
        Some(open.role)
    }

    fn emit<S: Sink>(&mut self, role: Role, out: &mut Output<'_, S>) {
        self.broken_tokens = 0;
        // The misplaced fields are reported already.
        if self.draft.is_implied && !self.draft.has(Field::Loc(0)) {
            return;
        }
        if role == Role::Child {
            out.child(&self.draft);
        } else if let Some(kind) = self.kind {
            out.entry(&self.draft, kind);
        }
    }

    fn mismatch<S: Sink>(&mut self, at: u64, out: &mut Output<'_, S>, text: impl FnOnce() -> String) {
        if self.is_passing() {
            return;
        }
        self.is_broken = true;
        out.problem(ProblemKind::MismatchedTag, at, text);
    }

    /// Index of the innermost open element of that name. Hashes are compared first: a document may consist of end tags that
    /// close nothing, each below a hundred open elements.
    fn innermost(&mut self, name: &str) -> Option<usize> {
        let mut end = self.names.len();
        // The hash of an element is known only if those around it are.
        for open in self.open.iter_mut().rev().take_while(|open| open.name_hash == 0) {
            let start = open.name_start as usize;
            open.name_hash = self.hasher.hash_one(&self.names[start..end]).max(1);
            end = start;
        }
        let hash = self.hasher.hash_one(name).max(1);
        let index = self.open.iter().rposition(|open| open.name_hash == hash)?;
        let end = self.open.get(index + 1).map_or(self.names.len(), |next| next.name_start as usize);
        (&self.names[self.open[index].name_start as usize..end] == name).then_some(index)
    }
}

/// A name that is safe to print, without quotes.
fn printable(name: &str) -> String {
    quote(name).trim_matches('"').to_owned()
}
