//! A sink that stores everything as JSON, for comparisons and snapshots.

use serde_json::{Map, Value, json};
use sitemap::{
    Buffer, Child, Document, DocumentEnd, DocumentReader, Entries, Entry, Inflater, Limits, OwnedItem,
    Problem, Sink, limits::SLICE_BYTES,
};
use url::Url;

/// All entries, children and problems of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) items: Vec<Value>,
    pub(crate) problems: Vec<String>,
}

impl Sink for Reading {
    fn entry(&mut self, entry: &Entry<'_>) {
        let mut item = Map::new();
        put(&mut item, "loc", Some(entry.loc));
        put(&mut item, "lastmod", entry.lastmod);
        put(&mut item, "lastmod_at", entry.lastmod_at.map(|at| at.to_string()).as_deref());
        put(&mut item, "changefreq", entry.changefreq);
        put(&mut item, "priority", entry.priority);
        if let Some(news) = &entry.news {
            item.insert("news".into(), record(&sitemap::News::FIELDS, &news.values()).into());
        }
        put_list(&mut item, "images", &entry.images, |image| {
            record(&sitemap::Image::FIELDS, &image.values())
        });
        put_list(&mut item, "videos", &entry.videos, video);
        put_list(&mut item, "alternates", &entry.alternates, |alternate| {
            record(&sitemap::Alternate::FIELDS, &alternate.values())
        });
        self.items.push(item.into());
    }

    fn child(&mut self, child: &Child<'_>) {
        let mut item = Map::new();
        put(&mut item, "sitemap", Some(child.loc));
        put(&mut item, "lastmod", child.lastmod);
        put(&mut item, "lastmod_at", child.lastmod_at.map(|at| at.to_string()).as_deref());
        if child.is_entry {
            item.insert("is_entry".into(), true.into());
        }
        self.items.push(item.into());
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem.to_string());
    }
}

impl Reading {
    /// The locs of entries and children, in order.
    pub(crate) fn locs(&self) -> Vec<&str> {
        self.items.iter().map(|item| item.get("loc").unwrap_or(&item["sitemap"]).as_str().unwrap()).collect()
    }
}

fn video(video: &sitemap::Video<'_>) -> Map<String, Value> {
    let mut item = record(&sitemap::Video::FIELDS, &video.values());
    if !video.tags.is_empty() {
        item.insert("tags".into(), json!(video.tags));
    }
    put_list(&mut item, "prices", &video.prices, |price| record(&sitemap::Price::FIELDS, &price.values()));
    put_list(&mut item, "content_segments", &video.content_segments, |segment| {
        record(&sitemap::ContentSegment::FIELDS, &segment.values())
    });
    item
}

fn record(fields: &[&str], values: &[Option<&str>]) -> Map<String, Value> {
    let mut item = Map::new();
    for (field, value) in fields.iter().zip(values) {
        put(&mut item, field, *value);
    }
    item
}

fn put(item: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        item.insert(name.into(), value.into());
    }
}

fn put_list<T>(
    item: &mut Map<String, Value>,
    name: &str,
    list: &[T],
    show: impl Fn(&T) -> Map<String, Value>,
) {
    if !list.is_empty() {
        item.insert(name.into(), list.iter().map(|value| Value::from(show(value))).collect());
    }
}

pub(crate) fn base() -> Url {
    Url::parse("https://www.example.com/sitemap.xml").unwrap()
}

/// Reads a complete body.
pub(crate) fn read(body: &[u8], base: &Url, limits: Limits) -> (Document, Reading) {
    let mut reading = Reading::default();
    let document = sitemap::read(body, base, limits, &mut reading);
    (document, reading)
}

/// Reads a complete body through the pull interface.
pub(crate) fn pull(body: impl std::io::Read, base: &Url, limits: Limits) -> (Document, Reading) {
    let mut reading = Reading::default();
    let mut entries = Entries::new(body, base, limits);
    for item in &mut entries {
        match item.unwrap() {
            OwnedItem::Entry(entry) => reading.entry(&entry.as_borrowed()),
            OwnedItem::Child(child) => reading.child(&child.as_borrowed()),
            OwnedItem::Problem(problem) => reading.problem(problem),
        }
    }
    (entries.document().unwrap().clone(), reading)
}

/// Removes the only value that may depend on the pieces: how many bytes were read before a document was rejected.
pub(crate) fn comparable((mut document, reading): (Document, Reading)) -> (Document, Reading) {
    if matches!(document.ended, DocumentEnd::NotASitemap(_) | DocumentEnd::Broken) {
        document.bytes_decoded = 0;
    }
    (document, reading)
}

/// Reads a body in pieces of these sizes, which are repeated in a cycle.
pub(crate) fn read_in_pieces(
    body: &[u8],
    base: &Url,
    limits: Limits,
    sizes: &[usize],
) -> (Document, Reading) {
    let mut reading = Reading::default();
    let mut inflater = Inflater::new(&limits);
    let mut reader = DocumentReader::new(base, limits);
    let mut slice = Buffer::new();
    let mut rest = body;
    let mut sizes = sizes.iter().cycle();
    'body: while !rest.is_empty() {
        let (mut piece, after) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        rest = after;
        loop {
            slice.clear();
            let step = inflater.push(piece, &mut slice);
            assert!(slice.len() <= SLICE_BYTES);
            if reader.push(&slice, &mut reading).is_err() {
                return (reader.finish(&mut reading), reading);
            }
            let Ok(step) = step else {
                reader.stop_too_large();
                break 'body;
            };
            piece = &piece[step.consumed..];
            if piece.is_empty() && !step.more {
                break;
            }
        }
    }
    slice.clear();
    let problem = inflater.finish(&mut slice);
    _ = reader.push(&slice, &mut reading);
    if let Some(problem) = problem {
        reader.report(problem);
    }
    (reader.finish(&mut reading), reading)
}
