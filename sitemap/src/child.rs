//! One `<sitemap>` of an index.

use jiff::Timestamp;

/// A nested sitemap that an index lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Child<'a> {
    /// Its URL: absolute, http or https, at most [`crate::limits::LOC_BYTES_MAX`] bytes of printable ASCII.
    pub loc: &'a str,
    /// When the nested sitemap changed, as published.
    pub lastmod: Option<&'a str>,
    /// The instant `lastmod` names, when it is a date.
    pub lastmod_at: Option<Timestamp>,
}
