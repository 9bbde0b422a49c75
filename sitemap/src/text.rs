//! Text documents with one URL per line.

use crate::document_kind::DocumentKind;
use crate::draft::{Draft, Field, trim};
use crate::loc;
use crate::output::Output;
use crate::problem::{ProblemKind, quote};
use crate::sink::Sink;

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
        let (line, columns) = line.split_once('\t').unwrap_or((line, ""));
        if !columns.is_empty() {
            out.problem(ProblemKind::TrailingContent, at, || {
                format!("text after {} on the same line, skipped", quote(line))
            });
        }
        let line = trim(line);
        self.draft.begin(at);
        self.draft.open_field();
        self.draft.append(line);
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
