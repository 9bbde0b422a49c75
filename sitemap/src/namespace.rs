//! XML namespaces: the vocabulary of an element by its namespace, in every spelling that publishers use.

use std::borrow::Cow;

use crate::limits::{NAMESPACES_BYTES_MAX, NAMESPACES_MAX};

/// The vocabulary that an element belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// The vocabulary of the document itself: sitemaps.org, no namespace, or any namespace that the root has.
    Own,
    News,
    Image,
    Video,
    Xhtml,
    Atom,
    DublinCore,
    Foreign,
    /// A prefix that is neither declared nor conventional.
    Undeclared,
}

/// One declaration in scope.
struct Binding {
    prefix: String,
    uri: String,
    vocabulary: Vocabulary,
    /// Number of open elements around the one that declares it.
    depth: usize,
}

/// The namespace declarations in scope.
///
/// Prefixes are resolved by their declared URI. Undeclared prefixes have their conventional meaning, although
/// Namespaces in XML 1.0 makes them an error.
pub(crate) struct Namespaces {
    bindings: Vec<Binding>,
    /// Total length of the prefixes and URIs.
    bytes: usize,
    /// The vocabulary of names without a prefix, cached because nearly all names have none.
    unprefixed: Vocabulary,
}

impl Namespaces {
    pub(crate) fn new() -> Self {
        Self { bindings: Vec::new(), bytes: 0, unprefixed: Vocabulary::Own }
    }

    /// Adds a declaration `xmlns:prefix="uri"` (`prefix` is empty for `xmlns`); returns false if it does not fit.
    pub(crate) fn declare(&mut self, prefix: &str, uri: &str, depth: usize) -> bool {
        let bytes = self.bytes + prefix.len() + uri.len();
        if self.bindings.len() >= NAMESPACES_MAX || bytes > NAMESPACES_BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        // A URI that `adopt` made the document's own stays so in inner declarations.
        let vocabulary = match self.bindings.iter().find(|binding| binding.uri == uri) {
            Some(known) => known.vocabulary,
            None => vocabulary_of(uri),
        };
        self.bindings.push(Binding { prefix: prefix.to_owned(), uri: uri.to_owned(), vocabulary, depth });
        self.update_unprefixed();
        true
    }

    /// Removes the declarations of an element that had `depth` elements around it.
    pub(crate) fn leave(&mut self, depth: usize) {
        if self.bindings.last().is_some_and(|binding| binding.depth >= depth) {
            self.bindings.retain(|binding| binding.depth < depth);
            self.bytes = self.bindings.iter().map(|binding| binding.prefix.len() + binding.uri.len()).sum();
            self.update_unprefixed();
        }
    }

    /// Makes all declarations in scope those of the element that is opened next, outside all others.
    pub(crate) fn move_to_root(&mut self) {
        self.bindings.iter_mut().for_each(|binding| binding.depth = 0);
    }

    /// Bytes of memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes + self.bindings.capacity() * size_of::<Binding>()
    }

    /// Makes the namespaces of the root element and of names without a prefix the document's own.
    pub(crate) fn adopt(&mut self, root_prefix: &str) {
        let mut adopted = Vec::new();
        for binding in &mut self.bindings {
            if binding.prefix == root_prefix || binding.prefix.is_empty() {
                binding.vocabulary = Vocabulary::Own;
                adopted.push(binding.uri.clone());
            }
        }
        for binding in &mut self.bindings {
            if binding.vocabulary == Vocabulary::Foreign && adopted.contains(&binding.uri) {
                binding.vocabulary = Vocabulary::Own;
            }
        }
        if !root_prefix.is_empty() && !self.bindings.iter().any(|binding| binding.prefix == root_prefix) {
            self.declare(root_prefix, "", 0);
        }
        self.update_unprefixed();
    }

    /// Vocabulary and local name of an element. The local name is in lower case because some publishers write `<URL>`
    /// or `<lastMod>`.
    pub(crate) fn resolve<'n>(&self, name: &'n str) -> (Vocabulary, Cow<'n, str>) {
        // Nearly every name is plain. This runs for each element, so it checks in one pass without branches.
        let is_plain =
            name.bytes().fold(true, |plain, byte| plain & (byte != b':') & !byte.is_ascii_uppercase());
        if is_plain {
            return (self.unprefixed, Cow::Borrowed(name));
        }
        let (vocabulary, local) = match name.split_once(':') {
            None => (self.unprefixed, name),
            Some((prefix, local)) => (self.prefixed(prefix), local),
        };
        if local.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return (vocabulary, Cow::Owned(local.to_ascii_lowercase()));
        }
        (vocabulary, Cow::Borrowed(local))
    }

    fn prefixed(&self, prefix: &str) -> Vocabulary {
        match self.bindings.iter().rev().find(|binding| binding.prefix == prefix) {
            Some(binding) => binding.vocabulary,
            None => conventional_vocabulary(prefix),
        }
    }

    fn update_unprefixed(&mut self) {
        let default = self.bindings.iter().rev().find(|binding| binding.prefix.is_empty());
        self.unprefixed = default.map_or(Vocabulary::Own, |binding| binding.vocabulary);
    }
}

/// The vocabulary of a namespace, ignoring scheme, `www.`, version and trailing slash.
fn vocabulary_of(uri: &str) -> Vocabulary {
    let uri = uri.trim().to_ascii_lowercase();
    let uri = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")).unwrap_or(&uri);
    let uri = uri.strip_prefix("www.").unwrap_or(uri);
    let starts = |starts: &[&str]| starts.iter().any(|start| uri.starts_with(start));
    if uri.is_empty() {
        Vocabulary::Own
    } else if uri.contains("/sitemap-news") {
        Vocabulary::News
    } else if uri.contains("/sitemap-image") {
        Vocabulary::Image
    } else if uri.contains("/sitemap-video") {
        Vocabulary::Video
    } else if uri.ends_with("schemas/sitemap") || uri.contains("schemas/sitemap/") {
        Vocabulary::Own
    } else if starts(&["w3.org/1999/xhtml", "w3.org/tr/xhtml"]) {
        Vocabulary::Xhtml
    } else if starts(&["w3.org/2005/atom", "purl.org/atom/ns"]) {
        Vocabulary::Atom
    } else if starts(&["purl.org/dc/"]) {
        Vocabulary::DublinCore
    } else {
        Vocabulary::Foreign
    }
}

/// The conventional vocabulary of an undeclared prefix.
fn conventional_vocabulary(prefix: &str) -> Vocabulary {
    match prefix {
        "news" => Vocabulary::News,
        "image" => Vocabulary::Image,
        "video" => Vocabulary::Video,
        "xhtml" => Vocabulary::Xhtml,
        "atom" => Vocabulary::Atom,
        "dc" | "dcterms" => Vocabulary::DublinCore,
        _ => Vocabulary::Undeclared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_known_in_every_spelling() {
        for (uri, expected) in [
            ("http://www.sitemaps.org/schemas/sitemap/0.9", Vocabulary::Own),
            ("https://sitemaps.org/schemas/sitemap/0.9/", Vocabulary::Own),
            ("http://www.google.com/schemas/sitemap/0.84", Vocabulary::Own),
            ("HTTP://WWW.GOOGLE.COM/schemas/sitemap-image/1.1", Vocabulary::Image),
            ("https://www.google.com/schemas/sitemap-news/0.9/", Vocabulary::News),
            ("http://www.sitemaps.org/schemas/sitemap-video/1.1", Vocabulary::Video),
            ("https://www.w3.org/1999/xhtml/", Vocabulary::Xhtml),
            ("http://www.w3.org/TR/xhtml11/xhtml11_schema.html", Vocabulary::Xhtml),
            ("http://purl.org/atom/ns#", Vocabulary::Atom),
            ("http://www.google.com/schemas/sitemap-mobile/1.0", Vocabulary::Foreign),
        ] {
            assert_eq!(vocabulary_of(uri), expected, "{uri}");
        }
    }

    #[test]
    fn the_prefix_does_not_matter_when_it_is_declared() {
        let mut namespaces = Namespaces::new();
        namespaces.declare("i", "http://www.google.com/schemas/sitemap-image/1.1", 0);
        namespaces.declare("image", "urn:other", 0);
        assert_eq!(namespaces.resolve("i:loc"), (Vocabulary::Image, "loc".into()));
        assert_eq!(namespaces.resolve("image:loc"), (Vocabulary::Foreign, "loc".into()));
        assert_eq!(namespaces.resolve("video:title"), (Vocabulary::Video, "title".into()));
        assert_eq!(namespaces.resolve("x:loc"), (Vocabulary::Undeclared, "loc".into()));
    }

    #[test]
    fn an_inner_declaration_ends_with_its_element() {
        let mut namespaces = Namespaces::new();
        namespaces.declare("", "http://www.sitemaps.org/schemas/sitemap/0.9", 0);
        namespaces.declare("", "urn:page-map", 2);
        assert_eq!(namespaces.resolve("loc").0, Vocabulary::Foreign);
        namespaces.leave(2);
        assert_eq!(namespaces.resolve("loc").0, Vocabulary::Own);
    }

    #[test]
    fn the_namespace_of_the_root_is_the_documents_own() {
        let mut namespaces = Namespaces::new();
        namespaces.declare("s", "urn:my-sitemap", 0);
        namespaces.declare("", "urn:other", 0);
        namespaces.adopt("s");
        assert_eq!(namespaces.resolve("s:loc").0, Vocabulary::Own);
        namespaces.declare("t", "urn:my-sitemap", 1);
        assert_eq!(namespaces.resolve("t:loc").0, Vocabulary::Own);
    }
}
