//! Documents as publishers really send them: each test is a kind of mistake that was reported about other crawlers.

use sitemap::{Document, Limits, ProblemKind};

use crate::fixtures::gzip;
use crate::reading::{Reading, base, comparable, read, read_in_pieces};

/// Reads a document as it is, in pieces and with gzip: the results must be the same.
#[track_caller]
fn read_all_ways(body: impl AsRef<[u8]>) -> (Document, Reading) {
    let body = body.as_ref();
    let whole = comparable(read(body, &base(), Limits::default()));
    for sizes in [&[1][..], &[7, 3], &[8_192], &[100_000]] {
        let in_pieces = comparable(read_in_pieces(body, &base(), Limits::default(), sizes));
        assert_eq!(in_pieces, whole, "in pieces of {sizes:?}");
    }
    assert_eq!(comparable(read(&gzip(body), &base(), Limits::default())), whole, "with gzip");
    whole
}

/// The kinds of problems of a document, each with its number.
fn problems(document: &Document) -> Vec<(ProblemKind, u64)> {
    document.problem_counts.iter().collect()
}

fn urlset(content: &str) -> String {
    format!("<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{content}</urlset>")
}

fn index(content: &str) -> String {
    format!("<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{content}</sitemapindex>")
}

#[test]
fn a_loc_without_a_host_is_dropped_in_every_format() {
    for bad in ["https:///blog/p", "http:/blog/p", "https:blog/p", "///blog/p", "http://http://a.example/p"] {
        for (element, document) in [
            ("url", urlset(&format!("<url><loc>{bad}</loc></url><url><loc><![CDATA[ {bad} ]]></loc></url>"))),
            (
                "sitemap",
                index(&format!("<sitemap><loc>{bad}</loc></sitemap><sitemap>\n<loc>{bad}</loc></sitemap>")),
            ),
            (
                "item",
                format!(
                    "<rss><channel><item><link>{bad}</link></item><item><link>{bad}</link></item></channel></rss>"
                ),
            ),
            (
                "entry",
                format!(
                    "<feed><entry><link href='{bad}'/></entry><entry><link href='{bad}'/></entry></feed>"
                ),
            ),
        ] {
            let (document, reading) = read_all_ways(document);
            assert_eq!(problems(&document), [(ProblemKind::BadUrl, 2)], "{bad} in {element}");
            assert!(reading.items.is_empty(), "{bad} in {element}: {:?}", reading.items);
        }
    }
    let (document, reading) =
        read_all_ways("https://a.example/\nhttps:///blog/p\nhttps://https://a.example/\n");
    assert_eq!(problems(&document), [(ProblemKind::BadUrl, 2)]);
    assert_eq!(reading.locs(), ["https://a.example/"]);
}
