//! Reads a body that is completely in memory.

use url::Url;

use crate::body::BodyReader;
use crate::document::Document;
use crate::limits::Limits;
use crate::sink::Sink;

/// Reads a complete raw body, with or without gzip, as the document at the URL `base`.
///
/// ```
/// use sitemap::{DocumentEnd, Limits, OwnedItem};
///
/// let base = url::Url::parse("https://example.com/sitemap.xml")?;
/// let body = b"<urlset><url><loc>https://example.com/</loc></url>";
/// let mut items: Vec<OwnedItem> = Vec::new();
/// let document = sitemap::read(body, &base, Limits::default(), &mut items);
/// assert_eq!((document.entries, document.ended), (1, DocumentEnd::Truncated));
/// assert!(matches!(items.as_slice(), [OwnedItem::Entry(_), OwnedItem::Problem(_)]));
/// # Ok::<(), url::ParseError>(())
/// ```
pub fn read(body: &[u8], base: &Url, limits: Limits, sink: &mut impl Sink) -> Document {
    let mut reader = BodyReader::new(base, limits);
    let mut rest = body;
    while let Ok(inflated) = reader.push(rest, sink) {
        rest = &rest[inflated.consumed..];
        if rest.is_empty() && !inflated.more {
            break;
        }
    }
    reader.finish(sink)
}
