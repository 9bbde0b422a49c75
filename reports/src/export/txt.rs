//! Text: one URL per line.

use std::io::Write;

use arrow_array::RecordBatch;

use super::error::ExportError;
use super::lines::Lines;
use super::selection::texts;

/// Writes the `loc` of every entry. A `loc` contains only printable ASCII, so each line is exactly one URL.
pub(super) fn write(
    batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
    out: impl Write,
) -> Result<(), ExportError> {
    let mut lines = Lines::new(out);
    for batch in batches {
        let batch = batch?;
        for loc in texts(&batch, "loc")?.iter().flatten() {
            lines.line(|line| {
                line.extend_from_slice(loc.as_bytes());
                line.push(b'\n');
            })?;
        }
    }
    Ok(lines.finish()?)
}
