//! Hosts whose robots.txt is on another host: what that costs the other host, the hosts that wait, and all others.

use std::collections::BTreeMap;
use std::time::Duration;

use fakesite::{Misbehaviour, Page, Site, Web};

use super::run::{Run, index, urlset, wait_until};

/// How much less than the delay may lie between the arrivals of two requests.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(150);

/// A site with one sitemap, whose robots.txt is at `url`.
fn moved(name: &str, url: &str) -> Site {
    let target = Misbehaviour::RedirectsTo(url.to_owned());
    Site::new()
        .page("/robots.txt", Page::status(301).misbehaves(target))
        .page("/sitemap.xml", Page::xml(urlset(&[&format!("http://{name}/1")])))
}

/// The target of the redirects, which has `sitemaps` of its own. Other paths are robots.txt files for others.
fn target(name: &str, robots: &str, sitemaps: usize) -> Site {
    let urls: Vec<String> = (0..sitemaps).map(|n| format!("http://{name}/own-{n}.xml")).collect();
    let lines: String = urls.iter().map(|url| format!("Sitemap: {url}\n")).collect();
    let site = Site::new().robots(format!("{robots}{lines}"));
    let site =
        (0..sitemaps).fold(site, |site, n| site.page(&format!("/own-{n}.xml"), Page::xml(urlset(&[]))));
    site.otherwise(|request| {
        request.path.starts_with("/for-").then(|| Page::text("User-agent: *\nDisallow: /never\n"))
    })
}

/// The paths that were requested of `host`, and the intervals between them.
fn requests(run: &Run, host: &str) -> (Vec<String>, Vec<Duration>) {
    let log = run.server.log();
    let log: Vec<_> = log.iter().filter(|request| request.host == host).collect();
    let intervals = log.windows(2).map(|pair| Duration::from_micros(pair[1].at_us - pair[0].at_us));
    (log.iter().map(|request| request.path.clone()).collect(), intervals.collect())
}

fn assert_pace(host: &str, intervals: &[Duration], delay: Duration) {
    let is_kept = |interval: &Duration| *interval + ARRIVAL_TOLERANCE >= delay;
    assert!(intervals.iter().all(is_kept), "{host}: {intervals:?} and not {delay:?}");
}

/// Subdomains whose robots.txt is at paths of their own on one site, which has a Crawl-delay and sitemaps of its own.
fn subdomains(number: usize, crawl_delay: &str) -> (Web, Vec<String>) {
    let robots = format!("User-agent: *\nCrawl-delay: {crawl_delay}\n");
    let web = Web::new().host("target.example", target("target.example", &robots, number));
    let names: Vec<String> = (0..number).map(|n| format!("sub{n}.target.example")).collect();
    let web = names.iter().enumerate().fold(web, |web, (n, name)| {
        web.host(name, moved(name, &format!("http://target.example/for-{n}.txt")))
    });
    (web, names.iter().chain([&"target.example".to_owned()]).map(|name| format!("http://{name}")).collect())
}

/// Checks what the target of [`subdomains`] was asked.
fn assert_subdomains_were_polite(run: &Run, number: usize, delay: Duration) {
    let (paths, intervals) = requests(run, "target.example");
    assert_eq!(paths.len(), 1 + 2 * number, "robots.txt, one file for each, and its own sitemaps: {paths:?}");
    let known = paths.iter().position(|path| path == "/robots.txt").unwrap();
    assert_pace("target.example", &intervals[known..], delay);
    let half = &paths[..=number];
    let own = half.iter().filter(|path| path.starts_with("/own-")).count();
    assert!(own + 2 >= number / 2, "its own sitemaps are {own} of the first {number}: {paths:?}");
}

#[test]
fn redirected_robots_txt_files_keep_the_crawl_delay_of_their_target_and_leave_it_half_of_its_pace() {
    const SUBDOMAINS: usize = 8;
    let (web, seeds) = subdomains(SUBDOMAINS, "0.4");
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    assert_subdomains_were_polite(&run, SUBDOMAINS, Duration::from_millis(400));
    let report = run.report();
    for seed in &seeds {
        assert_eq!(report["hosts"][seed]["complete"], true, "{seed}: {}", report["hosts"][seed]);
    }
}

/// Apex domains whose robots.txt is that of one `www`, which nobody has named.
fn apexes(number: usize) -> (Web, Vec<String>) {
    let www = Site::new().robots("User-agent: *\nDisallow: /never\n");
    let names: Vec<String> = (0..number).map(|n| format!("apex{n}.example")).collect();
    let web = names.iter().fold(Web::new().host("www.example", www), |web, name| {
        web.host(name, moved(name, "http://www.example/robots.txt"))
    });
    (web, names.iter().map(|name| format!("http://{name}")).collect())
}

#[test]
fn one_robots_txt_for_many_hosts_is_requested_once_and_its_host_is_no_site() {
    let (web, seeds) = apexes(120);
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>()).flags(&["--rate", "1"]);
    run.crawl();
    assert_eq!(requests(&run, "www.example").0, ["/robots.txt"]);
    assert_eq!(run.locs().len(), 120);
    let report = run.report();
    assert_eq!((&report["totals"]["hosts"], &report["totals"]["requests"]), (&120.into(), &241.into()));
    assert!(report["hosts"]["http://www.example"].is_null(), "it served the others alone");
    // The wait for the other host is politeness: nothing else takes long.
    let host = &report["hosts"]["http://apex7.example"];
    assert!(host["stages"]["politeness"]["total_s"].as_f64() > Some(0.0), "{host}");
}

/// Each host redirects its robots.txt to that of the next one, which nobody has named.
#[test]
fn a_chain_of_hosts_that_redirect_their_robots_txt_to_the_next_one_ends() {
    const HOSTS: usize = 60;
    let name = |n: usize| format!("h{n}.chain{n}.example");
    let web = (0..HOSTS).fold(Web::new(), |web, n| {
        web.host(&name(n), moved(&name(n), &format!("http://{}/robots.txt", name(n + 1))))
    });
    let run = Run::of(web, &["http://h0.chain0.example"]).flags(&["--rate", "0"]);
    run.crawl();
    let log = run.server.log();
    let last = (0..HOSTS).rev().find(|n| log.iter().any(|request| request.host == name(*n)));
    assert_eq!(last, Some(5), "five redirects are followed");
    assert!(log.len() <= 20, "{} requests", log.len());
    // Too many redirects count as no robots.txt, so everything is allowed.
    assert_eq!(run.locs().len(), 1);
}

/// A site whose index names `number` subdomains. The robots.txt of each is on one other host, at a path of its own.
fn evil(web: Web, number: usize) -> Web {
    let name = |n: usize| format!("e{n}.evil.example");
    let children: Vec<String> = (0..number).map(|n| format!("http://{}/sitemap.xml", name(n))).collect();
    let children: Vec<&str> = children.iter().map(String::as_str).collect();
    let site = Site::new()
        .robots("Sitemap: http://evil.example/i.xml\n")
        .page("/i.xml", Page::xml(index(&children)));
    let web = web.host("evil.example", site).host("victim.example", target("victim.example", "", 0));
    (0..number).fold(web, |web, n| {
        web.host(&name(n), moved(&name(n), &format!("http://victim.example/for-{n}.txt")))
    })
}

/// Ten hosts with five sitemaps each.
fn good_hosts() -> (Web, Vec<String>) {
    let names: Vec<String> = (0..10).map(|n| format!("good{n}.example")).collect();
    let web = names.iter().fold(Web::new(), |web, name| web.host(name, target(name, "", 5)));
    (web, names.iter().map(|name| format!("http://{name}")).collect())
}

/// Time from the first request to the last of the good hosts.
fn good_hosts_took(run: &Run) -> Duration {
    let log = run.server.log();
    let mut at_us =
        log.iter().filter(|request| request.host.starts_with("good")).map(|request| request.at_us);
    let first = at_us.next().unwrap();
    Duration::from_micros(at_us.next_back().unwrap() - first)
}

/// `REDIRECTED_HOSTS=5000` makes it as many subdomains, as `make soak` does.
#[test]
fn a_seed_whose_subdomains_all_wait_for_one_host_holds_no_other_host_up() {
    let subdomains = std::env::var("REDIRECTED_HOSTS").map_or(300, |text| text.parse().unwrap());
    let took = |is_evil: bool| {
        let (web, mut seeds) = good_hosts();
        let web = if is_evil { evil(web, subdomains) } else { web };
        seeds.extend(is_evil.then(|| "http://evil.example".to_owned()));
        // More hosts wait than requests may be in flight.
        let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>()).flags(&[
            "--rate",
            "2",
            "--concurrency",
            "20",
        ]);
        let mut crawl = super::run::start(run.crawl_command());
        let is_done = || {
            let done = run.server.log().iter().filter(|request| request.host.starts_with("good")).count();
            done == 60
        };
        wait_until("the good hosts are done", is_done);
        crawl.kill().unwrap();
        crawl.wait().unwrap();
        let (_, intervals) = requests(&run, "victim.example");
        assert_pace("victim.example", &intervals, Duration::from_millis(500));
        good_hosts_took(&run)
    };
    let (alone, beside) = (took(false), took(true));
    assert!(beside < alone.mul_f64(1.5), "{beside:?} instead of {alone:?}");
}

#[test]
fn chains_and_circles_of_redirected_robots_txt_files_end() {
    let link = |name: &str, to: &str| (name.to_owned(), moved(name, &format!("http://{to}/robots.txt")));
    let chain = (0..7).map(|n| link(&format!("c{n}.example"), &format!("c{}.example", n + 1)));
    let circle = (0..3).map(|n| link(&format!("o{n}.example"), &format!("o{}.example", (n + 1) % 3)));
    let itself = link("self.example", "self.example");
    let last = target("c7.example", "User-agent: *\nDisallow: /sitemap.xml\n", 0);
    let hosts: BTreeMap<String, Site> = chain.chain(circle).chain([itself]).collect();
    let seeds: Vec<String> = hosts.keys().map(|name| format!("http://{name}")).collect();
    let web = hosts.into_iter().fold(Web::new(), |web, (name, site)| web.host(&name, site));
    let run = Run::of(web.host("c7.example", last), &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    run.crawl();
    let counts = run.request_counts();
    let asked =
        |name: &str, path: &str| counts.get(&format!("http://{name}{path}")).copied().unwrap_or_default();
    for n in 0..3 {
        assert_eq!(
            asked(&format!("o{n}.example"), "/sitemap.xml"),
            1,
            "a circle is as good as no robots.txt"
        );
    }
    assert_eq!(asked("self.example", "/sitemap.xml"), 1);
    assert_eq!(asked("c6.example", "/sitemap.xml"), 0, "one redirect leads to the rules");
    assert_eq!(asked("c2.example", "/sitemap.xml"), 0, "five redirects lead to the rules");
    for n in 0..=7 {
        let (paths, _) = requests(&run, &format!("c{n}.example"));
        let robots = paths.iter().filter(|path| *path == "/robots.txt").count();
        assert_eq!(robots, 1, "c{n}: all share one request");
    }
}

#[test]
fn what_waits_for_a_host_out_of_reach_is_out_of_reach() {
    let web = Web::new()
        .host("refused.example", moved("refused.example", "http://broken.example/for-1.txt"))
        .host("broken.example", Site::new().misbehaves(Misbehaviour::Status(500)))
        .host("port.example", moved("port.example", "http://broken.example:25/robots.txt"));
    let run = Run::of(web, &["http://refused.example", "http://port.example"]);
    run.crawl();
    let report = run.report();
    for name in ["refused", "port"] {
        let host = &report["hosts"][format!("http://{name}.example")];
        assert_eq!(host["errors"]["robots_unreachable"], 1, "{name}: {host}");
        assert_eq!(host["complete"], false);
    }
    assert_eq!(requests(&run, "broken.example").0, ["/for-1.txt"; 3]);
}

#[test]
fn the_headers_of_a_seed_are_not_sent_for_another_host() {
    let web = Web::new()
        .host("seed.example", target("seed.example", "", 1))
        .host("other.example", moved("other.example", "http://seed.example/for-1.txt"));
    let seeds = ["http://seed.example", "http://other.example"];
    let run = Run::of(web, &seeds).flags(&["--header", "X-Key: s3cret"]);
    run.crawl();
    for request in run.server.log() {
        let key = (request.path != "/for-1.txt").then_some("s3cret");
        assert_eq!(request.header("x-key"), key, "{}", request.url());
    }
}

#[test]
fn a_kill_at_any_moment_of_the_wait_loses_nothing_and_repeats_little() {
    let (web, seeds) = subdomains(6, "0.3");
    let run = Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>());
    let mut crawl = super::run::start(run.crawl_command());
    for requests in [7, 9, 12, 14] {
        wait_until("some requests were made", || run.server.log().len() >= requests);
        crawl.kill().unwrap();
        crawl.wait().unwrap();
        crawl = super::run::start(run.resume_command(&[]));
    }
    assert!(crawl.wait().unwrap().success());
    assert_eq!(run.locs().len(), 6);
    let (paths, _) = requests(&run, "target.example");
    assert!(paths.len() <= 13 + 4, "one request may be lost with each kill: {paths:?}");
    let report = run.report();
    assert_eq!(report["totals"]["hosts_complete"], 7, "{report}");
}

#[cfg(feature = "shared")]
mod shared {
    use super::super::shared_crawl::{DELAY, SharedCrawl};
    use super::*;

    #[test]
    fn four_workers_are_as_polite_to_the_target_as_one() {
        const SUBDOMAINS: usize = 12;
        let (web, seeds) = subdomains(SUBDOMAINS, "0.7");
        let Some(crawl) = SharedCrawl::of_web(web, &seeds.join("\n")) else { return };
        for mut worker in crawl.start(4).0.drain(..) {
            assert!(worker.wait().unwrap().success());
        }
        assert_subdomains_were_polite(&crawl.run, SUBDOMAINS, Duration::from_millis(700));
        assert_eq!(crawl.json("report")["totals"]["hosts_complete"], SUBDOMAINS + 1);
    }

    #[test]
    fn four_workers_request_one_robots_txt_for_many_hosts_once() {
        let (web, seeds) = apexes(120);
        let Some(crawl) = SharedCrawl::of_web(web, &seeds.join("\n")) else { return };
        for mut worker in crawl.start(4).0.drain(..) {
            assert!(worker.wait().unwrap().success());
        }
        assert_eq!(requests(&crawl.run, "www.example").0, ["/robots.txt"]);
        assert_eq!(crawl.json("report")["totals"]["hosts_complete"], 120);
        let (_, intervals) = requests(&crawl.run, "apex3.example");
        assert_pace("apex3.example", &intervals, DELAY);
    }
}
