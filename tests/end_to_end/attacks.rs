//! Malicious documents.

use fakesite::{Page, hostile};

use super::hosts::{host, hostile_hosts, one_host_each, show_figure};
use super::run::{crawl_with, stdout, urlset};

/// Maximum resident memory while a single document is read.
const PEAK_BYTES_MAX: u64 = 256 << 20;

/// The content of a local file, which must not appear in any output.
const MARKER: &str = "the-content-of-a-local-file";

#[test]
fn entities_dtds_and_inclusions_read_no_file_and_ask_no_server() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret.txt");
    std::fs::write(&secret, MARKER).unwrap();
    let file = format!("file://{}", secret.display());
    let evil = "http://evil.example";
    let url = |text: &str| format!("<url><loc>http://a.example/{text}</loc></url>");
    let urlset = |subset: &str, content: &str| {
        format!(
            "<?xml version=\"1.0\" standalone=\"no\"?><!DOCTYPE urlset {subset}><urlset \
             xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
             xmlns:xi=\"http://www.w3.org/2001/XInclude\">{content}</urlset>"
        )
    };
    let documents = [
        ("local-entity", urlset(&format!("[<!ENTITY x SYSTEM \"{file}\">]"), &url("&x;"))),
        ("remote-entity", urlset(&format!("[<!ENTITY x SYSTEM \"{evil}/entity\">]"), &url("&x;"))),
        ("public-entity", urlset(&format!("[<!ENTITY x PUBLIC \"-//x\" \"{evil}/public\">]"), &url("&x;"))),
        ("external-dtd", urlset(&format!("SYSTEM \"{evil}/evil.dtd\""), &url("1"))),
        ("parameter-entity", urlset(&format!("[<!ENTITY % p SYSTEM \"{file}\"> %p;]"), &url("2"))),
        (
            "parameter-entity-abroad",
            urlset(&format!("[<!ENTITY % p SYSTEM \"{evil}/parameter\"> %p;]"), &url("3")),
        ),
        (
            "inclusion",
            urlset(
                "",
                &format!(
                    "{}<xi:include parse=\"text\" href=\"{file}\"/><url><loc><xi:include parse=\"text\" href=\"{evil}/include\"/></loc></url>",
                    url("4")
                ),
            ),
        ),
        ("style-sheet", format!("<?xml-stylesheet href=\"{evil}/style.xsl\"?><urlset>{}</urlset>", url("5"))),
        (
            "schema",
            format!(
                "<urlset xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 xsi:schemaLocation=\"http://x {evil}/schema.xsd\">{}</urlset>",
                url("6")
            ),
        ),
    ];
    let run = one_host_each(documents.iter().map(|(name, text)| (*name, Page::xml(text.clone()))));
    run.crawl();
    assert_eq!(run.server.log().len(), documents.len() * 2, "robots.txt and the sitemap of each host");
    assert!(run.server.log().iter().all(|request| request.host != "evil.example"));
    for text in [run.export("jsonl"), run.report().to_string()] {
        assert!(!text.contains(MARKER), "{text}");
    }
    assert!(run.locs().len() >= 6, "{:?}", run.locs());
    for (name, document) in documents {
        let path = dir.path().join(name);
        std::fs::write(&path, document).unwrap();
        let output = crawl_with(&["parse".as_ref(), path.as_os_str()]).output().unwrap();
        assert!(!stdout(&output).contains(MARKER), "{name}");
    }
}

#[test]
fn entities_that_grow_are_not_expanded() {
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!(
        "<!DOCTYPE urlset [<!ENTITY l0 \"ha\">{laughs}]><urlset><url><loc>http://a.example/&l9;</loc></url></urlset>"
    );
    let quadratic = format!(
        "<!DOCTYPE urlset [<!ENTITY a \"{}\">]><urlset>{}</urlset>",
        "a".repeat(100_000),
        format!("<url><loc>http://a.example/{}</loc></url>", "&a;".repeat(100)).repeat(100)
    );
    for (name, document) in [("billion-laughs", laughs), ("quadratic-blow-up", quadratic)] {
        let length = document.len();
        let run = one_host_each([(name, Page::xml(document))]);
        run.crawl();
        let text = run.export("txt");
        assert!(!text.is_empty() && text.len() <= length, "{name}: {} bytes of {length}", text.len());
        assert!(!text.contains("haha") && !text.contains("aaaa"), "{name}");
    }
}

#[test]
fn a_million_attributes_namespaces_or_levels_and_an_endless_token_are_survived() {
    for (kind, kept) in [("attributes", 3), ("namespaces", 3), ("levels", 1), ("endless-token", 0)] {
        let run = hostile_hosts(&[kind]);
        run.crawl();
        let report = run.report();
        let host = host(&report, &hostile::host_name(kind, 0));
        assert_eq!(host["entries"]["kept"], kept, "{kind}: {host}");
        let peak = report["cpu"]["peak_rss_bytes"].as_u64().unwrap();
        assert!(peak <= PEAK_BYTES_MAX, "{kind}: {peak} bytes");
        show_figure(&format!("{kind}: peak RSS {} MiB, {} s of CPU", peak >> 20, report["cpu"]["process_s"]));
    }
}

#[test]
fn two_hundred_thousand_entries_in_one_file_are_all_kept() {
    let locs: Vec<String> = (0..200_000).map(|n| format!("http://a.example/{n}")).collect();
    let run = one_host_each([("a", Page::xml(urlset(&locs.iter().map(String::as_str).collect::<Vec<_>>())))]);
    run.crawl();
    assert_eq!(run.locs(), locs);
    assert_eq!(host(&run.report(), "a.example")["complete"], true);
}

#[test]
fn every_encoding_is_read_and_bad_bytes_become_replacement_characters() {
    let text = |encoding: &str| {
        format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{}", urlset(&["http://a.example/caf\u{e9}"]))
    };
    let latin = |encoding: &str| text(encoding).chars().map(|c| u32::from(c) as u8).collect::<Vec<u8>>();
    let wide: Vec<u8> = "\u{feff}"
        .chars()
        .chain(text("UTF-8").chars())
        .flat_map(|c| (u32::from(c) as u16).to_be_bytes())
        .collect();
    let entry =
        |word: &[u8]| [b"<urlset><url><loc>http://a.example/", word, b"</loc></url></urlset>"].concat();
    let cyrillic = entry(b"\xe4");
    let nearly_utf8 = entry(&["\u{e9}".repeat(60).as_bytes(), b"\xff"].concat());
    let run = one_host_each([
        ("latin", Page::new("text/xml", latin("ISO-8859-1"))),
        ("utf-8", Page::new("text/xml", text("utf-8"))),
        ("utf-16-with-a-mark-and-a-wrong-declaration", Page::new("text/xml", wide)),
        ("latin-declared-as-utf-8", Page::new("text/xml", latin("UTF-8"))),
        ("labelled-by-its-content-type", Page::new("text/xml; Charset=\"Windows-1251\"", cyrillic)),
        ("utf-8-with-a-bad-byte", Page::new("text/xml", nearly_utf8)),
    ]);
    run.crawl();
    let mut locs = run.locs();
    locs.sort();
    let replaced = format!("http://a.example/{}%EF%BF%BD", "%C3%A9".repeat(60));
    let cafe = "http://a.example/caf%C3%A9";
    assert_eq!(locs, [&replaced, "http://a.example/%D0%B4", cafe, cafe, cafe, cafe]);
}

#[test]
fn broken_xml_keeps_the_entries_closed_before_the_error_and_is_reported() {
    let url = |n| format!("<url><loc>http://a.example/{n}</loc></url>");
    let broken = format!("<urlset>{}{}<url><loc>http://a.exa", url(1), url(2));
    let run = one_host_each([("broken", Page::xml(broken))]);
    run.crawl();
    assert_eq!(run.locs().len(), 2);
    assert_eq!(host(&run.report(), "broken.example")["errors"], serde_json::json!({"parse": 1}));
}
