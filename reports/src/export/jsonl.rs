//! JSON Lines: one object per line, with keys in the order of the schema, without absent fields and empty lists.

use std::io::Write;

use arrow_array::RecordBatch;
use frontier::Timestamp;
use sitemap::{Alternate, Child, ContentSegment, Entry, Image, News, Price, Video};
use storage::{BatchView, Row};

use super::error::ExportError;
use super::json_string::write_string;
use super::lines::Lines;
use super::moment::write_moment;

/// Longest `priority` written as a number, in bytes. Every decimal of this length survives a
/// reader's 64-bit float unchanged.
const NUMBER_BYTES_MAX: usize = 16;

/// Writes every entry.
pub(super) fn write(
    batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
    out: impl Write,
) -> Result<(), ExportError> {
    let mut lines = Lines::new(out);
    let mut fetched_at = FetchedAt::default();
    for batch in batches {
        let batch = batch?;
        let view = BatchView::new(&batch).map_err(ExportError::read)?;
        for row in view.rows() {
            lines.line(|line| write_row(line, &row, &mut fetched_at))?;
        }
    }
    Ok(lines.finish()?)
}

/// Appends an entry of a crawl and a line feed.
fn write_row(out: &mut Vec<u8>, row: &Row<'_>, fetched_at: &mut FetchedAt) {
    let mut object = Object::begin(out);
    object.entry_head(&row.entry);
    object.text("sitemap", row.sitemap);
    object.text("host", row.host);
    object.text("scope", row.scope);
    object.entry_extensions(&row.entry);
    object.key("fetched_at");
    object.out.extend_from_slice(fetched_at.json(row.fetched_at));
    object.end();
    out.push(b'\n');
}

/// Appends an entry of a single document and a line feed: `"type":"url"` and the keys of an export, except those that
/// only a crawl has (`sitemap`, `host`, `scope`, `fetched_at`).
///
/// ```
/// use reports::jsonl::write_entry;
/// use sitemap::Entry;
///
/// let mut line = Vec::new();
/// write_entry(&mut line, &Entry { loc: "https://a.example/", ..Entry::default() });
/// assert_eq!(line, b"{\"type\":\"url\",\"loc\":\"https://a.example/\"}\n");
/// ```
pub fn write_entry(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let mut object = Object::begin(out);
    object.text("type", "url");
    object.entry_head(entry);
    object.entry_extensions(entry);
    object.end();
    out.push(b'\n');
}

/// Appends a child of a single document and a line feed: `"type":"sitemap"`, `loc`, `lastmod`, `lastmod_at`.
pub fn write_child(out: &mut Vec<u8>, child: &Child<'_>) {
    let mut object = Object::begin(out);
    object.text("type", "sitemap");
    object.text("loc", child.loc);
    object.lastmod(child.lastmod, child.lastmod_at);
    object.end();
    out.push(b'\n');
}

/// The moment at which a document was fetched, as JSON. It is formatted once for all entries of the document.
#[derive(Default)]
struct FetchedAt {
    moment: Timestamp,
    json: Vec<u8>,
}

impl FetchedAt {
    fn json(&mut self, moment: Timestamp) -> &[u8] {
        if moment != self.moment || self.json.is_empty() {
            self.moment = moment;
            self.json = format!("\"{moment}\"").into_bytes();
        }
        &self.json
    }
}

/// An object being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a key. Keys are our own names and need no escapes.
    fn key(&mut self, key: &str) {
        self.out.extend_from_slice(if self.is_empty { b"\"" } else { b",\"" });
        self.is_empty = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_string(self.out, value);
    }

    fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn texts(&mut self, keys: &[&str], values: &[Option<&str>]) {
        for (key, value) in keys.iter().zip(values) {
            self.optional(key, *value);
        }
    }

    fn list<T>(&mut self, key: &str, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
        if items.is_empty() {
            return;
        }
        self.key(key);
        for (at, value) in items.iter().enumerate() {
            self.out.push(if at == 0 { b'[' } else { b',' });
            item(self.out, value);
        }
        self.out.push(b']');
    }

    fn lastmod(&mut self, lastmod: Option<&str>, lastmod_at: Option<jiff::Timestamp>) {
        self.optional("lastmod", lastmod);
        if let Some(at) = lastmod_at {
            self.key("lastmod_at");
            self.out.push(b'"');
            write_moment(self.out, at);
            self.out.push(b'"');
        }
    }

    /// Writes `loc` to `priority`.
    fn entry_head(&mut self, entry: &Entry<'_>) {
        self.text("loc", entry.loc);
        self.lastmod(entry.lastmod, entry.lastmod_at);
        self.optional("changefreq", entry.changefreq);
        match entry.priority {
            Some(number) if is_plain_number(number) => {
                self.key("priority");
                self.out.extend_from_slice(number.as_bytes());
            }
            text => self.optional("priority", text),
        }
    }

    /// Writes `news` to `alternates`.
    fn entry_extensions(&mut self, entry: &Entry<'_>) {
        if let Some(news) = &entry.news {
            self.key("news");
            write_record(self.out, &News::FIELDS, &news.values());
        }
        self.list("images", &entry.images, |out, image| write_record(out, &Image::FIELDS, &image.values()));
        self.list("videos", &entry.videos, write_video);
        self.list("alternates", &entry.alternates, write_alternate);
    }
}

fn write_record(out: &mut Vec<u8>, keys: &[&str], values: &[Option<&str>]) {
    let mut object = Object::begin(out);
    object.texts(keys, values);
    object.end();
}

fn write_video(out: &mut Vec<u8>, video: &Video<'_>) {
    let mut object = Object::begin(out);
    object.texts(&Video::FIELDS, &video.values());
    object.list("tags", &video.tags, |out, tag| write_string(out, tag));
    object.list("prices", &video.prices, |out, price| write_record(out, &Price::FIELDS, &price.values()));
    object.list("content_segments", &video.content_segments, |out, segment| {
        write_record(out, &ContentSegment::FIELDS, &segment.values());
    });
    object.end();
}

fn write_alternate(out: &mut Vec<u8>, alternate: &Alternate<'_>) {
    let mut object = Object::begin(out);
    object.texts(&Alternate::FIELDS, &alternate.values());
    object.end();
}

/// Whether a text is a decimal number and also valid JSON: `0.5`, `1` and `-3.25` are; `.5`, `1.`, `01`, `+1` and
/// `1e3` are not.
fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= NUMBER_BYTES_MAX
        && is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn line(entry: &Entry<'_>) -> String {
        let mut out = Vec::new();
        write_entry(&mut out, entry);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_entry_of_loc_alone_has_no_other_key() {
        let entry = Entry { loc: "https://a.example/?a=1&b=2", ..Entry::default() };
        assert_eq!(line(&entry), "{\"type\":\"url\",\"loc\":\"https://a.example/?a=1&b=2\"}\n");
    }

    #[test]
    fn a_child_has_its_date_twice_as_written_and_in_utc() {
        let at = "2026-01-02T03:04:05+02:00".parse().unwrap();
        let child = Child {
            loc: "https://a.example/s.xml",
            lastmod: Some("2026-01-02T03:04:05+02:00"),
            lastmod_at: Some(at),
            is_entry: false,
        };
        let mut out = Vec::new();
        write_child(&mut out, &child);
        let expected = concat!(
            r#"{"type":"sitemap","loc":"https://a.example/s.xml","lastmod":"2026-01-02T03:04:05+02:00","#,
            r#""lastmod_at":"2026-01-02T01:04:05Z"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn keys_come_in_the_order_of_the_contract_and_lists_are_kept_whole() {
        let price =
            Price { value: Some("1.99"), currency: Some("EUR"), kind: Some("rent"), ..Price::default() };
        let video = Video {
            title: Some("v"),
            tags: vec!["a", "b"],
            prices: vec![price],
            content_segments: vec![ContentSegment { loc: Some("https://v.example/1"), duration: None }],
            ..Video::default()
        };
        let entry = Entry {
            loc: "https://a.example/",
            lastmod: Some("2026"),
            lastmod_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            changefreq: Some("daily"),
            priority: Some("0.80"),
            news: Some(News { title: Some("\u{202e}t"), ..News::default() }),
            images: vec![Image { loc: Some("https://i.example/1"), ..Image::default() }, Image::default()],
            videos: vec![video],
            alternates: vec![Alternate {
                hreflang: Some("de"),
                href: "https://a.example/de",
                media: Some("print"),
                ..Alternate::default()
            }],
        };
        let row =
            Row { entry, sitemap: "s", host: "h", scope: "same-host", fetched_at: Timestamp::from_micros(1) };
        let mut out = Vec::new();
        write_row(&mut out, &row, &mut FetchedAt::default());
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"{"loc":"https://a.example/","lastmod":"2026","lastmod_at":"2026-01-01T00:00:00Z","changefreq":"daily","priority":0.80,"sitemap":"s","host":"h","scope":"same-host","news":{"title":"\u202et"},"images":[{"loc":"https://i.example/1"},{}],"videos":[{"title":"v","tags":["a","b"],"prices":[{"value":"1.99","currency":"EUR","type":"rent"}],"content_segments":[{"loc":"https://v.example/1"}]}],"alternates":[{"hreflang":"de","href":"https://a.example/de","media":"print"}],"fetched_at":"1970-01-01T00:00:00.000001Z"}"#);
    }

    #[test]
    fn a_priority_is_a_number_only_if_json_writes_it_the_same_way() {
        for text in ["0.5", "1", "0", "1.00", "-3.25", "10"] {
            assert!(is_plain_number(text), "{text}");
            assert!(serde_json::from_str::<f64>(text).is_ok(), "{text}");
        }
        for text in
            ["", "-", ".5", "1.", "01", "+1", "1e3", "NaN", "0,5", " 1", "1.2.3", "0.12345678901234567"]
        {
            assert!(!is_plain_number(text), "{text}");
        }
    }

    fn object(keys: &[&str], values: &[Option<&str>]) -> Map<String, Value> {
        let pairs =
            keys.iter().zip(values).filter_map(|(key, value)| Some((key.to_string(), json!((*value)?))));
        pairs.collect()
    }

    /// The object that serde_json makes of `entry`.
    fn expected(entry: &Entry<'_>) -> Value {
        let keys = ["type", "loc", "lastmod", "changefreq"];
        let mut all = object(&keys, &[Some("url"), Some(entry.loc), entry.lastmod, entry.changefreq]);
        if let Some(text) = entry.priority {
            let number = Some(text)
                .filter(|text| is_plain_number(text))
                .map(|text| serde_json::from_str(text).unwrap());
            all.insert("priority".to_owned(), number.unwrap_or_else(|| json!(text)));
        }
        if let Some(news) = &entry.news {
            all.insert("news".to_owned(), object(&News::FIELDS, &news.values()).into());
        }
        if !entry.images.is_empty() {
            let images =
                entry.images.iter().map(|image| Value::from(object(&Image::FIELDS, &image.values())));
            all.insert("images".to_owned(), images.collect());
        }
        if !entry.videos.is_empty() {
            let videos = entry.videos.iter().map(|video| {
                let mut all = object(&Video::FIELDS, &video.values());
                if !video.tags.is_empty() {
                    all.insert("tags".to_owned(), json!(video.tags));
                }
                Value::from(all)
            });
            all.insert("videos".to_owned(), videos.collect());
        }
        if !entry.alternates.is_empty() {
            let alternates = entry
                .alternates
                .iter()
                .map(|alternate| Value::from(object(&Alternate::FIELDS, &alternate.values())));
            all.insert("alternates".to_owned(), alternates.collect());
        }
        all.into()
    }

    proptest! {
        #[test]
        fn any_entry_reads_back_as_serde_json_would_write_it(
            texts in prop::collection::vec(prop::option::of(any::<String>()), 12),
            priority in prop::option::of("-?[0-9]{0,2}[.]?[0-9]{0,3}"),
            lists in (0..3usize, 0..3usize, 0..3usize),
        ) {
            let text = |at: usize| texts[at].as_deref();
            let image = Image { loc: text(4), title: text(5), caption: text(6), ..Image::default() };
            let tags = texts[9..].iter().flatten().map(String::as_str).collect();
            let video = Video { title: text(7), description: text(8), tags, ..Video::default() };
            let alternate = Alternate::from_values([text(10), text(11), text(5), text(6), text(7)]);
            let entry = Entry {
                loc: text(0).unwrap_or_default(),
                lastmod: text(1),
                changefreq: text(2),
                priority: priority.as_deref(),
                news: text(3).map(|title| News { title: Some(title), ..News::default() }),
                images: vec![image; lists.0],
                videos: vec![video; lists.1],
                alternates: vec![alternate; lists.2],
                ..Entry::default()
            };
            let json = line(&entry);
            prop_assert_eq!(json.chars().last(), Some('\n'));
            prop_assert_eq!(json.trim_end().lines().count(), 1);
            prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected(&entry));
        }
    }
}
