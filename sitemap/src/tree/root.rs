//! The root element: what may stand before and around it, and what takes its place where it is missing or broken.
//!
//! Elements before the root are passed over, with all that is between them, until a known root element is found. Some are
//! leftovers of a web page, others contain the root.

use super::{Open, Tree, printable};
use crate::document_kind::DocumentKind;
use crate::element::{Element, Place, Role};
use crate::limits::SNIFF_BYTES;
use crate::namespace::Vocabulary;
use crate::output::Output;
use crate::problem::{ProblemKind, quote};
use crate::sink::Sink;
use crate::xml;

/// What was found instead of a root element so far.
#[derive(Default)]
pub(super) struct Preamble {
    /// The name and the offset of the first tag that was passed over.
    first: Option<(String, u64)>,
    /// Whether anything before the root has ended there, so that it does not contain the root.
    has_junk: bool,
    /// Whether the document type is that of a web page.
    is_page: bool,
    /// Number of elements around the root whose end tags are still to come.
    around: usize,
}

impl Tree {
    /// Whether tags were passed over and no root element was found yet.
    pub(crate) fn is_passing(&self) -> bool {
        self.kind.is_none() && self.preamble.first.is_some()
    }

    /// Why the document is not a sitemap, if it ends without a root element.
    pub(crate) fn missing_root(&self) -> String {
        match &self.preamble.first {
            Some((name, _)) => format!("the root element is {}", quote(name)),
            None => "no root element".to_owned(),
        }
    }

    /// Notes the document type, `text` after `<!DOCTYPE`.
    pub(crate) fn document_type(&mut self, text: &str) {
        let name = text.split_ascii_whitespace().next().unwrap_or_default();
        self.preamble.is_page |= name.eq_ignore_ascii_case("html");
    }

    /// Ends reading, because there is no root element near the start.
    pub(crate) fn refuse(&mut self) {
        self.refusal = Some(self.missing_root());
    }

    /// Places an element outside all others, or before the root element was found. The first root element decides the
    /// kind of the document.
    pub(super) fn root<S: Sink>(&mut self, element: &Element<'_>, out: &mut Output<'_, S>) -> Place {
        let name = element.name();
        let found = root_kind(element.local);
        let Some(kind) = self.kind else {
            // Other vocabularies have feeds too.
            let is_inner_feed =
                element.local == "feed" && element.vocabulary != Vocabulary::Atom && self.is_open();
            return match found.filter(|_| !is_inner_feed) {
                Some(kind) => self.begin_root(kind, element, out),
                None => self.without_root(element, out),
            };
        };
        let is_same_kind = found == Some(kind);
        out.problem(ProblemKind::TrailingContent, element.at, || {
            let action = if is_same_kind { "also read" } else { "skipped" };
            format!("{} after the end of the root element, {action}", quote(name))
        });
        Place::As(if is_same_kind { Role::Root } else { Role::Ignored })
    }

    fn begin_root<S: Sink>(
        &mut self,
        kind: DocumentKind,
        element: &Element<'_>,
        out: &mut Output<'_, S>,
    ) -> Place {
        self.leave_preamble(element.at, out);
        self.adopt(element.name());
        self.kind = Some(kind);
        Place::As(Role::Root)
    }

    /// Makes the namespace of an element the document's own.
    fn adopt(&mut self, name: &str) {
        self.namespaces.adopt(name.split_once(':').map_or("", |(prefix, _)| prefix));
    }

    /// Places an element that is no root, before one was found: it may be an entry or a field of one, whose root is
    /// missing. Otherwise it is passed over.
    fn without_root<S: Sink>(&mut self, element: &Element<'_>, out: &mut Output<'_, S>) -> Place {
        let is_own =
            matches!(element.vocabulary, Vocabulary::Own | Vocabulary::Foreign | Vocabulary::Undeclared);
        let parent = self.open.last().map(|open| self.names[open.name_start as usize..].to_ascii_lowercase());
        let is_page = element.local == "html"
            || self.preamble.is_page
            || is_part_of_page(element.local) && !self.is_passing();
        match (parent.as_deref(), element.local) {
            _ if is_page => {
                self.refusal = Some(format!("the root element is {}", quote(element.name())));
                Place::As(Role::Ignored)
            }
            (None, "url" | "sitemap" | "loc") if is_own => self.without_parent(element, out),
            (Some(parent), local) if is_own && xml::is_entry(local_name(parent)) && xml::is_field(local) => {
                self.inside_entry(parent, element, out)
            }
            _ => self.pass_over(element),
        }
    }

    /// Places an entry, or a loc, that nothing is around.
    fn without_parent<S: Sink>(&mut self, element: &Element<'_>, out: &mut Output<'_, S>) -> Place {
        self.leave_preamble(element.at, out);
        self.adopt(element.name());
        let kind = self.begin_implied_root(element.local);
        if element.local == "loc" {
            return xml::place(kind, Role::Root, element, &mut self.draft, out);
        }
        out.problem(ProblemKind::MisplacedElement, element.at, || {
            format!("no root element around {}, read anyway", quote(element.name()))
        });
        Place::As(if kind == DocumentKind::Index { Role::Child } else { Role::Entry })
    }

    /// Places the first field of an entry inside an unknown element. The entry was passed over.
    fn inside_entry<S: Sink>(
        &mut self,
        parent: &str,
        element: &Element<'_>,
        out: &mut Output<'_, S>,
    ) -> Place {
        self.leave_preamble(element.at, out);
        self.adopt(element.name());
        self.preamble.around = self.preamble.around.saturating_sub(1);
        let kind = self.begin_implied_root(local_name(parent));
        let role = if kind == DocumentKind::Index { Role::Child } else { Role::Entry };
        self.draft.begin(element.at);
        self.push_open(role, parent);
        xml::place(kind, role, element, &mut self.draft, out)
    }

    fn pass_over(&mut self, element: &Element<'_>) -> Place {
        let (_, first_at) =
            self.preamble.first.get_or_insert_with(|| (printable(element.name()), element.at));
        if element.at - *first_at > SNIFF_BYTES as u64 {
            self.refuse();
            return Place::As(Role::Ignored);
        }
        Place::As(Role::Passed)
    }

    /// Notes that an element has ended before the root element was found.
    pub(super) fn note_junk(&mut self) {
        self.preamble.has_junk = true;
    }

    /// Passes over an end tag without a start tag before the root element.
    pub(super) fn ended_before_root(&mut self, name: &str, at: u64) {
        self.note_junk();
        self.preamble.first.get_or_insert_with(|| (printable(name), at));
    }

    /// Forgets what was passed over before the root element, and reports it.
    pub(super) fn leave_preamble<S: Sink>(&mut self, at: u64, out: &mut Output<'_, S>) {
        let Some((name, first_at)) = self.preamble.first.take() else { return };
        if self.preamble.has_junk {
            out.problem(ProblemKind::TrailingContent, first_at, || {
                format!("markup that begins with {} before the root element, skipped", quote(&name))
            });
        }
        self.preamble.around = self.open.len();
        if self.preamble.around > 0 {
            out.problem(ProblemKind::MisplacedElement, at, || {
                "the root element is inside an element of another kind, read anyway".to_owned()
            });
        }
        self.open.clear();
        self.names.clear();
        self.namespaces.move_to_root();
        self.is_broken = false;
        self.broken_tokens = 0;
    }

    /// Opens a root element that has no tags.
    fn begin_implied_root(&mut self, entry: &str) -> DocumentKind {
        let (kind, name) = match entry {
            "sitemap" => (DocumentKind::Index, "sitemapindex"),
            _ => (DocumentKind::Urlset, "urlset"),
        };
        self.kind = Some(kind);
        self.is_root_implied = true;
        self.push_open(Role::Root, name);
        kind
    }

    /// Whether no element is open but those that have no tags.
    pub(super) fn has_only_implied(&self) -> bool {
        match self.open.as_slice() {
            [] => true,
            [_] => self.is_root_implied,
            [_, entry] => self.is_root_implied && self.is_implied_entry(Some(entry)),
            _ => false,
        }
    }

    /// Passes over the end tag of an element around the root. Returns whether one was open.
    pub(super) fn end_around_root(&mut self) -> bool {
        let is_around = self.preamble.around > 0 && self.has_only_implied();
        self.preamble.around -= usize::from(is_around);
        is_around
    }

    /// Reports invalid markup that is skipped.
    pub(crate) fn bad_markup<S: Sink>(&mut self, token: &str, at: u64, out: &mut Output<'_, S>) {
        self.is_broken = true;
        self.broken_tokens += 1;
        self.draft.damage_field();
        self.imply_root(token, at, out);
        if !self.is_passing() {
            out.problem(ProblemKind::BadMarkup, at, || format!("invalid markup {}, skipped", quote(token)));
        }
    }

    /// An end tag that ends where the next tag begins, because its `>` is missing.
    pub(crate) fn unclosed_end<S: Sink>(&mut self, name: &str, at: u64, out: &mut Output<'_, S>) {
        self.is_broken = true;
        self.broken_tokens += 1;
        if self.kind.is_none() {
            return self.end(name, at, out);
        }
        out.problem(ProblemKind::BadMarkup, at, || {
            format!("</{} has no \">\", read as if it had one", printable(name))
        });
        self.end(name, at, out);
    }

    /// Opens the root element if `token` is its broken tag, recognised by its name. Only the conventional prefixes are
    /// then known.
    pub(crate) fn imply_root<S: Sink>(&mut self, token: &str, at: u64, out: &mut Output<'_, S>) {
        if self.kind.is_some() {
            return;
        }
        let name = token.trim_start_matches('<').split(|c: char| c.is_whitespace() || matches!(c, '/' | '>'));
        let name = name.into_iter().next().unwrap_or_default();
        let kind = match local_name(&name.to_ascii_lowercase()) {
            "urlset" => DocumentKind::Urlset,
            "sitemapindex" => DocumentKind::Index,
            _ => return,
        };
        let is_broken = self.is_broken;
        self.leave_preamble(at, out);
        self.is_broken = is_broken;
        self.adopt(name);
        self.kind = Some(kind);
        self.push_open(Role::Root, name);
    }

    /// Ends the open entry or child at its second loc and starts the next one.
    pub(super) fn start_next_entry<S: Sink>(&mut self, at: u64, out: &mut Output<'_, S>) {
        let is_implied = self.draft.is_implied;
        let (kind, text) = match is_implied {
            true => (ProblemKind::MisplacedElement, "a second field outside an entry starts a new entry"),
            false => (ProblemKind::RepeatedLoc, "a second loc in one element starts a new entry"),
        };
        out.problem(kind, at, || text.to_owned());
        let role = self.open.last().map_or(Role::Entry, |open| open.role);
        self.emit(role, out);
        self.draft.begin(at);
        self.draft.is_implied = is_implied;
    }

    /// Opens the entry or child around a field that lies directly in the root element.
    pub(super) fn open_implied_entry(&mut self, at: u64) {
        self.draft.begin(at);
        self.draft.is_implied = true;
        // An end tag without its start tag may close it.
        match self.kind {
            Some(DocumentKind::Index) => self.push_open(Role::Child, "sitemap"),
            _ => self.push_open(Role::Entry, "url"),
        }
    }

    pub(super) fn is_implied_entry(&self, open: Option<&Open>) -> bool {
        self.draft.is_implied && open.is_some_and(|open| matches!(open.role, Role::Entry | Role::Child))
    }
}

/// The kind of a document by the local name of its root element.
fn root_kind(local: &str) -> Option<DocumentKind> {
    match local {
        "urlset" => Some(DocumentKind::Urlset),
        "sitemapindex" => Some(DocumentKind::Index),
        "rss" | "rdf" => Some(DocumentKind::Rss),
        "feed" => Some(DocumentKind::Atom),
        _ => None,
    }
}

/// Whether an element is the first of a web page without its `html` tag.
fn is_part_of_page(local: &str) -> bool {
    matches!(local, "head" | "body")
}

fn local_name(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}
