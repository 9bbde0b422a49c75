//! Typed, nested columns in a Parquet file.

use std::io::Write;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use storage::{parquet_properties, schema};

use super::ExportError;

/// Rows of a row group, at most: a million plain ones would take some 15 MiB more. The rest of what an export holds is a zstd
/// context for each column.
const GROUP_ROWS_MAX: usize = 1 << 18;

/// Encoded bytes of a row group, at most by about one batch more. A group is held in memory until it is whole, so the two
/// bound what an export needs; and they are large enough for readers to skim a column in few reads.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Writes every entry.
pub(super) fn write(
    batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
    out: impl Write + Send,
) -> Result<(), ExportError> {
    let mut writer =
        ArrowWriter::try_new(out, schema(), Some(parquet_properties(GROUP_ROWS_MAX, GROUP_BYTES_MAX)?))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.finish()?;
    Ok(writer.inner_mut().flush()?)
}
