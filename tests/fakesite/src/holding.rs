//! Documents of a few kilobytes of gzip that make a reader hold as much memory as it can, and arrive slowly.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::time::Duration;

use crate::misbehaviour::Misbehaviour;
use crate::page::Page;

/// Length of the long names, prefixes and namespaces: nearly the mebibyte that a token may have.
const LONG: usize = (1 << 20) - 200;
/// Number of elements with such names.
const LEVELS: usize = 40;
/// Number of small parts of an entry.
const PARTS: usize = 100_000;
/// Bytes of the invalid token.
const INVALID: usize = 300_000;

/// The byte of `\u{20ac}` in windows-1252, which takes three bytes in UTF-8.
const EURO: u8 = 0x80;

/// The documents by what they make a reader hold. Each begins with an entry and has no end.
pub fn pages() -> &'static [(&'static str, Page)] {
    // Writing tens of mebibytes once is enough for any number of sites.
    static PAGES: LazyLock<Vec<(&str, Page)>> = LazyLock::new(|| {
        vec![
            ("long-names", nested(|_, out| element(b"<", b'x', LONG, b">", out))),
            (
                "long-prefixes",
                nested(|n, out| element(format!("<a xmlns:p{n}").as_bytes(), b'x', LONG, b"='b'>", out)),
            ),
            (
                "long-namespaces",
                nested(|n, out| element(format!("<a xmlns:a='{n}").as_bytes(), b'x', LONG, b"'>", out)),
            ),
            ("euro-names", nested(|_, out| element(b"<", EURO, LONG / 3, b">", out))),
            (
                "long-entry",
                entry_of(
                    |out| {
                        element(
                            b"<image:image><image:title>",
                            b'x',
                            LONG,
                            b"</image:title></image:image>",
                            out,
                        )
                    },
                    8,
                ),
            ),
            (
                "many-records",
                entry_of(|out| out.write_all(b"<video:video><video:tag>a</video:tag></video:video>"), PARTS),
            ),
            (
                "many-links",
                entry_of(|out| out.write_all(b"<image:image><image:loc>a</image:loc></image:image>"), PARTS),
            ),
            (
                "invalid-bytes",
                entry_of(|out| element(b"<image:image><image:loc>", 0xff, INVALID, b"", out), 1),
            ),
        ]
    });
    &PAGES
}

/// Elements inside each other, of which none ends.
fn nested(level: fn(usize, &mut dyn Write) -> io::Result<()>) -> Page {
    slow(move |out| {
        out.write_all(b"<?xml version='1.0' encoding='windows-1252'?><urlset>")?;
        out.write_all(b"<url><loc>http://a.test/first</loc></url>")?;
        (0..LEVELS).try_for_each(|n| level(n, out))
    })
}

/// An entry with this part repeated, which does not end.
fn entry_of(part: fn(&mut dyn Write) -> io::Result<()>, times: usize) -> Page {
    slow(move |out| {
        out.write_all(
            b"<urlset><url><loc>http://a.test/first</loc></url><url><loc>http://a.test/large</loc>",
        )?;
        (0..times).try_for_each(|_| part(out))
    })
}

fn element(before: &[u8], byte: u8, times: usize, after: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(before)?;
    out.write_all(&vec![byte; times])?;
    out.write_all(after)
}

/// The document as a gzip file that takes some seconds.
fn slow(write: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static) -> Page {
    let page = Page::written("application/xml", write).gzipped();
    page.misbehaves(Misbehaviour::SlowBody { bytes: 4_000, every: Duration::from_millis(150) })
}
