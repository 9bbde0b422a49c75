//! The pace of all hosts of one registrable domain and of one address, and how many such hosts are accepted.

use std::time::Duration;

use fakesite::{Latency, LoggedRequest, Page, Site, Web};

use super::hosts::host;
use super::run::{Run, index, urlset};

/// How much less than the delay may lie between the arrivals of two requests.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(60);

/// A site with one sitemap, whose answers take 40 ms.
fn slow_site(name: &str) -> Site {
    Site::new()
        .robots(format!("Sitemap: http://{name}/s.xml\n"))
        .page("/s.xml", Page::xml(urlset(&[&format!("http://{name}/1")])))
        .latency(Latency::fixed(Duration::from_millis(40)))
}

/// Twelve hosts each of two registrable domains, all of them seeds.
fn two_owners() -> (Web, Vec<String>) {
    let names = |domain: &str| (0..12).map(|n| format!("h{n}.{domain}")).collect::<Vec<_>>();
    let names = [names("alice.example"), names("bob.co.uk")].concat();
    let web = names.iter().fold(Web::new(), |web, name| web.host(name, slow_site(name)));
    (web, names.iter().map(|name| format!("http://{name}")).collect())
}

fn crawl(flags: &[&str]) -> Run {
    let (web, seeds) = two_owners();
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>()).flags(flags);
    run.crawl();
    assert_eq!(run.locs().len(), 24);
    run
}

/// The largest number of requests that the server had at the same time from hosts that `belong`.
fn most_in_flight(run: &Run, belong: impl Fn(&LoggedRequest) -> bool) -> usize {
    let log = run.server.log();
    let of: Vec<&LoggedRequest> = log.iter().filter(|request| belong(request)).collect();
    let is_on_its_way =
        |request: &LoggedRequest, at: u64| request.at_us <= at && request.ended_us.is_none_or(|end| end > at);
    of.iter().map(|new| of.iter().filter(|other| is_on_its_way(other, new.at_us)).count()).max().unwrap()
}

#[test]
fn the_hosts_of_one_registrable_domain_get_four_requests_at_a_time_together() {
    let of = |domain: &'static str| move |request: &LoggedRequest| request.host.ends_with(domain);
    for (flags, expected) in
        [(&[][..], 4), (&["--site-concurrency", "2"], 2), (&["--host-concurrency", "6"], 6)]
    {
        let run = crawl(&[&["--rate", "0"], flags].concat());
        for domain in ["alice.example", "bob.co.uk"] {
            assert_eq!(most_in_flight(&run, of(domain)), expected, "{domain} {flags:?}");
        }
        let all = most_in_flight(&run, |_| true);
        assert!(all > expected, "the two sites do not wait for each other: {all}");
    }
}

#[test]
fn the_wait_for_other_hosts_of_the_site_is_politeness() {
    let run = crawl(&["--rate", "0", "--site-concurrency", "1"]);
    let report = run.report();
    let stages = |name: &str| host(&report, name)["stages"].clone();
    let longest = |stage: &str| {
        (0..12)
            .map(|n| stages(&format!("h{n}.alice.example"))[stage]["total_s"].as_f64().unwrap())
            .fold(0.0, f64::max)
    };
    // 24 requests of 40 ms, one after the other.
    assert!(longest("politeness") > 0.5, "{}", longest("politeness"));
    assert!(longest("slot") < longest("politeness") / 4.0, "{} {}", longest("slot"), longest("politeness"));
}

#[test]
fn requests_to_one_registrable_domain_keep_the_site_rate() {
    let run = crawl(&["--rate", "0", "--site-rate", "10"]);
    for domain in ["alice.example", "bob.co.uk"] {
        let log = run.server.log();
        let at: Vec<u64> = log
            .iter()
            .filter(|request| request.host.ends_with(domain))
            .map(|request| request.at_us)
            .collect();
        assert_eq!(at.len(), 24);
        for pair in at.windows(2) {
            let interval = Duration::from_micros(pair[1] - pair[0]);
            assert!(interval + ARRIVAL_TOLERANCE >= Duration::from_millis(100), "{domain}: {interval:?}");
        }
    }
}

/// All hosts of the test have the address of the server.
#[test]
fn requests_to_one_address_are_limited_and_hosts_that_wait_hold_no_place() {
    let run = crawl(&["--rate", "0", "--address-concurrency", "3", "--concurrency", "6"]);
    assert_eq!(most_in_flight(&run, |_| true), 3);
    assert!(run.request_counts().values().all(|&times| times == 1), "none was sent twice");
    let report = run.report();
    assert_eq!(report["totals"]["requests"], 48);
    let politeness = host(&report, "h11.bob.co.uk")["stages"]["politeness"]["total_s"].as_f64().unwrap();
    assert!(politeness > 0.1, "{politeness}");
}

#[test]
fn of_one_registrable_domain_so_many_hosts_are_found_and_the_others_are_counted() {
    let named = |n: usize, domain: &str| format!("http://h{n}.{domain}/s.xml");
    let children: Vec<String> =
        (0..10).map(|n| named(n, "wild.example")).chain((0..2).map(|n| named(n, "other.example"))).collect();
    let children: Vec<&str> = children.iter().map(String::as_str).collect();
    let start = Site::new()
        .robots("Sitemap: http://start.example/i.xml\n")
        .page("/i.xml", Page::xml(index(&children)));
    let names =
        ["wild.example", "other.example"].map(|domain| (0..10).map(move |n| format!("h{n}.{domain}")));
    let web = names
        .into_iter()
        .flatten()
        .fold(Web::new().host("start.example", start), |web, name| web.host(&name, slow_site(&name)));
    // A seed does not count.
    let run = Run::of(web, &["http://start.example", "http://h9.wild.example"])
        .flags(&["--max-hosts-per-site", "4"]);
    run.crawl();
    let report = run.report();
    let known = |domain: &str| {
        (0..10).filter(|n| !report["hosts"][format!("http://h{n}.{domain}")].is_null()).count()
    };
    assert_eq!((known("wild.example"), known("other.example")), (4 + 1, 2));
    let account = &host(&report, "start.example")["sitemaps"];
    assert_eq!(account["skipped"]["count_limit"], 5, "{account}");
    assert_eq!(run.locs().len(), 7);
}
