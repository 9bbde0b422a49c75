//! Sitemaps and redirects that lead to many others, or to other hosts.

use std::time::Duration;

use fakesite::{Misbehaviour, Page, Site, Web, hostile};

use super::hosts::{assert_ended, host, host_name, hostile_hosts, one_host_each};
use super::run::{Run, index, urlset};

/// How much less than the delay may lie between the arrivals of two requests: they are sent on time, but the system may
/// delay the first one more than the second.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(60);

/// Maximum number of requests to a host without sitemaps.
const REQUESTS_OF_NOTHING_MAX: u64 = 30;

fn redirect(to: &str) -> Page {
    Page::status(302).misbehaves(Misbehaviour::RedirectsTo(to.to_owned()))
}

#[test]
fn an_index_that_lists_itself_under_ever_new_session_ids_ends_at_the_depth_allowed() {
    let run = hostile_hosts(&["session-ids"]);
    run.crawl();
    let name = hostile::host_name("session-ids", 0);
    assert_ended(&run.report(), &name, "depth_limit", 7);
    assert!(run.request_counts().values().all(|&times| times == 1), "{:?}", run.request_counts());
}

#[test]
fn an_exploding_tree_ends_at_the_number_of_sitemaps_allowed() {
    let run = hostile_hosts(&["exploding"]).flags(&["--max-sitemaps", "150"]);
    run.crawl();
    let report = run.report();
    let host = host(&report, &hostile::host_name("exploding", 0));
    assert_eq!(host["requests"], 151, "robots.txt and the sitemaps: {host}");
    assert_eq!(
        host["sitemaps"]["skipped"]["count_limit"],
        100 * 150 - 149,
        "all other children are counted: {host}"
    );
    assert!(run.request_counts().values().all(|&times| times == 1), "{:?}", run.request_counts());
}

#[test]
fn a_site_of_soft_404s_costs_few_requests_and_gives_no_entries() {
    let soft = || Site::new().misbehaves(Misbehaviour::HtmlSoft404);
    let named = soft().robots("Sitemap: http://named.example/s.xml\n");
    let web = Web::new().host("guessed.example", soft()).host("named.example", named);
    let run = Run::of(web, &["http://guessed.example", "http://named.example"]);
    run.crawl();
    assert_eq!(run.locs(), [""; 0]);
    let report = run.report();
    for name in ["guessed.example", "named.example"] {
        assert!(host(&report, name)["requests"].as_u64().unwrap() <= REQUESTS_OF_NOTHING_MAX, "{report}");
    }
    assert_ended(&report, "named.example", "not_a_sitemap", 2);
}

#[test]
fn a_redirect_to_another_scheme_or_to_nowhere_is_not_followed() {
    let cases = [
        ("file", "file:///etc/passwd"),
        ("ftp", "ftp://ftp.example/s.xml"),
        ("gopher", "gopher://gopher.example/1"),
        ("script", "javascript:alert(1)"),
        ("data", "data:text/xml,<urlset/>"),
        ("empty-authority", "http://"),
        ("itself", "/s.xml"),
    ];
    let run = one_host_each(cases.map(|(name, to)| (name, redirect(to))));
    run.crawl();
    for (name, _) in cases {
        assert_ended(&run.report(), &host_name(name), "redirect", 2);
    }
}

#[test]
fn ten_redirects_over_hosts_are_followed_each_under_the_robots_txt_of_its_target_and_without_credentials() {
    let web = (0..12).fold(Web::new(), |web, n| {
        let next = format!("http://user:secret@hop-{}.example/s.xml", n + 1);
        let site = Site::new().robots("Disallow:\n").page("/s.xml", redirect(&next));
        web.host(&format!("hop-{n}.example"), site)
    });
    let run = Run::of(web, &["http://hop-0.example/s.xml"]);
    run.crawl();
    let log = run.server.log();
    for n in 0..=10 {
        let host = format!("hop-{n}.example");
        let paths: Vec<_> = log.iter().filter(|r| r.host == host).map(|r| r.path.as_str()).collect();
        assert_eq!(paths, ["/robots.txt", "/s.xml"], "{host}");
    }
    assert!(log.iter().all(|request| request.host != "hop-11.example"), "the eleventh is not followed");
    assert!(log.iter().all(|request| request.header("authorization").is_none()), "{log:?}");
    let report = run.report();
    assert_eq!(host(&report, "hop-10.example")["errors"], serde_json::json!({"redirect": 1}));
    assert!(!report.to_string().contains("secret"), "{report}");
}

#[test]
fn a_redirect_to_where_robots_txt_forbids_it_is_not_followed() {
    let a = Site::new()
        .robots("Sitemap: http://a.example/s.xml\n")
        .page("/s.xml", redirect("http://b.example/secret.xml"));
    let b = Site::new()
        .robots("User-agent: *\nDisallow: /secret\n")
        .page("/secret.xml", Page::xml(urlset(&["http://b.example/1"])));
    let run = Run::of(Web::new().host("a.example", a).host("b.example", b), &["http://a.example"]);
    run.crawl();
    assert_eq!(run.request_counts().keys().collect::<Vec<_>>(), ["http://a.example/s.xml"]);
    assert_eq!(host(&run.report(), "b.example")["errors"]["robots_disallowed"], 1);
}

#[test]
fn other_hosts_in_an_index_are_asked_under_their_own_robots_txt_and_at_their_own_rate() {
    let b: Vec<String> = (0..4).map(|n| format!("http://b.example/{n}.xml")).collect();
    let children: Vec<&str> = b.iter().map(String::as_str).chain(["http://c.example/s.xml"]).collect();
    let a = Site::new()
        .robots("Sitemap: http://a.example/index.xml\n")
        .page("/index.xml", Page::xml(index(&children)));
    let pages = (0..4).fold(Site::new().robots("User-agent: *\nCrawl-delay: 0.6\n"), |site, n| {
        site.page(&format!("/{n}.xml"), Page::xml(urlset(&[&format!("http://b.example/{n}")])))
    });
    let c = Site::new().robots("User-agent: *\nDisallow: /\n");
    let web = Web::new().host("a.example", a).host("b.example", pages).host("c.example", c);
    let run = Run::of(web, &["http://a.example"]);
    run.crawl();
    assert_eq!(run.locs().len(), 4);
    let log = run.server.log();
    let of = |host: &str| log.iter().filter(|r| r.host == host).cloned().collect::<Vec<_>>();
    let (b, c) = (of("b.example"), of("c.example"));
    assert_eq!(c.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(), ["/robots.txt"]);
    assert_eq!((b.len(), b[0].path.as_str()), (5, "/robots.txt"));
    for pair in b[1..].windows(2) {
        let apart = Duration::from_micros(pair[1].at_us - pair[0].at_us);
        assert!(apart + ARRIVAL_TOLERANCE >= Duration::from_millis(600), "{apart:?}");
    }
}
