//! CSV: one line per entry, RFC 4180.
//!
//! A table has no room for lists. It has the number of images, videos and alternates, and the first of each. The
//! other formats have all of them.

use std::io::Write;

use arrow_array::RecordBatch;
use sitemap::{Alternate, Image, News, Video};
use storage::{BatchView, Row};

use super::error::ExportError;
use super::lines::Lines;
use super::moment::write_moment;

/// Columns before the extensions.
const HEAD: [&str; 8] =
    ["loc", "lastmod", "lastmod_at", "changefreq", "priority", "sitemap", "host", "scope"];

/// Column after the extensions.
const TAIL: &str = "fetched_at";

/// First bytes that make a spreadsheet treat a cell as a formula (CWE-1236).
const FORMULA_BEGINS: [u8; 6] = [b'=', b'+', b'-', b'@', b'\t', b'\r'];

/// Writes the heading and every entry.
pub(super) fn write(
    batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
    out: impl Write,
) -> Result<(), ExportError> {
    let mut lines = Lines::new(out);
    lines.line(write_heading)?;
    for batch in batches {
        let batch = batch?;
        let view = BatchView::new(&batch).map_err(ExportError::read)?;
        for row in view.rows() {
            lines.line(|line| write_row(line, &row))?;
        }
    }
    Ok(lines.finish()?)
}

fn write_heading(out: &mut Vec<u8>) {
    let mut cells = Cells::begin(out);
    let prefixed = |cells: &mut Cells<'_>, prefix: &str, names: &[&str]| {
        for name in names {
            cells.text(&format!("{prefix}_{name}"));
        }
    };
    HEAD.iter().for_each(|name| cells.text(name));
    prefixed(&mut cells, "news", &News::FIELDS);
    prefixed(&mut cells, "image", &["count"]);
    prefixed(&mut cells, "image", &Image::FIELDS);
    prefixed(&mut cells, "video", &["count"]);
    prefixed(&mut cells, "video", &Video::FIELDS);
    cells.text("video_tags");
    prefixed(&mut cells, "alternate", &["count"]);
    prefixed(&mut cells, "alternate", &Alternate::FIELDS);
    cells.text(TAIL);
    cells.end();
}

fn write_row(out: &mut Vec<u8>, row: &Row<'_>) {
    let entry = &row.entry;
    let mut cells = Cells::begin(out);
    cells.text(entry.loc);
    cells.optional(entry.lastmod);
    cells.separate();
    if let Some(at) = entry.lastmod_at {
        write_moment(cells.out, at);
    }
    cells.optional(entry.changefreq);
    cells.optional(entry.priority);
    [row.sitemap, row.host, row.scope].into_iter().for_each(|text| cells.text(text));
    cells.record(entry.news.as_ref().map(News::values));
    cells.count(entry.images.len());
    cells.record(entry.images.first().map(Image::values));
    cells.count(entry.videos.len());
    cells.record(entry.videos.first().map(Video::values));
    cells.text(&entry.videos.first().map_or_else(String::new, |video| video.tags.join(", ")));
    cells.count(entry.alternates.len());
    cells.record(entry.alternates.first().map(Alternate::values));
    cells.text(&row.fetched_at.to_string());
    cells.end();
}

/// A line being written.
struct Cells<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Cells<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        Self { out, is_first: true }
    }

    fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn separate(&mut self) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
    }

    fn optional(&mut self, text: Option<&str>) {
        self.text(text.unwrap_or_default());
    }

    /// Writes the values of a record, or as many empty cells.
    fn record<const N: usize>(&mut self, values: Option<[Option<&str>; N]>) {
        match values {
            Some(values) => values.into_iter().for_each(|value| self.optional(value)),
            None => (0..N).for_each(|_| self.separate()),
        }
    }

    /// Writes a count; 0 gives an empty cell, as any absent value does.
    fn count(&mut self, number: usize) {
        self.text(&if number == 0 { String::new() } else { number.to_string() });
    }

    fn text(&mut self, text: &str) {
        self.separate();
        let bytes = text.as_bytes();
        let is_formula = bytes.first().is_some_and(|first| FORMULA_BEGINS.contains(first));
        let is_quoted = bytes.iter().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
        if is_quoted {
            self.out.push(b'"');
        }
        if is_formula {
            self.out.push(b'\'');
        }
        // Every quote is written twice.
        for piece in bytes.split_inclusive(|byte| *byte == b'"') {
            self.out.extend_from_slice(piece);
            if piece.ends_with(b"\"") {
                self.out.push(b'"');
            }
        }
        if is_quoted {
            self.out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut out = Vec::new();
        Cells::begin(&mut out).text(text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_cell_is_taken_for_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        assert_eq!(cell("\r=1"), "\"'\r=1\"");
        assert_eq!(cell("=\"a\",b"), "\"'=\"\"a\"\",b\"");
        assert_eq!(cell("a=1"), "a=1");
    }

    #[test]
    fn cells_with_separators_are_quoted() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(cell("two\nlines"), "\"two\nlines\"");
    }
}
