//! Parquet: typed, nested columns.

use std::io::Write;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use storage::{parquet_properties, schema};

use super::error::ExportError;

/// Largest number of rows in a row group. A limit of a million rows without extensions would take about 15 MiB more.
/// The rest of an export's memory is a zstd context for each column.
const GROUP_ROWS_MAX: usize = 1 << 18;

/// Largest row group in encoded bytes; a group can exceed it by about one batch. A group is held in memory until it
/// is complete, so both limits bound the memory of an export. They are large enough that a reader scans a column in
/// few reads.
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
