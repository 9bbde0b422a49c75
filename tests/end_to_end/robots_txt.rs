//! Fetching robots.txt (RFC 9309 section 2.3), observed at the server.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use fakesite::{Latency, Misbehaviour, Page, Site, Web};

use super::bodies::brotli;
use super::run::{Run, crawl_with, expect, stdout, urlset};

/// A site whose robots.txt is `page`, with one sitemap at a well-known path.
fn site_with(page: Page) -> Site {
    Site::new().page("/robots.txt", page).page("/sitemap.xml", Page::xml(urlset(&[])))
}

fn paths_of(run: &Run, host: &str) -> Vec<String> {
    run.server.log().into_iter().filter(|request| request.host == host).map(|request| request.path).collect()
}

fn times(run: &Run, host: &str, path: &str) -> usize {
    paths_of(run, host).iter().filter(|asked| *asked == path).count()
}

#[test]
fn a_status_of_400_allows_all_but_429_and_500_forbid_all_after_three_tries() {
    let allowing = [204, 400, 401, 403, 404, 410, 418, 451, 499];
    let forbidding = [429, 500, 502, 503, 599, 304];
    let host = |status: u16| format!("s{status}.example");
    let web = allowing
        .into_iter()
        .chain(forbidding)
        .fold(Web::new(), |web, status| web.host(&host(status), site_with(Page::status(status))));
    let seeds: Vec<String> =
        allowing.into_iter().chain(forbidding).map(|status| format!("http://{}", host(status))).collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    for status in allowing {
        assert_eq!(paths_of(&run, &host(status)), ["/robots.txt", "/sitemap.xml"], "{status}");
    }
    for status in forbidding {
        let asked = paths_of(&run, &host(status));
        assert!(asked.iter().all(|path| path == "/robots.txt"), "{status}: {asked:?}");
        // The request was not conditional, so 304 is invalid, and a retry would get it again.
        assert_eq!(asked.len(), if status == 304 { 1 } else { 3 }, "{status}");
        let host = &run.report()["hosts"][format!("http://{}", host(status))];
        assert_eq!(host["complete"], false, "{status}: {host}");
    }
}

#[test]
fn a_body_that_is_no_robots_txt_is_no_rules() {
    let html = "<!DOCTYPE html><html><body>Disallow: / <p>User-agent: *</body></html>";
    let bodies = [
        ("html", Page::html(html)),
        ("binary", Page::new("image/png", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe"[..])),
        ("empty", Page::text("")),
        ("comment", Page::text("# Disallow: /\n")),
    ];
    let web = bodies
        .iter()
        .fold(Web::new(), |web, (name, page)| web.host(&format!("{name}.example"), site_with(page.clone())));
    let seeds: Vec<String> = bodies.iter().map(|(name, _)| format!("http://{name}.example")).collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    for (name, _) in bodies {
        assert_eq!(paths_of(&run, &format!("{name}.example")), ["/robots.txt", "/sitemap.xml"], "{name}");
    }
}

#[test]
fn five_redirects_of_robots_txt_are_followed_and_the_target_of_the_sixth_is_not_asked() {
    let rules = || Page::text("User-agent: *\nDisallow: /sitemap.xml\n");
    let site = |hops| {
        Site::new().redirect_chain("/robots.txt", hops, rules()).page("/sitemap.xml", Page::xml(urlset(&[])))
    };
    let web = Web::new().host("five.example", site(5)).host("six.example", site(6));
    let run = Run::of(web, &["http://five.example", "http://six.example"]);
    run.crawl();
    assert_eq!(times(&run, "five.example", "/robots.txt/5"), 1);
    assert_eq!(times(&run, "five.example", "/sitemap.xml"), 0, "its rules apply");
    assert_eq!(times(&run, "six.example", "/robots.txt/5"), 1);
    assert_eq!(times(&run, "six.example", "/robots.txt/6"), 0);
    assert_eq!(times(&run, "six.example", "/sitemap.xml"), 1, "as if it had no robots.txt");
}

#[test]
fn rules_that_redirects_led_to_hold_for_the_first_host_and_the_last_is_asked_by_one_request_at_a_time() {
    let target = || Misbehaviour::RedirectsTo("http://hub.example/robots.txt".to_owned());
    let hub = Site::new()
        .robots("User-agent: *\nDisallow: /sitemap.xml\nSitemap: http://hub.example/1.xml\n")
        .page("/1.xml", Page::xml(urlset(&[])))
        .latency(Latency::fixed(Duration::from_millis(60)));
    let names: Vec<String> = (0..6).map(|n| format!("spoke{n}.example")).collect();
    let web = names.iter().fold(Web::new().host("hub.example", hub), |web, name| {
        web.host(name, site_with(Page::status(301).misbehaves(target())))
    });
    let seeds: Vec<String> = names
        .iter()
        .map(String::as_str)
        .chain(["hub.example"])
        .map(|name| format!("http://{name}"))
        .collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    for name in &names {
        assert_eq!(times(&run, name, "/sitemap.xml"), 0, "{name}");
    }
    let log = run.server.log();
    let hub: Vec<_> = log.iter().filter(|request| request.host == "hub.example").collect();
    assert_eq!(hub.len(), 2, "one robots.txt for all seven, and a sitemap");
    assert_eq!(hub.iter().map(|request| request.in_flight).max(), Some(1));
}

/// A web of spokes whose robots.txt redirects to a hub, which answers with Retry-After `times` times.
fn spokes_and_a_hub_with_retry_after(retry_after: &str, times: u32) -> (Web, Vec<String>) {
    let busy = Misbehaviour::RetryAfter { status: 429, value: retry_after.to_owned(), times };
    let hub = site_with(Page::text("User-agent: *\nDisallow: /never\n").misbehaves(busy));
    let names: Vec<String> = (0..5).map(|n| format!("spoke{n}.example")).collect();
    let target = || Misbehaviour::RedirectsTo("http://hub.example/robots.txt".to_owned());
    let web = names.iter().fold(Web::new().host("hub.example", hub), |web, name| {
        web.host(name, site_with(Page::status(301).misbehaves(target())))
    });
    (web, names)
}

#[test]
fn a_host_on_cooldown_is_not_requested_by_robots_txt_files_that_redirect_to_it() {
    for hub_is_seed in [false, true] {
        let (web, names) = spokes_and_a_hub_with_retry_after("2", 1);
        let mut seeds: Vec<String> = names.iter().map(|name| format!("http://{name}")).collect();
        seeds.extend(hub_is_seed.then(|| "http://hub.example".to_owned()));
        let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
        run.crawl();
        let log = run.server.log();
        let hub: Vec<_> = log.iter().filter(|request| request.host == "hub.example").collect();
        assert_eq!(hub[0].status, 429);
        for request in &hub[1..] {
            let pause = request.at_us - hub[0].at_us;
            assert!(pause >= 2_000_000, "{} was requested after {pause} us", request.url());
        }
        for name in &names {
            assert_eq!(times(&run, name, "/sitemap.xml"), 1, "{name} has rules at the end");
        }
    }
}

#[test]
fn robots_txt_files_that_redirect_to_a_host_on_a_long_cooldown_park_their_hosts() {
    let (web, names) = spokes_and_a_hub_with_retry_after("3600", 99);
    let seeds: Vec<String> = names.iter().map(|name| format!("http://{name}")).collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    assert_eq!(times(&run, "hub.example", "/robots.txt"), 1);
    let asked = run.server.log().len();
    expect(run.resume_command(&[]), 0);
    assert_eq!(run.server.log().len(), asked, "their date is in the future");
    let report = run.report();
    for seed in &seeds {
        assert_eq!(report["hosts"][seed]["complete"], false, "{seed}");
    }
}

#[test]
fn a_robots_txt_that_cannot_be_decoded_forbids_everything_and_a_wrong_label_does_not() {
    // If the body were read as text, only the line that allows would be understood.
    let forbids = "User-agent: *\nDisallow: /\n";
    let allows = "User-agent: *\nAllow: /\n";
    let packed = |text: &str| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(forbids.as_bytes()).unwrap();
    let cut = packed(&format!("{allows}{}", forbids.repeat(9)));
    let cases = [
        ("brotli", "br", brotli(&format!("{allows}\n{forbids}")), false),
        ("zlib", "deflate", zlib.finish().unwrap(), false),
        ("cut", "gzip", cut[..cut.len() - 12].to_vec(), false),
        ("gzip-as-brotli", "br", packed(allows), true),
        ("plain-as-brotli", "br", allows.into(), true),
        ("charset", "utf-8", allows.into(), true),
        ("gzip", "gzip", packed(allows), true),
        ("gzip-that-forbids", "gzip", packed(forbids), false),
    ];
    let web = cases.iter().fold(Web::new(), |web, (name, coding, body, _)| {
        let page = Page::text("").header("content-encoding", *coding).with_body(body.clone());
        web.host(&format!("{name}.example"), site_with(page))
    });
    let origins = cases.iter().map(|(name, ..)| format!("http://{name}.example"));
    let seeds: Vec<String> = origins.flat_map(|origin| [origin.clone(), origin + "/sitemap.xml"]).collect();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    let report = run.report();
    for (name, .., is_allowed) in cases {
        let asked = paths_of(&run, &format!("{name}.example"));
        let allowed: &[&str] = &["/robots.txt", "/sitemap.xml"];
        assert_eq!(asked, if is_allowed { allowed } else { &allowed[..1] }, "{name}");
        if ["brotli", "zlib", "cut"].contains(&name) {
            let errors = &report["hosts"][format!("http://{name}.example")]["errors"];
            assert_eq!(errors["decode"], 1, "{name}: {errors}");
            assert!(errors["robots_unreachable"].as_u64() >= Some(1), "{name}: {errors}");
        }
    }
}

#[test]
fn exactly_512_000_octets_are_read_and_the_connection_is_closed() {
    let file = |length: usize, last: &str| {
        let head = "User-agent: *\n#";
        format!("{head}{}\n{last}", "x".repeat(length - head.len() - 1 - last.len()))
    };
    let fits = file(512_000, "Disallow: /sitemap.xml");
    assert_eq!(fits.len(), 512_000);
    let cut = file(512_001, "Disallow: /sitemap.xml");
    let endless = Page::streamed("text/plain", None, || {
        let head = "User-agent: *\nDisallow: /sitemap.xml\n".to_owned();
        std::iter::once(head)
            .chain(std::iter::repeat_n("# and so on\n".repeat(5_000), 100_000))
            .map(Into::into)
    });
    let web = Web::new()
        .host("fits.example", site_with(Page::text(fits.clone())))
        .host("packed.example", site_with(Page::text(fits).gzip_encoded()))
        .host("cut.example", site_with(Page::text(cut)))
        .host("endless.example", site_with(endless));
    let run = Run::of(
        web,
        &["http://fits.example", "http://packed.example", "http://cut.example", "http://endless.example"],
    );
    run.crawl();
    for (host, allowed) in [("fits", 0), ("packed", 0), ("cut", 1), ("endless", 0)] {
        assert_eq!(times(&run, &format!("{host}.example"), "/sitemap.xml"), allowed, "{host}");
    }
    let log = run.server.log();
    let endless = log.iter().find(|request| request.host == "endless.example").unwrap();
    // This includes the bytes in the socket buffers of both sides.
    assert!(endless.body_bytes < 16 << 20, "{} bytes were sent", endless.body_bytes);
    let connection =
        run.server.connections().into_iter().find(|one| one.id == endless.connection_id).unwrap();
    assert!(connection.closed_us.is_some());
}

#[test]
fn sitemap_lines_may_be_relative_and_are_asked_once() {
    let site = Site::new()
        .robots("SITEMAP: /s.xml\nUser-agent: *\nDisallow:\nsitemap: s.xml#top\nSitemap: http://a.example/s.xml\n")
        .page("/s.xml", Page::xml(urlset(&[])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    assert_eq!(paths_of(&run, "a.example"), ["/robots.txt", "/s.xml"]);
}

#[test]
fn robots_txt_is_fetched_once_in_a_day_across_restarts_and_new_seeds() {
    let site = Site::new()
        .robots("Sitemap: /named.xml\n")
        .page("/one.xml", Page::xml(urlset(&["http://a.example/1"])))
        .page("/two.xml", Page::xml(urlset(&["http://a.example/2"])))
        .page("/named.xml", Page::xml(urlset(&["http://a.example/3"])));
    // The host first becomes known by one of its sitemaps, and its robots.txt is fetched for that.
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example/one.xml"]);
    run.crawl();
    for seed in ["http://a.example/two.xml", "http://a.example"] {
        let mut more = run.crawl_command();
        more.args(["--seed", seed]);
        expect(more, 0);
    }
    expect(run.resume_command(&[]), 0);
    assert_eq!(paths_of(&run, "a.example"), ["/robots.txt", "/one.xml", "/two.xml", "/named.xml"]);
    assert_eq!(run.locs().len(), 3);
}

#[test]
fn rules_read_for_one_name_do_not_serve_another() {
    let site = Site::new()
        .robots("User-agent: heron\nDisallow: /two.xml\n")
        .page("/one.xml", Page::xml(urlset(&[])))
        .page("/two.xml", Page::xml(urlset(&[])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example/one.xml"]);
    run.crawl();
    let mut more = run.crawl_command();
    more.args(["--seed", "http://a.example/two.xml", "--user-agent", "Heron/2.0"]);
    expect(more, 0);
    assert_eq!(times(&run, "a.example", "/robots.txt"), 2);
    assert_eq!(times(&run, "a.example", "/two.xml"), 0);
}

#[test]
fn a_made_file_of_stars_is_answered_offline_without_delay() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("robots.txt");
    let rules: String = (0..50).map(|n| format!("Disallow: /{}{n}$\n", "*a".repeat(60))).collect();
    std::fs::write(&file, format!("User-agent: *\n{rules}Disallow: /b\u{0}\u{0}x")).unwrap();
    let file = file.to_str().unwrap();
    for (tail, answer) in [("", "allowed\n"), ("7", "disallowed\n")] {
        let url = format!("/{}{tail}", "a".repeat(1_500));
        let output = expect(crawl_with(&["robots", file, "--agent", "otter", "--url", &url]), 0);
        assert_eq!(stdout(&output), answer);
    }
}
