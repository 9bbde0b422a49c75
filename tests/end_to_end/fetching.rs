//! Fetching: addresses, redirects, failures, limits, proxies and resolvers.

use std::net::{SocketAddr, UdpSocket};

use fakesite::{Misbehaviour, Page, ServeOptions, Site, TlsMisbehaviour, Web};

use super::run::{Run, expect, index, urlset};

fn host_of<'a>(report: &'a serde_json::Value, origin: &str) -> &'a serde_json::Value {
    &report["hosts"][origin]
}

#[test]
fn private_addresses_are_refused_before_any_connection_in_every_spelling() {
    let server = Web::new().serve(ServeOptions::default()).unwrap();
    let port = server.port();
    let run = Run::on(server, &[]);
    let spellings = [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
    ];
    let mut command = run.command(&["--rate", "0", "--timeout", "5"]);
    for spelling in spellings {
        command.args(["--seed", &format!("http://{spelling}:{port}")]);
    }
    expect(command, 0);
    assert!(run.server.connections().is_empty(), "{:?}", run.server.connections());
    let report = run.report();
    for (origin, host) in report["hosts"].as_object().unwrap() {
        assert_eq!(host["errors"]["blocked_address"], 1, "{origin}: {host}");
    }
}

#[test]
fn private_addresses_can_be_allowed() {
    let site = Site::new().page("/sitemap.xml", Page::xml(urlset(&[])));
    let server = Web::new().host("127.0.0.1", site).serve(ServeOptions::default()).unwrap();
    let port = server.port();
    let run = Run::on(server, &[]);
    let mut command = run.command(&["--rate", "0", "--allow-private"]);
    command.args(["--seed", &format!("http://127.0.0.1:{port}")]);
    expect(command, 0);
    assert_eq!(run.report()["totals"]["sitemaps"]["fetched"], 1);
}

#[test]
fn a_redirect_within_the_host_is_followed_in_place_and_the_final_url_is_named() {
    let site = Site::new()
        .robots("Sitemap: http://a.example/old.xml\nSitemap: http://a.example/new.xml\n")
        .page("/old.xml", Page::status(301).misbehaves(Misbehaviour::RedirectsTo("/new.xml".to_owned())))
        .page("/new.xml", Page::xml(urlset(&["http://a.example/1"])));
    let run = Run::of(Web::new().host("a.example", site), &["http://a.example"]);
    run.crawl();
    let entries = run.entries();
    assert_eq!(entries.len(), 1, "the same document is kept once: {entries:?}");
    assert_eq!(entries[0]["sitemap"], "http://a.example/new.xml");
    let sitemaps = &run.report()["hosts"]["http://a.example"]["sitemaps"];
    assert_eq!((&sitemaps["fetched"], &sitemaps["duplicate"]), (&1.into(), &1.into()), "{sitemaps}");
}

#[test]
fn a_redirect_to_another_host_becomes_a_task_of_that_host_under_its_rules() {
    let a = Site::new().robots("Sitemap: http://a.example/s.xml\n").page(
        "/s.xml",
        Page::status(302).misbehaves(Misbehaviour::RedirectsTo("http://b.example/s.xml".to_owned())),
    );
    let b = Site::new()
        .robots("Disallow:\n")
        .page("/s.xml", Page::xml(urlset(&["http://a.example/1", "http://b.example/2"])));
    let run = Run::of(Web::new().host("a.example", a).host("b.example", b), &["http://a.example"]);
    run.crawl();
    let asked: Vec<String> = run
        .server
        .log()
        .iter()
        .filter(|request| request.host == "b.example")
        .map(|r| r.path.clone())
        .collect();
    assert_eq!(asked, ["/robots.txt", "/s.xml"]);
    let entries = run.entries();
    let scopes: Vec<_> = entries.iter().map(|entry| entry["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["robots", "same-host"], "{entries:?}");
    assert_eq!(host_of(&run.report(), "http://a.example")["sitemaps"]["redirected"], 1);
}

#[test]
fn a_redirect_loop_ends() {
    let site = Site::new()
        .robots("Sitemap: http://a.example/s.xml\n")
        .page("/s.xml", Page::status(302).misbehaves(Misbehaviour::RedirectLoop))
        .redirect_chain("/chain.xml", 25, Page::xml(urlset(&[])));
    let run =
        Run::of(Web::new().host("a.example", site), &["http://a.example", "http://a.example/chain.xml"]);
    run.crawl();
    let report = run.report();
    assert_eq!(host_of(&report, "http://a.example")["errors"]["redirect"], 2);
    assert_eq!(run.server.log().iter().filter(|request| request.path.starts_with("/chain")).count(), 11);
}

#[test]
fn every_failure_of_a_connection_has_its_kind() {
    let list = |host: &str| format!("Sitemap: http://{host}/s.xml\n");
    let page = || Page::xml(urlset(&["http://x.example/1", "http://x.example/2"]));
    let mut web = Web::new();
    let cases = [
        ("resets", Misbehaviour::ResetsConnection, "connect"),
        ("garbage", Misbehaviour::Garbage("not http at all\r\n\r\n".into()), "protocol"),
        ("chunks", Misbehaviour::BadChunks, "protocol"),
        ("stalls", Misbehaviour::StallsAfter(60), "timeout"),
        ("silent", Misbehaviour::NeverAnswers, "timeout"),
        ("short", Misbehaviour::LiesAboutLength(100_000), "incomplete"),
        ("soft404", Misbehaviour::HtmlSoft404, "not_a_sitemap"),
        ("gone", Misbehaviour::Status(404), "http_status"),
    ];
    for (name, misbehaviour, _) in &cases {
        let host = format!("{name}.example");
        let site = Site::new().robots(list(&host)).page("/s.xml", page().misbehaves(misbehaviour.clone()));
        web = web.host(&host, site);
    }
    let tls = [
        ("wrong-name", TlsMisbehaviour::WrongName),
        ("expired", TlsMisbehaviour::Expired),
        ("self-signed", TlsMisbehaviour::SelfSigned),
    ];
    for (name, misbehaviour) in tls {
        web = web.host(&format!("{name}.example"), Site::new().tls_misbehaves(misbehaviour));
    }
    let seeds: Vec<String> = cases
        .iter()
        .map(|(name, ..)| format!("http://{name}.example"))
        .chain(tls.iter().map(|(name, _)| format!("https://{name}.example")))
        .collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::of(web, &seeds).flags(&["--timeout", "2"]);
    run.crawl();
    let report = run.report();
    for (name, _, kind) in cases {
        let host = host_of(&report, &format!("http://{name}.example"));
        assert_eq!(host["errors"][kind], 1, "{name}: {host}");
        assert_eq!(host["complete"], false, "{name}: {host}");
    }
    for (name, _) in tls {
        let host = host_of(&report, &format!("https://{name}.example"));
        assert_eq!(host["errors"]["tls"], 1, "{name}: {host}");
    }
    assert_eq!(
        host_of(&report, "http://short.example")["entries"]["kept"],
        2,
        "complete entries are kept, once"
    );
    assert_eq!(host_of(&report, "http://stalls.example")["requests"], 2, "a time-out is not retried");
    assert_eq!(host_of(&report, "http://resets.example")["requests"], 4, "a reset is attempted three times");
}

#[test]
fn depth_and_counts_are_bounded_and_every_refusal_is_counted() {
    let chain = |n: u32| index(&[&format!("http://deep.example/{}.xml", n + 1)]);
    let mut deep = Site::new().robots("Sitemap: http://deep.example/0.xml\n");
    for n in 0..20 {
        deep = deep.page(&format!("/{n}.xml"), Page::xml(chain(n)));
    }
    let children: Vec<String> = (0..50).map(|n| format!("http://wide.example/{n}.xml")).collect();
    let children: Vec<&str> = children.iter().map(String::as_str).collect();
    let mut wide = Site::new()
        .robots("Sitemap: http://wide.example/index.xml\n")
        .page("/index.xml", Page::xml(index(&children)));
    for n in 0..50 {
        wide =
            wide.page(&format!("/{n}.xml"), Page::xml(urlset(&[&format!("http://wide.example/page-{n}")])));
    }
    let web = Web::new().host("deep.example", deep).host("wide.example", wide);
    let run = Run::of(web, &["http://deep.example", "http://wide.example"]).flags(&[
        "--max-depth",
        "3",
        "--max-sitemaps",
        "11",
        "--max-children",
        "30",
        "--exclude",
        "/7\\.xml$",
    ]);
    run.crawl();
    let report = run.report();
    let deep = &host_of(&report, "http://deep.example")["sitemaps"];
    assert_eq!((&deep["fetched"], &deep["skipped"]["depth_limit"]), (&4.into(), &1.into()), "{deep}");
    let wide = &host_of(&report, "http://wide.example")["sitemaps"];
    assert_eq!(wide["fetched"], 11, "{wide}");
    assert_eq!(
        (&wide["skipped"]["count_limit"], &wide["skipped"]["excluded"]),
        (&39.into(), &1.into()),
        "{wide}"
    );
    assert_eq!(wide["found"], 51);
}

#[test]
fn well_known_paths_are_tried_when_robots_txt_names_none_and_the_first_hit_ends_it() {
    let hit = Site::new().page("/sitemap_index.xml", Page::xml(urlset(&["http://hit.example/1"])));
    let web = Web::new().host("hit.example", hit).host("none.example", Site::new());
    let run = Run::of(web, &["http://hit.example", "http://none.example"]);
    run.crawl();
    assert_eq!(run.locs(), ["http://hit.example/1"]);
    let report = run.report();
    let none = host_of(&report, "http://none.example");
    assert_eq!((&none["complete"], &none["errors"]), (&true.into(), &serde_json::json!({})), "{none}");
    assert_eq!(host_of(&report, "http://hit.example")["sitemaps"]["found"], 1);
}

#[test]
fn a_proxy_is_used_when_asked_for() {
    let site = Site::new().page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"])));
    let server = Web::new().host("a.example", site).serve(ServeOptions::default()).unwrap();
    let proxy = format!("http://127.0.0.1:{}", server.port());
    let run = Run::on(server, &[]);
    expect(
        {
            let mut c = run.command(&["--rate", "0", "--seed", "http://a.example"]);
            c.args(["--proxy", &proxy]);
            c
        },
        0,
    );
    assert_eq!(run.locs(), ["http://a.example/1"]);
}

#[test]
fn connect_to_reaches_hosts_with_a_port_of_their_own_and_literal_addresses() {
    let site = |loc: &str| Site::new().page("/sitemap.xml", Page::xml(urlset(&[loc])));
    let web = Web::new()
        .host("a.example:8080", site("http://a.example:8080/1"))
        .host("b.example:8443", site("https://b.example:8443/1"))
        .host("1.1.1.1", site("http://1.1.1.1/1"));
    let run = Run::of(web, &["http://a.example:8080", "https://b.example:8443", "http://1.1.1.1"]);
    run.crawl();
    let mut locs = run.locs();
    locs.sort();
    assert_eq!(locs, ["http://1.1.1.1/1", "http://a.example:8080/1", "https://b.example:8443/1"]);
}

/// Starts a DNS server that answers every address query with 127.0.0.1 until the test process ends.
fn dns_server_that_points_at_loopback() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            // Header of 12 bytes, then the name in labels up to an empty one, then type and class (RFC 1035 section 4).
            let name_length = question[12..length].iter().position(|&byte| byte == 0).unwrap() + 1;
            let end = 12 + name_length + 4;
            let is_a = question[12 + name_length..][..2] == [0, 1];
            let mut answer = question[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x84, 0, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            if is_a {
                // The name again, A, IN, one minute, four bytes.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

#[test]
fn names_are_asked_of_the_resolver_given_and_their_addresses_are_checked() {
    let site = Site::new().page("/sitemap.xml", Page::xml(urlset(&["http://a.example/1"])));
    let server = Web::new().host("a.example", site).serve(ServeOptions::default()).unwrap();
    let seed = format!("http://a.example:{}", server.port());
    let run = Run::on(server, &[]);
    let resolver = dns_server_that_points_at_loopback().to_string();
    let flags = ["--rate", "0", "--timeout", "5", "--resolver", &resolver, "--seed", &seed];

    expect(run.command(&flags), 0);
    assert_eq!(host_of(&run.report(), &seed)["errors"]["blocked_address"], 1);
    assert!(run.server.connections().is_empty());

    let mut allowed = run.command(&["resume", "--retry-failed", "--allow-private"]);
    allowed.args(&flags[..6]);
    expect(allowed, 0);
    assert_eq!(run.locs(), ["http://a.example/1"]);
    let dns_s = host_of(&run.report(), &seed)["stages"]["dns"]["total_s"].as_f64().unwrap();
    assert!(dns_s > 0.0, "the name was looked up");
}
