//! The alternate extension of an entry, `xhtml:link rel="alternate"`.

/// Another version of the page, in another language, for another device, or in an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alternate<'a> {
    /// Language and region as published (`de`, `de-CH`, `x-default`); absent for a mobile version.
    pub hreflang: Option<&'a str>,
    /// URL of the version: http or https, or one with the scheme `android-app` or `ios-app`.
    pub href: &'a str,
    /// Devices that the version is for, a media query as published.
    pub media: Option<&'a str>,
    /// Media type of the version, as published; the XML attribute is `type`.
    pub kind: Option<&'a str>,
    /// Title of the version, as published.
    pub title: Option<&'a str>,
}

impl<'a> Alternate<'a> {
    /// Keys of the values, in the order of [`Self::values`].
    pub const FIELDS: [&'static str; 5] = ["hreflang", "href", "media", "type", "title"];

    /// Index of `href` in [`Self::FIELDS`].
    pub(crate) const HREF: usize = 1;

    /// The values of all fields, in the order of [`Self::FIELDS`]. `href` is always present.
    pub fn values(&self) -> [Option<&'a str>; Alternate::<'static>::FIELDS.len()] {
        [self.hreflang, Some(self.href), self.media, self.kind, self.title]
    }

    /// Creates an alternate from values in the order of [`Self::FIELDS`]. Without an `href`, it is empty.
    pub fn from_values(values: [Option<&'a str>; Alternate::<'static>::FIELDS.len()]) -> Self {
        let [hreflang, href, media, kind, title] = values;
        Self { hreflang, href: href.unwrap_or_default(), media, kind, title }
    }
}

/// Like [`Alternate`], but owns its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedAlternate {
    /// Language and region as published; see [`Alternate::hreflang`].
    pub hreflang: Option<String>,
    /// URL of the version; see [`Alternate::href`].
    pub href: String,
    /// Devices that the version is for; see [`Alternate::media`].
    pub media: Option<String>,
    /// Media type of the version; see [`Alternate::kind`].
    pub kind: Option<String>,
    /// Title of the version; see [`Alternate::title`].
    pub title: Option<String>,
}

impl OwnedAlternate {
    /// The same alternate version with borrowed texts.
    pub fn as_borrowed(&self) -> Alternate<'_> {
        Alternate {
            hreflang: self.hreflang.as_deref(),
            href: &self.href,
            media: self.media.as_deref(),
            kind: self.kind.as_deref(),
            title: self.title.as_deref(),
        }
    }
}

impl From<&Alternate<'_>> for OwnedAlternate {
    fn from(borrowed: &Alternate<'_>) -> Self {
        Self {
            hreflang: borrowed.hreflang.map(str::to_owned),
            href: borrowed.href.to_owned(),
            media: borrowed.media.map(str::to_owned),
            kind: borrowed.kind.map(str::to_owned),
            title: borrowed.title.map(str::to_owned),
        }
    }
}
