//! One `<url>` of a sitemap, one item of a feed, or one line of a text document.

use jiff::Timestamp;

use crate::alternate::{Alternate, OwnedAlternate};
use crate::image::{Image, OwnedImage};
use crate::news::{News, OwnedNews};
use crate::video::{OwnedVideo, Video};

/// One URL that a document lists, with its metadata.
///
/// Texts are kept as published, with references resolved and white space removed at both ends. Inner line breaks are
/// kept.
///
/// ```
/// use sitemap::{Alternate, Entry};
///
/// let entry = Entry {
///     loc: "https://example.com/",
///     lastmod: Some("2024-05"),
///     lastmod_at: sitemap::lastmod::parse("2024-05"),
///     alternates: vec![Alternate { hreflang: Some("de"), href: "https://example.com/de", ..Alternate::default() }],
///     ..Entry::default()
/// };
/// assert_eq!(entry.lastmod_at.map(|at| at.to_string()).as_deref(), Some("2024-05-01T00:00:00Z"));
/// assert!(entry.images.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The URL: absolute, http or https, at most [`crate::limits::LOC_BYTES_MAX`] bytes of printable ASCII.
    pub loc: &'a str,
    /// When the page changed according to the publisher, as published. In a feed, the date of the item.
    pub lastmod: Option<&'a str>,
    /// `lastmod` as an instant, if it is a valid date.
    pub lastmod_at: Option<Timestamp>,
    /// How often the page changes, as published.
    pub changefreq: Option<&'a str>,
    /// Priority within the site, as published.
    pub priority: Option<&'a str>,
    /// The news article, if the page is one.
    pub news: Option<News<'a>>,
    /// Images, in document order.
    pub images: Vec<Image<'a>>,
    /// Videos, in document order.
    pub videos: Vec<Video<'a>>,
    /// Alternate versions, in document order.
    pub alternates: Vec<Alternate<'a>>,
}

/// Like [`Entry`], but owns its texts.
///
/// ```
/// use sitemap::{Entry, OwnedEntry};
///
/// let entry = Entry { loc: "https://example.com/", priority: Some("0.5"), ..Entry::default() };
/// let owned = OwnedEntry::from(&entry);
/// assert_eq!(owned.loc, "https://example.com/");
/// assert_eq!(owned.as_borrowed(), entry);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedEntry {
    /// The URL; see [`Entry::loc`].
    pub loc: String,
    /// When the page changed, as published; see [`Entry::lastmod`].
    pub lastmod: Option<String>,
    /// `lastmod` as an instant, if it is a valid date.
    pub lastmod_at: Option<Timestamp>,
    /// How often the page changes, as published.
    pub changefreq: Option<String>,
    /// Priority within the site, as published.
    pub priority: Option<String>,
    /// The news article, if the page is one.
    pub news: Option<OwnedNews>,
    /// Images, in document order.
    pub images: Vec<OwnedImage>,
    /// Videos, in document order.
    pub videos: Vec<OwnedVideo>,
    /// Alternate versions, in document order.
    pub alternates: Vec<OwnedAlternate>,
}

impl OwnedEntry {
    /// The same entry with borrowed texts.
    pub fn as_borrowed(&self) -> Entry<'_> {
        Entry {
            loc: &self.loc,
            lastmod: self.lastmod.as_deref(),
            lastmod_at: self.lastmod_at,
            changefreq: self.changefreq.as_deref(),
            priority: self.priority.as_deref(),
            news: self.news.as_ref().map(OwnedNews::as_borrowed),
            images: self.images.iter().map(OwnedImage::as_borrowed).collect(),
            videos: self.videos.iter().map(OwnedVideo::as_borrowed).collect(),
            alternates: self.alternates.iter().map(OwnedAlternate::as_borrowed).collect(),
        }
    }
}

impl From<&Entry<'_>> for OwnedEntry {
    fn from(borrowed: &Entry<'_>) -> Self {
        let owned = |text: &str| text.to_owned();
        Self {
            loc: owned(borrowed.loc),
            lastmod: borrowed.lastmod.map(owned),
            lastmod_at: borrowed.lastmod_at,
            changefreq: borrowed.changefreq.map(owned),
            priority: borrowed.priority.map(owned),
            news: borrowed.news.as_ref().map(OwnedNews::from),
            images: borrowed.images.iter().map(OwnedImage::from).collect(),
            videos: borrowed.videos.iter().map(OwnedVideo::from).collect(),
            alternates: borrowed.alternates.iter().map(OwnedAlternate::from).collect(),
        }
    }
}

/// Whether sitemaps.org allows this value for `changefreq`.
pub(crate) fn is_changefreq(text: &str) -> bool {
    ["daily", "weekly", "monthly", "always", "hourly", "yearly", "never"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text is a valid priority: a number from 0.0 to 1.0.
pub(crate) fn is_priority(text: &str) -> bool {
    match text.as_bytes() {
        // Nearly all priorities look like this, and need no number parser.
        [b'0', b'.', b'0'..=b'9'] | b"1.0" => true,
        // `f64` also reads exponents, which the schema of sitemaps.org (`xsd:decimal`) does not allow.
        _ => {
            let is_decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-'));
            is_decimal && text.parse::<f64>().is_ok_and(|number| (0.0..=1.0).contains(&number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_lies_between_zero_and_one() {
        for text in ["0.0", "0.5", "1.0", "1", "0.85", ".5", "1.00", "+0.5"] {
            assert!(is_priority(text), "{text}");
        }
        for text in ["", "1.1", "-0.5", "high", "NaN", "0,5", "0.x", "5e-1", "1E0", "+", "++0.5"] {
            assert!(!is_priority(text), "{text}");
        }
    }
}
