//! `crawl parse`: parses one document offline.

use std::io::{self, Read, Write};

use anyhow::Context;
use reports::jsonl;
use sitemap::limits::SLICE_BYTES;
use sitemap::{Buffer, Child, Document, DocumentReader, Entry, Inflater, Limits, Problem, Sink};
use url::Url;

use super::args::{ParseArgs, ParseFormat};
use super::exit_code;
use super::output::{self, Output};
use super::usage_error::UsageError;

/// The base URL if none is given. It shows which URLs were relative.
const NO_BASE: &str = "http://base.invalid/";

/// Prints the entries or children of the document to stdout, and its problems to stderr.
pub fn run(args: &ParseArgs) -> anyhow::Result<u8> {
    let base = args.url.as_deref().unwrap_or(NO_BASE);
    let base = Url::parse(base).map_err(|_| UsageError::Base(base.to_owned()))?;
    let mut input = output::read_input(&args.file)?;
    let mut printer = Printer::new(args.format, Output::open(None)?);
    let mut reader = DocumentReader::new(&base, Limits::default());
    if let Some(charset) = &args.charset {
        reader = reader.with_charset(charset);
    }
    let document = read(&mut input, reader, &mut printer)
        .with_context(|| format!("failed to read {}", args.file.display()))?;
    let (output, written) = printer.finish();
    let code = output::end(output, written, None)?;
    if document.kind.is_none() {
        output::note(&format!("{}: {}", args.file.display(), document.ended));
        return Ok(exit_code::FAILURE);
    }
    Ok(code)
}

/// Reads the document piece by piece.
fn read(input: &mut dyn Read, mut reader: DocumentReader, printer: &mut Printer) -> io::Result<Document> {
    let mut inflater = Inflater::new(&Limits::default());
    let mut piece = vec![0; SLICE_BYTES];
    let mut slice = Buffer::new();
    while !printer.is_closed() {
        let length = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (mut rest, mut more) = (&piece[..length], false);
        while !rest.is_empty() || more {
            slice.clear();
            let step = inflater.push(rest, &mut slice);
            if reader.push(&slice, printer).is_err() {
                return Ok(reader.finish(printer));
            }
            let Ok(inflated) = step else {
                reader.stop_too_large();
                return Ok(reader.finish(printer));
            };
            (rest, more) = (&rest[inflated.consumed..], inflated.more);
        }
        printer.flush_if_full();
    }
    slice.clear();
    let problem = inflater.finish(&mut slice);
    // `reader.finish` says if the reader stopped early.
    let _ = reader.push(&slice, printer);
    if let Some(problem) = problem {
        reader.report(problem);
    }
    Ok(reader.finish(printer))
}

/// Writes entries as they are parsed.
struct Printer {
    format: ParseFormat,
    buffer: Vec<u8>,
    output: Output,
    written: io::Result<()>,
}

impl Printer {
    fn new(format: ParseFormat, output: Output) -> Self {
        Self { format, buffer: Vec::with_capacity(2 * SLICE_BYTES), output, written: Ok(()) }
    }

    /// Whether a write has failed.
    fn is_closed(&self) -> bool {
        self.written.is_err()
    }

    fn flush_if_full(&mut self) {
        if self.buffer.len() >= SLICE_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.written.is_ok() {
            self.written = self.output.write_all(&self.buffer);
        }
        self.buffer.clear();
    }

    fn finish(mut self) -> (Output, io::Result<()>) {
        self.flush();
        (self.output, self.written)
    }

    fn line(&mut self, loc: &str) {
        self.buffer.extend_from_slice(loc.as_bytes());
        self.buffer.push(b'\n');
    }
}

impl Sink for Printer {
    fn entry(&mut self, entry: &Entry<'_>) {
        match self.format {
            ParseFormat::Jsonl => jsonl::write_entry(&mut self.buffer, entry),
            ParseFormat::Txt => self.line(entry.loc),
        }
        self.flush_if_full();
    }

    fn child(&mut self, child: &Child<'_>) {
        // It is printed as an entry.
        if child.is_entry {
            return;
        }
        match self.format {
            ParseFormat::Jsonl => jsonl::write_child(&mut self.buffer, child),
            ParseFormat::Txt => self.line(child.loc),
        }
        self.flush_if_full();
    }

    fn problem(&mut self, problem: Problem) {
        output::note(&problem.to_string());
    }
}
