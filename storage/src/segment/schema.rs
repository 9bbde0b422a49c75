//! The columns of entries: as exports and sealed segments have them, and as an open segment keeps them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use sitemap::{ContentSegment, Image, News, Price, Video};

/// The key under which a schema's metadata hold [`SCHEMA_VERSION`].
pub const SCHEMA_VERSION_KEY: &str = "sitemap-crawler.schema-version";

/// Version of the columns. A reader that knows another one must not guess.
pub const SCHEMA_VERSION: &str = "1";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let columns = vec![
        Field::new("loc", DataType::Utf8, false),
        Field::new("lastmod", DataType::Utf8, true),
        Field::new("lastmod_at", moment(), true),
        Field::new("changefreq", DataType::Utf8, true),
        Field::new("priority", DataType::Utf8, true),
        Field::new("sitemap", DataType::Utf8, false),
        Field::new("host", DataType::Utf8, false),
        Field::new("scope", DataType::Utf8, false),
        Field::new("news", DataType::Struct(texts(&News::FIELDS)), true),
        Field::new("images", list(DataType::Struct(texts(&Image::FIELDS))), false),
        Field::new("videos", list(DataType::Struct(video_fields())), false),
        Field::new("alternates", list(DataType::Struct(alternate_fields())), false),
        Field::new("fetched_at", moment(), false),
    ];
    versioned(columns)
});

static OPEN_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    versioned(vec![
        Field::new("loc", DataType::Utf8, false),
        Field::new("lastmod", DataType::Utf8, true),
        Field::new("lastmod_at", moment(), true),
        Field::new("changefreq", DataType::Utf8, true),
        Field::new("priority", DataType::Utf8, true),
        Field::new("scope", DataType::Utf8, false),
        Field::new("extensions", DataType::Binary, true),
    ])
});

/// The columns of an export and of a sealed segment, nested and typed, in the order of every output.
///
/// `lastmod`, `changefreq` and `priority` are the text as published; `lastmod_at` and `fetched_at` are microseconds
/// in UTC. Fields of the extensions carry the XML element names without prefix. The metadata hold
/// [`SCHEMA_VERSION`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The columns of an open segment: what differs from entry to entry.
///
/// The extensions are one column of bytes here (see [`super::extensions`]), since their 60 typed columns would cost
/// every document 4 kB however small it is.
pub(super) fn open_schema() -> SchemaRef {
    OPEN_SCHEMA.clone()
}

/// The fields of one video: its single values, then its lists.
pub(super) fn video_fields() -> Fields {
    let mut fields: Vec<_> = texts(&Video::FIELDS).iter().cloned().collect();
    fields.push(Arc::new(Field::new("tags", list(DataType::Utf8), false)));
    fields.push(Arc::new(Field::new("prices", list(DataType::Struct(texts(&Price::FIELDS))), false)));
    let segments = DataType::Struct(texts(&ContentSegment::FIELDS));
    fields.push(Arc::new(Field::new("content_segments", list(segments), false)));
    fields.into()
}

/// The fields of one alternate.
pub(super) fn alternate_fields() -> Fields {
    vec![Field::new("hreflang", DataType::Utf8, true), Field::new("href", DataType::Utf8, false)].into()
}

/// An optional text per name.
pub(super) fn texts(names: &[&str]) -> Fields {
    names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect()
}

/// The item of every list.
pub(super) fn item(of: DataType) -> Field {
    Field::new_list_field(of, false)
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(item(of)))
}

fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn versioned(columns: Vec<Field>) -> SchemaRef {
    let version = HashMap::from([(SCHEMA_VERSION_KEY.to_owned(), SCHEMA_VERSION.to_owned())]);
    Arc::new(Schema::new_with_metadata(columns, version))
}
