//! The formats of documents.

/// The format in which a document lists its URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// `urlset` of sitemaps.org.
    Urlset,
    /// `sitemapindex` of sitemaps.org.
    Index,
    /// One URL per line.
    Text,
    /// RSS 2.0 or 1.0.
    Rss,
    /// Atom 1.0 or 0.3.
    Atom,
}

impl DocumentKind {
    /// The name used in output: `urlset`, `sitemapindex`, `text`, `rss` or `atom`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urlset => "urlset",
            Self::Index => "sitemapindex",
            Self::Text => "text",
            Self::Rss => "rss",
            Self::Atom => "atom",
        }
    }

    pub(crate) const fn is_feed(self) -> bool {
        matches!(self, Self::Rss | Self::Atom)
    }
}
