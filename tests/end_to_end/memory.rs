//! Memory of `crawl parse` for any document.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::run::crawl_with;

/// Maximum resident memory while one document is read.
const PEAK_BYTES_MAX: u64 = 16 << 20;

/// Length of the documents. With the padding they stay below the 50 MiB that are read.
const DOCUMENT_BYTES: usize = 49 << 20;

/// More than a pipe and the buffers behind it hold: once this has been written after a document, the document was read.
const PADDING_BYTES: usize = 256 << 10;

/// Entries with news and images.
fn many_entries() -> Vec<u8> {
    let mut text = String::from(
        "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
         xmlns:news=\"http://www.google.com/schemas/sitemap-news/0.9\" \
         xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\">\n",
    );
    let mut number = 0;
    while text.len() < DOCUMENT_BYTES {
        writeln!(
            text,
            "<url><loc>https://a.example/{number}</loc><lastmod>2026-05-01</lastmod><news:news><news:title>A long title \
             about the news of that day, number {number}</news:title></news:news><image:image>\
             <image:loc>https://a.example/{number}.jpg</image:loc><image:caption>A caption, a little longer than the \
             title was, so that there are not too many entries: the standard allows fifty thousand of them, and a \
             document of fifty mebibytes that stays below needs a kilobyte for each, which is what most news sites \
             with pictures come to.</image:caption></image:image></url>"
        )
        .unwrap();
        number += 1;
    }
    text.push_str("</urlset>");
    text.into_bytes()
}

/// An entry, then text up to the end of the document.
fn one_token() -> Vec<u8> {
    let mut text = b"<urlset><url><loc>https://a.example/1</loc></url>".to_vec();
    text.resize(DOCUMENT_BYTES, b'x');
    text
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Gives `body` to `crawl parse` and reads its peak memory before it can end: the peak that the system reports for an
/// ended child includes the memory of its parent.
fn peak_bytes(body: &[u8]) -> u64 {
    let mut command: Command = crawl_with(&["parse", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // White space after the root element, or not a gzip member: the reader ignores it.
    stdin.write_all(body).unwrap();
    stdin.write_all(&[b' '; PADDING_BYTES]).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_document_of_fifty_mebibytes_is_read_in_sixteen_plain_or_gzipped() {
    for (name, document) in [("many entries", many_entries()), ("one token", one_token())] {
        for (form, body) in [("gzip", gzipped(&document)), ("plain", document)] {
            let peak = peak_bytes(&body);
            assert!(peak <= PEAK_BYTES_MAX, "{name}, {form}: {peak} bytes");
        }
    }
}
