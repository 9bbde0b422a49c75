//! The image extension of an entry, `image:image`.

use crate::record::record;

record! {
    /// One image of an entry, as published (Google's namespace `sitemap-image/1.1`).
    ///
    /// All but `loc` are deprecated since 2022 and still occur.
    pub struct Image {
        /// URL of the image, on any host.
        loc,
        /// Title of the image.
        title,
        /// Caption of the image.
        caption,
        /// Place where it was taken, in words.
        geo_location,
        /// URL of its licence.
        license,
    }
}
