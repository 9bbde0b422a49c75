//! The columns of entries in exports and sealed segments, and those in open segments.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use sitemap::{Alternate, ContentSegment, Image, News, Price, Video};

/// Metadata key of [`SCHEMA_VERSION`] in a schema.
pub const SCHEMA_VERSION_KEY: &str = "sitemap-crawler.schema-version";

/// Version of the columns. A reader must refuse versions that it does not know.
pub const SCHEMA_VERSION: &str = "2";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let columns = vec![
        Field::new("loc", DataType::Utf8, false),
        Field::new("lastmod", DataType::Utf8, true),
        Field::new("lastmod_at", timestamp(), true),
        Field::new("changefreq", DataType::Utf8, true),
        Field::new("priority", DataType::Utf8, true),
        Field::new("sitemap", DataType::Utf8, false),
        Field::new("host", DataType::Utf8, false),
        Field::new("scope", DataType::Utf8, false),
        Field::new("news", DataType::Struct(texts(&News::FIELDS)), true),
        Field::new("images", list(DataType::Struct(texts(&Image::FIELDS))), false),
        Field::new("videos", list(DataType::Struct(video_fields())), false),
        Field::new("alternates", list(DataType::Struct(alternate_fields())), false),
        Field::new("fetched_at", timestamp(), false),
    ];
    versioned(columns)
});

static OPEN_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    versioned(vec![
        Field::new("loc", DataType::Utf8, false),
        Field::new("lastmod", DataType::Utf8, true),
        Field::new("lastmod_at", timestamp(), true),
        Field::new("changefreq", DataType::Utf8, true),
        Field::new("priority", DataType::Utf8, true),
        Field::new("scope", DataType::Utf8, false),
        Field::new("extensions", DataType::Binary, true),
    ])
});

/// The columns of an export and of a sealed segment, nested and typed, in the order of every output.
///
/// `lastmod`, `changefreq` and `priority` are the text as published; `lastmod_at` and `fetched_at` are microseconds
/// in UTC. Fields of the extensions have the names of the XML elements without prefix. The metadata contain
/// [`SCHEMA_VERSION`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The columns of an open segment: the fields that differ between the entries of a document.
///
/// The extensions are one column of bytes here (see [`super::extensions`]), because their 60 typed columns would take
/// 4 kB in every document, however small.
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
    Alternate::FIELDS.iter().map(|name| Field::new(*name, DataType::Utf8, *name != "href")).collect()
}

/// An optional text field for each name.
pub(super) fn texts(names: &[&str]) -> Fields {
    names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect()
}

/// The item field of a list.
pub(super) fn item(of: DataType) -> Field {
    Field::new_list_field(of, false)
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(item(of)))
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn versioned(columns: Vec<Field>) -> SchemaRef {
    let version = HashMap::from([(SCHEMA_VERSION_KEY.to_owned(), SCHEMA_VERSION.to_owned())]);
    Arc::new(Schema::new_with_metadata(columns, version))
}
