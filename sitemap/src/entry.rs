//! One `<url>` of a document, or one item of a feed, or one line of a text.

use jiff::Timestamp;

use crate::alternate::Alternate;
use crate::image::Image;
use crate::news::News;
use crate::video::Video;

/// One URL that a document lists, with all that is said about it.
///
/// Texts are as published, with references resolved and the white space at both ends taken off; line breaks inside are
/// kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The URL: absolute, http or https, at most [`crate::limits::LOC_BYTES_MAX`] bytes of printable ASCII.
    pub loc: &'a str,
    /// When the publisher says it changed, as published; for a feed the date of the item.
    pub lastmod: Option<&'a str>,
    /// The instant `lastmod` names, when it is a date.
    pub lastmod_at: Option<Timestamp>,
    /// How often it changes, as published.
    pub changefreq: Option<&'a str>,
    /// Priority within its site, as published.
    pub priority: Option<&'a str>,
    /// The news article, when it is one.
    pub news: Option<News<'a>>,
    /// Its images, in order.
    pub images: Vec<Image<'a>>,
    /// Its videos, in order.
    pub videos: Vec<Video<'a>>,
    /// Its other versions, in order.
    pub alternates: Vec<Alternate<'a>>,
}

/// The values sitemaps.org allows for `changefreq`.
pub(crate) fn is_changefreq(text: &str) -> bool {
    ["daily", "weekly", "monthly", "always", "hourly", "yearly", "never"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text is a priority, a number from 0.0 to 1.0.
pub(crate) fn is_priority(text: &str) -> bool {
    match text.as_bytes() {
        // Nearly all of them, without the cost of reading a number.
        [b'0', b'.', b'0'..=b'9'] | b"1.0" => true,
        _ => text.parse::<f64>().is_ok_and(|number| (0.0..=1.0).contains(&number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_lies_between_zero_and_one() {
        for text in ["0.0", "0.5", "1.0", "1", "0.85", ".5", "1.00"] {
            assert!(is_priority(text), "{text}");
        }
        for text in ["", "1.1", "-0.5", "high", "NaN", "0,5", "0.x"] {
            assert!(!is_priority(text), "{text}");
        }
    }
}
