//! The reader of one document, and the summary it returns.

use std::fmt;

use url::Url;

use crate::bad_bytes::BadBytes;
use crate::buffer;
use crate::detect::{self, Format};
use crate::document_kind::DocumentKind;
use crate::draft::Draft;
use crate::encoding::TextDecoder;
use crate::limits::{Limits, SLICE_BYTES};
use crate::markup::Markup;
use crate::output::{Output, Tally};
use crate::problem::{Problem, ProblemCounts, ProblemKind, quote};
use crate::sink::Sink;
use crate::text::TextReader;
use crate::tree::Tree;

/// How a document ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentEnd {
    /// Complete. The document may have problems, but no entry is missing without a problem that says so.
    Whole,
    /// Cut off inside the root element or the gzip stream. The complete parts are kept.
    Truncated,
    /// Some tags do not match or are invalid. The recognisable parts are kept; entries may be missing.
    Broken,
    /// Larger than [`Limits::document_bytes`], or too expensive to read. The part before the limit is kept.
    TooLarge,
    /// Not a sitemap, for this reason (one line, safe to print).
    NotASitemap(String),
    /// No content at all.
    Empty,
}

impl fmt::Display for DocumentEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Truncated => f.write_str("the document is truncated"),
            Self::Broken => f.write_str("the markup of the document is broken"),
            Self::TooLarge => f.write_str("the document is too large"),
            Self::NotASitemap(reason) => write!(f, "not a sitemap: {reason}"),
            Self::Empty => f.write_str("the document is empty"),
        }
    }
}

/// Why a reader stopped before the end of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The document exceeds [`Limits::document_bytes`] or [`Limits::memory_bytes`].
    #[error("the document is too large")]
    TooLarge,
    /// The markup is so broken that no more entries can be expected.
    #[error("the markup of the document is too broken to read on")]
    Parse,
    /// The document is not a sitemap.
    #[error("the document is not a sitemap")]
    NotASitemap,
}

/// Summary of a document that was read.
///
/// ```
/// use sitemap::{DocumentKind, Limits, ProblemKind};
///
/// let base = url::Url::parse("https://example.com/sitemap.xml")?;
/// let body = b"<urlset><url><loc>https://example.com/</loc></url><url/></urlset>";
/// let document = sitemap::read(body, &base, Limits::default(), &mut Vec::new());
/// assert_eq!((document.kind, document.entries), (Some(DocumentKind::Urlset), 1));
/// assert_eq!(document.dropped().collect::<Vec<_>>(), [(ProblemKind::MissingLoc, 1)]);
/// # Ok::<(), url::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its format; `None` if it is not a sitemap, or was cut off before that was known.
    pub kind: Option<DocumentKind>,
    /// Entries passed to the sink.
    pub entries: u64,
    /// Children passed to the sink.
    pub children: u64,
    /// Problems found, including those beyond [`Limits::problems`], which the sink does not receive.
    pub problems: u64,
    /// Problems by kind. The kinds that [drop an entry](ProblemKind::drops_entry) say how many entries were dropped
    /// and why.
    pub problem_counts: ProblemCounts,
    /// Bytes read, after gzip was removed. For a document that was abandoned early, the whole of the last piece is
    /// counted.
    pub bytes_decoded: u64,
    /// How the document ended.
    pub ended: DocumentEnd,
}

impl Document {
    /// Numbers of dropped entries and children, by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (ProblemKind, u64)> + '_ {
        self.problem_counts.iter().filter(|(kind, _)| kind.drops_entry())
    }
}

/// Reads one document from decoded bytes, pushed in pieces of any size.
///
/// The result does not depend on how the bytes are cut into pieces, except where [`Limits::memory_bytes`] is reached.
/// [`Self::held_bytes`] is never more than that after a piece. While an entry is passed to the sink, it takes up to twice
/// [`Limits::entry_bytes`] more.
///
/// ```
/// use sitemap::{Child, DocumentReader, Entry, Limits, Problem, Sink};
///
/// struct Print;
/// impl Sink for Print {
///     fn entry(&mut self, entry: &Entry<'_>) {
///         println!("{}", entry.loc);
///     }
///     fn child(&mut self, child: &Child<'_>) {
///         println!("sitemap {}", child.loc);
///     }
///     fn problem(&mut self, problem: Problem) {
///         eprintln!("{problem}");
///     }
/// }
///
/// let base = url::Url::parse("https://example.com/sitemap.xml")?;
/// let mut reader = DocumentReader::new(&base, Limits::default());
/// reader.push(b"<urlset><url><loc>https://exam", &mut Print)?;
/// reader.push(b"ple.com/</loc></url></urlset>", &mut Print)?;
/// let document = reader.finish(&mut Print);
/// assert_eq!(document.entries, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DocumentReader {
    base: Url,
    limits: Limits,
    tally: Tally,
    decoder: TextDecoder,
    /// Decoded text that is not parsed yet.
    window: String,
    /// Offset of the window in the document.
    window_offset: u64,
    bytes_decoded: u64,
    parser: Parser,
    stopped: Option<Stop>,
    /// Whether it stopped because it would take too much memory.
    is_over_memory: bool,
    /// Problems of the stream that the bytes came from.
    reported: Vec<Problem>,
}

/// The parser of the detected format.
enum Parser {
    /// The format is not detected yet.
    Undecided,
    Xml(Box<(Markup, Tree)>),
    Text(Box<TextReader>),
    /// The document is in none of the known formats.
    Unknown,
}

impl DocumentReader {
    /// Creates a reader for the document at the URL `base`, against which relative URLs are resolved.
    pub fn new(base: &Url, limits: Limits) -> Self {
        Self {
            base: base.clone(),
            limits,
            tally: Tally::default(),
            decoder: TextDecoder::new(),
            window: String::new(),
            window_offset: 0,
            bytes_decoded: 0,
            parser: Parser::Undecided,
            stopped: None,
            is_over_memory: false,
            reported: Vec::new(),
        }
    }

    /// Sets the charset that the Content-Type of the document names. Call it before the first bytes.
    ///
    /// Like the encoding in an XML declaration, over which it takes precedence (RFC 7303 section 3.2), it is not believed
    /// against the bytes.
    ///
    /// ```
    /// use sitemap::{DocumentReader, Limits, OwnedItem};
    ///
    /// let base = url::Url::parse("https://example.com/sitemap.txt")?;
    /// let mut items = Vec::new();
    /// let mut reader = DocumentReader::new(&base, Limits::default()).with_charset("windows-1251");
    /// reader.push(b"https://example.com/\xe4", &mut items)?;
    /// reader.finish(&mut items);
    /// let [OwnedItem::Entry(entry)] = items.as_slice() else { panic!("one entry was expected") };
    /// assert_eq!(entry.loc, "https://example.com/%D0%B4");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_charset(mut self, label: &str) -> Self {
        self.set_charset(label);
        self
    }

    pub(crate) fn set_charset(&mut self, label: &str) {
        self.decoder.set_charset(label);
    }

    /// Reads the next bytes of the document.
    ///
    /// # Errors
    /// [`Stop`] if the reader accepts no more bytes. Earlier results stay valid: call [`Self::finish`] in this case
    /// too.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Stop> {
        for slice in bytes.chunks(SLICE_BYTES) {
            if let Some(stop) = self.stopped {
                return Err(stop);
            }
            let remaining = self.limits.document_bytes - self.bytes_decoded;
            let fitting = usize::try_from(remaining).map_or(slice, |bytes| &slice[..slice.len().min(bytes)]);
            self.bytes_decoded += fitting.len() as u64;
            self.read(fitting, false, sink);
            if fitting.len() < slice.len() && self.stopped.is_none() {
                self.stop_too_large();
            }
            if self.held_bytes() > self.limits.memory_bytes {
                self.release_unused();
                if self.held_bytes() > self.limits.memory_bytes {
                    self.stop_over_memory();
                }
            }
        }
        self.stopped.map_or(Ok(()), Err)
    }

    /// Adds a problem of the stream that the bytes came from. It is counted and reported at the end of the document.
    pub fn report(&mut self, problem: Problem) {
        self.reported.push(problem);
    }

    /// Stops reading because a size limit was exceeded before the bytes reached this reader.
    pub fn stop_too_large(&mut self) {
        self.stopped.get_or_insert(Stop::TooLarge);
    }

    /// Stops reading because the document takes too much memory. [`Document::ended`] is then
    /// [`DocumentEnd::TooLarge`], as after [`Self::stop_too_large`]; the problem says which limit it was.
    pub fn stop_over_memory(&mut self) {
        self.is_over_memory |= self.stopped.is_none();
        self.stop_too_large();
    }

    /// Bytes of memory that the reader holds: text that waits for the rest of its token, and the open entry.
    pub fn held_bytes(&self) -> usize {
        let parser = match &self.parser {
            Parser::Undecided | Parser::Unknown => 0,
            Parser::Xml(xml) => size_of::<(Markup, Tree)>() + xml.1.held_bytes(),
            Parser::Text(reader) => reader.held_bytes(),
        };
        let waiting = self.window.capacity() + self.decoder.held_bytes() + self.tally.bad_bytes.held_bytes();
        size_of::<Self>() + self.base.as_str().len() + waiting + parser
    }

    /// Frees memory that is kept only to be used again. Call it before waiting for the next bytes.
    pub fn release_unused(&mut self) {
        buffer::release_unused(&mut self.window);
        self.tally.bad_bytes.release_unused();
        match &mut self.parser {
            Parser::Undecided | Parser::Unknown => {}
            Parser::Xml(xml) => xml.1.release_unused(),
            Parser::Text(reader) => reader.release_unused(),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Parses the complete tokens that still wait in the window, for a document whose rest cannot be read.
    pub(crate) fn flush(&mut self, sink: &mut impl Sink) {
        // The last line of a text document may be incomplete, so it is not read.
        if self.stopped.is_none() && matches!(self.parser, Parser::Xml(_)) {
            self.parse(true, sink);
        }
    }

    /// Ends the document and returns its summary.
    pub fn finish(mut self, sink: &mut impl Sink) -> Document {
        let stopped_before = self.stopped;
        if matches!(self.stopped, None | Some(Stop::TooLarge)) {
            self.read(b"", true, sink);
        }
        if self.is_cut_before_root(stopped_before) {
            self.stopped = stopped_before;
        }
        if self.stopped == Some(Stop::TooLarge) {
            let (limit, at) = (self.limits.document_bytes, self.bytes_decoded);
            let is_over_memory = self.is_over_memory;
            self.output(sink).problem(ProblemKind::DocumentTooLarge, at, || match is_over_memory {
                true => "reading the document takes too much memory, the rest was skipped".to_owned(),
                false => format!("the document exceeds {limit} bytes, the rest was skipped"),
            });
        }
        // The stream of a rejected document is never read to its end, so its problems are left out.
        if matches!(self.stopped, None | Some(Stop::TooLarge)) {
            for Problem { kind, offset, text } in std::mem::take(&mut self.reported) {
                self.output(sink).problem(kind, offset, || text);
            }
        }
        let ended = self.end(sink);
        let is_sitemap = !matches!(ended, DocumentEnd::NotASitemap(_) | DocumentEnd::Empty);
        Document {
            kind: self.kind().filter(|_| is_sitemap),
            entries: self.tally.entries,
            children: self.tally.children,
            problems: self.tally.problems.total(),
            problem_counts: self.tally.problems,
            bytes_decoded: self.bytes_decoded,
            ended,
        }
    }

    /// Whether the document was cut off before it was known to be a sitemap or not. `stopped_before` is why reading stopped
    /// before the end.
    fn is_cut_before_root(&self, stopped_before: Option<Stop>) -> bool {
        let is_cut = match stopped_before {
            None => self.reported.iter().any(|problem| is_cut_of_gzip(problem.kind)),
            Some(stop) => stop == Stop::TooLarge,
        };
        is_cut
            && match &self.parser {
                Parser::Undecided | Parser::Unknown => true,
                Parser::Xml(xml) => xml.1.kind().is_none() && xml.1.refusal().is_none(),
                Parser::Text(_) => false,
            }
    }

    fn kind(&self) -> Option<DocumentKind> {
        match &self.parser {
            Parser::Xml(xml) => xml.1.kind(),
            Parser::Text(_) => Some(DocumentKind::Text),
            Parser::Undecided | Parser::Unknown => None,
        }
    }

    fn output<'o, S: Sink>(&'o mut self, sink: &'o mut S) -> Output<'o, S> {
        Output { sink, tally: &mut self.tally, base: &self.base, limits: &self.limits }
    }

    /// Decodes bytes into the window and parses the complete tokens there.
    fn read(&mut self, bytes: &[u8], last: bool, sink: &mut impl Sink) {
        let Self { decoder, window, window_offset, tally, .. } = self;
        decoder.push(bytes, last, window, &mut |at, count| {
            tally.bad_bytes.push(BadBytes { at: *window_offset + at as u64, count });
        });
        tally.encoding_notes.extend(std::iter::from_fn(|| decoder.take_note()));
        while let Some(label) = self.decoder.take_unknown() {
            self.output(sink)
                .problem(ProblemKind::UnknownEncoding, 0, || format!("unknown encoding {label}, ignored"));
        }
        if matches!(self.parser, Parser::Undecided) {
            self.detect_format(last, sink);
        }
        self.parse(last, sink);
    }

    /// Parses the complete tokens in the window.
    fn parse(&mut self, last: bool, sink: &mut impl Sink) {
        let Self { window, window_offset, tally, base, limits, parser, .. } = self;
        let mut out = Output { sink, tally, base, limits };
        let done = match parser {
            Parser::Undecided => 0,
            Parser::Unknown => window.len(),
            Parser::Text(reader) => reader.read(window, *window_offset, last, &mut out),
            Parser::Xml(xml) => xml.0.read(window, *window_offset, last, &mut xml.1, &mut out),
        };
        self.advance(done);
        let stop = match &self.parser {
            Parser::Unknown => Some(Stop::NotASitemap),
            Parser::Xml(xml) if xml.1.refusal().is_some() => Some(Stop::NotASitemap),
            Parser::Xml(xml) if xml.1.is_hopeless() => Some(Stop::Parse),
            _ => None,
        };
        // These reasons take precedence over the size: the last bytes may be parsed after the size limit was reached.
        self.stopped = stop.or(self.stopped);
    }

    /// Detects the format, once enough of the document is known.
    fn detect_format(&mut self, last: bool, sink: &mut impl Sink) {
        self.advance(detect::blank_length(&self.window));
        if self.window.is_empty() {
            return;
        }
        self.parser = match detect::format(&self.window, last) {
            None => return,
            Some(Format::Xml(start)) => {
                self.skip_messages(start, sink);
                Parser::Xml(Box::new((Markup::default(), Tree::new(&self.limits))))
            }
            Some(Format::Text) => {
                Parser::Text(Box::new(TextReader::new(Draft::new(self.limits.entry_bytes))))
            }
            Some(Format::Unknown) => Parser::Unknown,
        };
    }

    /// Skips the messages of a server before the document.
    fn skip_messages(&mut self, length: usize, sink: &mut impl Sink) {
        if length == 0 {
            return;
        }
        let Self { window, window_offset, tally, base, limits, .. } = self;
        let mut out = Output { sink, tally, base, limits };
        out.advance_to(*window_offset + length as u64);
        out.problem(ProblemKind::TrailingContent, *window_offset, || {
            format!("text {} before the document, skipped", quote(window[..length].trim_end()))
        });
        self.advance(length);
    }

    fn advance(&mut self, done: usize) {
        self.window.drain(..done);
        self.window_offset += done as u64;
    }

    fn end(&mut self, sink: &mut impl Sink) -> DocumentEnd {
        let stopped = self.stopped;
        let Self { window, window_offset, tally, base, limits, parser, .. } = self;
        let mut out = Output { sink, tally, base, limits };
        if !matches!(stopped, Some(Stop::NotASitemap | Stop::Parse)) {
            out.advance_to(u64::MAX);
        }
        let is_gzip_cut = out.tally.problems.iter().any(|(kind, _)| is_cut_of_gzip(kind));
        // What cut a document before its root is what is wrong with it.
        let without_root = |otherwise| match stopped {
            Some(Stop::TooLarge) => DocumentEnd::TooLarge,
            None if is_gzip_cut => DocumentEnd::Truncated,
            _ => otherwise,
        };
        let is_truncated = match parser {
            Parser::Undecided => return without_root(DocumentEnd::Empty),
            Parser::Unknown => {
                let reason = "neither markup nor a list of URLs".to_owned();
                return without_root(DocumentEnd::NotASitemap(reason));
            }
            Parser::Text(_) => false,
            Parser::Xml(xml) => {
                let (markup, tree) = xml.as_mut();
                if let Some(reason) = tree.refusal() {
                    return DocumentEnd::NotASitemap(reason.to_owned());
                }
                if tree.kind().is_none() {
                    return without_root(DocumentEnd::NotASitemap(tree.missing_root()));
                }
                let ends_inside = tree.is_open() || !window.is_empty() || markup.is_skipping();
                ends_inside && tree.finish(window, *window_offset, &mut out)
            }
        };
        let is_broken = matches!(&self.parser, Parser::Xml(xml) if xml.1.is_broken());
        match stopped {
            Some(Stop::TooLarge) => DocumentEnd::TooLarge,
            Some(Stop::Parse) => DocumentEnd::Broken,
            _ if is_truncated || is_gzip_cut => DocumentEnd::Truncated,
            _ if is_broken => DocumentEnd::Broken,
            _ => DocumentEnd::Whole,
        }
    }
}

/// Whether a gzip stream with this problem lacks some of its data.
fn is_cut_of_gzip(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::GzipCutShort | ProblemKind::GzipDamaged)
}
