//! No value of an extension is lost between the document, the segment and each export.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;

use fakesite::{Page, Site, Web};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value, json};
use storage::{BatchView, CrawlReader};

use super::run::{Run, expect};

const IMAGES: usize = 1_000;
const VIDEOS: usize = 3;
const ALTERNATES: usize = 40;

/// Characters that a document, a table or JSON must escape, characters that must stay unchanged, and a line break.
const AWKWARD: &str = "a < b && \"c\" > 'd'; é, ]]\u{2026} 日本 🎬\nnext line";

/// Elements of a video that have text and no attributes.
const VIDEO_ELEMENTS: [&str; 13] = [
    "thumbnail_loc",
    "title",
    "description",
    "content_loc",
    "duration",
    "expiration_date",
    "rating",
    "view_count",
    "publication_date",
    "family_friendly",
    "requires_subscription",
    "live",
    "category",
];

/// Elements of a video with attributes.
const VIDEO_ATTRIBUTES: [(&str, &[&str]); 6] = [
    ("player_loc", &["allow_embed", "autoplay"]),
    ("restriction", &["relationship"]),
    ("platform", &["relationship"]),
    ("uploader", &["info"]),
    ("gallery_loc", &["title"]),
    ("id", &["type"]),
];

const SHOW_ELEMENTS: [&str; 6] =
    ["show_title", "video_type", "episode_title", "season_number", "episode_number", "premier_date"];

const PRICE_ATTRIBUTES: [&str; 3] = ["currency", "type", "resolution"];

const NEWS_ELEMENTS: [&str; 6] =
    ["access", "genres", "publication_date", "title", "keywords", "stock_tickers"];

/// The expected entry in JSONL, without the keys that the crawl adds.
fn published() -> Value {
    json!({
        "loc": "https://a.example/all?a=1&b=2", "lastmod": "2026-03-01T10:00:00+02:00",
        "lastmod_at": "2026-03-01T08:00:00Z", "changefreq": "daily", "priority": 0.8,
        "news": record(0, ["name", "language"].into_iter().chain(NEWS_ELEMENTS)),
        "images": list(IMAGES, |n| record(n, ["loc", "caption", "title", "geo_location", "license"])),
        "videos": list(VIDEOS, video),
        "alternates": list(ALTERNATES, |n| record(n, ["hreflang", "href", "media", "type", "title"])),
    })
}

fn video(n: usize) -> Value {
    let with_attributes = VIDEO_ATTRIBUTES
        .iter()
        .flat_map(|(name, attributes)| attributes.iter().map(move |attribute| format!("{name}_{attribute}")));
    let keys = (VIDEO_ELEMENTS.into_iter().map(str::to_owned))
        .chain(VIDEO_ATTRIBUTES.iter().map(|(name, _)| (*name).to_owned()))
        .chain(with_attributes)
        .chain(SHOW_ELEMENTS.iter().map(|name| format!("tvshow_{name}")));
    let mut video = record(n, keys);
    video["tags"] = list(32, |tag| json!(format!("tag {tag} of {n}, {AWKWARD}")));
    video["prices"] = list(3, |price| record(price, ["value"].into_iter().chain(PRICE_ATTRIBUTES)));
    video["content_segments"] = list(4, |part| record(part, ["loc", "duration"]));
    video
}

fn list(count: usize, item: impl Fn(usize) -> Value) -> Value {
    (0..count).map(item).collect()
}

/// Keys whose values are URLs. An export contains only URLs that can be followed.
const LINKS: [&str; 8] =
    ["loc", "license", "href", "thumbnail_loc", "content_loc", "player_loc", "gallery_loc", "uploader_info"];

/// A record with a different text for each key.
fn record<K: Into<String>>(n: usize, keys: impl IntoIterator<Item = K>) -> Value {
    let pairs = keys.into_iter().map(Into::into).map(|key: String| {
        let value = if LINKS.contains(&key.as_str()) {
            format!("https://media.example/{key}/{n}?a='1'&b=<{{|}}>\"#c")
        } else {
            format!("={key} {n}: {AWKWARD}")
        };
        (key, json!(value))
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// A document that contains all of `entry`, with a plain entry before and after it.
fn document(entry: &Value) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"\n \
         xmlns:news=\"http://www.google.com/schemas/sitemap-news/0.9\"\n \
         xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\"\n \
         xmlns:video=\"http://www.google.com/schemas/sitemap-video/1.1\"\n xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">\n\
         <url><loc>https://a.example/before</loc></url>\n<url>",
    );
    for key in ["loc", "lastmod", "changefreq"] {
        element(&mut xml, key, &[], text(&entry[key]));
    }
    element(&mut xml, "priority", &[], "0.8");
    write_news(&mut xml, &entry["news"]);
    for image in items(&entry["images"]) {
        xml.push_str("<image:image>");
        for (key, value) in image.as_object().unwrap() {
            element(&mut xml, &format!("image:{key}"), &[], text(value));
        }
        xml.push_str("</image:image>\n");
    }
    for video in items(&entry["videos"]) {
        write_video(&mut xml, video);
    }
    for alternate in items(&entry["alternates"]) {
        xml.push_str("<xhtml:link rel=\"alternate\"");
        for (key, value) in alternate.as_object().unwrap() {
            write!(xml, " {key}=\"{}\"", escaped(text(value))).unwrap();
        }
        xml.push_str("/>");
    }
    xml.push_str("</url>\n<url><loc>https://a.example/behind</loc></url></urlset>");
    xml
}

fn write_news(xml: &mut String, news: &Value) {
    xml.push_str("<news:news><news:publication>");
    for key in ["name", "language"] {
        element(xml, &format!("news:{key}"), &[], text(&news[key]));
    }
    xml.push_str("</news:publication>");
    for key in NEWS_ELEMENTS {
        element(xml, &format!("news:{key}"), &[], text(&news[key]));
    }
    xml.push_str("</news:news>\n");
}

fn write_video(xml: &mut String, video: &Value) {
    xml.push_str("<video:video>");
    for key in VIDEO_ELEMENTS {
        element(xml, &format!("video:{key}"), &[], text(&video[key]));
    }
    for (key, names) in VIDEO_ATTRIBUTES {
        let attributes: Vec<_> =
            names.iter().map(|name| (*name, text(&video[format!("{key}_{name}")]))).collect();
        element(xml, &format!("video:{key}"), &attributes, text(&video[key]));
    }
    for price in items(&video["prices"]) {
        let attributes = PRICE_ATTRIBUTES.map(|name| (name, text(&price[name])));
        element(xml, "video:price", &attributes, text(&price["value"]));
    }
    for segment in items(&video["content_segments"]) {
        let attributes = [("duration", text(&segment["duration"]))];
        element(xml, "video:content_segment_loc", &attributes, text(&segment["loc"]));
    }
    for tag in items(&video["tags"]) {
        // Written as CDATA instead of escaped.
        write!(xml, "<video:tag><![CDATA[{}]]></video:tag>", text(tag)).unwrap();
    }
    xml.push_str("<video:tvshow>");
    for key in SHOW_ELEMENTS {
        element(xml, &format!("video:{key}"), &[], text(&video[format!("tvshow_{key}")]));
    }
    xml.push_str("</video:tvshow></video:video>\n");
}

fn element(xml: &mut String, name: &str, attributes: &[(&str, &str)], text: &str) {
    write!(xml, "<{name}").unwrap();
    for (name, value) in attributes {
        write!(xml, " {name}=\"{}\"", escaped(value)).unwrap();
    }
    write!(xml, ">{}</{name}>", escaped(text)).unwrap();
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// A finished crawl of the document.
fn run(entry: &Value) -> Run {
    let site =
        Site::new().robots("Sitemap: https://a.example/s.xml\n").page("/s.xml", Page::xml(document(entry)));
    let run = Run::of(Web::new().host("a.example", site), &["a.example"]);
    run.crawl();
    run
}

/// The rows of a batch as `crawl parse` would print them.
fn rows(view: &BatchView<'_>) -> Vec<Value> {
    view.rows()
        .map(|row| {
            let mut line = Vec::new();
            reports::jsonl::write_entry(&mut line, &row.entry);
            let mut entry: Value = serde_json::from_slice(&line).unwrap();
            entry.as_object_mut().unwrap().remove("type");
            entry
        })
        .collect()
}

/// The rows of a CSV table (RFC 4180): cells by column name.
fn table(csv: &str) -> Vec<BTreeMap<String, String>> {
    let (mut lines, mut cells, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                cells.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut cells));
            }
            character => cell.push(character),
        }
    }
    let heading = lines.remove(0);
    lines.into_iter().map(|cells| heading.iter().cloned().zip(cells).collect()).collect()
}

/// The cells of a record in a table: its texts, with a leading `'` on those that look like formulas.
fn expected_cells(prefix: &str, record: &Value) -> BTreeMap<String, String> {
    let texts = record.as_object().unwrap().iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let cell = |text: &str| if text.starts_with('=') { format!("'{text}") } else { text.to_owned() };
    texts.map(|(key, text)| (format!("{prefix}_{key}"), cell(text))).collect()
}

#[test]
fn every_value_of_every_extension_comes_out_of_every_format_that_has_room_for_it() {
    let published = published();
    let run = run(&published);

    let jsonl = run.entries();
    assert_eq!(jsonl.len(), 3);
    let mut entry = jsonl[1].clone();
    for added_by_the_crawl in ["sitemap", "host", "scope", "fetched_at"] {
        entry.as_object_mut().unwrap().remove(added_by_the_crawl).unwrap();
    }
    assert!(entry == published, "jsonl differs");

    assert_eq!(
        run.export("txt"),
        "https://a.example/before\nhttps://a.example/all?a=1&b=2\nhttps://a.example/behind\n"
    );

    let segments: Vec<Value> = CrawlReader::open(&run.data_dir())
        .unwrap()
        .entries()
        .flat_map(|batch| rows(&BatchView::new(&batch.unwrap()).unwrap()))
        .collect();
    assert!(segments.len() == 3 && segments[1] == published, "the segments differ");

    let path = run.path("out.parquet");
    let mut export = run.command(&["export", "--format", "parquet"]);
    export.arg("-o").arg(&path);
    expect(export, 0);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let parquet: Vec<Value> =
        reader.build().unwrap().flat_map(|batch| rows(&BatchView::new(&batch.unwrap()).unwrap())).collect();
    assert!(parquet.len() == 3 && parquet[1] == published, "parquet differs");
}

#[test]
fn a_table_holds_the_news_the_first_of_each_list_and_how_many_there_are() {
    let published = published();
    let table = table(&run(&published).export("csv"));
    assert_eq!(table.len(), 3);
    let line = &table[1];
    let video = &published["videos"][0];
    let mut expected = expected_cells("news", &published["news"]);
    expected.extend(expected_cells("image", &published["images"][0]));
    expected.extend(expected_cells("video", video));
    expected.extend(expected_cells("alternate", &published["alternates"][0]));
    let tags: Vec<&str> = items(&video["tags"]).iter().map(text).collect();
    for (column, value) in [
        ("loc", "https://a.example/all?a=1&b=2"),
        ("lastmod", "2026-03-01T10:00:00+02:00"),
        ("lastmod_at", "2026-03-01T08:00:00Z"),
        ("changefreq", "daily"),
        ("priority", "0.8"),
        ("image_count", "1000"),
        ("video_count", "3"),
        ("alternate_count", "40"),
        ("video_tags", &tags.join(", ")),
        ("sitemap", "https://a.example/s.xml"),
        ("host", "https://a.example"),
        ("scope", "same-host"),
    ] {
        expected.insert(column.to_owned(), value.to_owned());
    }
    let mut cells = line.clone();
    cells.remove("fetched_at");
    assert_eq!(cells, expected);
}
