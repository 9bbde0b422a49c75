//! The extensions of one entry as bytes: what an open segment keeps in its column `extensions`.
//!
//! Only fields that are there are written, each with its place in the record's `FIELDS`, so an entry pays for what it
//! has. The format is postcard's; places are never reordered within a schema version.

use serde::{Deserialize, Serialize};
use sitemap::{Alternate, ContentSegment, Entry, Image, News, Price, Video};

/// The fields of a record that are there: place in `FIELDS` and text.
type Sparse<'a> = Vec<(u8, &'a str)>;

/// All extensions of an entry.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Extensions<'a> {
    #[serde(borrow)]
    news: Option<Sparse<'a>>,
    #[serde(borrow)]
    images: Vec<Sparse<'a>>,
    #[serde(borrow)]
    videos: Vec<SparseVideo<'a>>,
    #[serde(borrow)]
    alternates: Vec<(Option<&'a str>, &'a str)>,
}

#[derive(Serialize, Deserialize)]
struct SparseVideo<'a> {
    #[serde(borrow)]
    fields: Sparse<'a>,
    #[serde(borrow)]
    tags: Vec<&'a str>,
    #[serde(borrow)]
    prices: Vec<Sparse<'a>>,
    #[serde(borrow)]
    content_segments: Vec<Sparse<'a>>,
}

impl<'a> Extensions<'a> {
    /// Those of `entry`; `None` when it has none.
    pub(super) fn of(entry: &Entry<'a>) -> Option<Self> {
        if entry.news.is_none()
            && entry.images.is_empty()
            && entry.videos.is_empty()
            && entry.alternates.is_empty()
        {
            return None;
        }
        Some(Self {
            news: entry.news.as_ref().map(|news| sparse(news.values())),
            images: entry.images.iter().map(|image| sparse(image.values())).collect(),
            videos: entry.videos.iter().map(SparseVideo::of).collect(),
            alternates: entry
                .alternates
                .iter()
                .map(|alternate| (alternate.hreflang, alternate.href))
                .collect(),
        })
    }

    /// The news of the entry.
    pub(super) fn news(&self) -> Option<News<'a>> {
        self.news.as_ref().map(|news| News::from_values(dense(news)))
    }

    /// Its images, in order.
    pub(super) fn images(&self) -> impl Iterator<Item = Image<'a>> {
        self.images.iter().map(|image| Image::from_values(dense(image)))
    }

    /// Its videos, in order.
    pub(super) fn videos(&self) -> impl Iterator<Item = Video<'a>> {
        self.videos.iter().map(SparseVideo::video)
    }

    /// Its alternates, in order.
    pub(super) fn alternates(&self) -> impl Iterator<Item = Alternate<'a>> {
        self.alternates.iter().map(|&(hreflang, href)| Alternate { hreflang, href })
    }
}

impl<'a> SparseVideo<'a> {
    fn of(video: &Video<'a>) -> Self {
        Self {
            fields: sparse(video.values()),
            tags: video.tags.clone(),
            prices: video.prices.iter().map(|price| sparse(price.values())).collect(),
            content_segments: video.content_segments.iter().map(|segment| sparse(segment.values())).collect(),
        }
    }

    fn video(&self) -> Video<'a> {
        let mut video = Video::from_values(dense(&self.fields));
        video.tags.clone_from(&self.tags);
        video.prices = self.prices.iter().map(|price| Price::from_values(dense(price))).collect();
        video.content_segments =
            self.content_segments.iter().map(|segment| ContentSegment::from_values(dense(segment))).collect();
        video
    }
}

fn sparse<'a, const N: usize>(values: [Option<&'a str>; N]) -> Sparse<'a> {
    const { assert!(N <= u8::MAX as usize + 1) };
    (0..=u8::MAX).zip(values).filter_map(|(place, value)| Some((place, value?))).collect()
}

/// Places beyond the record are left out; they cannot occur, since a schema version fixes the fields.
fn dense<'a, const N: usize>(sparse: &[(u8, &'a str)]) -> [Option<&'a str>; N] {
    let mut values = [None; N];
    for &(place, value) in sparse {
        if let Some(slot) = values.get_mut(usize::from(place)) {
            *slot = Some(value);
        }
    }
    values
}
