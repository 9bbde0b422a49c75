//! Hosts with one sitemap each, and what a crawl reports of them.

use std::io::Write;

use fakesite::{Page, ServeOptions, Site, Web, hostile};
use serde_json::Value;

use super::run::Run;

/// A site whose robots.txt names one sitemap, `/s.xml`.
pub fn announcing(host: &str, sitemap: Page) -> Site {
    Site::new().robots(format!("Sitemap: http://{host}/s.xml\n")).page("/s.xml", sitemap)
}

/// The host of a case.
pub fn host_name(case: &str) -> String {
    format!("{case}.example")
}

/// A crawl of one host for each case, whose one sitemap is the page; not started yet.
pub fn one_host_each<'a>(cases: impl IntoIterator<Item = (&'a str, Page)>) -> Run {
    let (mut web, mut seeds) = (Web::new(), Vec::new());
    for (case, page) in cases {
        let host = host_name(case);
        web = web.host(&host, announcing(&host, page));
        seeds.push(format!("http://{host}"));
    }
    Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A crawl of a hostile host of each of these kinds; not started yet.
pub fn hostile_hosts(kinds: &[&str]) -> Run {
    let web = hostile::web(hostile::Options { copies: 1, heavy_copies: 1, well_behaved: 0, sitemaps: 0 });
    let seeds: Vec<String> =
        kinds.iter().map(|kind| format!("http://{}", hostile::host_name(kind, 0))).collect();
    let server = web.serve(ServeOptions::default()).unwrap();
    Run::on(server, &seeds.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a report says of a host by http.
pub fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let host = &report["hosts"][format!("http://{name}")];
    assert!(host.is_object(), "nothing is said of {name}");
    host
}

/// Checks that the one sitemap of a host came to `error`, and how many requests the host got.
pub fn assert_ended(report: &Value, name: &str, error: &str, requests: u64) {
    let host = host(report, name);
    assert_eq!(host["errors"], serde_json::json!({ error: 1 }), "{name}: {host}");
    assert_eq!((&host["requests"], &host["complete"]), (&requests.into(), &false.into()), "{name}: {host}");
}

/// The most that was sent in answer to one request of a host.
pub fn most_sent(run: &Run, name: &str) -> u64 {
    let log = run.server.log();
    log.iter().filter(|request| request.host == name).map(|request| request.body_bytes).max().unwrap()
}

/// Shows a figure whether or not the test passes: the test runner hides only what the print macros print.
pub fn tell(figure: &str) {
    std::io::stderr().write_all(format!("{figure}\n").as_bytes()).unwrap();
}
