//! The awkward documents that real servers send, each with its reading and problems.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sitemap::Limits;

use crate::reading::{base, read};

/// The fixtures in files, and those whose bytes are made here.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut fixtures: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    fixtures.extend(made());
    fixtures.sort();
    fixtures
}

/// A small document without flaws.
pub(crate) fn plain() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plain.xml")).unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn made() -> Vec<(String, Vec<u8>)> {
    let plain = plain();
    let text = String::from_utf8(plain.clone()).unwrap();
    let packed = gzip(&plain);
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
    let cases: [(&str, Vec<u8>); 16] = [
        ("gzip.xml.gz", packed.clone()),
        ("gzip-twice.xml.gz", gzip(&packed)),
        ("gzip-three-times.xml.gz", gzip(&gzip(&packed))),
        ("gzip-cut-short.xml.gz", packed[..packed.len() - 40].to_vec()),
        ("gzip-cut-in-its-trailer.xml.gz", packed[..packed.len() - 3].to_vec()),
        ("gzip-then-a-comment.xml.gz", [&packed, b"<!-- cached -->" as &[u8]].concat()),
        ("gzip-of-two-members.xml.gz", [gzip(first), gzip(second)].concat()),
        ("gzip-damaged.xml.gz", damaged),
        ("gzip-of-text.txt.gz", gzip(b"https://www.example.com/first\nhttps://www.example.com/second\n")),
        ("gzip-of-nothing.xml.gz", gzip(b"")),
        ("byte-order-mark.xml", [b"\xef\xbb\xbf" as &[u8], &plain].concat()),
        ("utf-16-little-endian.xml", utf16(u16::to_le_bytes)),
        ("utf-16-big-endian.xml", utf16(u16::to_be_bytes)),
        ("iso-8859-1.xml", latin1),
        ("empty.xml", Vec::new()),
        (
            "bad-utf-8.xml",
            text.replace("/second", "/sec#nd").bytes().map(|b| if b == b'#' { 0xff } else { b }).collect(),
        ),
    ];
    cases.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

#[test]
fn every_awkward_document_gives_what_is_in_it() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("readings");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, body) in all() {
            let (document, reading) = read(&body, &base(), Limits::default());
            let kind = document.kind.map_or("none", |kind| kind.as_str());
            let mut shown = format!("{kind}, {}\n", document.ended);
            for item in &reading.items {
                shown.push_str(&format!("{item}\n"));
            }
            for problem in &reading.problems {
                shown.push_str(&format!("{problem}\n"));
            }
            insta::assert_snapshot!(name.as_str(), shown);
        }
    });
}
