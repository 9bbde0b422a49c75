//! The alternate extension of an entry, `xhtml:link rel="alternate"`.

/// Another version of the page, usually in another language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternate<'a> {
    /// Language and region as published (`de`, `de-CH`, `x-default`); absent for a mobile version.
    pub hreflang: Option<&'a str>,
    /// URL as published.
    pub href: &'a str,
}

/// Like [`Alternate`], but owns its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedAlternate {
    /// Language and region as published; see [`Alternate::hreflang`].
    pub hreflang: Option<String>,
    /// URL of the version; see [`Alternate::href`].
    pub href: String,
}

impl OwnedAlternate {
    /// The same alternate version with borrowed texts.
    pub fn as_borrowed(&self) -> Alternate<'_> {
        Alternate { hreflang: self.hreflang.as_deref(), href: &self.href }
    }
}

impl From<&Alternate<'_>> for OwnedAlternate {
    fn from(borrowed: &Alternate<'_>) -> Self {
        Self { hreflang: borrowed.hreflang.map(str::to_owned), href: borrowed.href.to_owned() }
    }
}
