//! The result does not depend on the pieces in which a document arrives, and no input makes the reader panic.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sitemap::{Document, Limits, limits};
use url::Url;

use crate::reading::{self, Reading, base, comparable};
use crate::{corpus, fixtures};

fn read(body: &[u8], base: &Url, limits: Limits) -> (Document, Reading) {
    comparable(reading::read(body, base, limits))
}

fn read_in_pieces(body: &[u8], base: &Url, limits: Limits, sizes: &[usize]) -> (Document, Reading) {
    comparable(reading::read_in_pieces(body, base, limits, sizes))
}

/// Limits so low that small documents reach them.
pub(crate) const LOW_LIMITS: Limits = Limits {
    document_bytes: 3_000,
    token_bytes: 60,
    entry_bytes: 1_500,
    memory_bytes: limits::MEMORY_BYTES_MAX,
    depth: 5,
    loc_bytes: 50,
    layers: 1,
    problems: 20,
};

#[test]
fn every_corpus_document_reads_the_same_in_pieces_of_any_size() {
    let Some(directory) = corpus::directory() else { return };
    for case in corpus::cases(&directory) {
        let Some(body) = case.body() else { continue };
        // The largest documents would take minutes byte by byte, so only their start is read.
        let body = &body[..body.len().min(100_000)];
        for limits in [Limits::default(), LOW_LIMITS] {
            let whole = read(body, &case.url(), limits);
            for sizes in [&[1][..], &[7, 1, 4_093], &[65_536]] {
                assert_eq!(read_in_pieces(body, &case.url(), limits, sizes), whole, "pieces of {sizes:?}");
            }
        }
    }
}

#[test]
fn every_fixture_reads_the_same_in_pieces_of_any_size() {
    for (name, body) in fixtures::all() {
        for limits in [Limits::default(), LOW_LIMITS] {
            let whole = read(&body, &base(), limits);
            for sizes in [&[1][..], &[2], &[3, 5], &[17], &[1_000], &[70_000]] {
                assert_eq!(
                    read_in_pieces(&body, &base(), limits, sizes),
                    whole,
                    "{name} in pieces of {sizes:?}"
                );
            }
        }
    }
}

/// Pieces of markup that interfere with each other.
fn fragment() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        b"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>" as &[u8],
        b"</urlset>",
        b"<url>",
        b"</url>",
        b"<sitemapindex>",
        b"<sitemap>",
        b"</sitemap>",
        b"<loc>",
        b"</loc>",
        b"<lastmod>2020-01-01</lastmod>",
        b"http://a.example/b",
        b"https://www.example.com/",
        b"&amp;",
        b"&nbsp;",
        b"& ",
        b"&",
        b";",
        b"&#x41;",
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"-->",
        b"<!",
        b"<!D",
        b"<!DOCTYPE a [",
        b"]>",
        b"<?",
        b"?>",
        b"<?xml version='1.0' encoding='iso-8859-1'?>",
        b"<",
        b">",
        b"/>",
        b"\"",
        b"'",
        b"\n",
        b" ",
        b"<image:image>",
        b"<image:loc>x</image:loc>",
        b"</image:image>",
        b"<video:video>",
        b"<video:tag>t</video:tag>",
        b"<video:price currency='EUR'>1</video:price>",
        b"<news:news>",
        b"<xhtml:link rel='alternate' href='/d'/>",
        b"<rss>",
        b"<channel>",
        b"<item>",
        b"<link>",
        b"</link>",
        b"<guid>",
        b"</item>",
        b"<feed>",
        b"<entry>",
        b"<link href='/x'/>",
        b"<html>",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xff",
        b"\xc3",
        b"\xa4",
        b"\0",
        b"\x1f\x8b\x08",
        b"javascript:alert(1)",
        b"<p:loc>",
        b"\t",
        b"<br />",
        b"<?xml version='1.0'>",
        b"<urlset a='b",
        b"<sitemapindex ",
        b"<guid>http://a.example/g",
        b"</guid>",
        b"\n<?xml version='1.0'?>",
        b"<entry xml:base='http://b.example/c/'>",
        b"<feed xml:base='/d/'>",
        b"&lt;![CDATA[",
        b"]]&gt;",
        b"<a b='<'>",
        b"<priority>2</priority>",
        b"<xml>",
        b"</xml>",
        b"<!DOCTYPE html>",
        b"<style>a > b</style>",
        b"</loc",
        b"<image>",
        b"</image>",
        b"/a.xml",
        b"&eacute;",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ])
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(fragment(), 0..60).prop_map(|fragments| fragments.concat()),
        prop::collection::vec(fragment(), 0..60)
            .prop_map(|fragments| { [b"<urlset>" as &[u8], &fragments.concat()].concat() }),
        prop::collection::vec(any::<u8>(), 0..300),
    ]
}

/// Real documents: every fixture, and the start of each document of the corpus if the corpus is available.
fn published() -> Vec<(Vec<u8>, Url)> {
    let fixtures = fixtures::all().into_iter().map(|(_, body)| (body, base()));
    let cases = corpus::directory().map(|directory| corpus::cases(&directory)).unwrap_or_default();
    let cases = cases.iter().filter_map(|case| Some((case.body()?, case.url())));
    fixtures
        .chain(cases)
        .map(|(mut body, url)| (body.drain(..body.len().min(20_000)).collect(), url))
        .collect()
}

#[test]
fn published_documents_read_the_same_in_any_pieces() {
    let published = published();
    let pieces = (0..published.len(), prop::collection::vec(1_usize..5_000, 1..8), any::<bool>());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() });
    let result = runner.run(&pieces, |(index, sizes, has_low_limits)| {
        let (body, url) = &published[index];
        let limits = if has_low_limits { LOW_LIMITS } else { Limits::default() };
        prop_assert_eq!(read_in_pieces(body, url, limits, &sizes), read(body, url, limits));
        Ok(())
    });
    result.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_reads_the_same_in_pieces_of_any_size(
        body in document(),
        sizes in prop::collection::vec(1_usize..40, 1..6),
        has_low_limits in any::<bool>(),
        is_gzip in any::<bool>(),
    ) {
        let body = if is_gzip { fixtures::gzip(&body) } else { body };
        let limits = if has_low_limits { LOW_LIMITS } else { Limits::default() };
        let whole = read(&body, &base(), limits);
        prop_assert_eq!(&read_in_pieces(&body, &base(), limits, &sizes), &whole);
        prop_assert_eq!(&read_in_pieces(&body, &base(), limits, &[1]), &whole);
        prop_assert_eq!(&comparable(reading::pull(&body[..], &base(), limits)), &whole);
        prop_assert_eq!(whole.0.entries + whole.0.children, whole.1.items.len() as u64);
        prop_assert!(whole.0.problems >= whole.1.problems.len() as u64);
    }

    #[test]
    fn a_damaged_gzip_stream_reads_the_same_in_pieces_of_any_size(
        damage in any::<(prop::sample::Index, u8)>(),
        cut in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let mut body = fixtures::gzip(&fixtures::plain().repeat(3));
        let at = damage.0.index(body.len());
        body[at] ^= damage.1;
        body.truncate(cut.index(body.len()) + 1);
        let whole = read(&body, &base(), Limits::default());
        prop_assert_eq!(&read_in_pieces(&body, &base(), Limits::default(), &sizes), &whole);
    }
}
