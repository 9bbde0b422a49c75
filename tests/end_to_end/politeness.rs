//! The pace of a crawl, measured at the server.

use std::time::Duration;

use fakesite::{Misbehaviour, Page, Site, Web};

use super::run::{Run, index, urlset};

/// How much less than the delay may lie between the arrivals of two requests: they are sent on time, but the system may
/// delay the first one more than the second.
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

/// The intervals between requests to `host`, in order of arrival.
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
        // The crawl delay is known from the second request on.
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
fn retry_after_applies_to_the_whole_host() {
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
    assert!(pause >= 2_000_000, "requested again after {pause} us");
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
    assert_eq!(run.server.log().len(), asked, "its date is in the future");
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

#[test]
fn a_slow_handshake_brings_no_two_requests_closer_together() {
    const HANDSHAKE: Duration = Duration::from_millis(700);
    let site = Site::new()
        .robots("Sitemap: https://a.example/1.xml\nSitemap: https://a.example/2.xml\n")
        .page("/1.xml", Page::xml(urlset(&[])))
        .page("/2.xml", Page::xml(urlset(&[])))
        .tls_misbehaves(fakesite::TlsMisbehaviour::SlowTls(HANDSHAKE));
    let run = Run::of(Web::new().host("a.example", site), &["https://a.example"]).flags(&["--rate", "1"]);
    run.crawl();
    let intervals = intervals(&run, "a.example");
    assert_eq!(intervals.len(), 2);
    for interval in &intervals {
        assert!(*interval + ARRIVAL_TOLERANCE >= Duration::from_secs(1), "{intervals:?}");
    }
}

#[test]
fn a_crawl_delay_above_a_minute_skips_the_host_and_one_that_is_no_number_is_ignored() {
    let delays =
        [("61", false), ("1e9", true), ("999999999999", false), ("-5", true), ("NaN", true), ("inf", true)];
    let host = |n: usize| format!("d{n}.example");
    let web = delays.iter().enumerate().fold(Web::new(), |web, (n, (delay, _))| {
        let robots = format!("User-agent: *\nCrawl-delay: {delay}\nSitemap: http://{}/s.xml\n", host(n));
        web.host(&host(n), Site::new().robots(robots).page("/s.xml", Page::xml(urlset(&[]))))
    });
    let seeds: Vec<String> = (0..delays.len()).map(|n| format!("http://{}", host(n))).collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    let report = run.report();
    for (n, (delay, is_asked)) in delays.into_iter().enumerate() {
        let asked =
            run.request_counts().get(&format!("http://{}/s.xml", host(n))).copied().unwrap_or_default();
        assert_eq!(asked, usize::from(is_asked), "Crawl-delay: {delay}");
        let skipped = &report["hosts"][&seeds[n]]["sitemaps"]["skipped"]["crawl_delay"];
        assert_eq!(skipped.as_u64(), (!is_asked).then_some(1), "Crawl-delay: {delay}");
    }
}

#[test]
fn retry_after_may_be_a_date_and_junk_leaves_our_own_backoff() {
    // A date has whole seconds and the crawl takes a moment to start, so at least two of the five seconds are left.
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5);
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let values = [(date.as_str(), 2_000), ("-7", 1_000), ("soon", 1_000), ("", 1_000)];
    let host = |n: usize| format!("r{n}.example");
    let web = values.iter().enumerate().fold(Web::new(), |web, (n, (value, _))| {
        let busy = Misbehaviour::RetryAfter { status: 503, value: (*value).to_owned(), times: 1 };
        let site = Site::new()
            .robots(format!("Sitemap: http://{0}/busy.xml\nSitemap: http://{0}/other.xml\n", host(n)))
            .page("/busy.xml", Page::xml(urlset(&[])).misbehaves(busy.clone()))
            .page("/other.xml", Page::xml(urlset(&[])).misbehaves(busy));
        web.host(&host(n), site)
    });
    let seeds: Vec<String> = (0..values.len()).map(|n| format!("http://{}", host(n))).collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    let log = run.server.log();
    for (n, (value, least_ms)) in values.into_iter().enumerate() {
        let asked: Vec<_> = log.iter().filter(|request| request.host == host(n)).collect();
        let refused = asked.iter().position(|request| request.status == 503).unwrap();
        let pause = Duration::from_micros(asked[refused + 1].at_us - asked[refused].at_us);
        assert!(pause >= Duration::from_millis(least_ms), "Retry-After: {value}: {pause:?}");
        assert_eq!(asked.iter().filter(|request| request.status == 200).count(), 3, "Retry-After: {value}");
    }
}

/// The requested cooldown: long enough to kill and restart the crawl before it ends.
const COOLDOWN: Duration = Duration::from_secs(10);

#[test]
fn the_cooldown_of_the_whole_host_outlives_a_kill() {
    let busy = Misbehaviour::RetryAfter { status: 429, value: COOLDOWN.as_secs().to_string(), times: 1 };
    let mut robots = String::new();
    let mut site = Site::new();
    for n in 0..6 {
        robots += &format!("Sitemap: http://a.example/{n}.xml\n");
        site = site.page(&format!("/{n}.xml"), Page::xml(urlset(&[])).misbehaves(busy.clone()));
    }
    let run = Run::of(Web::new().host("a.example", site.robots(robots)), &["http://a.example"]);
    let mut crawl = super::run::start(run.crawl_command());
    super::run::wait_until("the host has asked for a cooldown", || run.server.log().len() == 2);
    let committed = || {
        let status = run.command(&["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&status.stdout)
            .is_ok_and(|status| status["requests"] == 2)
    };
    super::run::wait_until("the refusal is committed", committed);
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    assert_eq!(run.server.log().len(), 2, "killed during the cooldown");

    let mut resumed = super::run::start(run.resume_command(&[]));
    super::run::wait_until("the host is requested again", || run.server.log().len() > 2);
    resumed.kill().unwrap();
    resumed.wait().unwrap();
    let log = run.server.log();
    let pause = Duration::from_micros(log[2].at_us - log[1].at_us);
    assert!(pause >= COOLDOWN, "requested again after {pause:?}");
}

#[test]
fn a_long_cooldown_outlives_a_kill_and_the_next_run_ends_without_the_host() {
    let busy = Misbehaviour::RetryAfter { status: 503, value: "3600".to_owned(), times: 99 };
    let parked = Site::new()
        .robots("Sitemap: http://a.example/1.xml\nSitemap: http://a.example/2.xml\n")
        .page("/1.xml", Page::xml(urlset(&[])).misbehaves(busy.clone()))
        .page("/2.xml", Page::xml(urlset(&[])).misbehaves(busy));
    // Keeps the crawl running until it is killed.
    let slow = Site::new().misbehaves(Misbehaviour::NeverAnswers);
    let web = Web::new().host("a.example", parked).host("slow.example", slow);
    let run = Run::of(web, &["http://a.example", "http://slow.example"]);
    let mut crawl = super::run::start(run.crawl_command());
    let committed = || {
        let status = run.command(&["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&status.stdout)
            .is_ok_and(|status| status["hosts"]["parked"] == 1)
    };
    super::run::wait_until("the host is parked", committed);
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    let asked = |host: &str| run.server.log().iter().filter(|request| request.host == host).count();
    assert_eq!(asked("a.example"), 2);
    super::run::expect(run.resume_command(&["--timeout", "1"]), 0);
    assert_eq!(asked("a.example"), 2, "its date is in the future");
}

#[test]
fn a_url_is_asked_three_times_at_most_and_once_where_asking_again_is_vain() {
    let cases = [
        ("408", Misbehaviour::Status(408), 3),
        ("429", Misbehaviour::Status(429), 3),
        ("500", Misbehaviour::Status(500), 3),
        ("503", Misbehaviour::Status(503), 3),
        ("reset", Misbehaviour::ResetsConnection, 3),
        ("broken", Misbehaviour::DropsAfter(20), 3),
        ("silent", Misbehaviour::NeverAnswers, 1),
        ("stall", Misbehaviour::StallsAfter(20), 1),
        ("401", Misbehaviour::Status(401), 1),
        ("403", Misbehaviour::Status(403), 1),
        ("404", Misbehaviour::Status(404), 1),
        ("410", Misbehaviour::Status(410), 1),
        ("451", Misbehaviour::Status(451), 1),
    ];
    let host = |name: &str| format!("t{name}.example");
    let web = cases.iter().fold(Web::new(), |web, (name, misbehaviour, _)| {
        let site = Site::new()
            .robots(format!("Sitemap: http://{}/s.xml\n", host(name)))
            .page("/s.xml", Page::xml(urlset(&[])).misbehaves(misbehaviour.clone()));
        web.host(&host(name), site)
    });
    let seeds: Vec<String> = cases.iter().map(|(name, ..)| format!("http://{}", host(name))).collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>()).flags(&["--timeout", "4"]);
    run.crawl();
    let log = run.server.log();
    for (name, _, tries) in cases {
        let at: Vec<u64> = log
            .iter()
            .filter(|request| request.host == host(name) && request.path == "/s.xml")
            .map(|request| request.at_us)
            .collect();
        assert_eq!(at.len(), tries, "{name}");
        for (pause, least_s) in at.windows(2).map(|pair| pair[1] - pair[0]).zip([1, 2]) {
            assert!(pause >= least_s * 1_000_000, "{name}: requested again after {pause} us");
        }
    }
}

#[test]
fn robots_txt_speaks_to_the_name_in_the_user_agent() {
    let site = Site::new()
        .robots("User-agent: *\nDisallow:\n\nUser-agent: heron\nDisallow: /s.xml\nSitemap: http://a.example/s.xml\n")
        .page("/s.xml", Page::xml(urlset(&[])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]).flags(&[
        "--user-agent",
        "Heron/2.0",
        "--contact",
        "mailto:bird@heron.example",
    ]);
    run.crawl();
    let log = run.server.log();
    let asked: Vec<_> =
        log.iter().map(|request| (request.path.as_str(), request.header("user-agent"))).collect();
    assert_eq!(asked, [("/robots.txt", Some("Heron/2.0 (+mailto:bird@heron.example)"))]);
}
