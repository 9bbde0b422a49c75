//! Bodies that are larger than they look, endless, or in an unrequested content coding.

use std::io::Write;

use fakesite::{Misbehaviour, Page, hostile};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::hosts::{assert_ended, host, host_name, hostile_hosts, most_sent, one_host_each, show_figure};
use super::run::urlset;

/// Maximum bytes that are read of a body, both encoded and decoded.
const BODY_BYTES_MAX: u64 = 52_428_800;

/// Maximum bytes that a server can send before the connection is closed; more than what is read, because of socket
/// buffers.
const SENT_BYTES_MAX: u64 = 160 << 20;

/// Maximum resident memory while a single document is read.
const PEAK_BYTES_MAX: u64 = 256 << 20;

#[test]
fn bombs_of_one_and_ten_gibibytes_end_at_fifty_mebibytes_and_are_not_tried_again() {
    let gibibyte = Misbehaviour::GzipBomb { decoded_bytes: 1 << 30 };
    let bombs = [
        ("bomb", Page::new("application/gzip", "").misbehaves(gibibyte)),
        ("doubled", Page::doubled_bomb(1 << 30)),
        ("ten-gibibytes-doubled", Page::doubled_bomb(10 << 30)),
    ];
    for (name, page) in bombs {
        let run = one_host_each([(name, page)]);
        run.crawl();
        let report = run.report();
        assert_ended(&report, &host_name(name), "too_large", 2);
        let requests = run.requests();
        let decoded = requests.iter().map(|request| request.bytes_decoded).max().unwrap();
        assert!(decoded <= BODY_BYTES_MAX, "{name}: {decoded} bytes");
        assert!(host(&report, &host_name(name))["entries"]["kept"].as_u64().unwrap() > 600_000, "{name}");
        let peak = report["cpu"]["peak_rss_bytes"].as_u64().unwrap();
        assert!(peak <= PEAK_BYTES_MAX, "{name}: {peak} bytes");
        show_figure(&format!("{name}: peak RSS {} MiB, {decoded} bytes decoded", peak >> 20));
    }
}

#[test]
fn archives_and_a_third_layer_of_gzip_are_no_sitemaps() {
    let zip = [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &[0; 10_000]].concat();
    let run = one_host_each([
        ("zip", Page::new("application/zip", zip)),
        ("trebled", Page::doubled_bomb(1 << 30).gzipped()),
    ]);
    run.crawl();
    for name in ["zip", "trebled"] {
        assert_ended(&run.report(), &host_name(name), "not_a_sitemap", 2);
    }
}

#[test]
fn endless_bodies_end_at_fifty_mebibytes_on_the_wire_and_the_connection_with_them() {
    let kinds =
        ["endless-body", "endless-token", "endless-gzip-name", "endless-gzip-blocks", "endless-gzip-tail"];
    let run = hostile_hosts(&kinds);
    run.crawl();
    let report = run.report();
    for kind in kinds {
        let name = hostile::host_name(kind, 0);
        assert_ended(&report, &name, "too_large", 2);
        let sent = most_sent(&run, &name);
        assert!((BODY_BYTES_MAX..=SENT_BYTES_MAX).contains(&sent), "{kind}: {sent} bytes sent");
        show_figure(&format!("{kind}: {sent} bytes sent"));
    }
    let wire = run.requests().iter().map(|request| request.bytes_wire).max().unwrap();
    assert!(wire <= BODY_BYTES_MAX + (1 << 20), "{wire} bytes read from a socket");
    let kept = &host(&report, &hostile::host_name("endless-gzip-tail", 0))["entries"]["kept"];
    assert_eq!(kept, 1, "entries before the tail are kept");
    let peak = report["cpu"]["peak_rss_bytes"].as_u64().unwrap();
    assert!(peak <= PEAK_BYTES_MAX, "{peak} bytes");
}

/// One URL per line, so that the body would be read as a text sitemap if the coding left it unchanged.
fn lines() -> String {
    (0..500).map(|n| format!("http://coded.example/{n}\n")).collect()
}

/// Uncompressed Brotli (RFC 7932 section 9.2): a window of 64 KiB, one stored meta-block, and an empty last meta-block.
pub fn brotli(text: &str) -> Vec<u8> {
    let head = (u32::try_from(text.len()).unwrap() - 1) << 4 | 1 << 20;
    [&head.to_le_bytes()[..3], text.as_bytes(), &[3]].concat()
}

#[test]
fn a_coding_that_nobody_asked_for_is_an_error_and_not_read_as_it_is() {
    let text = lines();
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::none());
    deflate.write_all(text.as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(text.as_bytes()).unwrap();
    let cases = [
        ("brotli", "br", brotli(&text)),
        ("deflate", "deflate", deflate.finish().unwrap()),
        ("zlib", "deflate", zlib.finish().unwrap()),
        ("zstandard", "gzip, zstd", b"\x28\xb5\x2f\xfd\0\0".to_vec()),
        ("unheard-of", "x-unheard-of", text.into_bytes()),
    ];
    let page = |coding: &str, body| Page::text("").header("content-encoding", coding).with_body(body);
    let run = one_host_each(cases.iter().map(|(name, coding, body)| (*name, page(coding, body.clone()))));
    run.crawl();
    let report = run.report();
    for (name, ..) in &cases {
        assert_ended(&report, &host_name(name), "decode", 2);
    }
    assert_eq!(run.locs(), [""; 0]);
}

#[test]
fn a_wrong_label_does_not_keep_a_sitemap_from_being_read() {
    let xml = urlset(&["http://a.example/1"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(xml.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let cases = [
        ("charset", "utf-8", xml.clone().into_bytes()),
        ("plain-as-brotli", "br", xml.clone().into_bytes()),
        ("plain-as-gzip", "gzip", xml.into_bytes()),
        ("gzip-as-brotli", "br", gzip.clone()),
        ("gzip-as-identity", "identity", gzip.clone()),
        ("gzip-unlabelled", "", gzip.clone()),
        ("gzip-of-two-members", "gzip", [gzip.clone(), gzip].concat()),
    ];
    let page = |coding: &str, body| Page::xml("").header("content-encoding", coding).with_body(body);
    let run = one_host_each(cases.iter().map(|(name, coding, body)| (*name, page(coding, body.clone()))));
    run.crawl();
    let report = run.report();
    for (name, ..) in &cases {
        let host = host(&report, &host_name(name));
        assert!(host["entries"]["kept"].as_u64() >= Some(1), "{name}: {host}");
    }
}

#[test]
fn a_damaged_gzip_file_keeps_its_whole_entries_and_is_reported() {
    let locs: Vec<String> = (0..5_000).map(|n| format!("http://a.example/{n}")).collect();
    let xml = urlset(&locs.iter().map(String::as_str).collect::<Vec<_>>());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(xml.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let junk = [gzip.as_slice(), b"junk behind the end"].concat();
    let run = one_host_each([
        ("truncated", Page::new("application/gzip", gzip[..gzip.len() / 2].to_vec())),
        ("with-junk-behind", Page::new("application/gzip", junk)),
    ]);
    run.crawl();
    let report = run.report();
    assert_ended(&report, "truncated.example", "decode", 2);
    let kept = host(&report, "truncated.example")["entries"]["kept"].as_u64().unwrap();
    assert!((1_000..4_000).contains(&kept), "{kept} entries of half a file");
    let whole = host(&report, "with-junk-behind.example");
    assert_eq!((&whole["entries"]["kept"], &whole["complete"]), (&5_000.into(), &true.into()), "{whole}");
}
