//! Entries as columns: built for an open segment, and converted to the full schema when they are read.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BinaryBuilder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray, new_empty_array, new_null_array,
};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Fields};
use sitemap::{ContentSegment, Entry, Image, News, Price, Video};

use super::document::EntryScope;
use super::extensions::Extensions;
use super::message::DocumentBatch;
use super::schema::{alternate_fields, item, open_schema, schema, texts, video_fields};
use crate::codec::{self, CodecError};

/// Index of the column `news` in [`schema`]. `images`, `videos` and `alternates` follow it.
pub(super) const NEWS: usize = 8;

/// Bytes that an entry takes in addition to its texts: offsets, a timestamp and its scope.
const ENTRY_OVERHEAD_BYTES: usize = 48;

/// Builds the columns of the next batch of an open segment. Starts without capacity, so that small documents take
/// little memory.
pub(super) struct OpenColumns {
    loc: StringBuilder,
    lastmod: StringBuilder,
    lastmod_at: TimestampMicrosecondBuilder,
    changefreq: StringBuilder,
    priority: StringBuilder,
    scope: StringBuilder,
    extensions: BinaryBuilder,
    bytes: usize,
}

impl OpenColumns {
    /// Creates a builder without rows.
    pub(super) fn new() -> Self {
        let text = || StringBuilder::with_capacity(0, 0);
        Self {
            loc: text(),
            lastmod: text(),
            lastmod_at: TimestampMicrosecondBuilder::with_capacity(0).with_timezone("UTC"),
            changefreq: text(),
            priority: text(),
            scope: text(),
            extensions: BinaryBuilder::with_capacity(0, 0),
            bytes: 0,
        }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.loc.len()
    }

    /// Approximate number of bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row. `extensions` are the encoded extensions of `entry`.
    pub(super) fn push(&mut self, entry: &Entry<'_>, scope: EntryScope, extensions: Option<&[u8]>) {
        self.loc.append_value(entry.loc);
        self.lastmod.append_option(entry.lastmod);
        self.lastmod_at.append_option(entry.lastmod_at.map(jiff::Timestamp::as_microsecond));
        self.changefreq.append_option(entry.changefreq);
        self.priority.append_option(entry.priority);
        self.scope.append_value(scope.as_str());
        self.extensions.append_option(extensions);
        self.bytes += ENTRY_OVERHEAD_BYTES + text_bytes(entry) + extensions.map_or(0, <[u8]>::len);
    }

    /// Returns the rows as a batch and starts the next one.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.loc.finish()),
            Arc::new(self.lastmod.finish()),
            Arc::new(self.lastmod_at.finish().with_timezone("UTC")),
            Arc::new(self.changefreq.finish()),
            Arc::new(self.priority.finish()),
            Arc::new(self.scope.finish()),
            Arc::new(self.extensions.finish()),
        ];
        RecordBatch::try_new(open_schema(), columns)
    }
}

/// Bytes of an entry's texts, without its extensions.
pub(super) fn text_bytes(entry: &Entry<'_>) -> usize {
    let optional = [entry.lastmod, entry.changefreq, entry.priority];
    entry.loc.len() + optional.into_iter().flatten().map(str::len).sum::<usize>()
}

/// Why a batch could not be converted to the full schema.
#[derive(Debug, thiserror::Error)]
pub(super) enum WidenError {
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error("extensions: {0}")]
    Extensions(#[from] CodecError),
}

/// Converts a batch of an open segment to [`schema`].
pub(super) fn widen(batch: &DocumentBatch) -> Result<RecordBatch, WidenError> {
    let (open, rows) = (&batch.columns, batch.columns.num_rows());
    let column = |i: usize| open.column(i).clone();
    let [news, images, videos, alternates] = extension_columns(open.column(6).as_binary::<i32>())?;
    let fetched_at = TimestampMicrosecondArray::from_value(batch.head.fetched_at.as_micros(), rows);
    let columns: Vec<ArrayRef> = vec![
        column(0),
        column(1),
        column(2),
        column(3),
        column(4),
        Arc::new(StringArray::new_repeated(&batch.head.sitemap, rows)),
        Arc::new(StringArray::new_repeated(&batch.head.host, rows)),
        column(5),
        news,
        images,
        videos,
        alternates,
        Arc::new(fetched_at.with_timezone("UTC")),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The columns `news`, `images`, `videos` and `alternates`, decoded from the column `extensions`.
fn extension_columns(encoded: &BinaryArray) -> Result<[ArrayRef; 4], WidenError> {
    if encoded.null_count() == encoded.len() {
        return no_extensions(encoded.len());
    }
    let mut news = RecordsBuilder::new(&News::FIELDS);
    let mut images = ListBuilder::new(RecordsBuilder::new(&Image::FIELDS));
    let mut videos = ListBuilder::new(VideosBuilder::new());
    let mut alternates = ListBuilder::new(RecordsBuilder::of(alternate_fields()));
    for bytes in encoded {
        let extensions: Extensions<'_> = bytes.map(codec::decode).transpose()?.unwrap_or_default();
        news.push_option(extensions.news().map(|news| news.values()));
        images.push_list(extensions.images(), |images, image| images.push(image.values()));
        videos.push_list(extensions.videos(), |videos, video| videos.push(&video));
        alternates.push_list(extensions.alternates(), |alternates, item| {
            alternates.push(item.values());
        });
    }
    Ok([
        Arc::new(news.finish()?),
        Arc::new(images.finish(RecordsBuilder::finish)?),
        Arc::new(videos.finish(VideosBuilder::finish)?),
        Arc::new(alternates.finish(RecordsBuilder::finish)?),
    ])
}

/// The same columns for `rows` entries without extensions. Builds nothing per row.
fn no_extensions(rows: usize) -> Result<[ArrayRef; 4], WidenError> {
    let empty = |column: usize| -> Result<ArrayRef, ArrowError> {
        match schema().field(column).data_type() {
            DataType::List(item) => {
                let items = new_empty_array(item.data_type());
                Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::new_zeroed(rows), items, None)?))
            }
            other => Ok(new_null_array(other, rows)),
        }
    };
    Ok([empty(NEWS)?, empty(NEWS + 1)?, empty(NEWS + 2)?, empty(NEWS + 3)?])
}

/// Builds a column of records whose fields are all texts.
struct RecordsBuilder {
    fields: Fields,
    texts: Vec<StringBuilder>,
    valid: NullBufferBuilder,
}

impl RecordsBuilder {
    fn new(names: &[&str]) -> Self {
        Self::of(texts(names))
    }

    fn of(fields: Fields) -> Self {
        let texts = fields.iter().map(|_| StringBuilder::with_capacity(0, 0)).collect();
        Self { fields, texts, valid: NullBufferBuilder::new(0) }
    }

    fn push<const N: usize>(&mut self, values: [Option<&str>; N]) {
        self.valid.append_non_null();
        self.push_values(values);
    }

    fn push_option<const N: usize>(&mut self, values: Option<[Option<&str>; N]>) {
        self.valid.append(values.is_some());
        self.push_values(values.unwrap_or([None; N]));
    }

    fn push_values<const N: usize>(&mut self, values: [Option<&str>; N]) {
        for (text, value) in self.texts.iter_mut().zip(values) {
            text.append_option(value);
        }
    }

    fn finish(mut self) -> Result<StructArray, ArrowError> {
        let columns = self.texts.iter_mut().map(|text| Arc::new(text.finish()) as ArrayRef).collect();
        StructArray::try_new(self.fields, columns, self.valid.finish())
    }
}

/// Builds a column of lists over a builder of their items.
struct ListBuilder<B> {
    items: B,
    ends: Vec<i32>,
    len: i32,
}

impl<B> ListBuilder<B> {
    fn new(items: B) -> Self {
        Self { items, ends: vec![0], len: 0 }
    }

    /// Adds one list with these items.
    fn push_list<T>(&mut self, items: impl Iterator<Item = T>, mut push: impl FnMut(&mut B, T)) {
        for item in items {
            push(&mut self.items, item);
            self.len += 1;
        }
        self.ends.push(self.len);
    }

    fn finish<A: Array + 'static>(
        self,
        finish: impl FnOnce(B) -> Result<A, ArrowError>,
    ) -> Result<ListArray, ArrowError> {
        let items: ArrayRef = Arc::new(finish(self.items)?);
        let field = Arc::new(item(items.data_type().clone()));
        ListArray::try_new(field, OffsetBuffer::new(self.ends.into()), items, None)
    }
}

/// Builds a column of videos.
struct VideosBuilder {
    values: RecordsBuilder,
    tags: ListBuilder<StringBuilder>,
    prices: ListBuilder<RecordsBuilder>,
    content_segments: ListBuilder<RecordsBuilder>,
}

impl VideosBuilder {
    fn new() -> Self {
        Self {
            values: RecordsBuilder::new(&Video::FIELDS),
            tags: ListBuilder::new(StringBuilder::with_capacity(0, 0)),
            prices: ListBuilder::new(RecordsBuilder::new(&Price::FIELDS)),
            content_segments: ListBuilder::new(RecordsBuilder::new(&ContentSegment::FIELDS)),
        }
    }

    fn push(&mut self, video: &Video<'_>) {
        self.values.push(video.values());
        self.tags.push_list(video.tags.iter(), |tags, tag| tags.append_value(tag));
        self.prices.push_list(video.prices.iter(), |prices, price| prices.push(price.values()));
        self.content_segments
            .push_list(video.content_segments.iter(), |records, item| records.push(item.values()));
    }

    fn finish(self) -> Result<StructArray, ArrowError> {
        let (_, mut columns, _) = self.values.finish()?.into_parts();
        columns.push(Arc::new(self.tags.finish(|mut tags| Ok(tags.finish()))?));
        columns.push(Arc::new(self.prices.finish(RecordsBuilder::finish)?));
        columns.push(Arc::new(self.content_segments.finish(RecordsBuilder::finish)?));
        StructArray::try_new(video_fields(), columns, None)
    }
}
