//! Documents in the forms that servers send, and exports that agree with each other and with the documents.

use std::collections::BTreeMap;

use fakesite::{Misbehaviour, Page, Site, Web};
use serde_json::Value;

use super::run::{Run, expect, index, urlset};

const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
  xmlns:video="http://www.google.com/schemas/sitemap-video/1.1" xmlns:xhtml="http://www.w3.org/1999/xhtml">
 <url><loc>https://a.example/1?a=1&amp;b=2</loc><lastmod>2026-03-01T10:00:00+02:00</lastmod>
  <changefreq>daily</changefreq><priority>0.8</priority>
  <news:news><news:publication><news:name>The “Herald”</news:name><news:language>en</news:language></news:publication>
   <news:publication_date>2026-03-01</news:publication_date><news:title>A &lt;b&gt; &amp; c</news:title></news:news>
  <image:image><image:loc>https://a.example/1.jpg</image:loc><image:caption>one</image:caption></image:image>
  <image:image><image:loc>https://a.example/2.jpg</image:loc></image:image>
  <video:video><video:thumbnail_loc>https://a.example/t.jpg</video:thumbnail_loc><video:title>v</video:title>
   <video:tag>x</video:tag><video:tag>y</video:tag></video:video>
  <xhtml:link rel="alternate" hreflang="de" href="https://a.example/de"/></url>
 <url><loc>https://a.example/2</loc><lastmod>yesterday</lastmod><priority>high</priority></url>
 <url><loc>https://a.example/2</loc></url>
</urlset>"#;

fn run() -> Run {
    let site = Site::new().robots("Sitemap: https://a.example/s.xml\n").page("/s.xml", Page::xml(DOCUMENT));
    let run = Run::of(Web::new().host("a.example", site), &["a.example"]);
    run.crawl();
    run
}

#[test]
fn jsonl_keeps_every_field_in_the_order_of_the_document_repeats_included() {
    let mut entries = run().entries();
    for entry in &mut entries {
        let fetched_at = entry.as_object_mut().unwrap().remove("fetched_at").unwrap();
        assert!(fetched_at.as_str().unwrap().ends_with('Z'));
    }
    let common = |mut entry: serde_json::Value| {
        let fields = entry.as_object_mut().unwrap();
        fields.insert("sitemap".into(), "https://a.example/s.xml".into());
        fields.insert("host".into(), "https://a.example".into());
        fields.insert("scope".into(), "same-host".into());
        entry
    };
    let expected = [
        serde_json::json!({
            "loc": "https://a.example/1?a=1&b=2", "lastmod": "2026-03-01T10:00:00+02:00",
            "lastmod_at": "2026-03-01T08:00:00Z", "changefreq": "daily", "priority": 0.8,
            "news": {"name": "The “Herald”", "language": "en", "publication_date": "2026-03-01", "title": "A <b> & c"},
            "images": [{"loc": "https://a.example/1.jpg", "caption": "one"}, {"loc": "https://a.example/2.jpg"}],
            "videos": [{"thumbnail_loc": "https://a.example/t.jpg", "title": "v", "tags": ["x", "y"]}],
            "alternates": [{"hreflang": "de", "href": "https://a.example/de"}],
        }),
        serde_json::json!({"loc": "https://a.example/2", "lastmod": "yesterday", "priority": "high"}),
        serde_json::json!({"loc": "https://a.example/2"}),
    ];
    assert_eq!(entries, expected.map(common));
}

#[test]
fn txt_is_one_loc_a_line_and_parquet_holds_as_many_rows() {
    let run = run();
    assert_eq!(run.export("txt"), "https://a.example/1?a=1&b=2\nhttps://a.example/2\nhttps://a.example/2\n");
    let path = run.path("out.parquet");
    let mut export = run.command(&["export", "--format", "parquet"]);
    export.arg("-o").arg(&path);
    expect(export, 0);
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

#[test]
fn host_and_since_select_and_entries_without_a_date_are_kept() {
    let run = run();
    let export =
        |args: &[&str]| String::from_utf8(expect(run.command(args), 0).stdout).unwrap().lines().count();
    assert_eq!(export(&["export", "--host", "a.example"]), 3);
    assert_eq!(export(&["export", "--host", "https://a.example"]), 3);
    expect(run.command(&["export", "--host", "b.example"]), 1);
    assert_eq!(export(&["export", "--since", "2026-03-02"]), 2);
    assert_eq!(export(&["export", "--since", "2026-03-01"]), 3);
}

/// A crawl of one site whose robots.txt names these documents.
fn run_of(pages: impl IntoIterator<Item = (&'static str, Page)>, more: Site) -> Run {
    let mut robots = String::new();
    let mut site = more;
    for (path, page) in pages {
        robots.push_str(&format!("Sitemap: http://a.example{path}\n"));
        site = site.page(path, page);
    }
    let run = Run::of(Web::new().host("a.example", site.robots(robots)), &["http://a.example"]);
    run.crawl();
    run
}

/// The locs of each document, by the path of the document.
fn by_sitemap(run: &Run) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for entry in run.entries() {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        let path = text("sitemap").replacen("http://a.example", "", 1);
        found.entry(path).or_default().push(text("loc"));
    }
    found
}

fn host(run: &Run) -> Value {
    run.report()["hosts"]["http://a.example"].clone()
}

#[test]
fn a_document_is_read_whatever_its_name_and_headers_say() {
    let xml = |path: &str| Page::xml(urlset(&[&format!("http://a.example/in{path}")]));
    let run = run_of(
        [
            ("/gzip.xml.gz", xml("/gzip.xml.gz").gzipped()),
            ("/octets.xml.gz", xml("/octets.xml.gz").gzipped().content_type("application/octet-stream")),
            ("/called-xml.xml.gz", xml("/called-xml.xml.gz").gzipped().content_type("text/xml")),
            ("/named.xml", xml("/named.xml").gzipped()),
            ("/no-extension", xml("/no-extension").gzipped()),
            ("/plain.xml.gz", xml("/plain.xml.gz").content_type("application/gzip")),
            ("/encoded.xml", xml("/encoded.xml").gzip_encoded()),
            ("/gzip-encoded.xml.gz", xml("/gzip-encoded.xml.gz").gzipped().gzip_encoded()),
            ("/html.xml", xml("/html.xml").content_type("text/html; charset=utf-8")),
            ("/html", xml("/html").content_type("text/html")),
            ("/untyped.xml", xml("/untyped.xml").without_content_type()),
            ("/index.php?sitemap=1&page=2", xml("/index.php?sitemap=1&amp;page=2")),
            ("/text.txt.gz", Page::text("http://a.example/in/text.txt.gz\n").gzipped()),
        ],
        Site::new(),
    );
    for (path, locs) in by_sitemap(&run) {
        assert_eq!(locs, [format!("http://a.example/in{path}")]);
    }
    let host = host(&run);
    assert_eq!((&host["sitemaps"]["fetched"], &host["entries"]["kept"]), (&13.into(), &13.into()), "{host}");
    assert_eq!((&host["complete"], &host["errors"]), (&true.into(), &serde_json::json!({})), "{host}");
}

#[test]
fn indexes_that_go_round_in_circles_or_name_a_child_twice_are_read_once() {
    let (own, a, b) = ("http://a.example/own.xml", "http://a.example/a.xml", "http://a.example/b.xml");
    let leaf = "http://a.example/leaf.xml";
    let run = run_of(
        [
            ("/own.xml", Page::xml(index(&[own, leaf]))),
            ("/a.xml", Page::xml(index(&[b]))),
            ("/b.xml", Page::xml(index(&[a, leaf, leaf]))),
            ("/twice.xml", Page::xml(index(&[leaf, "HTTP://A.example:80/./leaf.xml#top"]))),
        ],
        Site::new().page("/leaf.xml", Page::xml(urlset(&["http://a.example/1", "http://a.example/1"]))),
    );
    assert!(run.request_counts().values().all(|&times| times == 1), "{:?}", run.request_counts());
    assert_eq!(
        run.locs(),
        ["http://a.example/1", "http://a.example/1"],
        "repeats within a document are kept"
    );
    assert_eq!(host(&run)["complete"], true);
}

#[test]
fn children_that_are_gone_or_are_web_pages_cost_their_siblings_nothing() {
    let children = ["http://a.example/gone.xml", "http://a.example/page.xml", "http://a.example/good.xml"];
    let run = run_of(
        [("/index.xml", Page::xml(index(&children)))],
        Site::new()
            .page("/page.xml", Page::html("<!DOCTYPE html><html><body>Not found</body></html>"))
            .page("/good.xml", Page::xml(urlset(&["http://a.example/1"]))),
    );
    assert_eq!(run.locs(), ["http://a.example/1"]);
    let host = host(&run);
    assert_eq!(host["errors"], serde_json::json!({"http_status": 1, "not_a_sitemap": 1}), "{host}");
    assert_eq!(host["complete"], false);
}

#[test]
fn sitemaps_among_the_pages_are_followed_and_none_of_their_failures_counts() {
    let listed = ["http://a.example/good.xml", "http://a.example/gone.xml", "http://a.example/page.xml"];
    let run = run_of(
        [("/s.xml", Page::xml(urlset(&listed)))],
        Site::new()
            .page("/page.xml", Page::html("<!DOCTYPE html><html><body>A page</body></html>"))
            .page("/good.xml", Page::xml(urlset(&["http://a.example/1"]))),
    );
    let mut locs = run.locs();
    locs.sort();
    assert_eq!(locs, ["http://a.example/1", listed[1], listed[0], listed[2]]);
    let host = host(&run);
    assert_eq!(host["errors"], serde_json::json!({}), "{host}");
    assert_eq!(host["complete"], true, "{host}");
}

#[test]
fn a_chain_of_indexes_is_followed_to_the_depth_allowed() {
    let mut chain = Site::new();
    for level in 1..20 {
        chain = chain.page(
            &format!("/{level}.xml"),
            Page::xml(index(&[&format!("http://a.example/{}.xml", level + 1)])),
        );
    }
    chain = chain
        .page("/20.xml", Page::xml(urlset(&["http://a.example/deep"])))
        .page("/0.xml", Page::xml(index(&["http://a.example/1.xml"])))
        .robots("Sitemap: http://a.example/0.xml\n");
    let run =
        Run::of(Web::new().host("a.example", chain), &["http://a.example"]).flags(&["--max-depth", "20"]);
    run.crawl();
    assert_eq!(run.locs(), ["http://a.example/deep"]);
    assert_eq!(host(&run)["complete"], true);
}

#[test]
fn a_server_that_was_busy_is_asked_again_and_then_read() {
    let page = |path: &str| Page::xml(urlset(&[&format!("http://a.example/in{path}/page")]));
    let run = run_of(
        [
            (
                "/unavailable.xml",
                page("/unavailable.xml").misbehaves(Misbehaviour::StatusThenOk { status: 503, times: 1 }),
            ),
            ("/too-many.xml", page("/too-many.xml").misbehaves(Misbehaviour::retry_after(2))),
        ],
        Site::new(),
    );
    assert_eq!(by_sitemap(&run).len(), 2);
    assert!(run.request_counts().values().all(|&times| times == 2), "{:?}", run.request_counts());
    let asked: Vec<_> =
        run.server.log().iter().filter(|request| request.path == "/too-many.xml").cloned().collect();
    assert!(
        asked[1].at_us - asked[0].at_us >= 2_000_000,
        "the two seconds that the server asked for have passed"
    );
    assert_eq!(host(&run)["complete"], true);
}

#[test]
fn a_bomb_gives_what_fits_under_the_ceiling_and_is_told() {
    let bomb =
        Page::new("application/gzip", "").misbehaves(Misbehaviour::GzipBomb { decoded_bytes: 600 << 20 });
    let run = run_of([("/bomb.xml.gz", bomb)], Site::new());
    let report = run.report();
    let host = &report["hosts"]["http://a.example"];
    assert_eq!((&host["errors"]["too_large"], &host["complete"]), (&1.into(), &false.into()), "{host}");
    let decoded = report["totals"]["bytes_decoded"].as_u64().unwrap();
    assert!((52_428_800..54_000_000).contains(&decoded), "{decoded} bytes inflated");
    assert!(host["entries"]["kept"].as_u64().unwrap() > 600_000, "{host}");
}

#[test]
fn a_sitemap_that_robots_txt_forbids_is_not_fetched_and_said_to_be_so() {
    let site = Site::new()
        .robots("User-agent: *\nDisallow: /private/\nSitemap: http://a.example/private/s.xml\n")
        .page("/private/s.xml", Page::xml(urlset(&["http://a.example/1"])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    assert!(run.request_counts().is_empty(), "{:?}", run.request_counts());
    let host = host(&run);
    assert_eq!(
        (&host["sitemaps"]["skipped"]["robots_disallowed"], &host["complete"]),
        (&1.into(), &false.into()),
        "{host}"
    );
}

#[test]
fn entries_and_children_of_other_hosts_are_kept_with_a_label() {
    let a = Site::new()
        .robots("Sitemap: http://a.example/index.xml\n")
        .page("/index.xml", Page::xml(index(&["http://a.example/maps/1.xml", "http://b.example/2.xml"])))
        .page("/maps/1.xml", Page::xml(urlset(&["http://a.example/outside", "http://c.example/3"])));
    let b = Site::new()
        .robots("Disallow:\n")
        .page("/2.xml", Page::xml(urlset(&["http://b.example/4", "http://a.example/5"])));
    let run = Run::of(Web::new().host("a.example", a).host("b.example", b), &["http://a.example"]);
    run.crawl();
    // A child of an index counts as named by the robots.txt that names the index.
    let mut labels: Vec<_> = run
        .entries()
        .iter()
        .map(|entry| format!("{} {}", entry["loc"].as_str().unwrap(), entry["scope"].as_str().unwrap()))
        .collect();
    labels.sort();
    assert_eq!(
        labels,
        [
            "http://a.example/5 robots",
            "http://a.example/outside same-host",
            "http://b.example/4 same-host",
            "http://c.example/3 foreign",
        ]
    );
}
