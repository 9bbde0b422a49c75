//! Reads a batch back as entries.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray};
use frontier::Timestamp;
use sitemap::{Alternate, ContentSegment, Entry, Image, News, Price, Video};

use super::columns::NEWS;
use super::schema::schema;

/// The batch's columns are not those of [`schema`].
#[derive(Debug, thiserror::Error)]
#[error("the batch's columns are not those of schema version {}", super::schema::SCHEMA_VERSION)]
pub struct WrongSchema;

/// One row of a batch, with references into it.
#[derive(Clone, PartialEq, Debug)]
pub struct Row<'a> {
    /// The entry as it was published.
    pub entry: Entry<'a>,
    /// Final URL of the document that contains it.
    pub sitemap: &'a str,
    /// Origin of the host that the document's task belongs to.
    pub host: &'a str,
    /// `same-host`, `robots` or `foreign`.
    pub scope: &'a str,
    /// When the document was fetched.
    pub fetched_at: Timestamp,
}

/// A view of a batch of [`schema`] as rows.
pub struct BatchView<'a> {
    len: usize,
    entries: EntryColumns<'a>,
    sitemap: &'a StringArray,
    host: &'a StringArray,
    scope: &'a StringArray,
    fetched_at: &'a TimestampMicrosecondArray,
}

impl<'a> BatchView<'a> {
    /// Creates a view of `batch`, which must have the columns of [`schema`].
    pub fn new(batch: &'a RecordBatch) -> Result<Self, WrongSchema> {
        if batch.schema_ref().fields() != schema().fields() {
            return Err(WrongSchema);
        }
        Ok(Self {
            len: batch.num_rows(),
            entries: EntryColumns::new(batch)?,
            sitemap: texts(batch, 5)?,
            host: texts(batch, 6)?,
            scope: texts(batch, 7)?,
            fetched_at: timestamps(batch, NEWS + 4)?,
        })
    }

    /// Number of rows in the batch.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the batch has no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + '_ {
        (0..self.len).map(|row| self.row(row))
    }

    /// The row at index `i`, which must be less than [`Self::len`].
    pub fn row(&self, i: usize) -> Row<'a> {
        Row {
            entry: self.entries.entry(i),
            sitemap: self.sitemap.value(i),
            host: self.host.value(i),
            scope: self.scope.value(i),
            fetched_at: Timestamp::from_micros(self.fetched_at.value(i)),
        }
    }
}

/// The columns that hold the entries as they were published.
struct EntryColumns<'a> {
    loc: &'a StringArray,
    lastmod: &'a StringArray,
    lastmod_at: &'a TimestampMicrosecondArray,
    changefreq: &'a StringArray,
    priority: &'a StringArray,
    news: Records<'a>,
    images: Lists<'a, Records<'a>>,
    videos: Lists<'a, Videos<'a>>,
    alternates: Lists<'a, Records<'a>>,
}

impl<'a> EntryColumns<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, WrongSchema> {
        let list = |column: usize| batch.column(column).as_list_opt::<i32>().ok_or(WrongSchema);
        Ok(Self {
            loc: texts(batch, 0)?,
            lastmod: texts(batch, 1)?,
            lastmod_at: timestamps(batch, 2)?,
            changefreq: texts(batch, 3)?,
            priority: texts(batch, 4)?,
            news: Records::new(batch.column(NEWS))?,
            images: Lists::new(list(NEWS + 1)?, Records::new)?,
            videos: Lists::new(list(NEWS + 2)?, Videos::new)?,
            alternates: Lists::new(list(NEWS + 3)?, Records::new)?,
        })
    }

    fn entry(&self, i: usize) -> Entry<'a> {
        let lastmod_at = self.lastmod_at.is_valid(i).then(|| self.lastmod_at.value(i));
        Entry {
            loc: self.loc.value(i),
            lastmod: optional(self.lastmod, i),
            lastmod_at: lastmod_at.and_then(|at| jiff::Timestamp::from_microsecond(at).ok()),
            changefreq: optional(self.changefreq, i),
            priority: optional(self.priority, i),
            news: self.news.is_valid(i).then(|| News::from_values(self.news.values(i))),
            images: self.images.of(i, |images, item| Image::from_values(images.values(item))),
            videos: self.videos.of(i, Videos::video),
            alternates: self
                .alternates
                .of(i, |alternates, item| Alternate::from_values(alternates.values(item))),
        }
    }
}

/// A column of records. All their fields, or the first ones, are texts.
struct Records<'a> {
    array: &'a StructArray,
    texts: Vec<&'a StringArray>,
}

impl<'a> Records<'a> {
    fn new(array: &'a dyn Array) -> Result<Self, WrongSchema> {
        let array = array.as_struct_opt().ok_or(WrongSchema)?;
        let texts = array.columns().iter().map_while(|column| column.as_string_opt()).collect();
        Ok(Self { array, texts })
    }

    fn is_valid(&self, i: usize) -> bool {
        self.array.is_valid(i)
    }

    fn values<const N: usize>(&self, i: usize) -> [Option<&'a str>; N] {
        let mut values = [None; N];
        for (value, text) in values.iter_mut().zip(&self.texts) {
            *value = optional(text, i);
        }
        values
    }
}

/// A column of lists.
struct Lists<'a, T> {
    offsets: &'a [i32],
    items: T,
}

impl<'a, T> Lists<'a, T> {
    fn new(
        array: &'a ListArray,
        items: impl FnOnce(&'a dyn Array) -> Result<T, WrongSchema>,
    ) -> Result<Self, WrongSchema> {
        Ok(Self { offsets: array.value_offsets(), items: items(array.values())? })
    }

    /// The items of list `i`.
    fn of<R>(&self, i: usize, item: impl Fn(&T, usize) -> R) -> Vec<R> {
        let offset = |i: usize| usize::try_from(self.offsets[i]).unwrap_or_default();
        (offset(i)..offset(i + 1)).map(|i| item(&self.items, i)).collect()
    }
}

/// A column of videos.
struct Videos<'a> {
    values: Records<'a>,
    tags: Lists<'a, &'a StringArray>,
    prices: Lists<'a, Records<'a>>,
    content_segments: Lists<'a, Records<'a>>,
}

impl<'a> Videos<'a> {
    fn new(array: &'a dyn Array) -> Result<Self, WrongSchema> {
        let values = Records::new(array)?;
        let list = |column: usize| {
            values
                .array
                .columns()
                .get(column)
                .and_then(|column| column.as_list_opt::<i32>())
                .ok_or(WrongSchema)
        };
        let lists = Video::FIELDS.len();
        Ok(Self {
            tags: Lists::new(list(lists)?, |tags| tags.as_string_opt().ok_or(WrongSchema))?,
            prices: Lists::new(list(lists + 1)?, Records::new)?,
            content_segments: Lists::new(list(lists + 2)?, Records::new)?,
            values,
        })
    }

    fn video(&self, i: usize) -> Video<'a> {
        let mut video = Video::from_values(self.values.values(i));
        video.tags = self.tags.of(i, |tags, tag| tags.value(tag));
        video.prices = self.prices.of(i, |prices, price| Price::from_values(prices.values(price)));
        video.content_segments =
            self.content_segments.of(i, |records, item| ContentSegment::from_values(records.values(item)));
        video
    }
}

/// The column with this index.
fn texts(batch: &RecordBatch, column: usize) -> Result<&StringArray, WrongSchema> {
    batch.column(column).as_string_opt().ok_or(WrongSchema)
}

/// The column with this index.
fn timestamps(batch: &RecordBatch, column: usize) -> Result<&TimestampMicrosecondArray, WrongSchema> {
    batch.column(column).as_primitive_opt::<TimestampMicrosecondType>().ok_or(WrongSchema)
}

fn optional(texts: &StringArray, i: usize) -> Option<&str> {
    texts.is_valid(i).then(|| texts.value(i))
}
