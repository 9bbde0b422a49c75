//! Reads a document from an [`io::Read`] as an iterator.

use std::io::{self, Read};
use std::iter::FusedIterator;
use std::ops::Range;
use std::vec;

use url::Url;

use crate::body::BodyReader;
use crate::document::Document;
use crate::item::OwnedItem;
use crate::limits::{Limits, SLICE_BYTES};

/// Iterates over the entries, children and problems of the document that `reader` returns, with the default limits.
///
/// `base` is the URL of the document, against which relative URLs are resolved. Gzip is removed. See [`Entries`].
///
/// ```
/// use sitemap::{DocumentEnd, OwnedItem};
///
/// // Usually a `File` or the body of a response.
/// let body = b"<urlset>
///     <url><loc>https://example.com/</loc><priority>0.8</priority></url>
///     <url><loc>mailto:a@example.com</loc></url>
/// </urlset>";
/// let base = url::Url::parse("https://example.com/sitemap.xml")?;
///
/// let mut entries = sitemap::entries(&body[..], &base);
/// for item in &mut entries {
///     match item? {
///         OwnedItem::Entry(entry) => println!("{}", entry.loc),
///         OwnedItem::Child(child) => println!("sitemap {}", child.loc),
///         OwnedItem::Problem(problem) => eprintln!("{problem}"),
///     }
/// }
/// let document = entries.document().ok_or("the iterator is not at its end")?;
/// assert_eq!((document.entries, document.problems), (1, 1));
/// assert_eq!(document.ended, DocumentEnd::Whole);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn entries<R: Read>(reader: R, base: &Url) -> Entries<R> {
    Entries::new(reader, base, Limits::default())
}

/// Iterator over the contents of a document, in document order, while it is being read.
///
/// It returns what a [`Sink`](crate::Sink) receives, as owned items. Each step reads at most [`SLICE_BYTES`], raw and
/// after gzip was removed, and only when all items found so far have been returned. Memory therefore stays flat for
/// any document.
///
/// After the last item, [`Self::document`] says how the document ended. Reading stops as soon as that is known, for
/// example that the document is not a sitemap, and at the latest one byte after [`Limits::document_bytes`]. Here this
/// limit applies to the raw bytes as well, because an endless gzip stream may contain no data.
///
/// An error of the reader is the last item. The items before it are those that were complete in the bytes read, and
/// stay valid. (In a text document there are none within its first [`SNIFF_BYTES`](crate::limits::SNIFF_BYTES), where
/// its format is not known.) [`io::ErrorKind::Interrupted`] is not an error: the read is repeated.
#[must_use = "iterators are lazy and read nothing unless consumed"]
pub struct Entries<R> {
    reader: R,
    /// How many more bytes the reader may return.
    bytes_left: u64,
    /// Bytes from the reader, always [`SLICE_BYTES`] long.
    input: Vec<u8>,
    /// The part of `input` that is not inflated yet.
    unread: Range<usize>,
    /// Whether the inflater has more output without further input.
    has_more: bool,
    /// `None` once the document has ended or the reader has failed.
    body: Option<BodyReader>,
    /// Items of the last slice that are not returned yet.
    items: vec::IntoIter<OwnedItem>,
    /// The error of the reader, to be returned after the items.
    error: Option<io::Error>,
    document: Option<Document>,
}

impl<R: Read> Entries<R> {
    /// Creates an iterator with these limits over the document at the URL `base`. It reads nothing yet.
    pub fn new(reader: R, base: &Url, limits: Limits) -> Self {
        Self {
            reader,
            bytes_left: limits.document_bytes,
            input: vec![0; SLICE_BYTES],
            unread: 0..0,
            has_more: false,
            body: Some(BodyReader::new(base, limits)),
            items: Vec::new().into_iter(),
            error: None,
            document: None,
        }
    }

    /// Sets the charset that the Content-Type of the document names; see
    /// [`DocumentReader::with_charset`](crate::DocumentReader::with_charset). Call it before the first item.
    pub fn with_charset(mut self, label: &str) -> Self {
        if let Some(body) = &mut self.body {
            body.set_charset(label);
        }
        self
    }

    /// Reads, inflates and parses one slice, and queues its items.
    fn read_slice(&mut self, mut body: BodyReader) {
        let mut items = Vec::new();
        match self.push_slice(&mut body, &mut items) {
            Ok(true) => self.body = Some(body),
            Ok(false) => self.document = Some(body.finish(&mut items)),
            Err(error) => {
                body.flush(&mut items);
                self.error = Some(error);
            }
        }
        self.items = items.into_iter();
    }

    /// Pushes one slice to `body`; returns false at the end of the document.
    fn push_slice(&mut self, body: &mut BodyReader, items: &mut Vec<OwnedItem>) -> io::Result<bool> {
        if self.unread.is_empty() && !self.has_more && !self.fill_input(body)? {
            return Ok(false);
        }
        let Ok(inflated) = body.push(&self.input[self.unread.clone()], items) else { return Ok(false) };
        self.unread.start += inflated.consumed;
        self.has_more = inflated.more;
        Ok(true)
    }

    /// Reads some bytes into `input`; returns false at the end, and at the size limit.
    fn fill_input(&mut self, body: &mut BodyReader) -> io::Result<bool> {
        // At the limit, one byte more shows that the body exceeds it.
        let space = usize::try_from(self.bytes_left).map_or(SLICE_BYTES, |left| left.clamp(1, SLICE_BYTES));
        let space = &mut self.input[..space];
        let length = loop {
            match self.reader.read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A reader that claims to have read more than fits is wrong, but must not cause a panic.
                result => break result?.min(space.len()),
            }
        };
        if length > 0 && self.bytes_left == 0 {
            body.stop_too_large();
            return Ok(false);
        }
        self.bytes_left -= length as u64;
        self.unread = 0..length;
        Ok(length > 0)
    }
}

impl<R> Entries<R> {
    /// Summary of the document, with how it ended. `None` before the last item, and after an error of the reader.
    pub fn document(&self) -> Option<&Document> {
        self.document.as_ref().filter(|_| self.items.as_slice().is_empty())
    }
}

impl<R: Read> Iterator for Entries<R> {
    type Item = io::Result<OwnedItem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.next() {
                return Some(Ok(item));
            }
            if let Some(error) = self.error.take() {
                return Some(Err(error));
            }
            let body = self.body.take()?;
            self.read_slice(body);
        }
    }

    /// The lower bound is the number of items that are queued.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let queued = self.items.len() + usize::from(self.error.is_some());
        (queued, self.body.is_none().then_some(queued))
    }
}

impl<R: Read> FusedIterator for Entries<R> {}
