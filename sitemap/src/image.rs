//! The image extension of an entry, `image:image`.

use crate::record::record;

record! {
    /// One image of an entry, as published (Google's namespace `sitemap-image/1.1`).
    ///
    /// All fields except `loc` have been deprecated since 2022, but still occur.
    pub struct Image, OwnedImage {
        /// URL of the image, on any host.
        loc,
        /// Title of the image.
        title,
        /// Caption of the image.
        caption,
        /// Place where the image was taken, in words.
        geo_location,
        /// URL of the licence.
        license,
    }
}
