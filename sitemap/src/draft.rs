//! The entry or child that is being read, before its element closes.

use std::mem::size_of;

use url::Url;

use crate::alternate::Alternate;
use crate::entry::Entry;
use crate::image::Image;
use crate::news::News;
use crate::video::{ContentSegment, Price, Video};

/// Where the text of an element goes. Small on purpose: it is copied for each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The loc; of several, the one with the highest rank is kept.
    Loc(u8),
    /// The lastmod; of several, the one with the highest rank is kept.
    Lastmod(u8),
    Changefreq,
    Priority,
    /// A value of the news, by its index in `News::FIELDS`.
    News(u8),
    /// A value of the last image, by its index in `Image::FIELDS`.
    Image(u8),
    /// A value of the last video, by its index in `Video::FIELDS`.
    Video(u8),
    Tag,
    Price,
    Segment,
}

/// What became of a field when its element closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Kept,
    Empty,
    /// There was one already, which stays.
    Repeated,
}

/// A piece of the draft's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

type Record<const N: usize> = [Option<Span>; N];

#[derive(Default)]
struct VideoDraft {
    values: Record<{ Video::FIELDS.len() }>,
    tags: Vec<Span>,
    prices: Vec<Record<{ Price::FIELDS.len() }>>,
    segments: Vec<Record<{ ContentSegment::FIELDS.len() }>>,
}

/// Collects one entry; all its texts lie one after the other in one buffer, which the next entry uses again.
pub(crate) struct Draft {
    /// Where in the document the entry begins.
    pub(crate) offset: u64,
    /// What a relative loc is resolved against, where the document says so.
    pub(crate) base: Option<Url>,
    /// Whether something did not fit.
    pub(crate) is_over: bool,
    text: String,
    /// Bytes the entry has cost: its text and the records around it.
    cost: usize,
    bytes_max: usize,
    /// Where in `text` the open field begins.
    field_start: usize,
    /// Whether a part of the open field was left out, so that the rest is worthless.
    is_field_damaged: bool,
    loc: Option<(Span, u8)>,
    bare: Option<Span>,
    lastmod: Option<(Span, u8)>,
    changefreq: Option<Span>,
    priority: Option<Span>,
    news: Option<Record<{ News::FIELDS.len() }>>,
    images: Vec<Record<{ Image::FIELDS.len() }>>,
    videos: Vec<VideoDraft>,
    alternates: Vec<(Option<Span>, Span)>,
}

impl Draft {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            offset: 0,
            base: None,
            is_over: false,
            text: String::new(),
            cost: 0,
            // Spans are 32 bits wide.
            bytes_max: bytes_max.min(u32::MAX as usize),
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

    /// Begins the entry at `offset`.
    pub(crate) fn begin(&mut self, offset: u64) {
        self.offset = offset;
        self.base = None;
        self.is_over = false;
        self.text.clear();
        self.cost = 0;
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

    pub(crate) fn has_loc(&self) -> bool {
        self.loc.is_some()
    }

    /// The loc as published, or else the text found outside of any element.
    pub(crate) fn loc(&self) -> Option<&str> {
        self.loc.map(|(span, _)| self.at(span))
    }

    /// The text found outside of any field.
    pub(crate) fn bare(&self) -> Option<&str> {
        self.bare.map(|span| self.at(span).trim())
    }

    pub(crate) fn lastmod(&self) -> Option<&str> {
        self.lastmod.map(|(span, _)| self.at(span))
    }

    /// The text of the open field so far.
    pub(crate) fn field_text(&self) -> &str {
        trim(&self.text[self.field_start..])
    }

    /// Whether the open field has any text so far.
    pub(crate) fn has_text(&self) -> bool {
        !self.field_text().is_empty()
    }

    /// Begins the text of a field.
    pub(crate) fn open_field(&mut self) {
        self.field_start = self.text.len();
        self.is_field_damaged = false;
    }

    /// Adds to the text of the open field.
    pub(crate) fn append(&mut self, text: &str) {
        if self.charge(text.len()) {
            self.text.push_str(text);
        } else {
            self.is_field_damaged = true;
        }
    }

    /// Notes that a part of the open field was left out; its value will not be stored.
    pub(crate) fn damage_field(&mut self) {
        self.is_field_damaged = true;
    }

    /// Adds to the text outside of any field, as long as it is in one piece.
    pub(crate) fn append_bare(&mut self, text: &str) {
        // The white space between elements.
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

    /// Stores the text collected since the field was opened.
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

    /// Begins the news; false when there are some already.
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

    /// Begins an image; false when it does not fit.
    pub(crate) fn open_image(&mut self) -> bool {
        let fits = self.charge(size_of::<Image<'static>>());
        if fits {
            self.images.push([None; Image::FIELDS.len()]);
        }
        fits
    }

    pub(crate) fn close_image(&mut self) {
        self.images.pop_if(|image| is_empty(image));
    }

    /// Begins a video; false when it does not fit.
    pub(crate) fn open_video(&mut self) -> bool {
        let fits = self.charge(size_of::<Video<'static>>());
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

    /// Begins a price of the last video; false when it does not fit.
    pub(crate) fn open_price(&mut self) -> bool {
        let fits = self.charge(size_of::<Price<'static>>());
        if let (true, Some(video)) = (fits, self.videos.last_mut()) {
            video.prices.push(Default::default());
        }
        fits
    }

    /// Begins a content segment of the last video; false when it does not fit.
    pub(crate) fn open_segment(&mut self) -> bool {
        let fits = self.charge(size_of::<ContentSegment<'static>>());
        if let (true, Some(video)) = (fits, self.videos.last_mut()) {
            video.segments.push(Default::default());
        }
        fits
    }

    /// Stores a value that stands in an attribute.
    pub(crate) fn store_attribute(&mut self, place: Attribute, value: &str) -> Stored {
        let Some(value) = self.add(value) else { return Stored::Empty };
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

    /// Adds another version of the page.
    pub(crate) fn add_alternate(&mut self, hreflang: Option<&str>, href: &str) {
        if !self.charge(size_of::<Alternate<'static>>()) {
            return;
        }
        let hreflang = hreflang.and_then(|text| self.add(text));
        if let Some(href) = self.add(href) {
            self.alternates.push((hreflang, href));
        }
    }

    /// Stores a loc that stands in an attribute.
    pub(crate) fn store_loc(&mut self, text: &str, rank: u8) {
        if let Some(value) = self.add(text) {
            store_ranked(&mut self.loc, value, rank);
        }
    }

    /// The entry, but for its loc and instant.
    pub(crate) fn entry(&self) -> Entry<'_> {
        let text = |value: Span| self.at(value);
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
                .map(|&(hreflang, href)| Alternate { hreflang: hreflang.map(text), href: text(href) })
                .collect(),
        }
    }

    fn video<'d>(&'d self, video: &VideoDraft) -> Video<'d> {
        Video {
            tags: video.tags.iter().map(|&tag| self.at(tag)).collect(),
            prices: video.prices.iter().map(|values| Price::from_values(self.texts(values))).collect(),
            content_segments: video
                .segments
                .iter()
                .map(|values| ContentSegment::from_values(self.texts(values)))
                .collect(),
            ..Video::from_values(self.texts(&video.values))
        }
    }

    fn texts<const N: usize>(&self, values: &Record<N>) -> [Option<&str>; N] {
        values.map(|value| value.map(|span| self.at(span)))
    }

    fn at(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// Whether `bytes` more fit into the entry, which they then do.
    fn charge(&mut self, bytes: usize) -> bool {
        let fits = self.cost.saturating_add(bytes) <= self.bytes_max;
        if fits {
            self.cost += bytes;
        } else {
            self.is_over = true;
        }
        fits
    }

    /// Adds a text of its own, trimmed; nothing when it is empty or does not fit.
    fn add(&mut self, text: &str) -> Option<Span> {
        let text = trim(text);
        if text.is_empty() || !self.charge(text.len()) {
            return None;
        }
        let start = self.text.len();
        self.text.push_str(text);
        Some(span(start, self.text.len()))
    }

    fn store_tag(&mut self, value: Span) -> Stored {
        if !self.charge(size_of::<&str>()) {
            return Stored::Empty;
        }
        if let Some(video) = self.videos.last_mut() {
            video.tags.push(value);
        }
        Stored::Kept
    }

    /// Drops the record of a list whose element said nothing.
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

    /// The text of the open field without white space at its ends; nothing when nothing is left.
    fn trimmed(&self) -> Option<Span> {
        let field = &self.text[self.field_start..];
        let text = trim(field);
        let start = self.field_start + (text.as_ptr() as usize - field.as_ptr() as usize);
        (!text.is_empty()).then(|| span(start, start + text.len()))
    }
}

/// Where the value of an attribute goes: an index in the `FIELDS` of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Video(usize),
    Price(usize),
    Segment(usize),
}

/// A text without the white space, byte order marks and zero-width spaces at its ends.
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
    // An entry is smaller than 4 GiB, see `Draft::new`; were it not, the text would be empty rather than wrong.
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
