//! Parquet settings for sealed segments and exports.

use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::types::ColumnPath;

use super::schema::{SCHEMA_VERSION, SCHEMA_VERSION_KEY};

/// zstd level. Higher levels take several times the CPU time to save a few per cent of the bytes. Snappy would take a
/// quarter less CPU time for writing and make files a quarter larger.
const ZSTD_LEVEL: i32 = 1;

/// Columns whose values rarely repeat, so a dictionary would be useless. URLs and timestamps often share a prefix
/// with the value before. Measured on generated news: a tenth less CPU time and bytes than with dictionaries. For
/// `loc`, a fifth of the bytes for a third more CPU time than plain text.
const UNIQUE: [(&str, Encoding); 16] = [
    ("loc", Encoding::DELTA_BYTE_ARRAY),
    ("lastmod", Encoding::DELTA_BYTE_ARRAY),
    ("lastmod_at", Encoding::DELTA_BINARY_PACKED),
    ("news.publication_date", Encoding::DELTA_BYTE_ARRAY),
    ("news.title", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("news.keywords", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("images.list.item.loc", Encoding::DELTA_BYTE_ARRAY),
    ("images.list.item.title", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("images.list.item.caption", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("videos.list.item.thumbnail_loc", Encoding::DELTA_BYTE_ARRAY),
    ("videos.list.item.content_loc", Encoding::DELTA_BYTE_ARRAY),
    ("videos.list.item.player_loc", Encoding::DELTA_BYTE_ARRAY),
    ("videos.list.item.publication_date", Encoding::DELTA_BYTE_ARRAY),
    ("videos.list.item.title", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("videos.list.item.description", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("alternates.list.item.href", Encoding::DELTA_BYTE_ARRAY),
];

/// Writer properties for a file of [`crate::schema`]. A row group has at most `group_rows_max` rows and about
/// `group_bytes_max` encoded bytes, exceeded by up to one batch. A row group is held in memory until it is complete.
pub fn parquet_properties(
    group_rows_max: usize,
    group_bytes_max: usize,
) -> Result<WriterProperties, ParquetError> {
    let version = KeyValue::new(SCHEMA_VERSION_KEY.to_owned(), SCHEMA_VERSION.to_owned());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("sitemap-crawler ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![version]))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(group_rows_max))
        .set_max_row_group_bytes(Some(group_bytes_max));
    for (column, encoding) in UNIQUE {
        let path = ColumnPath::new(column.split('.').map(str::to_owned).collect());
        properties =
            properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
    }
    Ok(properties.build())
}

#[cfg(test)]
mod tests {
    use ::parquet::arrow::ArrowSchemaConverter;

    use super::*;
    use crate::segment::schema;

    #[test]
    fn every_column_named_here_is_in_the_schema() {
        let schema = ArrowSchemaConverter::new().convert(&schema()).unwrap();
        let columns: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
        for (column, _) in UNIQUE {
            assert!(columns.iter().any(|known| known == column), "{column} is not in {columns:?}");
        }
    }
}
