//! Text documents with one URL per line.

use crate::document_kind::DocumentKind;
use crate::draft::{Draft, Field, trim};
use crate::lastmod;
use crate::loc;
use crate::output::Output;
use crate::problem::{ProblemKind, quote};
use crate::sink::Sink;

/// Shorter texts than `2024-5-6` are no date in a column of a text document.
const DATE_BYTES_MIN: usize = "2024-5-6".len();
/// Longer texts are no date.
const DATE_BYTES_MAX: usize = 64;

/// Reads the lines of a text document.
pub(crate) struct TextReader {
    draft: Draft,
    /// Whether the current line is skipped because it is too long.
    is_skipping: bool,
}

impl TextReader {
    pub(crate) fn new(draft: Draft) -> Self {
        Self { draft, is_skipping: false }
    }

    /// Bytes of memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.draft.held_bytes()
    }

    /// Frees the memory of the last line.
    pub(crate) fn release_unused(&mut self) {
        self.draft.release_unused();
    }

    /// Reads the complete lines of `window`, which is at `offset` in the document, and returns their length.
    pub(crate) fn read<S: Sink>(
        &mut self,
        window: &str,
        offset: u64,
        last: bool,
        out: &mut Output<'_, S>,
    ) -> usize {
        let mut done = 0;
        while let Some(length) = memchr::memchr2(b'\n', b'\r', &window.as_bytes()[done..]) {
            out.advance_to(offset + (done + length) as u64);
            self.line(&window[done..done + length], offset + done as u64, out);
            done += length + 1;
        }
        let rest = &window[done..];
        if last {
            out.advance_to(offset + window.len() as u64);
            self.line(rest, offset + done as u64, out);
            return window.len();
        }
        if self.is_skipping || rest.len() > out.limits.token_bytes {
            self.skip_long_line(offset + done as u64, out);
            out.advance_to(offset + window.len() as u64);
            return window.len();
        }
        done
    }

    fn line<S: Sink>(&mut self, line: &str, at: u64, out: &mut Output<'_, S>) {
        if self.is_skipping {
            self.is_skipping = false;
            return;
        }
        if line.len() > out.limits.token_bytes {
            self.skip_long_line(at, out);
            self.is_skipping = false;
            return;
        }
        let line = trim(line);
        if line.is_empty() {
            return;
        }
        if !loc::begins_with_http(line) {
            out.problem(ProblemKind::BadUrl, at, || {
                format!("line {} is not an absolute URL, dropped", quote(line))
            });
            return;
        }
        let url = &line[..url_length(line)];
        if url.len() < line.len() {
            out.problem(ProblemKind::TrailingContent, at, || {
                format!("text after {} on the same line, skipped", quote(url))
            });
        }
        self.draft.begin(at);
        self.draft.open_field();
        self.draft.append(url);
        self.draft.close_field(Field::Loc(0));
        out.entry(&self.draft, DocumentKind::Text);
    }

    /// Starts skipping a line that is too long, and reports it once.
    fn skip_long_line<S: Sink>(&mut self, at: u64, out: &mut Output<'_, S>) {
        if !self.is_skipping {
            let limit = out.limits.token_bytes;
            out.problem(ProblemKind::TokenTooLong, at, || format!("line exceeds {limit} bytes, skipped"));
            self.is_skipping = true;
        }
    }
}

/// Length of the URL that a line begins with. It ends at white space, and at a comma that a date follows; commas at its
/// end do not belong to it.
fn url_length(line: &str) -> usize {
    let url = line.split(char::is_whitespace).next().unwrap_or_default();
    let date =
        url.match_indices(',').map(|(comma, _)| comma).find(|comma| begins_with_date(&line[comma + 1..]));
    url[..date.unwrap_or(url.len())].trim_end_matches(',').len()
}

/// Whether a column with a date begins here. A year or a month alone is no date here, because URLs end in such numbers.
fn begins_with_date(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '\t', '"']);
    let text = &text[..text.floor_char_boundary(DATE_BYTES_MAX)];
    let is_date = |text: &str| text.len() >= DATE_BYTES_MIN && lastmod::parse(text).is_some();
    let ends = text.match_indices([',', ';', '"', '\t', ' ']).map(|(end, _)| end).chain([text.len()]);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && ends.into_iter().any(|end| is_date(&text[..end]))
}
