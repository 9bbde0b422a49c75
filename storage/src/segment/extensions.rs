//! Encodes the extensions of one entry for the column `extensions` of an open segment.
//!
//! Only fields that are present are written, each with its index in the `FIELDS` of its record, so an entry takes no
//! space for absent fields. The format is postcard's. Indexes never change within a schema version.

use serde::{Deserialize, Serialize};
use sitemap::{Alternate, ContentSegment, Entry, Image, News, Price, Video};

/// The fields of a record that are present: index in `FIELDS` and text.
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
    alternates: Vec<Sparse<'a>>,
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
    /// The extensions of `entry`; `None` if it has none.
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
            alternates: entry.alternates.iter().map(|alternate| sparse(alternate.values())).collect(),
        })
    }

    /// The news of the entry.
    pub(super) fn news(&self) -> Option<News<'a>> {
        self.news.as_ref().map(|news| News::from_values(dense(news)))
    }

    /// The images of the entry, in order.
    pub(super) fn images(&self) -> impl Iterator<Item = Image<'a>> {
        self.images.iter().map(|image| Image::from_values(dense(image)))
    }

    /// The videos of the entry, in order.
    pub(super) fn videos(&self) -> impl Iterator<Item = Video<'a>> {
        self.videos.iter().map(SparseVideo::video)
    }

    /// The alternates of the entry, in order.
    pub(super) fn alternates(&self) -> impl Iterator<Item = Alternate<'a>> {
        self.alternates.iter().map(|alternate| Alternate::from_values(dense(alternate)))
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
    (0..=u8::MAX).zip(values).filter_map(|(index, value)| Some((index, value?))).collect()
}

/// Ignores indexes beyond the record. They cannot occur, because a schema version fixes the fields.
fn dense<'a, const N: usize>(sparse: &[(u8, &'a str)]) -> [Option<&'a str>; N] {
    let mut values = [None; N];
    for &(index, value) in sparse {
        if let Some(field) = values.get_mut(usize::from(index)) {
            *field = Some(value);
        }
    }
    values
}
