//! One `<sitemap>` of an index.

use jiff::Timestamp;

/// A nested sitemap listed by an index, or by a `urlset` or a text document among its pages.
///
/// ```
/// use sitemap::OwnedItem;
///
/// let base = url::Url::parse("https://example.com/index.xml")?;
/// let index = b"<sitemapindex><sitemap><loc>https://example.com/a.xml</loc></sitemap></sitemapindex>";
/// let items = sitemap::entries(&index[..], &base).collect::<Result<Vec<_>, _>>()?;
/// let [OwnedItem::Child(child)] = items.as_slice() else { panic!("one child was expected") };
/// assert_eq!(child.loc, "https://example.com/a.xml");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Child<'a> {
    /// The URL: absolute, http or https, at most [`crate::limits::LOC_BYTES_MAX`] bytes of printable ASCII.
    pub loc: &'a str,
    /// When the nested sitemap changed, as published.
    pub lastmod: Option<&'a str>,
    /// `lastmod` as an instant, if it is a valid date.
    pub lastmod_at: Option<Timestamp>,
    /// Whether a document of pages lists it as one of them. It was passed to the sink as an entry too, and may be no
    /// sitemap at all.
    pub is_entry: bool,
}

/// Like [`Child`], but owns its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedChild {
    /// The URL; see [`Child::loc`].
    pub loc: String,
    /// When the nested sitemap changed, as published.
    pub lastmod: Option<String>,
    /// `lastmod` as an instant, if it is a valid date.
    pub lastmod_at: Option<Timestamp>,
    /// Whether a document of pages lists it as one of them; see [`Child::is_entry`].
    pub is_entry: bool,
}

impl OwnedChild {
    /// The same child with borrowed texts.
    pub fn as_borrowed(&self) -> Child<'_> {
        Child {
            loc: &self.loc,
            lastmod: self.lastmod.as_deref(),
            lastmod_at: self.lastmod_at,
            is_entry: self.is_entry,
        }
    }
}

impl From<&Child<'_>> for OwnedChild {
    fn from(borrowed: &Child<'_>) -> Self {
        Self {
            loc: borrowed.loc.to_owned(),
            lastmod: borrowed.lastmod.map(str::to_owned),
            lastmod_at: borrowed.lastmod_at,
            is_entry: borrowed.is_entry,
        }
    }
}
