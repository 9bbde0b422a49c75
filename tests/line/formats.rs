//! The exports agree with each other and with the documents.

use fakesite::{Page, Site, Web};

use super::run::{Run, expect};

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
    export.arg("--output").arg(&path);
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
