//! The pace of a crawl, as the server saw it.

use std::time::Duration;

use fakesite::{Misbehaviour, Page, Site, Web};

use super::run::{Run, index, urlset};

/// How much closer than asked two requests may arrive: they leave in time, but the system may hold the first one up on
/// its way longer than the second.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(60);

fn site_with_many_sitemaps(host: &str, robots: &str) -> Site {
    let locs: Vec<String> = (0..6).map(|n| format!("http://{host}/{n}.xml")).collect();
    let locs: Vec<&str> = locs.iter().map(String::as_str).collect();
    let mut site = Site::new()
        .robots(format!("{robots}\nSitemap: http://{host}/index.xml\nSitemap: http://{host}/moved.xml\n"))
        .page("/index.xml", Page::xml(index(&locs)))
        .page("/moved.xml", Page::status(301).misbehaves(Misbehaviour::RedirectsTo("/there.xml".to_owned())))
        .page("/there.xml", Page::xml(urlset(&[])));
    for n in 0..6 {
        let page = Page::xml(urlset(&[&format!("http://{host}/page-{n}")]));
        let page =
            if n == 0 { page.misbehaves(Misbehaviour::StatusThenOk { status: 503, times: 1 }) } else { page };
        site = site.page(&format!("/{n}.xml"), page);
    }
    site
}

/// The spans between requests of `host`, in order of arrival.
fn intervals(run: &Run, host: &str) -> Vec<Duration> {
    let log = run.server.log();
    let at: Vec<u64> =
        log.iter().filter(|request| request.host == host).map(|request| request.at_us).collect();
    at.windows(2).map(|pair| Duration::from_micros(pair[1] - pair[0])).collect()
}

#[test]
fn two_requests_of_a_host_are_never_closer_than_the_rate_or_the_crawl_delay_allows() {
    let web = Web::new()
        .host("paced.example", site_with_many_sitemaps("paced.example", ""))
        .host("slow.example", site_with_many_sitemaps("slow.example", "User-agent: *\nCrawl-delay: 0.7"));
    let run = Run::of(web, &["http://paced.example", "http://slow.example"]).flags(&[
        "--rate",
        "4",
        "--host-concurrency",
        "3",
    ]);
    run.crawl();
    for (host, delay) in [("paced.example", 250), ("slow.example", 700)] {
        let intervals = intervals(&run, host);
        assert_eq!(
            intervals.len() + 1,
            11,
            "robots.txt, an index, a redirect and its target, six sitemaps, a retry"
        );
        // The rules are known from the second request on.
        for interval in intervals.iter().skip(1) {
            assert!(*interval + ARRIVAL_TOLERANCE >= Duration::from_millis(delay), "{host}: {intervals:?}");
        }
    }
    assert_eq!(run.locs().len(), 12);
}

#[test]
fn a_host_is_asked_by_one_request_at_a_time_unless_more_are_allowed() {
    for (allowed, flag) in [(1, "1"), (3, "3")] {
        let site = site_with_many_sitemaps("a.example", "")
            .latency(fakesite::Latency::fixed(Duration::from_millis(40)));
        let run = Run::of(Web::new().host("a.example", site), &["http://a.example"])
            .flags(&["--host-concurrency", flag]);
        run.crawl();
        let most = run.server.log().iter().map(|request| request.in_flight).max();
        assert_eq!(most, Some(allowed));
    }
}

#[test]
fn retry_after_rests_the_whole_host() {
    let busy = Misbehaviour::RetryAfter { status: 429, value: "2".to_owned(), times: 1 };
    let site = Site::new()
        .robots("Sitemap: http://a.example/busy.xml\nSitemap: http://a.example/other.xml\n")
        .page("/busy.xml", Page::xml(urlset(&["http://a.example/1"])).misbehaves(busy))
        .page("/other.xml", Page::xml(urlset(&["http://a.example/2"])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let log = run.server.log();
    let refused = log.iter().position(|request| request.status == 429).unwrap();
    let pause = log[refused + 1].at_us - log[refused].at_us;
    assert!(pause >= 2_000_000, "asked again after {pause} us");
    assert_eq!(run.locs().len(), 2);
}

#[test]
fn a_long_retry_after_parks_the_host_and_the_crawl_ends_without_it() {
    let busy = Misbehaviour::RetryAfter { status: 503, value: "3600".to_owned(), times: 9 };
    let parked = Site::new()
        .robots("Sitemap: http://parked.example/s.xml\n")
        .page("/s.xml", Page::xml(urlset(&[])).misbehaves(busy));
    let well = Site::new()
        .robots("Sitemap: http://well.example/s.xml\n")
        .page("/s.xml", Page::xml(urlset(&["http://well.example/1"])));
    let web = Web::new().host("parked.example", parked).host("well.example", well);
    let run = Run::of(web, &["http://parked.example", "http://well.example"]);
    run.crawl();
    let report = run.report();
    let host = &report["hosts"]["http://parked.example"];
    assert_eq!((&host["complete"], &host["errors"]["rate_limited"]), (&false.into(), &1.into()), "{host}");
    assert_eq!(host["sitemaps"]["pending"], 1, "{host}");
    assert_eq!(report["hosts"]["http://well.example"]["complete"], true);

    let asked = run.server.log().len();
    super::run::expect(run.resume_command(&[]), 0);
    assert_eq!(run.server.log().len(), asked, "its date has not come");
}

#[test]
fn robots_txt_is_asked_first_and_obeyed() {
    let site = Site::new()
        .robots("User-agent: sitemap-crawler\nDisallow: /secret\nSitemap: /secret.xml\nSitemap: /open.xml\n")
        .page("/secret.xml", Page::xml(urlset(&["http://a.example/never"])))
        .page("/open.xml", Page::xml(urlset(&["http://a.example/1"])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let asked: Vec<String> = run.server.log().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/robots.txt", "/open.xml"]);
    let host = &run.report()["hosts"]["http://a.example"];
    assert_eq!(host["sitemaps"]["skipped"]["robots_disallowed"], 1, "{host}");
    assert_eq!(host["complete"], false);
}

#[test]
fn nothing_but_robots_txt_is_asked_of_a_host_that_cannot_give_it() {
    let site = Site::new()
        .page("/robots.txt", Page::status(500))
        .page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"])));
    let run =
        Run::of(Web::new().host("a.example", site), &["http://a.example", "http://a.example/sitemap.xml"]);
    run.crawl();
    let asked: Vec<String> = run.server.log().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/robots.txt"; 3]);
    let host = &run.report()["hosts"]["http://a.example"];
    assert!(host["errors"]["robots_unreachable"].as_u64() >= Some(1), "{host}");
}

#[test]
fn the_user_agent_is_sent_and_extra_headers_go_to_the_seeds_own_hosts_only() {
    let own = Site::new()
        .robots("Sitemap: http://own.example/s.xml\nSitemap: http://other.example/s.xml\n")
        .page("/s.xml", Page::xml(urlset(&[])));
    let other = Site::new().page("/s.xml", Page::xml(urlset(&[])));
    let web = Web::new().host("own.example", own).host("other.example", other);
    let run = Run::of(web, &["http://own.example"]).flags(&[
        "--user-agent",
        "probe/1.0",
        "--contact",
        "https://probe.example/about",
        "--header",
        "X-Key: s3cret",
    ]);
    run.crawl();
    for request in run.server.log() {
        assert_eq!(request.header("user-agent"), Some("probe/1.0 (+https://probe.example/about)"));
        let key = (request.host == "own.example").then_some("s3cret");
        assert_eq!(request.header("x-key"), key, "{}", request.url());
    }
    assert_eq!(run.server.log().len(), 4);
}
