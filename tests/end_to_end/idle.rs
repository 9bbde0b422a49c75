//! Connections between two requests of a host: how long they stay open, and what a server can send on them.

use fakesite::{LoggedConnection, Misbehaviour, Page, ServeOptions, Site, Web};

use super::hosts::show_figure;
use super::run::{Run, urlset};

/// Seconds between two requests, longer than an HTTP/2 connection may be idle.
const DELAY_S: u64 = 5;

/// Maximum bytes that a server gets rid of on an idle connection: 64 KiB that are read, and what fits into the buffers of
/// both sockets.
const FLOOD_BYTES_MAX: u64 = 16 << 20;

/// A crawl of three sitemaps of one host, one every five seconds.
fn slow_crawl(change: impl Fn(Site) -> Site) -> Run {
    let names = ["a", "b", "c"];
    let lines: String = names.iter().map(|name| format!("Sitemap: https://x.example/{name}.xml\n")).collect();
    let site = Site::new().robots(format!("User-agent: *\nCrawl-delay: {DELAY_S}\n{lines}"));
    let site = names.iter().fold(site, |site, name| {
        site.page(&format!("/{name}.xml"), Page::xml(urlset(&[&format!("https://x.example/{name}")])))
    });
    let server = Web::new().host("x.example", change(site)).serve(ServeOptions::default()).unwrap();
    Run::on(server, &["https://x.example"])
}

/// Crawls, checks that everything was fetched, and returns the connections.
fn connections_of(run: &Run) -> Vec<LoggedConnection> {
    run.crawl();
    assert_eq!(run.locs().len(), 3);
    assert_eq!(run.server.log().len(), 4, "nothing is requested twice");
    run.server.connections()
}

#[test]
fn a_flood_on_an_idle_connection_ends_the_connection_and_nothing_else() {
    for flood in [Misbehaviour::PingsWhenIdle, Misbehaviour::UnknownFramesWhenIdle] {
        let run = slow_crawl(|site| site.misbehaves(flood.clone()));
        let connections = connections_of(&run);
        let most = connections.iter().map(|connection| connection.flood_bytes).max().unwrap();
        show_figure(&format!("{flood:?}: at most {most} bytes on an idle connection"));
        assert!(most > 0, "{flood:?}: {connections:?}");
        assert_eq!(connections.len(), 4, "each request needs a new one: {connections:?}");
        for connection in connections {
            assert_eq!(connection.protocol, Some("h2"));
            assert!(connection.flood_bytes <= FLOOD_BYTES_MAX, "{flood:?}: {connection:?}");
        }
    }
}

#[test]
fn an_idle_http2_connection_is_closed_before_a_slow_crawl_needs_it_again_and_an_http1_connection_is_not() {
    let http2 = slow_crawl(|site| site);
    let connections = connections_of(&http2);
    let requests = http2.server.log();
    assert_eq!(connections.len(), requests.len(), "{connections:?}");
    for (connection, next) in connections.iter().zip(&requests[1..]) {
        let closed_us = connection.closed_us.unwrap();
        assert!(closed_us < next.at_us, "{connection:?} is still open at {}", next.at_us);
    }
    let http1 = slow_crawl(Site::http1_only);
    assert_eq!(connections_of(&http1).len(), 1);
}

#[test]
fn requests_in_quick_succession_share_an_http2_connection() {
    let run = slow_crawl(|site| {
        site.robots("Sitemap: https://x.example/a.xml\nSitemap: https://x.example/b.xml\nSitemap: https://x.example/c.xml\n")
    });
    assert_eq!(connections_of(&run).len(), 1);
}
