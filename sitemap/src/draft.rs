//! The entry or child being read, until its element closes.

use std::borrow::Cow;

use url::Url;

use crate::alternate::Alternate;
use crate::buffer;
use crate::element::Attribute;
use crate::entry::Entry;
use crate::image::Image;
use crate::news::News;
use crate::video::{ContentSegment, Price, Video};

/// The field that the text of an element belongs to. Kept small because it is copied for each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The loc with its rank; the value with the highest rank is kept.
    Loc(u8),
    /// The lastmod with its rank; the value with the highest rank is kept.
    Lastmod(u8),
    Changefreq,
    Priority,
    /// A value of the news article, by its index in `News::FIELDS`.
    News(u8),
    /// A value of the last image, by its index in `Image::FIELDS`.
    Image(u8),
    /// A value of the last video, by its index in `Video::FIELDS`.
    Video(u8),
    Tag,
    Price,
    Segment,
}

/// How the value of a field was stored when its element closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Kept,
    Empty,
    /// The field already had a value, which was kept.
    Repeated,
}

/// A range of the text of a [`Draft`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

type Record<const N: usize> = [Option<Span>; N];

/// The memory of the last entry is kept for the next one up to this size.
const UNUSED_BYTES_MAX: usize = 16 << 10;

/// A vector allocates room for four records at first, and later for twice as many as it holds.
const ROOM_PER_RECORD: usize = 4;

#[derive(Default)]
struct VideoDraft {
    values: Record<{ Video::FIELDS.len() }>,
    tags: Vec<Span>,
    prices: Vec<Record<{ Price::FIELDS.len() }>>,
    segments: Vec<Record<{ ContentSegment::FIELDS.len() }>>,
}

/// Collects the values of one entry.
///
/// All texts are stored one after the other in one buffer, which the next entry reuses.
pub(crate) struct Draft {
    /// Offset of the entry in the document.
    pub(crate) offset: u64,
    /// Base URL for relative URLs, if the document sets one with `xml:base`.
    pub(crate) base: Option<Url>,
    /// Whether the entry has no tag of its own: its fields lie directly in the root element.
    pub(crate) is_implied: bool,
    /// Whether some part exceeded the size limit and was skipped.
    pub(crate) is_over_limit: bool,
    text: String,
    /// Bytes used by the entry: its text and its records.
    used_bytes: usize,
    limit_bytes: usize,
    /// Offset of the open field in `text`.
    field_start: usize,
    /// Whether a part of the open field was skipped, which makes its value unusable.
    is_field_damaged: bool,
    loc: Option<(Span, u8)>,
    bare: Option<Span>,
    lastmod: Option<(Span, u8)>,
    changefreq: Option<Span>,
    priority: Option<Span>,
    news: Option<Record<{ News::FIELDS.len() }>>,
    images: Vec<Record<{ Image::FIELDS.len() }>>,
    videos: Vec<VideoDraft>,
    alternates: Vec<Record<{ Alternate::FIELDS.len() }>>,
}

impl Draft {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            offset: 0,
            base: None,
            is_implied: false,
            is_over_limit: false,
            text: String::new(),
            used_bytes: 0,
            // A `Span` holds 32-bit offsets.
            limit_bytes: limit_bytes.min(u32::MAX as usize),
            field_start: 0,
            is_field_damaged: false,
            loc: None,
            bare: None,
            lastmod: None,
            changefreq: None,
            priority: None,
            news: None,
            images: Vec::new(),
            videos: Vec::new(),
            alternates: Vec::new(),
        }
    }

    /// Starts a new entry at `offset`.
    pub(crate) fn begin(&mut self, offset: u64) {
        self.release_unused();
        self.offset = offset;
        self.base = None;
        self.is_implied = false;
        self.is_over_limit = false;
        self.text.clear();
        self.used_bytes = 0;
        self.loc = None;
        self.bare = None;
        self.lastmod = None;
        self.changefreq = None;
        self.priority = None;
        self.news = None;
        self.images.clear();
        self.videos.clear();
        self.alternates.clear();
    }

    /// Bytes of memory. Records are counted as in the limit of an entry.
    pub(crate) fn held_bytes(&self) -> usize {
        self.text.capacity() + self.used_bytes.saturating_sub(self.text.len())
    }

    /// Removes the entry and frees its memory. Nothing may be read of it afterwards.
    pub(crate) fn release_unused(&mut self) {
        if self.used_bytes > UNUSED_BYTES_MAX {
            *self = Self::new(self.limit_bytes);
        }
    }

    /// Whether a field that `url` or `sitemap` may have once has a value.
    pub(crate) fn has(&self, field: Field) -> bool {
        match field {
            Field::Loc(_) => self.loc.is_some(),
            Field::Lastmod(_) => self.lastmod.is_some(),
            Field::Changefreq => self.changefreq.is_some(),
            Field::Priority => self.priority.is_some(),
            _ => false,
        }
    }

    /// The loc as published.
    pub(crate) fn loc(&self) -> Option<&str> {
        self.loc.map(|(span, _)| self.text_at(span))
    }

    /// The text found outside any field.
    pub(crate) fn bare(&self) -> Option<&str> {
        self.bare.map(|span| self.text_at(span).trim())
    }

    pub(crate) fn lastmod(&self) -> Option<&str> {
        self.lastmod.map(|(span, _)| self.text_at(span))
    }

    /// The text of the open field so far.
    pub(crate) fn field_text(&self) -> &str {
        trim(&self.text[self.field_start..])
    }

    /// Whether the open field has any text so far.
    pub(crate) fn has_text(&self) -> bool {
        !self.field_text().is_empty()
    }

    /// Starts the text of a field.
    pub(crate) fn open_field(&mut self) {
        self.field_start = self.text.len();
        self.is_field_damaged = false;
    }

    /// Appends to the text of the open field.
    pub(crate) fn append(&mut self, text: &str) {
        if self.reserve(text.len()) {
            self.push_text(text);
        } else {
            self.is_field_damaged = true;
        }
    }

    /// Marks the open field as incomplete; its value will not be stored.
    pub(crate) fn damage_field(&mut self) {
        self.is_field_damaged = true;
    }

    /// Appends to the text outside any field. Only the first contiguous run of text is kept.
    pub(crate) fn append_bare(&mut self, text: &str) {
        // White space between elements is ignored.
        if self.bare.is_none() && text.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return;
        }
        let start = self.text.len();
        let first = match self.bare {
            Some(span) if span.end as usize == start => span.start as usize,
            None if !text.trim().is_empty() => start,
            _ => return,
        };
        self.append(text);
        self.bare = Some(span(first, self.text.len()));
    }

    /// Stores the text appended since [`open_field`](Self::open_field).
    pub(crate) fn close_field(&mut self, field: Field) -> Stored {
        let value = if self.is_field_damaged { None } else { self.trimmed() };
        let Some(value) = value else { return self.close_empty(field) };
        match field {
            Field::Loc(rank) => store_ranked(&mut self.loc, value, rank),
            Field::Lastmod(rank) => store_ranked(&mut self.lastmod, value, rank),
            Field::Changefreq => store(&mut self.changefreq, value),
            Field::Priority => store(&mut self.priority, value),
            Field::News(index) => store_at(self.news.as_mut(), index.into(), value),
            Field::Image(index) => store_at(self.images.last_mut(), index.into(), value),
            Field::Video(index) => {
                store_at(self.videos.last_mut().map(|video| &mut video.values), index.into(), value)
            }
            Field::Tag => self.store_tag(value),
            Field::Price => {
                store_at(self.videos.last_mut().and_then(|video| video.prices.last_mut()), 0, value)
            }
            Field::Segment => {
                store_at(self.videos.last_mut().and_then(|video| video.segments.last_mut()), 0, value)
            }
        }
    }

    /// Starts the news article; returns false if the entry already has one.
    pub(crate) fn open_news(&mut self) -> bool {
        let is_first = self.news.is_none();
        self.news.get_or_insert_default();
        is_first
    }

    pub(crate) fn close_news(&mut self) {
        if self.news.is_some_and(|news| is_empty(&news)) {
            self.news = None;
        }
    }

    /// Starts an image; returns false if it does not fit.
    pub(crate) fn open_image(&mut self) -> bool {
        let fits = self.reserve_record::<Record<{ Image::FIELDS.len() }>>();
        if fits {
            self.images.push([None; Image::FIELDS.len()]);
        }
        fits
    }

    pub(crate) fn close_image(&mut self) {
        self.images.pop_if(|image| is_empty(image));
    }

    /// Starts a video; returns false if it does not fit.
    pub(crate) fn open_video(&mut self) -> bool {
        let fits = self.reserve_record::<VideoDraft>();
        if fits {
            self.videos.push(VideoDraft::default());
        }
        fits
    }

    pub(crate) fn close_video(&mut self) {
        self.videos.pop_if(|video| {
            is_empty(&video.values)
                && video.tags.is_empty()
                && video.prices.is_empty()
                && video.segments.is_empty()
        });
    }

    /// Starts a price of the last video; returns false if it does not fit.
    pub(crate) fn open_price(&mut self) -> bool {
        let fits = self.reserve_record::<Record<{ Price::FIELDS.len() }>>();
        if let (true, Some(video)) = (fits, self.videos.last_mut()) {
            video.prices.push(Default::default());
        }
        fits
    }

    /// Starts a content segment of the last video; returns false if it does not fit.
    pub(crate) fn open_segment(&mut self) -> bool {
        let fits = self.reserve_record::<Record<{ ContentSegment::FIELDS.len() }>>();
        if let (true, Some(video)) = (fits, self.videos.last_mut()) {
            video.segments.push(Default::default());
        }
        fits
    }

    /// Stores the value of an attribute.
    pub(crate) fn store_attribute(&mut self, place: Attribute, value: &str) -> Stored {
        let Some(value) = self.add_text(value) else { return Stored::Empty };
        let video = self.videos.last_mut();
        match place {
            Attribute::Video(index) => store_at(video.map(|video| &mut video.values), index, value),
            Attribute::Price(index) => {
                store_at(video.and_then(|video| video.prices.last_mut()), index, value)
            }
            Attribute::Segment(index) => {
                store_at(video.and_then(|video| video.segments.last_mut()), index, value)
            }
        }
    }

    /// Adds an alternate version of the page, from values in the order of `Alternate::FIELDS`. Without an `href` it is
    /// none.
    pub(crate) fn add_alternate(&mut self, values: &[Option<Cow<'_, str>>; Alternate::FIELDS.len()]) {
        if !self.reserve_record::<Record<{ Alternate::FIELDS.len() }>>() {
            return;
        }
        let values = values.each_ref().map(|value| self.add_text(value.as_deref()?));
        if values[Alternate::HREF].is_some() {
            self.alternates.push(values);
        }
    }

    /// Stores a loc given in an attribute.
    pub(crate) fn store_loc(&mut self, text: &str, rank: u8) {
        if let Some(value) = self.add_text(text) {
            store_ranked(&mut self.loc, value, rank);
        }
    }

    /// The entry, with an empty `loc` and without `lastmod_at`.
    pub(crate) fn entry(&self) -> Entry<'_> {
        let text = |value: Span| self.text_at(value);
        Entry {
            loc: "",
            lastmod: self.lastmod(),
            lastmod_at: None,
            changefreq: self.changefreq.map(text),
            priority: self.priority.map(text),
            news: self.news.map(|values| News::from_values(self.texts(&values))),
            images: self.images.iter().map(|values| Image::from_values(self.texts(values))).collect(),
            videos: self.videos.iter().map(|video| self.video(video)).collect(),
            alternates: self
                .alternates
                .iter()
                .map(|values| Alternate::from_values(self.texts(values)))
                .collect(),
        }
    }

    fn video<'d>(&'d self, video: &VideoDraft) -> Video<'d> {
        Video {
            tags: video.tags.iter().map(|&tag| self.text_at(tag)).collect(),
            prices: video.prices.iter().map(|values| Price::from_values(self.texts(values))).collect(),
            content_segments: video
                .segments
                .iter()
                .map(|values| ContentSegment::from_values(self.texts(values)))
                .collect(),
            ..Video::from_values(self.texts(&video.values))
        }
    }

    #[inline(always)]
    fn texts<const N: usize>(&self, values: &Record<N>) -> [Option<&str>; N] {
        values.map(|value| value.map(|span| self.text_at(span)))
    }

    fn text_at(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// Reserves `bytes` more for the entry; returns false if they exceed its limit.
    fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.used_bytes.saturating_add(bytes) <= self.limit_bytes;
        if fits {
            self.used_bytes += bytes;
        } else {
            self.is_over_limit = true;
        }
        fits
    }

    /// Reserves the memory of one more record of type `T`; returns false if it exceeds the limit of the entry.
    fn reserve_record<T>(&mut self) -> bool {
        self.reserve(ROOM_PER_RECORD * size_of::<T>())
    }

    fn push_text(&mut self, text: &str) {
        buffer::make_room(&mut self.text, text.len());
        self.text.push_str(text);
    }

    /// Stores a trimmed text outside the open field; `None` if it is empty or does not fit.
    fn add_text(&mut self, text: &str) -> Option<Span> {
        let text = trim(text);
        if text.is_empty() || !self.reserve(text.len()) {
            return None;
        }
        let start = self.text.len();
        self.push_text(text);
        Some(span(start, self.text.len()))
    }

    fn store_tag(&mut self, value: Span) -> Stored {
        if !self.reserve_record::<Span>() {
            return Stored::Empty;
        }
        if let Some(video) = self.videos.last_mut() {
            video.tags.push(value);
        }
        Stored::Kept
    }

    /// Removes the record of a price or segment without a value.
    fn close_empty(&mut self, field: Field) -> Stored {
        if let Some(video) = self.videos.last_mut() {
            match field {
                Field::Price => _ = video.prices.pop_if(|price| is_empty(price)),
                Field::Segment => _ = video.segments.pop_if(|segment| is_empty(segment)),
                _ => {}
            }
        }
        Stored::Empty
    }

    /// The trimmed text of the open field; `None` if it is empty.
    fn trimmed(&self) -> Option<Span> {
        let field = &self.text[self.field_start..];
        let text = trim(field);
        let start = self.field_start + (text.as_ptr() as usize - field.as_ptr() as usize);
        (!text.is_empty()).then(|| span(start, start + text.len()))
    }
}

/// Removes white space, byte order marks, zero-width spaces and NUL characters from both ends.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    if let (Some(b'!'..=b'~'), Some(b'!'..=b'~')) = (bytes.first(), bytes.last()) {
        return text;
    }
    text.trim_matches(|character: char| {
        character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}' | '\u{2060}' | '\0')
    })
}

fn span(start: usize, end: usize) -> Span {
    // `Draft::new` keeps an entry below 4 GiB. If that ever failed, the text would be empty instead of wrong.
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) => Span { start, end },
        _ => Span { start: 0, end: 0 },
    }
}

fn is_empty<const N: usize>(values: &Record<N>) -> bool {
    values.iter().all(Option::is_none)
}

fn store(slot: &mut Option<Span>, value: Span) -> Stored {
    if slot.is_some() {
        return Stored::Repeated;
    }
    *slot = Some(value);
    Stored::Kept
}

fn store_ranked(slot: &mut Option<(Span, u8)>, value: Span, rank: u8) -> Stored {
    match slot {
        Some((_, known)) if *known == rank => Stored::Repeated,
        Some((_, known)) if *known > rank => Stored::Kept,
        _ => {
            *slot = Some((value, rank));
            Stored::Kept
        }
    }
}

fn store_at<const N: usize>(record: Option<&mut Record<N>>, index: usize, value: Span) -> Stored {
    match record.and_then(|record| record.get_mut(index)) {
        Some(slot) => store(slot, value),
        None => Stored::Empty,
    }
}
