//! Documents as publishers really send them: each test is a kind of mistake that was reported about other crawlers.

use sitemap::{Document, DocumentEnd, DocumentKind, DocumentReader, Limits, ProblemKind, limits};

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

#[test]
fn sitemaps_among_the_pages_are_kept_and_followed_too() {
    let locs = [
        "/sitemap-2.xml",
        "https://www.example.com/posts.XML.gz?page=2",
        "HTTPS://WWW.EXAMPLE.COM:443/a.txt.gz",
        "/sitemap.xml",
        "/page",
        "/notes.txt",
        "/xml",
        "/a?b=c.xml",
        "https://other.example/sitemap.xml",
        "http://www.example.com/s.xml",
        "https://www.example.com:8443/s.xml",
    ];
    let followed = [
        "https://www.example.com/sitemap-2.xml",
        "https://www.example.com/posts.XML.gz?page=2",
        "https://www.example.com/a.txt.gz",
    ];
    let lines =
        locs.map(
            |loc| if loc.starts_with('/') { format!("https://www.example.com{loc}") } else { loc.to_owned() },
        );
    let elements =
        locs.map(|loc| format!("<url><loc><![CDATA[{loc}]]></loc><lastmod>2024-05-06</lastmod></url>"));
    for document in [urlset(&elements.concat()), lines.join("\n")] {
        let (document, reading) = read_all_ways(document);
        assert_eq!((document.entries, document.children), (11, 3));
        assert_eq!(
            document.problem_counts.get(ProblemKind::SitemapAsEntry),
            4,
            "the document itself included"
        );
        let (children, entries): (Vec<_>, Vec<_>) =
            reading.items.iter().partition(|item| !item["sitemap"].is_null());
        assert_eq!(
            children.iter().map(|child| child["sitemap"].as_str().unwrap()).collect::<Vec<_>>(),
            followed
        );
        assert!(
            children
                .iter()
                .all(|child| child["is_entry"] == true && child["lastmod"] == entries[0]["lastmod"])
        );
        assert_eq!(entries[2]["loc"], followed[2], "an entry that is followed is kept");
    }
}

#[test]
fn at_most_a_hundred_sitemaps_among_the_pages_are_followed() {
    let document = urlset(&(0..150).map(|n| format!("<url><loc>/{n}.xml</loc></url>")).collect::<String>());
    let (document, _) = read_all_ways(document);
    assert_eq!((document.entries, document.children), (150, limits::SITEMAP_ENTRIES_MAX));
    assert_eq!(document.problem_counts.get(ProblemKind::SitemapAsEntry), 150);
}

#[test]
fn sitemaps_in_feeds_and_indexes_are_what_they_say() {
    let feed = "<rss><channel><item><link>https://www.example.com/s.xml</link></item></channel></rss>";
    let (document, _) = read_all_ways(feed);
    assert_eq!((document.entries, document.children, document.problems), (1, 0, 0));
    let (document, reading) =
        read_all_ways(index("<sitemap><loc>https://www.example.com/s.xml</loc></sitemap>"));
    assert_eq!((document.entries, document.children, document.problems), (0, 1, 0));
    assert_eq!(reading.items[0].get("is_entry"), None);
}

/// The locs of a reading with their lastmods.
fn with_lastmods(reading: &Reading) -> Vec<(&str, Option<&str>)> {
    reading.locs().into_iter().zip(reading.items.iter().map(|item| item["lastmod"].as_str())).collect()
}

#[test]
fn locs_without_their_parent_are_entries_or_children() {
    let [a, b] = ["https://www.example.com/a", "https://www.example.com/b"];
    for (content, expected) in [
        ("<loc>/a</loc><loc>/b</loc>", [(a, None), (b, None)]),
        ("<LOC><![CDATA[/a]]></LOC>\n<LOC>/b</LOC>", [(a, None), (b, None)]),
        ("<loc>/a</loc><lastmod>2024</lastmod><loc>/b</loc>", [(a, Some("2024")), (b, None)]),
        (
            "<lastmod>2023</lastmod><loc>/a</loc><lastmod>2024</lastmod><loc>/b</loc>",
            [(a, Some("2023")), (b, Some("2024"))],
        ),
        ("<loc>/a</loc></url><loc>/b</loc></url>", [(a, None), (b, None)]),
        ("<loc>/a</loc><url><loc>/b</loc><lastmod>2024</lastmod></url>", [(a, None), (b, Some("2024"))]),
        (
            "<page><loc>/a</loc><lastmod>2023</lastmod></page><page><loc>/b</loc></page>",
            [(a, Some("2023")), (b, None)],
        ),
        ("<pages><url><loc>/a</loc></url><url><loc>/b</loc></url></pages>", [(a, None), (b, None)]),
    ] {
        let content =
            content.replace("/a<", "https://www.example.com/a<").replace("/a]", "https://www.example.com/a]");
        let content = content.replace("/b<", "https://www.example.com/b<");
        let (document, reading) = read_all_ways(urlset(&content));
        assert_eq!(with_lastmods(&reading), expected, "{content}");
        assert_eq!((document.entries, &document.ended), (2, &DocumentEnd::Whole), "{content}");
        let counts = problems(&document);
        assert!(matches!(counts[..], [(ProblemKind::MisplacedElement, 1..=4)]), "{content}: {counts:?}");
        let content = content.replace("url>", "sitemap>");
        let (document, reading) = read_all_ways(index(&content));
        assert_eq!(with_lastmods(&reading), expected, "{content}");
        assert_eq!((document.children, document.ended), (2, DocumentEnd::Whole), "{content}");
    }
    let extended = "<loc>/a</loc><image:image><image:loc>/i.jpg</image:loc></image:image><loc>/b</loc>";
    let (_, reading) = read_all_ways(urlset(extended));
    assert_eq!(reading.items[0]["images"][0]["loc"], "https://www.example.com/i.jpg");
    assert!(reading.items[1]["images"].is_null());
}

#[test]
fn fields_and_images_outside_of_entries_bring_no_entry_of_their_own() {
    let content = "<image><loc>/i.jpg</loc></image><lastmod>2020</lastmod><url><loc>https://www.example.com/a</loc></url><priority>1</priority>";
    let (document, reading) = read_all_ways(urlset(content));
    assert_eq!(reading.items, [serde_json::json!({"loc": "https://www.example.com/a"})]);
    assert_eq!(problems(&document), [(ProblemKind::MisplacedElement, 3)]);
}

#[test]
fn an_end_tag_without_its_bracket_ends_where_the_next_tag_begins() {
    let expected = [("https://www.example.com/a", Some("2024-05-06")), ("https://www.example.com/b", None)];
    for content in [
        "<loc>https://www.example.com/a</loc<lastmod>2024-05-06</lastmod>",
        "<loc>https://www.example.com/a</loc \n <lastmod>2024-05-06</lastmod>",
        "<loc><![CDATA[https://www.example.com/a]]></loc\n\t<lastmod>2024-05-06</lastmod<priority>0.5</priority",
        "<LOC>https://www.example.com/a</LOC<lastmod>2024-05-06</lastmod",
        "<loc>https://www.example.com/a</loc<!-- a --><lastmod>2024-05-06</lastmod>",
        "<lastmod>2024-05-06</lastmod<loc>https://www.example.com/a</loc",
    ] {
        let second = "<url><loc>https://www.example.com/b</loc</url>";
        let (document, reading) = read_all_ways(urlset(&format!("<url>{content}</url>{second}")));
        assert_eq!(with_lastmods(&reading), expected, "{content}");
        let counts = problems(&document);
        assert!(matches!(counts[..], [(ProblemKind::BadMarkup, 2..=4)]), "{content}: {counts:?}");
        let children =
            format!("<sitemap>{content}</sitemap<sitemap><loc>https://www.example.com/b</loc</sitemap>");
        assert_eq!(with_lastmods(&read_all_ways(index(&children)).1), expected, "{content}");
    }
    let (_, reading) =
        read_all_ways("<rss><channel><item><link>https://www.example.com/a</link</item></channel></rss>");
    assert_eq!(reading.locs(), ["https://www.example.com/a"]);
    let (document, reading) = read_all_ways("<urlset><url><loc>https://www.example.com/a</loc</url</urlset");
    assert_eq!((reading.locs(), document.ended), (vec!["https://www.example.com/a"], DocumentEnd::Truncated));
}

#[test]
fn dates_of_xml_schema_and_named_zones_are_read_and_unknown_zones_are_told() {
    for (lastmod, expected) in [
        ("2015-12-22Z", Some("2015-12-22T00:00:00Z")),
        ("2015-12-22+01:00", Some("2015-12-21T23:00:00Z")),
        ("Tue, 22 Sept 2015 10:00:00 CEST", Some("2015-09-22T08:00:00Z")),
        ("Tue, 22 Sep 2015 10:00:00 QQT", None),
    ] {
        for document in [
            urlset(&format!(
                "<url><loc>https://www.example.com/</loc><lastmod><![CDATA[{lastmod}]]></lastmod></url>"
            )),
            format!(
                "<rss><channel><item><link>https://www.example.com/</link><pubDate>{lastmod}</pubDate></item></channel></rss>"
            ),
        ] {
            let (document, reading) = read_all_ways(document);
            assert_eq!(reading.items[0]["lastmod_at"].as_str(), expected, "{lastmod}");
            assert_eq!(reading.items[0]["lastmod"], lastmod, "a date is kept as published");
            let bad = u64::from(expected.is_none());
            assert_eq!(
                (document.problems, document.problem_counts.get(ProblemKind::BadLastmod)),
                (bad, bad),
                "{lastmod}"
            );
        }
    }
}

#[test]
fn extensions_without_their_namespace_are_read_by_their_names() {
    let image = serde_json::json!([{"loc": "https://www.example.com/i.jpg", "title": "An image"}]);
    let video = serde_json::json!([{"title": "A video", "player_loc": "https://www.example.com/p", "player_loc_allow_embed": "yes", "tags": ["x"]}]);
    let news = serde_json::json!({"name": "The Example", "language": "en", "title": "News"});
    let alternates = serde_json::json!([{"hreflang": "de", "href": "https://www.example.com/de"}]);
    for prefix in ["", "ext:", "IMG:"] {
        let extensions = "<p:image><p:loc><![CDATA[https://www.example.com/i.jpg]]></p:loc><p:Title>An image</p:Title></p:image>\
            <p:VIDEO><p:title>A video</p:title><p:tag>x</p:tag><p:player_loc allow_embed='yes'>https://www.example.com/p</p:player_loc></p:VIDEO>\
            <p:news><p:publication><p:name>The Example</p:name><p:language>en</p:language></p:publication><p:title>News</p:title></p:news>\
            <p:link rel='alternate' hreflang='de' href='https://www.example.com/de'/>";
        let extensions = extensions.replace("p:", prefix);
        let loc = "<loc>https://www.example.com/a</loc>";
        for content in [format!("{loc}{extensions}"), format!("{extensions}{loc}")] {
            let (document, reading) = read_all_ways(urlset(&format!("<url>{content}</url>")));
            let entry = &reading.items[0];
            assert_eq!(reading.items.len(), 1, "with {prefix:?}");
            assert_eq!(
                [&entry["loc"], &entry["images"], &entry["videos"], &entry["news"], &entry["alternates"]],
                [&"https://www.example.com/a".into(), &image, &video, &news, &alternates],
                "with {prefix:?}"
            );
            assert_eq!(problems(&document), [(ProblemKind::UndeclaredNamespace, 3)], "with {prefix:?}");
        }
    }
    let declared = "<url><loc>https://www.example.com/</loc><o:image xmlns:o='urn:other'><o:loc>https://www.example.com/i</o:loc></o:image></url>";
    let (document, reading) = read_all_ways(urlset(declared));
    assert_eq!(
        (document.problems, &reading.items[0]["images"]),
        (0, &serde_json::Value::Null),
        "another vocabulary"
    );
}

#[test]
fn what_has_nothing_but_a_bad_link_is_dropped() {
    for bad in [
        "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
        "javascript:void(0)",
        "about:blank",
        "https:///i.jpg",
        "blob:https://a.example/1",
    ] {
        let content = format!(
            "<loc>https://www.example.com/</loc><image:image><image:loc><![CDATA[{bad}]]></image:loc></image:image>\
             <image:image><image:loc>{bad}</image:loc><image:caption>kept</image:caption></image:image>\
             <image:image><image:loc>https://www.example.com/i.jpg</image:loc></image:image>\
             <video:video><video:thumbnail_loc>{bad}</video:thumbnail_loc></video:video>\
             <video:video><video:title>v</video:title><video:content_segment_loc>{bad}</video:content_segment_loc></video:video>\
             <video:video><video:content_segment_loc>{bad}</video:content_segment_loc></video:video>\
             <xhtml:link rel='alternate' hreflang='de' href='{bad}'/>"
        );
        let (document, reading) = read_all_ways(urlset(&format!("<url>{content}</url>")));
        let expected = serde_json::json!({
            "loc": "https://www.example.com/",
            "images": [{"caption": "kept"}, {"loc": "https://www.example.com/i.jpg"}],
            "videos": [{"title": "v"}],
        });
        assert_eq!(reading.items, [expected], "{bad}");
        assert_eq!(problems(&document), [(ProblemKind::BadLink, 6)], "{bad}");
    }
}

#[test]
fn all_that_an_alternate_says_is_kept() {
    let links = "<xhtml:link rel='alternate' media='only screen and (max-width: 640px)' href='https://m.example.com/'/>\
        <XHTML:Link REL='Alternate' HREF='https://www.example.com/feed' TYPE='application/rss+xml' Title='News &amp; more'/>\
        <link rel='alternate' href='android-app://com.example.app/http/www.example.com/'/>\
        <xhtml:link rel='alternate' href='iOS-app://123456/example/page?a=1&amp;b=2' hreflang='de'></xhtml:link>\
        <xhtml:link rel='alternate' href='android-app://com.example.app/a b\u{202e}'/>\
        <xhtml:link rel='alternate' href='intent://example'/>";
    let expected = serde_json::json!([
        {"href": "https://m.example.com/", "media": "only screen and (max-width: 640px)"},
        {"href": "https://www.example.com/feed", "type": "application/rss+xml", "title": "News & more"},
        {"href": "android-app://com.example.app/http/www.example.com/"},
        {"href": "iOS-app://123456/example/page?a=1&b=2", "hreflang": "de"},
        {"href": "android-app://com.example.app/a%20b%E2%80%AE"},
    ]);
    let (document, reading) =
        read_all_ways(urlset(&format!("<url><loc>https://www.example.com/</loc>{links}</url>")));
    assert_eq!(reading.items[0]["alternates"], expected);
    assert_eq!(problems(&document), [(ProblemKind::BadLink, 1)]);
}

const PAGES: &str = "<url><loc>https://www.example.com/a</loc></url><url><loc>https://www.example.com/b</loc><lastmod>2024</lastmod></url>";
const PAGES_READ: [(&str, Option<&str>); 2] =
    [("https://www.example.com/a", None), ("https://www.example.com/b", Some("2024"))];

#[test]
fn leftovers_of_a_page_before_the_document_are_passed_over() {
    let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", urlset(PAGES));
    let long = "<p>x</p> ".repeat(440);
    for junk in [
        "<style>a > b { color: red; } @media print { c { d: e } }</style>",
        "<div class=\"a b\"></div>\n",
        "<script>if (a<b && c<d) { document.write('<p>'); }</script>\n\n",
        "<STYLE type='text/css'>\n.a{}\n</STYLE>  <meta charset='utf-8'/>",
        "</div></body>",
        "--></style>",
        "a { b: c }</style>",
        "Warning: something is wrong in /srv/www/a.php on line 3",
        "<br />\n<b>Notice</b>: &nbsp; R&D <i>a < b</i> in <b>/srv/www/a.php</b> on line <b>3</b><br />\n",
        "<!-- cached --><link rel='stylesheet' href='https://www.example.com/a.css'><img src=a.png><br>",
        &long,
    ] {
        for document in [declared.clone(), urlset(PAGES), declared.replace("?>\n", &format!("?>\n{junk}"))] {
            let (document, reading) = read_all_ways(format!("{junk}{document}"));
            assert_eq!(with_lastmods(&reading), PAGES_READ, "{junk}");
            assert_eq!(document.ended, DocumentEnd::Whole, "{junk}");
            let counts = problems(&document);
            assert!(
                counts.iter().all(|(kind, _)| matches!(
                    kind,
                    ProblemKind::TrailingContent | ProblemKind::MisplacedElement
                )),
                "{junk}: {counts:?}"
            );
            assert!(!counts.is_empty(), "{junk}");
        }
    }
    let feed =
        "<rss version='2.0'><channel><item><link>https://www.example.com/a</link></item></channel></rss>";
    assert_eq!(read_all_ways(format!("<style>a{{}}</style>{feed}")).1.locs(), ["https://www.example.com/a"]);
    let children = index("<sitemap><loc>https://www.example.com/a.xml</loc></sitemap>");
    assert_eq!(read_all_ways(format!("<div>\n{children}")).0.children, 1);
}

#[test]
fn a_sitemap_in_a_page_or_far_from_the_start_is_none() {
    let far = format!("{}{}", "<p>x</p>\n".repeat(1_000), urlset(PAGES));
    for document in [
        format!("<html><body>{}</body></html>", urlset(PAGES)),
        format!("<!DOCTYPE html>\n<div>{}</div>", urlset(PAGES)),
        format!("<style>a{{}}</style><HTML><body><pre>{}</pre></body></HTML>", urlset(PAGES)),
        format!("<body>{}</body>", urlset(PAGES)),
        far,
        "<p>no sitemap</p>".to_owned(),
        "<config><url>https://www.example.com/a</url></config>".to_owned(),
        "<catalog><feed><entry/></feed></catalog>".to_owned(),
        "<places><place><loc>Berlin</loc></place></places>".to_owned(),
    ] {
        let (read, reading) = read_all_ways(&document);
        assert!(matches!(read.ended, DocumentEnd::NotASitemap(_)), "{document}: {}", read.ended);
        assert!(reading.items.is_empty());
    }
}

#[test]
fn a_root_around_the_root_is_read_with_a_problem() {
    for (before, after) in [
        ("<xml>", "</xml>"),
        ("<?xml version='1.0'?><XML><data>\n", "</data>\n</XML>\n"),
        ("<soap:Envelope xmlns:soap='urn:soap'><soap:Body>", "</soap:Body></soap:Envelope>"),
        ("<root xmlns='urn:root'>", "</root>"),
        ("<xml>", ""),
    ] {
        for inner in [
            urlset(PAGES),
            format!(
                "<s:urlset xmlns:s='urn:s'>{}</s:urlset>",
                PAGES.replace("</", "</s:").replace("<u", "<s:u").replace("<l", "<s:l")
            ),
        ] {
            let (document, reading) = read_all_ways(format!("{before}{inner}{after}"));
            assert_eq!(with_lastmods(&reading), PAGES_READ, "{before}");
            assert_eq!(
                (&document.ended, problems(&document)),
                (&DocumentEnd::Whole, vec![(ProblemKind::MisplacedElement, 1)]),
                "{before}{inner}"
            );
        }
        let children = index("<sitemap><loc>https://www.example.com/a.xml</loc></sitemap>");
        let (document, _) = read_all_ways(format!("{before}{children}{after}"));
        assert_eq!(
            (document.kind, document.children, document.problems),
            (Some(DocumentKind::Index), 1, 1),
            "{before}"
        );
        let (document, _) = read_all_ways(format!(
            "{before}<feed xmlns='http://www.w3.org/2005/Atom'><entry><link href='/a'/></entry></feed>{after}"
        ));
        assert_eq!((document.kind, document.entries), (Some(DocumentKind::Atom), 1), "{before}");
    }
    let image = "<url><loc>https://www.example.com/</loc><i:image><i:loc>https://www.example.com/i</i:loc></i:image></url>";
    let declared = "xmlns:i='http://www.google.com/schemas/sitemap-image/1.1'";
    let (_, reading) = read_all_ways(format!("<a><xml {declared}>{}</xml></a>", urlset(&image.repeat(2))));
    assert_eq!(reading.items[1]["images"][0]["loc"], "https://www.example.com/i");
    let cut = format!("<xml>{}", urlset(PAGES));
    assert_eq!(read_all_ways(&cut[..cut.len() - 9]).0.ended, DocumentEnd::Truncated);
}

#[test]
fn entries_without_a_root_are_read_with_a_problem() {
    for (before, after) in [
        ("", ""),
        ("<?xml version='1.0'?>\n", "\n"),
        ("<urls>", "</urls>"),
        ("<a><b>", "</b></a>"),
        ("", "</urlset>"),
    ] {
        let (document, reading) = read_all_ways(format!("{before}{PAGES}{after}"));
        assert_eq!(with_lastmods(&reading), PAGES_READ, "{before}");
        let expected = (DocumentEnd::Whole, vec![(ProblemKind::MisplacedElement, 1)]);
        assert_eq!((document.ended.clone(), problems(&document)), expected, "{before}");
        assert_eq!(document.kind, Some(DocumentKind::Urlset));
        let children = PAGES.replace("url>", "sitemap>");
        let (document, reading) =
            read_all_ways(format!("{before}{children}{}", after.replace("urlset", "sitemapindex")));
        assert_eq!((document.kind, document.children), (Some(DocumentKind::Index), 2), "{before}");
        assert_eq!(
            (document.ended, with_lastmods(&reading)),
            (DocumentEnd::Whole, PAGES_READ.to_vec()),
            "{before}"
        );
    }
    let (document, reading) =
        read_all_ways("<loc>https://www.example.com/a</loc>\n<loc>https://www.example.com/b</loc>\n");
    assert_eq!(reading.locs(), ["https://www.example.com/a", "https://www.example.com/b"]);
    assert_eq!((document.ended, document.problems), (DocumentEnd::Whole, 2));
    let (document, reading) =
        read_all_ways("<url><loc>https://www.example.com/a</loc></url><url><loc>https://www.ex");
    assert_eq!((document.ended, reading.locs()), (DocumentEnd::Truncated, vec!["https://www.example.com/a"]));
}

#[test]
fn named_characters_of_html_are_read_and_nothing_else_is_expanded() {
    for (text, expected, entities) in [
        ("caf&eacute;", "caf%C3%A9", 1),
        ("CAF&Eacute;?a=1&amp;b=&uuml;", "CAF%C3%89?a=1&b=%C3%BC", 2),
        ("a&nbsp;", "a", 1),
        ("x&ndash;y&hellip;", "x%E2%80%93y%E2%80%A6", 2),
        ("&CounterClockwiseContourIntegral;", "%E2%88%B3", 1),
        ("<![CDATA[caf&eacute;]]>", "caf&eacute;", 0),
        ("caf&amp;eacute;", "caf&eacute;", 0),
        ("a&mine;", "a&mine;", 1),
    ] {
        let document = format!(
            "<!DOCTYPE urlset [<!ENTITY mine 'no'><!ENTITY eacute 'no'>]>{}",
            urlset(&format!("<url><loc>https://www.example.com/{text}</loc></url>"))
        );
        let (document, reading) = read_all_ways(document);
        assert_eq!(reading.locs(), [format!("https://www.example.com/{expected}")], "{text}");
        assert_eq!(document.problem_counts.get(ProblemKind::UnknownEntity), entities, "{text}");
        assert_eq!(document.ended, DocumentEnd::Whole, "{text}");
    }
    let rich = "<url><loc>https://www.example.com/?copy=1&copy=2</loc><news:news><news:title>Caf&eacute; &mdash; &copy;</news:title></news:news>\
        <xhtml:link rel='alternate' hreflang='fr' href='https://www.example.com/caf&eacute;?a=1&amp;b=2&copy=3'/></url>";
    let (document, reading) = read_all_ways(urlset(rich));
    assert_eq!(reading.items[0]["loc"], "https://www.example.com/?copy=1&copy=2");
    assert_eq!(reading.items[0]["news"]["title"], "Café — ©");
    assert_eq!(reading.items[0]["alternates"][0]["href"], "https://www.example.com/café?a=1&b=2&copy=3");
    assert_eq!(problems(&document), [(ProblemKind::RawAmpersand, 2), (ProblemKind::UnknownEntity, 4)]);
    let feed = "<rss><channel><item><link>https://www.example.com/caf&eacute;</link></item></channel></rss>";
    assert_eq!(read_all_ways(feed).1.locs(), ["https://www.example.com/caf%C3%A9"]);
}

#[test]
fn more_in_a_line_than_a_url_is_cut_off() {
    let url = "https://www.example.com/a";
    for (line, expected, is_cut) in [
        ("{},2024-05-06", "", true),
        ("{},2024-05-06T07:08:09Z,daily,0.8", "", true),
        ("{}, 2024-05-06", "", true),
        ("{},\"2024-05-06\"", "", true),
        ("{},Mon, 06 May 2024 07:08:09 GMT", "", true),
        ("{} {}", "", true),
        ("{}\u{a0}{}", "", true),
        ("{}\t2024-05-06\tdaily", "", true),
        ("{} # a note", "", true),
        ("{},", "", true),
        ("{},,  ", "", true),
        ("\u{feff}  {}  ", "", false),
        ("{},b", ",b", false),
        ("{},2024", ",2024", false),
        ("{},2024-05-06-news", ",2024-05-06-news", false),
        ("{},1,2024-05-06/b", ",1,2024-05-06/b", false),
        ("{},1,2024-05-06", ",1", true),
        ("{};2024-05-06", ";2024-05-06", false),
    ] {
        let line = line.replace("{}", url);
        for document in [format!("{line}\r\n{url}/b"), format!("{url}/b\n{line}")] {
            let (document, reading) = read_all_ways(document);
            let mut locs = reading.locs();
            locs.sort_unstable();
            let mut both = [format!("{url}{expected}"), format!("{url}/b")];
            both.sort_unstable();
            assert_eq!(locs, both, "{line}");
            let counts = if is_cut { vec![(ProblemKind::TrailingContent, 1)] } else { Vec::new() };
            assert_eq!(problems(&document), counts, "{line}");
        }
    }
    let commas = format!("{url}/{}", ",2".repeat(1_000));
    assert_eq!(read_all_ways(&commas).1.locs(), [commas]);
}

#[test]
fn a_body_cut_at_a_ceiling_is_too_large_wherever_it_is_cut() {
    let low_limits = Limits { document_bytes: 2 << 20, ..Limits::default() };
    let long = "x".repeat(3 << 20);
    for (body, kind) in [
        (format!("<urlset a='{long}'>{PAGES}</urlset>"), Some(DocumentKind::Urlset)),
        (format!("<?xml version='1.0'?>\n<s:sitemapindex xmlns:s=\"{long}"), Some(DocumentKind::Index)),
        (format!("<xml a=\"{long}\"><urlset/></xml>"), None),
        (format!("<!-- {long} -->{}", urlset(PAGES)), None),
        (format!("<!DOCTYPE urlset [{long}]>{}", urlset(PAGES)), None),
        (" ".repeat(3 << 20), None),
    ] {
        for body in [body.clone().into_bytes(), gzip(body.as_bytes())] {
            let whole = comparable(read(&body, &base(), low_limits));
            assert_eq!(
                (whole.0.kind, &whole.0.ended),
                (kind, &DocumentEnd::TooLarge),
                "{}",
                &whole.1.problems.join("\n")
            );
            assert_eq!(comparable(read_in_pieces(&body, &base(), low_limits, &[1_000])), whole);
        }
    }
    let attribute = format!("<URLSET a='{}'>{PAGES}</URLSET>", "x".repeat(limits::TOKEN_BYTES_MAX));
    let (document, reading) = read(attribute.as_bytes(), &base(), Limits::default());
    assert_eq!((with_lastmods(&reading), document.ended), (PAGES_READ.to_vec(), DocumentEnd::Whole));
    assert_eq!(
        problems(&read(attribute.as_bytes(), &base(), Limits::default()).0),
        [(ProblemKind::TokenTooLong, 1)]
    );
}

#[test]
fn gzip_that_breaks_off_is_cut_short_wherever_it_breaks() {
    let body = gzip(urlset(&PAGES.repeat(50)).as_bytes());
    for length in 4..body.len() {
        let cut = &body[..length];
        let whole = comparable(read(cut, &base(), Limits::default()));
        assert_eq!(whole.0.ended, DocumentEnd::Truncated, "after {length} bytes");
        assert_eq!(whole.0.problem_counts.get(ProblemKind::GzipCutShort), 1, "after {length} bytes");
        assert_eq!(comparable(read_in_pieces(cut, &base(), Limits::default(), &[1])), whole);
    }
    let page = gzip(format!("<!DOCTYPE html><html>{}</html>", "<p>x</p>".repeat(50)).as_bytes());
    let (document, _) = read(&page[..page.len() - 9], &base(), Limits::default());
    assert!(matches!(document.ended, DocumentEnd::NotASitemap(_)), "a page is one however it ends");
}

/// Reads a document whose Content-Type names this charset, as it is and in pieces.
#[track_caller]
fn read_with_charset(body: &[u8], charset: Option<&str>) -> (Document, Reading) {
    let read_in = |bytes: usize| {
        let mut reading = Reading::default();
        let mut reader = DocumentReader::new(&base(), Limits::default());
        if let Some(charset) = charset {
            reader = reader.with_charset(charset);
        }
        for piece in body.chunks(bytes) {
            reader.push(piece, &mut reading).unwrap();
        }
        (reader.finish(&mut reading), reading)
    };
    let whole = read_in(body.len());
    assert_eq!(read_in(1), whole);
    assert_eq!(read_in(1_000), whole);
    let mut pulled = Vec::new();
    let mut entries = sitemap::entries(body, &base());
    if let Some(charset) = charset {
        entries = entries.with_charset(charset);
    }
    pulled.extend(entries.by_ref().map(Result::unwrap));
    assert_eq!(entries.document(), Some(&whole.0));
    whole
}

#[test]
fn the_charset_of_the_content_type_counts_before_the_declaration_and_never_against_the_bytes() {
    let (cyrillic, _, _) = encoding_rs::WINDOWS_1251.encode("новости");
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode("Größe");
    let utf8 = "новости".as_bytes();
    for (charset, declared, word, expected, problem) in [
        (Some("windows-1251"), None, &*cyrillic, "новости", None),
        (Some("Windows-1251"), Some("UTF-8"), &cyrillic, "новости", Some(ProblemKind::WrongEncoding)),
        (None, Some("windows-1251"), &cyrillic, "новости", None),
        (Some("ISO-8859-1"), None, &latin, "Größe", None),
        (None, None, &latin, "Größe", Some(ProblemKind::WrongEncoding)),
        (Some("utf-8"), Some("UTF-8"), &latin, "Größe", Some(ProblemKind::WrongEncoding)),
        (Some("ISO-8859-1"), Some("UTF-8"), utf8, "новости", Some(ProblemKind::WrongEncoding)),
        (Some("utf-8"), Some("ISO-8859-1"), utf8, "новости", Some(ProblemKind::WrongEncoding)),
        (Some("utf-16"), None, utf8, "новости", Some(ProblemKind::WrongEncoding)),
        (Some("klingon"), None, utf8, "новости", Some(ProblemKind::UnknownEncoding)),
        (Some("utf-8"), None, utf8, "новости", None),
        (None, None, utf8, "новости", None),
    ] {
        let declaration =
            declared.map_or_else(String::new, |label| format!("<?xml version='1.0' encoding='{label}'?>"));
        let encoded = url::form_urlencoded::byte_serialize(expected.as_bytes()).collect::<String>();
        let expected_loc = format!("https://www.example.com/{encoded}");
        for (before, after) in [
            (format!("{declaration}<urlset><url><loc>https://www.example.com/"), "</loc></url></urlset>"),
            (
                format!("{declaration}<rss><channel><item><link>https://www.example.com/"),
                "</link></item></channel></rss>",
            ),
            ("https://www.example.com/".to_owned(), "\n"),
        ] {
            if declared.is_some() && declaration.is_empty() || declared.is_some() && after == "\n" {
                continue;
            }
            let body = [before.as_bytes(), word, after.as_bytes()].concat();
            let (document, reading) = read_with_charset(&body, charset);
            assert_eq!(reading.locs(), [expected_loc.as_str()], "{charset:?}, {declared:?}");
            let expected_problems: Vec<_> = problem.map(|kind| (kind, 1)).into_iter().collect();
            assert_eq!(problems(&document), expected_problems, "{charset:?}, {declared:?}");
        }
    }
}

#[test]
fn a_document_is_utf_8_if_its_bytes_nearly_all_are() {
    let entry = |word: &[u8]| [b"<url><loc>https://www.example.com/", word, b"</loc></url>"].concat();
    let good = entry("é".as_bytes()).repeat(60);
    let body = [b"<urlset>", good.as_slice(), &entry(b"\xe9"), b"</urlset>"].concat();
    let (document, reading) = read_with_charset(&body, Some("iso-8859-1"));
    assert_eq!(reading.locs()[0], "https://www.example.com/%C3%A9");
    assert_eq!(reading.locs()[60], "https://www.example.com/%EF%BF%BD");
    assert_eq!(document.problem_counts.get(ProblemKind::BadEncoding), 1);
    assert_eq!(document.problem_counts.get(ProblemKind::WrongEncoding), 1);
    // ASCII for megabytes, and then not.
    let ascii = entry(b"a").repeat(60_000);
    let body = [b"<urlset>", ascii.as_slice(), &entry(b"\xe9"), b"</urlset>"].concat();
    let (document, reading) = read(&body, &base(), Limits::default());
    assert_eq!(reading.locs()[60_000], "https://www.example.com/%C3%A9");
    assert_eq!(document.problem_counts.get(ProblemKind::WrongEncoding), 1);
}
