//! Options of the news web.

use crate::request::Scheme;

/// Options of the news web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether two hosts never answer. Otherwise they are served like the others, which increases the totals.
    pub hanging: bool,
    /// The scheme of sitemap URLs in robots.txt files, indexes and redirects. Entries always use https.
    pub scheme: Scheme,
}

/// Two hosts never answer, and the scheme is https.
impl Default for Options {
    fn default() -> Self {
        Self { hanging: true, scheme: Scheme::Https }
    }
}
