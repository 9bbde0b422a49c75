//! Documents that exceed a limit yield everything that fits, and a problem for the rest.

use std::time::Instant;

use sitemap::{DocumentEnd, Limits, ProblemKind, limits};

use crate::fixtures::gzip;
use crate::reading::{base, comparable, read, read_in_pieces};

fn urlset(content: &str) -> Vec<u8> {
    format!("<urlset xmlns:video=\"http://www.google.com/schemas/sitemap-video/1.1\">{content}</urlset>")
        .into_bytes()
}

fn url(path: &str) -> String {
    format!("<url><loc>https://www.example.com/{path}</loc></url>")
}

#[test]
fn sixty_thousand_entries_are_all_read_and_noted() {
    let content: String = (0..60_000).map(|number| url(&number.to_string())).collect();
    let (document, _) = read(&urlset(&content), &base(), Limits::default());
    assert_eq!((document.entries, document.problems, document.ended), (60_000, 1, DocumentEnd::Whole));
    assert_eq!(document.problem_counts.get(ProblemKind::TooManyEntries), 1);
}

/// A token may be cut by the size limit of the document and exceed the token limit as well.
#[test]
fn problems_at_the_ceiling_come_in_one_order_whatever_the_pieces() {
    let content = format!("{}{}<x y=\"{}\"/>\u{e4}\u{20ac}", url("a"), "text ".repeat(20), "z".repeat(90));
    let body = urlset(&content.repeat(2));
    for document_bytes in 0..body.len() as u64 {
        let low_limits = Limits { document_bytes, token_bytes: 60, ..Limits::default() };
        let whole = comparable(read(&body, &base(), low_limits));
        for sizes in [&[1][..], &[24, 100, 1], &[7, 300]] {
            let in_pieces = comparable(read_in_pieces(&body, &base(), low_limits, sizes));
            assert_eq!(in_pieces, whole, "limit of {document_bytes} bytes, in pieces of {sizes:?}");
        }
    }
}

#[test]
fn a_document_above_the_ceiling_keeps_what_came_before() {
    let low_limits = Limits { document_bytes: 1_000, ..Limits::default() };
    let content: String = (0..1_000).map(|number| url(&number.to_string())).collect();
    let body = urlset(&content);
    for body in [gzip(&body), gzip(&gzip(&body)), body] {
        let (document, reading) = read(&body, &base(), low_limits);
        assert_eq!((document.ended, document.bytes_decoded), (DocumentEnd::TooLarge, 1_000));
        assert_eq!(reading.locs().len(), 19);
        assert_eq!(document.problem_counts.get(ProblemKind::DocumentTooLarge), 1);
    }
    let exact = urlset(&url(&"a".repeat(1_000 - urlset(&url("")).len())));
    assert_eq!(read(&exact, &base(), low_limits).0.ended, DocumentEnd::Whole);
}

#[test]
fn a_token_above_the_ceiling_is_left_out_and_the_rest_is_read() {
    let long = "x".repeat(limits::TOKEN_BYTES_MAX + 1);
    for middle in [
        format!("<!--{long}-->"),
        format!("<?{long}?>"),
        format!("<url><loc>https://www.example.com/{long}</loc></url>"),
        format!("<url><loc>https://www.example.com/<![CDATA[{long}]]></loc></url>"),
        format!("<url {long}></url>"),
        format!("<url><loc>https://www.example.com/&{long};</loc></url>"),
    ] {
        let (document, reading) =
            read(&urlset(&(url("a") + &middle + &url("b"))), &base(), Limits::default());
        assert_eq!(reading.locs(), ["https://www.example.com/a", "https://www.example.com/b"]);
        assert_eq!(document.problem_counts.get(ProblemKind::TokenTooLong), 1);
    }
}

#[test]
fn an_entry_whose_tag_is_above_the_ceiling_is_read_without_its_tag() {
    let long = "x".repeat(limits::TOKEN_BYTES_MAX + 1);
    let body = urlset(&format!("<url {long}><loc>https://www.example.com/a</loc></url>{}", url("b")));
    let (document, reading) = read(&body, &base(), Limits::default());
    assert_eq!(reading.locs(), ["https://www.example.com/a", "https://www.example.com/b"]);
    assert_eq!(document.problem_counts.get(ProblemKind::TokenTooLong), 1);
}

#[test]
fn a_million_attributes_and_a_million_levels_are_survived() {
    let attributes = format!("<url {}><loc>https://www.example.com/</loc></url>", "a='' ".repeat(150_000));
    let (document, _) = read(&urlset(&attributes), &base(), Limits::default());
    assert_eq!((document.entries, document.ended), (1, DocumentEnd::Whole));
    let levels = format!("{}{}{}", "<x>".repeat(1_000_000), "</x>".repeat(1_000_000), url(""));
    let (document, _) = read(&urlset(&levels), &base(), Limits::default());
    assert_eq!((document.entries, document.ended), (1, DocumentEnd::Whole));
    assert_eq!(document.problem_counts.get(ProblemKind::TooDeep), 1);
}

#[test]
fn more_images_than_google_takes_are_all_kept() {
    let images = "<image:image><image:loc>a.jpg</image:loc></image:image>".repeat(1_500);
    let (document, reading) = read(
        &urlset(&format!("<url><loc>https://www.example.com/</loc>{images}</url>")),
        &base(),
        Limits::default(),
    );
    assert_eq!(document.problems, 0);
    assert_eq!(reading.items[0]["images"].as_array().unwrap().len(), 1_500);
}

#[test]
fn sixty_thousand_children_are_all_read_and_noted() {
    let children: String = (0..60_000)
        .map(|number| format!("<sitemap><loc>https://www.example.com/{number}.xml</loc></sitemap>"))
        .collect();
    let index = format!("<sitemapindex>{children}</sitemapindex>");
    let (document, _) = read(index.as_bytes(), &base(), Limits::default());
    assert_eq!((document.children, document.problems, document.ended), (60_000, 1, DocumentEnd::Whole));
    assert_eq!(document.problem_counts.get(ProblemKind::TooManyEntries), 1);
}

#[test]
fn an_entry_above_the_ceiling_is_kept_without_the_rest() {
    let videos = "<video:video><video:title>a</video:title></video:video>".repeat(100_000);
    let entry = format!("<url><loc>https://www.example.com/</loc>{videos}</url>");
    let (document, reading) = read(&urlset(&entry), &base(), Limits::default());
    assert_eq!(document.problem_counts.get(ProblemKind::EntryTooLarge), 1);
    let kept = reading.items[0]["videos"].as_array().unwrap().len();
    assert!((1_000..limits::ENTRY_BYTES_MAX / 500).contains(&kept), "{kept} videos kept");
}

#[test]
fn locs_above_the_ceiling_are_dropped_and_long_ones_noted() {
    let long = url(&"a".repeat(limits::LOC_CHARS_STANDARD));
    let too_long = url(&"a".repeat(limits::LOC_BYTES_MAX));
    let (document, reading) = read(&urlset(&(long + &too_long)), &base(), Limits::default());
    assert_eq!(reading.locs().len(), 1);
    assert_eq!(document.dropped().collect::<Vec<_>>(), [(ProblemKind::LocTooLong, 1)]);
    assert_eq!(document.problem_counts.get(ProblemKind::LongLoc), 1);
}

#[test]
fn problems_beyond_the_reported_ones_are_counted() {
    let (document, reading) = read(&urlset(&"<url/>".repeat(1_000)), &base(), Limits::default());
    assert_eq!(reading.problems.len() as u64, limits::PROBLEMS_MAX);
    assert_eq!(document.dropped().collect::<Vec<_>>(), [(ProblemKind::MissingLoc, 1_000)]);
}

#[test]
fn a_document_of_only_broken_markup_is_abandoned() {
    let (document, _) =
        read(&urlset(&(url("a") + &"<a <b ".repeat(5_000) + &url("b"))), &base(), Limits::default());
    assert_eq!((document.entries, document.ended), (1, DocumentEnd::Broken));
}

/// Seconds to read a document, the shortest of three times.
fn seconds(body: &[u8]) -> f64 {
    let times = (0..3).map(|_| {
        let begun_at = Instant::now();
        read(body, &base(), Limits::default());
        begun_at.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// A mebibyte of markup takes a few times as long as a mebibyte of entries. End tags that close nothing took sixty times as
/// long when each was compared with the names of all open elements.
#[test]
fn end_tags_that_close_nothing_are_nearly_as_fast_as_entries() {
    let entries = urlset(&url("page").repeat((1 << 20) / url("page").len()));
    let ordinary = seconds(&entries) / entries.len() as f64;
    for (open, end) in [("<a>", "</b>"), ("<aa>", "</ab>"), ("<x:aaaaaaaaaaaaaaaa>", "</x:aaaaaaaaaaaaaaab>")]
    {
        let body = urlset(&(open.repeat(98) + &end.repeat((1 << 20) / end.len())));
        let ratio = seconds(&body) / body.len() as f64 / ordinary;
        assert!(ratio <= 15.0, "{ratio:.1} times as long per byte for {end}");
    }
}
