//! The alternate extension of an entry, `xhtml:link rel="alternate"`.

/// Another version of the page, mostly in another language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternate<'a> {
    /// Language and region as published (`de`, `de-CH`, `x-default`); absent for a mobile version.
    pub hreflang: Option<&'a str>,
    /// URL as published.
    pub href: &'a str,
}
