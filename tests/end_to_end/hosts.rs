//! Hosts with one sitemap each, and checks of what a crawl reports about them.

use std::io::Write;

use fakesite::{Page, ServeOptions, Site, Web, hostile};
use serde_json::Value;

use super::run::Run;

/// A site whose robots.txt names one sitemap, `/s.xml`.
pub fn announcing(host: &str, sitemap: Page) -> Site {
    Site::new().robots(format!("Sitemap: http://{host}/s.xml\n")).page("/s.xml", sitemap)
}

/// The name of the host for a test case.
pub fn host_name(case: &str) -> String {
    format!("{case}.example")
}

/// A crawl of one host per test case, whose only sitemap is the page. It is not started yet.
pub fn one_host_each<'a>(cases: impl IntoIterator<Item = (&'a str, Page)>) -> Run {
    let (mut web, mut seeds) = (Web::new(), Vec::new());
    for (case, page) in cases {
        let host = host_name(case);
        web = web.host(&host, announcing(&host, page));
        seeds.push(format!("http://{host}"));
    }
    Run::of(web, &seeds.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A crawl of one hostile host of each of these kinds. It is not started yet.
pub fn hostile_hosts(kinds: &[&str]) -> Run {
    let web = hostile::web(hostile::Options { copies: 1, heavy_copies: 1, well_behaved: 0, sitemaps: 0 });
    let seeds: Vec<String> = kinds.iter().map(|kind| hostile::origin(kind, 0)).collect();
    let server = web.serve(ServeOptions::default()).unwrap();
    Run::on(server, &seeds.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The part of a report about the http host `name`.
pub fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let host = &report["hosts"][format!("http://{name}")];
    assert!(host.is_object(), "the report has no host {name}");
    host
}

/// Checks that the only sitemap of a host ended with `error`, and the number of requests to the host.
pub fn assert_ended(report: &Value, name: &str, error: &str, requests: u64) {
    let host = host(report, name);
    assert_eq!(host["errors"], serde_json::json!({ error: 1 }), "{name}: {host}");
    assert_eq!((&host["requests"], &host["complete"]), (&requests.into(), &false.into()), "{name}: {host}");
}

/// Maximum bytes sent in answer to one request to a host.
pub fn most_sent(run: &Run, name: &str) -> u64 {
    let log = run.server.log();
    log.iter().filter(|request| request.host == name).map(|request| request.body_bytes).max().unwrap()
}

/// Prints a figure even if the test passes. The test runner hides only the output of the print macros.
pub fn show_figure(figure: &str) {
    std::io::stderr().write_all(format!("{figure}\n").as_bytes()).unwrap();
}
