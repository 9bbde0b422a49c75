//! The memory that the reader of one document takes, whatever the document consists of.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sitemap::{Child, DocumentReader, Entry, Limits, Problem, Sink, limits};
use url::Url;

/// Memory for an entry while it is passed to the sink, in addition to what the reader holds: its records and rewritten
/// links.
const PASSING_BYTES_MAX: usize = 2 * limits::ENTRY_BYTES_MAX;

/// What the account of a reader may leave out.
const UNCOUNTED_BYTES_MAX: usize = 16 << 10;

thread_local! {
    /// Bytes that this thread has allocated and not freed, and the most there ever were since the last reset.
    static ALLOCATED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// The allocator of the system, which counts for each thread.
struct Counting;

fn count(added: usize, freed: usize) {
    ALLOCATED.with(|allocated| {
        let (now, peak) = allocated.get();
        let now = (now + added).saturating_sub(freed);
        allocated.set((now, peak.max(now)));
    });
}

#[expect(unsafe_code, reason = "an allocator has no safe interface")]
// SAFETY: every call goes to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of this function, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Keeps nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn entry(&mut self, _: &Entry<'_>) {}
    fn child(&mut self, _: &Child<'_>) {}
    fn problem(&mut self, _: Problem) {}
}

/// Documents without an end, each with something else that a reader has to remember. None is larger than 20 MiB.
fn documents() -> Vec<(&'static str, Vec<u8>)> {
    // Nearly as long as a token may be.
    let long = "x".repeat(limits::TOKEN_BYTES_MAX - 100);
    let numbered =
        |count: usize, unit: &dyn Fn(usize) -> String| -> String { (0..count).map(unit).collect() };
    let urlset = |content: String| ("<urlset>".to_owned() + &content).into_bytes();
    let entry = |content: String| urlset("<url><loc>https://a.example/</loc>".to_owned() + &content);
    let euros = [
        b"<?xml version='1.0' encoding='windows-1252'?><urlset>".to_vec(),
        [b"<".to_vec(), vec![0x80; limits::TOKEN_BYTES_MAX / 3 - 100], b">".to_vec()].concat().repeat(40),
    ];
    // The characters before the invalid bytes make it UTF-8.
    let utf8 = "é".repeat(limits::DECIDING_BYTES);
    let invalid = [b"<urlset><!--", utf8.as_bytes(), b"--><url><loc>", &vec![0xff; 300_000]].concat();
    let text = format!("<urlset><url>{}", format!("<loc>{}</loc>", &long[..1_000_000]).repeat(2));
    let feed = format!("<feed xml:base='https://a.example/{0}/'><entry xml:base='{0}/'>", &long[..8_000]);
    let wide: Vec<u8> = format!("\u{feff}<urlset>{}", format!("<{}>", &long[..400_000]).repeat(20))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    vec![
        ("names", urlset(format!("<{long}>").repeat(20))),
        ("names of tags without content", urlset(format!("<{long}/>").repeat(20))),
        ("names in windows-1252", euros.concat()),
        ("names in UTF-16", wide),
        ("a prefixed root", format!("<{long}:urlset><url><loc>{long}").into_bytes()),
        ("prefixes", urlset(numbered(20, &|n| format!("<a xmlns:{n}{}='b'>", &long[..1_048_000])))),
        ("namespaces", urlset(numbered(20, &|n| format!("<a xmlns:a='{n}{}'>", &long[..1_048_000])))),
        ("many namespaces", urlset(numbered(50, &|_| format!("<a{}>", " xmlns:a='b'".repeat(8_000))))),
        ("an endless attribute", urlset(format!("<url><a b='{long}"))),
        (
            "text of an entry",
            entry(numbered(20, &|n| format!("<news:news><news:title>{n}{}</news:title>", &long[..500_000]))),
        ),
        ("images", entry("<image:image><image:loc>a</image:loc></image:image>".repeat(100_000))),
        ("videos", entry("<video:video><video:tag>a</video:tag></video:video>".repeat(100_000))),
        ("tags", entry("<video:video>".to_owned() + &"<video:tag>a</video:tag>".repeat(200_000))),
        ("prices", entry("<video:video>".to_owned() + &"<video:price>a</video:price>".repeat(200_000))),
        ("alternates", entry("<xhtml:link rel='alternate' href='a'/>".repeat(200_000))),
        (
            "relative links",
            urlset(format!(
                "<url><loc>/</loc>{}</url><url>",
                "<image:image><image:loc>a</image:loc></image:image>".repeat(40_000)
            )),
        ),
        ("invalid bytes", invalid.clone()),
        ("bytes in no encoding", [&b"<urlset><url><loc>"[..], &vec![0xff; 300_000]].concat()),
        ("invalid bytes in a large entry", [text.as_bytes(), &invalid].concat()),
        ("bases of a feed", feed.into_bytes()),
        ("a line", format!("https://a.example/\nhttps://a.example/{long}").into_bytes()),
        ("references", entry(format!("<video:video><video:tag>{}", "&amp;".repeat(3_000_000)))),
    ]
}

/// The URL of the document. It is long, because relative links become as long.
fn base() -> Url {
    Url::parse(&format!("https://a.example/{}/sitemap.xml", "y".repeat(2_000))).unwrap()
}

#[test]
fn a_reader_holds_at_most_4_mib_whatever_a_document_consists_of() {
    for (name, body) in documents() {
        for piece_bytes in [limits::SLICE_BYTES, 1_400] {
            let base = base();
            ALLOCATED.with(|allocated| allocated.set((0, 0)));
            let mut reader = DocumentReader::new(&base, Limits::default());
            let (mut held_max, mut ended) = (0, "");
            for piece in body.chunks(piece_bytes) {
                if reader.push(piece, &mut Nowhere).is_err() {
                    ended = ", ended";
                    break;
                }
                held_max = held_max.max(ALLOCATED.get().0);
            }
            let peak = ALLOCATED.get().1;
            let figures =
                format!("{name} in pieces of {piece_bytes}: {held_max} held, {peak} at most{ended}");
            eprintln!("{figures}");
            assert!(held_max <= limits::MEMORY_BYTES_MAX, "{figures}");
            assert!(peak <= limits::MEMORY_BYTES_MAX + PASSING_BYTES_MAX, "{figures}");
        }
    }
}

#[test]
fn the_account_of_a_reader_leaves_nothing_out() {
    for (name, body) in documents() {
        let base = base();
        ALLOCATED.with(|allocated| allocated.set((0, 0)));
        let mut reader = DocumentReader::new(&base, Limits::default());
        for (number, piece) in body.chunks(limits::SLICE_BYTES).enumerate() {
            if reader.push(piece, &mut Nowhere).is_err() {
                break;
            }
            if number % 2 == 0 {
                reader.release_unused();
            }
            let (allocated, counted) = (ALLOCATED.get().0, reader.held_bytes());
            assert!(
                allocated <= counted + UNCOUNTED_BYTES_MAX,
                "{name}: {allocated} allocated, {counted} counted"
            );
        }
    }
}
