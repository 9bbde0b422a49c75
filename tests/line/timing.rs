//! Where the report says the time went.

use std::time::Duration;

use fakesite::{Latency, Misbehaviour, Page, ServeOptions, Site, Web, plain};
use serde_json::Value;

use super::run::{Run, urlset};

fn stage_s(host: &Value, stage: &str) -> f64 {
    host["stages"][stage]["total_s"].as_f64().unwrap_or_else(|| panic!("{stage}: {host}"))
}

/// The sum of the ten stages is the time in which the host had something to do.
#[test]
fn the_stages_of_a_host_add_up_to_its_wall_time() {
    let options = plain::Options { hosts: 3, sitemaps: 10, entries: 50 };
    let latency = Latency::fixed(Duration::from_millis(30));
    let server = plain::web(options).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let seeds: Vec<String> = (0..3).map(plain::host_name).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::on(server, &seeds).flags(&["--rate", "8"]);
    run.crawl();
    let report = run.report();
    for (origin, host) in report["hosts"].as_object().unwrap() {
        let sum: f64 = host["stages"]
            .as_object()
            .unwrap()
            .values()
            .map(|stage| stage["total_s"].as_f64().unwrap())
            .sum();
        let wall = host["wall_s"].as_f64().unwrap();
        assert!(wall > 1.0, "{origin}: {host}");
        assert!((sum - wall).abs() <= wall * 0.01, "{origin}: stages {sum} s, wall {wall} s");
    }
}

#[test]
fn a_delay_shows_in_the_stage_it_belongs_to() {
    let page = |misbehaviour| Page::xml(urlset(&["http://x.example/1"])).misbehaves(misbehaviour);
    let delay = Duration::from_millis(400);
    let first_byte = Site::new()
        .robots("Sitemap: http://first.example/s.xml\n")
        .page("/s.xml", page(Misbehaviour::SlowFirstByte(delay)));
    let body = Site::new()
        .robots("Sitemap: http://body.example/s.xml\n")
        .page("/s.xml", page(Misbehaviour::SlowBody { bytes: 100, every: delay }));
    let tls = Site::new().tls_misbehaves(fakesite::TlsMisbehaviour::SlowTls(delay));
    let web =
        Web::new().host("first.example", first_byte).host("body.example", body).host("tls.example", tls);
    let run = Run::of(web, &["http://first.example", "http://body.example", "https://tls.example"]);
    run.crawl();
    let report = run.report();
    for (origin, stage) in [
        ("http://first.example", "first_byte"),
        ("http://body.example", "body"),
        ("https://tls.example", "tls"),
    ] {
        let host = &report["hosts"][origin];
        assert!(stage_s(host, stage) >= delay.as_secs_f64(), "{origin}: {host}");
        for other in ["first_byte", "body", "tls", "dns", "connect"] {
            assert!(
                other == stage || stage_s(host, other) < delay.as_secs_f64() / 2.0,
                "{origin} {other}: {host}"
            );
        }
    }
}

#[test]
fn the_verdict_names_the_pace_where_the_pace_held_it_and_the_network_where_that_did() {
    let options = plain::Options { hosts: 2, sitemaps: 6, entries: 5 };
    let crawl = |rate: &str, latency_ms| {
        let latency = Latency::fixed(Duration::from_millis(latency_ms));
        let server = plain::web(options).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
        let run = Run::on(server, &["site00000.test", "site00001.test"]).flags(&["--rate", rate]);
        run.crawl();
        let report = run.report();
        assert!(!report["verdict"]["sentence"].as_str().unwrap().is_empty());
        report["verdict"]["bound"].as_str().unwrap().to_owned()
    };
    assert_eq!(crawl("4", 0), "politeness");
    assert_eq!(crawl("0", 200), "network");
}
