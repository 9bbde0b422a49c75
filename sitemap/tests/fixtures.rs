//! Unusual documents that real servers send, each with a snapshot of its entries and problems.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sitemap::Limits;

use crate::reading::{base, read};

/// The fixtures in files, and the fixtures that are generated here.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut fixtures: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    fixtures.extend(generated());
    fixtures.sort();
    fixtures
}

/// A small valid document.
pub(crate) fn plain() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plain.xml")).unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn generated() -> Vec<(String, Vec<u8>)> {
    let plain = plain();
    let text = String::from_utf8(plain.clone()).unwrap();
    let gzipped = gzip(&plain);
    let (first, second) = plain.split_at(plain.len() / 2);
    let utf16 = |to_bytes: fn(u16) -> [u8; 2]| {
        format!("\u{feff}{}", text.replace("UTF-8", "UTF-16"))
            .encode_utf16()
            .flat_map(to_bytes)
            .collect::<Vec<_>>()
    };
    let latin1 = text.replace("UTF-8", "ISO-8859-1").replace("/second", "/sec\u{f6}nd");
    let latin1: Vec<u8> = latin1.chars().map(|character| character as u8).collect();
    let mut damaged = gzip(&plain.repeat(20));
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let mark = b"\xef\xbb\xbf" as &[u8];
    let declared = |label: &str| text.replace("UTF-8", label);
    let cases: [(&str, Vec<u8>); 31] = [
        ("gzip.xml.gz", gzipped.clone()),
        ("gzip-twice.xml.gz", gzip(&gzipped)),
        ("gzip-three-times.xml.gz", gzip(&gzip(&gzipped))),
        ("gzip-cut-short.xml.gz", gzipped[..gzipped.len() - 40].to_vec()),
        ("gzip-cut-in-its-trailer.xml.gz", gzipped[..gzipped.len() - 3].to_vec()),
        ("gzip-then-a-comment.xml.gz", [&gzipped, b"<!-- cached -->" as &[u8]].concat()),
        ("gzip-of-two-members.xml.gz", [gzip(first), gzip(second)].concat()),
        ("gzip-damaged.xml.gz", damaged),
        ("gzip-of-text.txt.gz", gzip(b"https://www.example.com/first\nhttps://www.example.com/second\n")),
        ("gzip-of-nothing.xml.gz", gzip(b"")),
        ("byte-order-mark.xml", [b"\xef\xbb\xbf" as &[u8], &plain].concat()),
        ("utf-16-little-endian.xml", utf16(u16::to_le_bytes)),
        ("utf-16-big-endian.xml", utf16(u16::to_be_bytes)),
        ("iso-8859-1.xml", latin1),
        ("byte-order-mark-twice.xml", [mark, mark, &plain].concat()),
        ("byte-order-mark-against-declaration.xml", [mark, declared("ISO-8859-1").as_bytes()].concat()),
        ("declared-as-utf-16-in-utf-8.xml", declared("UTF-16").into_bytes()),
        ("utf-16-without-a-mark.xml", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        (
            "utf-16-declared-as-utf-8.xml",
            format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("utf-32.xml", text.chars().flat_map(|character| u32::from(character).to_be_bytes()).collect()),
        ("windows-1251.xml", in_charset("windows-1251", "новости")),
        ("shift-jis.xml", in_charset("Shift_JIS", "新聞")),
        ("nul-bytes.xml", [text.replace("/second", "/sec\0ond").as_bytes(), b"\0\0"].concat()),
        ("gzip-with-every-header-field.xml.gz", gzip_with_header_fields(&plain)),
        (
            "gzip-with-empty-members.xml.gz",
            [gzip(b""), gzip(first), gzip(b""), gzip(second), gzip(b"")].concat(),
        ),
        ("gzip-then-zeros.xml.gz", [gzipped.as_slice(), &[0; 512]].concat()),
        ("gzip-with-a-wrong-check-sum.xml.gz", [&gzipped[..gzipped.len() - 8], &[0; 8]].concat()),
        ("zip.xml.zip", [b"PK\x03\x04\x14\0\0\0\0\0sitemap.xml\n" as &[u8], &plain].concat()),
        ("empty.xml", Vec::new()),
        ("character-references-with-a-sign.xml", signed_references()),
        (
            "bad-utf-8.xml",
            text.replace("/second", "/sec#nd").bytes().map(|b| if b == b'#' { 0xff } else { b }).collect(),
        ),
    ];
    cases.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

/// References with a sign, which XML does not allow, in a text and in an attribute.
fn signed_references() -> Vec<u8> {
    b"<urlset><url><loc>https://www.example.com/&#65;&#+65;&#x+41;</loc>\
      <xhtml:link rel='alternate' hreflang='de' href='https://www.example.com/&#65;&#+65;&#x+41;'/></url></urlset>"
        .to_vec()
}

/// A document in the charset `label`, with `word` in a loc and in a caption.
fn in_charset(label: &str, word: &str) -> Vec<u8> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"{label}\"?>\n<urlset><url><loc>https://www.example.com/{word}</loc>\
         <image:image><image:loc>a.jpg</image:loc><image:caption>{word}</image:caption></image:image></url></urlset>"
    );
    let (bytes, _, has_unmappable) =
        encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(&text);
    assert!(!has_unmappable);
    bytes.into_owned()
}

/// A gzip member with extra field, file name, comment and header check sum (RFC 1952 section 2.3).
fn gzip_with_header_fields(plain: &[u8]) -> Vec<u8> {
    let mut header = vec![0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 3];
    header.extend(b"\x04\0abcdsitemap.xml\0a comment\0");
    let mut sum = flate2::Crc::new();
    sum.update(&header);
    let sum = sum.sum().to_le_bytes();
    // Replaces the ten bytes of the minimal header.
    [header.as_slice(), &sum[..2], &gzip(plain)[10..]].concat()
}

#[test]
fn every_unusual_document_reads_as_expected() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("readings");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, body) in all() {
            let (document, reading) = read(&body, &base(), Limits::default());
            let kind = document.kind.map_or("none", |kind| kind.as_str());
            let mut snapshot = format!("{kind}, {}\n", document.ended);
            for item in &reading.items {
                snapshot.push_str(&format!("{item}\n"));
            }
            for problem in &reading.problems {
                snapshot.push_str(&format!("{problem}\n"));
            }
            insta::assert_snapshot!(name.as_str(), snapshot);
        }
    });
}
