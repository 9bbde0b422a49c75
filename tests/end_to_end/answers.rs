//! Answers that violate HTTP or have unexpected statuses.

use fakesite::{Misbehaviour, Page, Site, Web, hostile};

use super::hosts::{assert_ended, host, host_name, hostile_hosts, most_sent, one_host_each, show_figure};
use super::run::{Run, urlset};

/// Maximum bytes of headers that are read per answer; the limit of the HTTP library is lower.
const HEADER_BYTES_MAX: usize = 512 << 10;

/// Bytes that the socket buffers of both ends may hold in addition to the bytes read. Linux lets them grow to some
/// mebibytes each.
const SOCKET_BUFFER_BYTES: u64 = 16 << 20;

#[test]
fn headers_without_end_of_a_hundred_megabytes_or_in_thousands_end_as_protocol() {
    let kinds = ["endless-headers", "huge-header", "cookies"];
    let run = hostile_hosts(&kinds);
    run.crawl();
    for kind in kinds {
        let name = hostile::host_name(kind, 0);
        assert_ended(&run.report(), &name, "protocol", 2);
        let sent = most_sent(&run, &name);
        assert!(sent <= HEADER_BYTES_MAX as u64 + SOCKET_BUFFER_BYTES, "{kind}: {sent} bytes sent");
        show_figure(&format!("{kind}: {sent} bytes sent"));
    }
}

#[test]
fn less_than_512_kib_of_headers_are_read_over_both_versions_of_http() {
    let page = |bytes| Page::xml(urlset(&["http://a.example/1"])).header("x-large", "h".repeat(bytes));
    let web = || {
        let robots = |host: &str| Site::new().robots(format!("Sitemap: {host}/s.xml\n"));
        [("some", 4 << 10), ("much", HEADER_BYTES_MAX)].into_iter().fold(Web::new(), |web, (name, bytes)| {
            web.host(
                &format!("{name}-http1.example"),
                robots(&format!("http://{name}-http1.example")).page("/s.xml", page(bytes)),
            )
            .host(
                &format!("{name}-http2.example"),
                robots(&format!("https://{name}-http2.example")).page("/s.xml", page(bytes)),
            )
        })
    };
    let seeds = [
        "http://some-http1.example",
        "https://some-http2.example",
        "http://much-http1.example",
        "https://much-http2.example",
    ];
    let run = Run::of(web(), &seeds);
    run.crawl();
    let report = run.report();
    for (seed, kept) in seeds.into_iter().zip([1, 1, 0, 0]) {
        let host = &report["hosts"][seed];
        assert_eq!(host["entries"]["kept"], kept, "{seed}: {host}");
        let errors = if kept == 1 { serde_json::json!({}) } else { serde_json::json!({"protocol": 1}) };
        assert_eq!(host["errors"], errors, "{seed}: {host}");
    }
}

#[test]
fn cookies_are_never_sent_back() {
    let cookies = |page: Page| page.misbehaves(Misbehaviour::CookieFlood(20));
    let site = Site::new()
        .page("/robots.txt", cookies(Page::text("Sitemap: /s.xml\nSitemap: /t.xml\n")))
        .page("/s.xml", cookies(Page::xml(urlset(&["http://a.example/1"]))))
        .page("/t.xml", cookies(Page::xml(urlset(&["http://a.example/2"]))));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    assert_eq!(run.locs().len(), 2);
    let log = run.server.log();
    assert_eq!(log.len(), 3);
    assert!(log.iter().all(|request| request.header("cookie").is_none()), "{log:?}");
}

#[test]
fn statuses_that_nobody_asked_for_bring_no_document() {
    let cases = [("part", 206), ("nothing", 204), ("unchanged", 304), ("reset", 205), ("choices", 300)];
    let page = |status| Page::xml(urlset(&["http://a.example/1"])).with_status(status);
    let run = one_host_each(cases.map(|(name, status)| (name, page(status))));
    run.crawl();
    for (name, _) in cases {
        assert_ended(&run.report(), &host_name(name), "http_status", 2);
    }
    assert_eq!(run.locs(), [""; 0]);
}

/// Every second sitemap has a false length or an extra response. The sitemaps between them, requested over the same
/// connection, must be read correctly.
#[test]
fn bytes_behind_an_answer_never_become_the_next_one() {
    for lie in [Misbehaviour::ExtraResponse, Misbehaviour::LiesAboutLength(30)] {
        let names: Vec<String> = (0..20).map(|n| format!("/{n}.xml")).collect();
        let mut site =
            Site::new().robots(names.iter().map(|path| format!("Sitemap: {path}\n")).collect::<String>());
        for (n, path) in names.iter().enumerate() {
            let page = Page::xml(urlset(&[&format!("http://a.example/in{path}")]));
            site = site.page(path, if n % 2 == 0 { page.misbehaves(lie.clone()) } else { page });
        }
        let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
        run.crawl();
        for entry in run.entries() {
            let path = entry["sitemap"].as_str().unwrap().replacen("http://a.example", "", 1);
            assert_eq!(entry["loc"], format!("http://a.example/in{path}"), "{lie:?}");
        }
        let locs = run.locs();
        let honest = (1..20).step_by(2).filter(|n| locs.contains(&format!("http://a.example/in/{n}.xml")));
        assert_eq!(honest.count(), 10, "{lie:?}");
        assert!(
            run.request_counts().values().all(|&times| times == 1),
            "{lie:?}: {:?}",
            run.request_counts()
        );
    }
}

#[test]
fn answers_that_are_no_http_and_lengths_that_lie_are_reported() {
    let page = || Page::xml(urlset(&["http://a.example/1", "http://a.example/2"]));
    let cases = [
        ("http-0-9", Misbehaviour::BareBody, "protocol", 2),
        ("garbage", Misbehaviour::Garbage("SSH-2.0\r\n".into()), "protocol", 2),
        ("bad-chunks", Misbehaviour::BadChunks, "protocol", 2),
        ("claims-more", Misbehaviour::LiesAboutLength(10_000), "incomplete", 4),
        ("claims-less", Misbehaviour::LiesAboutLength(110), "parse", 2),
        ("drops", Misbehaviour::DropsAfter(110), "incomplete", 4),
        ("closes", Misbehaviour::ClosesUnanswered, "incomplete", 4),
    ];
    let run = one_host_each(cases.iter().map(|(name, lie, ..)| (*name, page().misbehaves(lie.clone()))));
    run.crawl();
    let report = run.report();
    for (name, _, error, requests) in cases {
        assert_ended(&report, &host_name(name), error, requests);
    }
    assert_eq!(host(&report, "claims-more.example")["entries"]["kept"], 2, "complete entries are kept, once");
    assert_eq!(host(&report, "claims-less.example")["entries"]["kept"], 1);
}
