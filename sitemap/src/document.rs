//! One document: what it turned out to be, and the reader that finds out.

use std::fmt;

use url::Url;

use crate::detect::{self, Format};
use crate::draft::Draft;
use crate::encoding::{BadBytes, TextDecoder};
use crate::limits::{Limits, SLICE_BYTES};
use crate::markup::Markup;
use crate::output::{Output, Tally};
use crate::problem::{Problem, ProblemCounts, ProblemKind, quote};
use crate::text::TextReader;
use crate::tree::Tree;
use crate::{Child, Entry};

/// Takes what a document gives, as it is read and in its order.
pub trait Sink {
    /// One URL of the document.
    fn entry(&mut self, entry: &Entry<'_>);
    /// One nested sitemap of the document.
    fn child(&mut self, child: &Child<'_>);
    /// Something wrong with the document; at most [`Limits::problems`] of them are handed out.
    fn problem(&mut self, problem: Problem);
}

/// The formats in which sites list their URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// `urlset` of sitemaps.org.
    Urlset,
    /// `sitemapindex` of sitemaps.org.
    Index,
    /// A URL per line.
    Text,
    /// RSS 2.0 or 1.0.
    Rss,
    /// Atom 1.0 or 0.3.
    Atom,
}

impl DocumentKind {
    /// Its name in output: `urlset`, `sitemapindex`, `text`, `rss` or `atom`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urlset => "urlset",
            Self::Index => "sitemapindex",
            Self::Text => "text",
            Self::Rss => "rss",
            Self::Atom => "atom",
        }
    }

    pub(crate) const fn is_feed(self) -> bool {
        matches!(self, Self::Rss | Self::Atom)
    }
}

/// How the reading of a document ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentEnd {
    /// At its end. It may have problems, but none that hides entries without saying so.
    Whole,
    /// The document breaks off, inside its root element or its gzip stream; what was whole is kept.
    Truncated,
    /// Its tags do not match, or some are none; what could be told apart is kept, entries may be missing.
    Broken,
    /// It exceeds the ceiling; what came before is kept.
    TooLarge,
    /// It is no sitemap, for the reason given (one line, safe to print).
    NotASitemap(String),
    /// It has no content at all.
    Empty,
}

impl fmt::Display for DocumentEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Truncated => f.write_str("the document breaks off"),
            Self::Broken => f.write_str("the markup of the document is broken"),
            Self::TooLarge => f.write_str("the document is too large"),
            Self::NotASitemap(reason) => write!(f, "no sitemap: {reason}"),
            Self::Empty => f.write_str("the document is empty"),
        }
    }
}

/// Why nothing more is read of a document before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// It exceeds [`Limits::document_bytes`].
    #[error("the document is too large")]
    TooLarge,
    /// It is so broken that no more entries are to be expected.
    #[error("the markup of the document is broken beyond repair")]
    Parse,
    /// It is no sitemap.
    #[error("the document is no sitemap")]
    NotASitemap,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is; nothing when it is no sitemap.
    pub kind: Option<DocumentKind>,
    /// Entries handed out.
    pub entries: u64,
    /// Children handed out.
    pub children: u64,
    /// Problems found, those that were not handed out included.
    pub problems: u64,
    /// The same by kind; those that [drop an entry](ProblemKind::drops_entry) tell how many were dropped and why.
    pub problem_counts: ProblemCounts,
    /// Bytes taken in, after gzip. Of a document given up early, those of the piece at hand count as well.
    pub bytes_decoded: u64,
    /// How the reading ended.
    pub ended: DocumentEnd,
}

impl Document {
    /// Entries and children that were dropped, by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (ProblemKind, u64)> + '_ {
        self.problem_counts.iter().filter(|(kind, _)| kind.drops_entry())
    }
}

/// Reads one document from decoded bytes, pushed in pieces of any size.
///
/// What comes out does not depend on the pieces. Memory stays within a few times [`Limits::token_bytes`] and
/// [`Limits::entry_bytes`], whatever the document.
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
    /// Text that is not read yet.
    window: String,
    /// Where in the document the window begins.
    window_offset: u64,
    bytes_decoded: u64,
    progress: Progress,
    stopped: Option<Stop>,
    /// Problems of the stream.
    reported: Vec<Problem>,
}

/// How far the document is known.
enum Progress {
    Undecided,
    Xml(Box<(Markup, Tree)>),
    Text(Box<TextReader>),
    Unknown,
}

impl DocumentReader {
    /// A reader for the document at `base`, against which relative URLs are resolved.
    pub fn new(base: &Url, limits: Limits) -> Self {
        Self {
            base: base.clone(),
            limits,
            tally: Tally::default(),
            decoder: TextDecoder::new(),
            window: String::new(),
            window_offset: 0,
            bytes_decoded: 0,
            progress: Progress::Undecided,
            stopped: None,
            reported: Vec::new(),
        }
    }

    /// Reads the next bytes of the document.
    ///
    /// # Errors
    /// A [`Stop`] when nothing more will be read. What was read before is kept: call [`Self::finish`] all the same.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Stop> {
        for slice in bytes.chunks(SLICE_BYTES) {
            if let Some(stop) = self.stopped {
                return Err(stop);
            }
            let room = self.limits.document_bytes - self.bytes_decoded;
            let fitting = usize::try_from(room).map_or(slice, |room| &slice[..slice.len().min(room)]);
            self.bytes_decoded += fitting.len() as u64;
            self.read(fitting, false, sink);
            if fitting.len() < slice.len() && self.stopped.is_none() {
                self.stop_too_large();
            }
        }
        self.stopped.map_or(Ok(()), Err)
    }

    /// Adds a problem of the stream the bytes came from; it is counted and handed out at the end of the document.
    pub fn report(&mut self, problem: Problem) {
        self.reported.push(problem);
    }

    /// Stops the reading as too large: a ceiling was met before the bytes came here.
    pub fn stop_too_large(&mut self) {
        self.stopped.get_or_insert(Stop::TooLarge);
    }

    /// Ends the document and tells what became of it.
    pub fn finish(mut self, sink: &mut impl Sink) -> Document {
        if matches!(self.stopped, None | Some(Stop::TooLarge)) {
            self.read(b"", true, sink);
        }
        if self.stopped == Some(Stop::TooLarge) {
            let (limit, at) = (self.limits.document_bytes, self.bytes_decoded);
            self.output(sink).problem(ProblemKind::DocumentTooLarge, at, || {
                format!("the document exceeds {limit} bytes, what comes here is left out")
            });
        }
        // Of a document that was refused, the stream is not read to its end in any case.
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

    fn kind(&self) -> Option<DocumentKind> {
        match &self.progress {
            Progress::Xml(xml) => xml.1.kind(),
            Progress::Text(_) => Some(DocumentKind::Text),
            Progress::Undecided | Progress::Unknown => None,
        }
    }

    fn output<'o, S: Sink>(&'o mut self, sink: &'o mut S) -> Output<'o, S> {
        Output { sink, tally: &mut self.tally, base: &self.base, limits: &self.limits }
    }

    /// Decodes bytes into the window and reads what is whole there.
    fn read(&mut self, bytes: &[u8], last: bool, sink: &mut impl Sink) {
        let Self { decoder, window, window_offset, tally, .. } = self;
        decoder.push(bytes, last, window, &mut |at, count| {
            tally.bad_bytes.push_back(BadBytes { at: *window_offset + at as u64, count });
        });
        if let Some(label) = decoder.take_unknown() {
            self.output(sink).problem(ProblemKind::UnknownEncoding, 0, || {
                format!("encoding {} is unknown, read as UTF-8", quote(&label))
            });
        }
        if matches!(self.progress, Progress::Undecided) {
            self.decide(last, sink);
        }
        let Self { window, window_offset, tally, base, limits, progress, .. } = self;
        let mut out = Output { sink, tally, base, limits };
        let done = match progress {
            Progress::Undecided => 0,
            Progress::Unknown => window.len(),
            Progress::Text(reader) => reader.read(window, *window_offset, last, &mut out),
            Progress::Xml(xml) => xml.0.read(window, *window_offset, last, &mut xml.1, &mut out),
        };
        self.advance(done);
        let found = match &self.progress {
            Progress::Unknown => Some(Stop::NotASitemap),
            Progress::Xml(xml) if xml.1.refusal().is_some() => Some(Stop::NotASitemap),
            Progress::Xml(xml) if xml.1.is_hopeless() => Some(Stop::Parse),
            _ => None,
        };
        // What the document is counts for more than its length: the last bytes may be read after the ceiling was met.
        self.stopped = found.or(self.stopped);
    }

    /// Looks at the beginning of the document until it shows its format.
    fn decide(&mut self, last: bool, sink: &mut impl Sink) {
        self.advance(detect::blank_length(&self.window));
        if self.window.is_empty() {
            return;
        }
        self.progress = match detect::format(&self.window, last) {
            None => return,
            Some(Format::Xml(start)) => {
                self.pass_messages(start, sink);
                Progress::Xml(Box::new((Markup::default(), Tree::new(&self.limits))))
            }
            Some(Format::Text) => {
                Progress::Text(Box::new(TextReader::new(Draft::new(self.limits.entry_bytes))))
            }
            Some(Format::Unknown) => Progress::Unknown,
        };
    }

    /// Leaves out the text before the document.
    fn pass_messages(&mut self, length: usize, sink: &mut impl Sink) {
        if length == 0 {
            return;
        }
        let Self { window, window_offset, tally, base, limits, .. } = self;
        let mut out = Output { sink, tally, base, limits };
        out.pass(*window_offset + length as u64);
        out.problem(ProblemKind::TrailingContent, *window_offset, || {
            format!("text {} before the document left out", quote(window[..length].trim_end()))
        });
        self.advance(length);
    }

    fn advance(&mut self, done: usize) {
        self.window.drain(..done);
        self.window_offset += done as u64;
    }

    fn end(&mut self, sink: &mut impl Sink) -> DocumentEnd {
        let stopped = self.stopped;
        let Self { window, window_offset, tally, base, limits, progress, .. } = self;
        let mut out = Output { sink, tally, base, limits };
        if !matches!(stopped, Some(Stop::NotASitemap | Stop::Parse)) {
            out.pass(u64::MAX);
        }
        let was_cut = match progress {
            Progress::Undecided => {
                return if stopped.is_some() { DocumentEnd::TooLarge } else { DocumentEnd::Empty };
            }
            Progress::Unknown => {
                return DocumentEnd::NotASitemap("neither markup nor a list of URLs".to_owned());
            }
            Progress::Text(_) => false,
            Progress::Xml(xml) => {
                let (markup, tree) = xml.as_mut();
                if let Some(reason) = tree.refusal() {
                    return DocumentEnd::NotASitemap(reason.to_owned());
                }
                if tree.kind().is_none() {
                    return DocumentEnd::NotASitemap("no root element".to_owned());
                }
                let ends_inside = tree.is_open() || !window.is_empty() || markup.is_skipping();
                ends_inside && tree.finish(window, *window_offset, &mut out)
            }
        };
        let is_broken = matches!(&self.progress, Progress::Xml(xml) if xml.1.is_broken());
        let gzip = [ProblemKind::GzipCutShort, ProblemKind::GzipDamaged];
        match stopped {
            Some(Stop::TooLarge) => DocumentEnd::TooLarge,
            Some(Stop::Parse) => DocumentEnd::Broken,
            _ if was_cut || gzip.iter().any(|&kind| self.tally.problems.get(kind) > 0) => {
                DocumentEnd::Truncated
            }
            _ if is_broken => DocumentEnd::Broken,
            _ => DocumentEnd::Whole,
        }
    }
}
