//! The pull interface returns what the push interface passes to a sink, for readers of every kind.

use std::cell::Cell;
use std::io::{self, Read};

use sitemap::limits::{DOCUMENT_BYTES_MAX, SLICE_BYTES, SNIFF_BYTES};
use sitemap::{Document, DocumentEnd, Entries, Limits, OwnedItem, ProblemKind};

use crate::chunking::LOW_LIMITS;
use crate::fixtures::{self, gzip};
use crate::reading::{base, comparable, pull, read};

/// Returns at most this many bytes of `body` at a time, and is interrupted before each time.
struct Trickle<'b> {
    body: &'b [u8],
    bytes_at_a_time: usize,
    is_interrupted: bool,
}

impl<'b> Trickle<'b> {
    fn new(body: &'b [u8], bytes_at_a_time: usize) -> Self {
        Self { body, bytes_at_a_time, is_interrupted: false }
    }
}

impl Read for Trickle<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = space.len().min(self.bytes_at_a_time);
        self.body.read(&mut space[..length])
    }
}

/// Fails instead of ending.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

/// Returns the bytes of an endless iterator, and counts them.
struct Endless<'c, B> {
    bytes: B,
    given: &'c Cell<usize>,
}

impl<B: Iterator<Item = u8>> Read for Endless<'_, B> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        for (place, byte) in space.iter_mut().zip(&mut self.bytes) {
            *place = byte;
        }
        self.given.set(self.given.get() + space.len());
        Ok(space.len())
    }
}

/// What the push interface returns, in one list.
fn push(body: &[u8], limits: Limits) -> (Document, Vec<OwnedItem>) {
    let mut items = Vec::new();
    let document = sitemap::read(body, &base(), limits, &mut items);
    (document, items)
}

/// The items before the end or the error of `reader`, and the error.
fn pull_items(reader: impl Read, limits: Limits) -> (Vec<OwnedItem>, Option<io::ErrorKind>) {
    let mut items = Vec::new();
    let mut entries = Entries::new(reader, &base(), limits);
    while let Some(item) = entries.next() {
        match item {
            Ok(item) => items.push(item),
            Err(error) => {
                assert!(entries.next().is_none(), "an error is the last item");
                assert_eq!(entries.document(), None, "the document was not read to its end");
                return (items, Some(error.kind()));
            }
        }
    }
    assert!(entries.next().is_none());
    (items, None)
}

#[test]
fn every_fixture_is_pulled_as_it_is_pushed() {
    for (name, body) in fixtures::all() {
        for limits in [Limits::default(), LOW_LIMITS] {
            let pushed = comparable(read(&body, &base(), limits));
            assert_eq!(comparable(pull(&body[..], &base(), limits)), pushed, "{name}");
            for bytes_at_a_time in [1, 7, 1_000] {
                let reader = Trickle::new(&body, bytes_at_a_time);
                let pulled = comparable(pull(reader, &base(), limits));
                assert_eq!(pulled, pushed, "{name}, {bytes_at_a_time} bytes at a time");
            }
            let (_, items) = push(&body, limits);
            assert_eq!(pull_items(&body[..], limits), (items, None), "the order of {name}");
        }
    }
}

/// How many items are complete does not depend on how the bytes arrived before the failure.
#[test]
fn a_reader_that_fails_leaves_the_complete_items_before_the_error() {
    for (name, body) in fixtures::all() {
        let (_, items) = push(&body, Limits::default());
        for cut in (0..body.len()).step_by(13) {
            let (pulled, error) = pull_items(body[..cut].chain(Broken), Limits::default());
            assert!(items.starts_with(&pulled), "{name} until byte {cut}: {pulled:?}");
            if error.is_some() {
                assert_eq!(error, Some(io::ErrorKind::ConnectionReset));
                let trickled = pull_items(Trickle::new(&body[..cut], 1).chain(Broken), Limits::default());
                assert_eq!(trickled, (pulled, error), "{name} until byte {cut}, byte by byte");
            } else {
                // Read to its end in spite of the failure: it is not a sitemap.
                assert!(pulled.len() == items.len(), "{name} until byte {cut}");
            }
        }
    }
}

#[test]
fn an_entry_cut_by_a_failure_is_not_returned() {
    let complete = "<urlset><url><loc>https://www.example.com/first</loc></url>";
    let xml = format!("{complete}<url><loc>https://www.example.com/sec");
    // The format of a text document is known after this many bytes.
    let text = format!("https://www.example.com/first\n{:SNIFF_BYTES$}\nhttps://www.example.com/sec", "");
    let gzipped = gzip(xml.as_bytes());
    let without_trailer = &gzipped[..gzipped.len() - 8];
    for body in [xml.as_bytes(), complete.as_bytes(), text.as_bytes(), without_trailer] {
        let (items, error) = pull_items(body.chain(Broken), Limits::default());
        let [OwnedItem::Entry(entry)] = items.as_slice() else { panic!("{items:?}") };
        assert_eq!(entry.loc, "https://www.example.com/first");
        assert_eq!(error, Some(io::ErrorKind::ConnectionReset));
    }
}

#[test]
fn entries_come_while_the_document_is_being_read() {
    let given = Cell::new(0);
    let url = b"<urlset>".iter().chain(b"<url><loc>https://www.example.com/</loc></url>".iter().cycle());
    let mut entries = sitemap::entries(Endless { bytes: url.copied(), given: &given }, &base());
    assert!(matches!(entries.next(), Some(Ok(OwnedItem::Entry(_)))));
    assert_eq!(given.get(), SLICE_BYTES, "the first entry needs one slice");
}

/// Length of an entry of the generated document.
const ENTRY_BYTES: usize = 100;

/// Bytes of a `urlset` with entries of [`ENTRY_BYTES`] each.
fn generated(entries: usize) -> impl Iterator<Item = u8> {
    let entry = |number: usize| {
        let entry = format!("<url><loc>https://www.example.com/{number}</loc></url>");
        format!("{entry:<ENTRY_BYTES$}").into_bytes()
    };
    b"<urlset>".iter().copied().chain((0..entries).flat_map(entry)).chain(*b"</urlset>")
}

#[test]
fn memory_stays_flat_while_a_document_of_fifty_megabytes_is_pulled() {
    /// Items of one slice; the first one may have begun in the slice before.
    const QUEUED_MAX: usize = SLICE_BYTES / ENTRY_BYTES + 1;
    let count = DOCUMENT_BYTES_MAX as usize / ENTRY_BYTES - 1;
    let given = Cell::new(0);
    // White space follows the document, up to the size limit.
    let bytes = generated(count).chain(std::iter::repeat(b' '));
    let reader = Endless { bytes, given: &given }.take(DOCUMENT_BYTES_MAX);
    let mut entries = sitemap::entries(reader, &base());
    let (mut returned, mut queued_max) = (0, 0);
    while let Some(item) = entries.next() {
        if let OwnedItem::Entry(entry) = item.unwrap() {
            assert!(entry.loc.ends_with(&format!("/{returned}")), "{}", entry.loc);
            returned += 1;
        }
        queued_max = queued_max.max(entries.size_hint().0);
        let ahead = given.get() - (returned * ENTRY_BYTES).min(given.get());
        assert!(ahead <= 2 * SLICE_BYTES, "{ahead} bytes are read ahead after entry {returned}");
    }
    assert_eq!(returned, count);
    assert!((QUEUED_MAX / 2..=QUEUED_MAX).contains(&queued_max), "{queued_max} items were queued");
    let document = entries.document().unwrap();
    assert_eq!((document.entries, &document.ended), (count as u64, &DocumentEnd::Whole));
    assert_eq!(document.bytes_decoded, DOCUMENT_BYTES_MAX);
}

/// A compressed document expands a thousandfold, but is inflated a slice at a time.
#[test]
fn memory_stays_flat_while_a_compressed_document_is_pulled() {
    const QUEUED_MAX: usize = SLICE_BYTES / ENTRY_BYTES + 1;
    let body = gzip(&generated(100_000).collect::<Vec<u8>>());
    let mut entries = sitemap::entries(&body[..], &base());
    let (mut returned, mut queued_max) = (0, 0);
    while let Some(item) = entries.next() {
        returned += usize::from(matches!(item.unwrap(), OwnedItem::Entry(_)));
        queued_max = queued_max.max(entries.size_hint().0);
    }
    assert_eq!(returned, 100_000);
    assert!(queued_max <= QUEUED_MAX, "{queued_max} items were queued");
}

#[test]
fn an_endless_document_ends_at_the_size_limit() {
    const LIMIT_BYTES: usize = 300_000;
    let limits = Limits { document_bytes: LIMIT_BYTES as u64, ..Limits::default() };
    let markup = b"<urlset>".iter().chain(b"<url><loc>https://www.example.com/</loc></url>".iter().cycle());
    // A gzip header, then empty stored blocks (RFC 1951 section 3.2.4), which contain no data.
    let header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
    let blocks = header.iter().chain(b"\0\0\0\xff\xff".iter().cycle());
    let cases: [(&mut dyn Iterator<Item = u8>, u64); 2] =
        [(&mut markup.copied(), limits.document_bytes), (&mut blocks.copied(), 0)];
    for (bytes, bytes_decoded) in cases {
        let given = Cell::new(0);
        let mut entries = Entries::new(Endless { bytes, given: &given }, &base(), limits);
        assert!(entries.by_ref().all(|item| item.is_ok()));
        let document = entries.document().unwrap();
        assert_eq!((&document.ended, document.bytes_decoded), (&DocumentEnd::TooLarge, bytes_decoded));
        assert_eq!(document.problem_counts.get(ProblemKind::DocumentTooLarge), 1);
        assert_eq!(given.get(), LIMIT_BYTES + 1, "one byte more shows that the limit is exceeded");
    }
}

#[test]
fn a_document_that_is_not_a_sitemap_is_not_read_to_its_end() {
    let given = Cell::new(0);
    let page = b"<!DOCTYPE html><html><body>".iter().chain(b"<p>text</p>".iter().cycle());
    let mut entries = sitemap::entries(Endless { bytes: page.copied(), given: &given }, &base());
    assert!(entries.next().is_none());
    assert!(matches!(entries.document().unwrap().ended, DocumentEnd::NotASitemap(_)));
    assert_eq!(given.get(), SLICE_BYTES);
}

#[test]
fn a_reader_that_claims_too_many_bytes_causes_no_panic() {
    struct Liar(bool);
    impl Read for Liar {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            space.fill(b' ');
            self.0 = !self.0;
            Ok(if self.0 { usize::MAX } else { 0 })
        }
    }
    let mut entries = sitemap::entries(Liar(false), &base());
    assert!(entries.next().is_none());
    assert_eq!(entries.document().unwrap().ended, DocumentEnd::Empty);
}
