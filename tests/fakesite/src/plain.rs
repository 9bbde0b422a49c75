//! Many small hosts that are all alike, for tests of scheduling, kills and large crawls. Only their names are in
//! memory.
//!
//! Host `site00042.test` has a robots.txt that names `/sitemap.xml`, an index of `/sitemap-0.xml`, `/sitemap-1.xml`, …,
//! each with the configured number of entries.

use std::fmt::Write;

use crate::page::Page;
use crate::request::Request;
use crate::web::{Site, Web};

/// The size of the web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of hosts.
    pub hosts: u32,
    /// Sitemaps with entries per host, besides the index.
    pub sitemaps: u32,
    /// Entries per sitemap.
    pub entries: u32,
}

impl Options {
    /// Total number of sitemaps, indexes included.
    pub fn sitemaps_in_all(self) -> u64 {
        u64::from(self.hosts) * (u64::from(self.sitemaps) + 1)
    }

    /// Total number of entries.
    pub fn entries_in_all(self) -> u64 {
        u64::from(self.hosts) * u64::from(self.sitemaps) * u64::from(self.entries)
    }
}

/// Builds the web.
pub fn web(options: Options) -> Web {
    (0..options.hosts).fold(Web::new(), |web, n| {
        let name = host_name(n);
        let site = Site::new().otherwise(move |request| page(options, request));
        web.host(&name, site)
    })
}

/// The name of the `n`th host, from 0.
pub fn host_name(n: u32) -> String {
    format!("site{n:05}.test")
}

/// A seed file with all hosts.
pub fn seeds(options: Options) -> String {
    (0..options.hosts).map(|n| host_name(n) + "\n").collect()
}

/// The loc of an entry, given its host, sitemap and position.
pub fn loc(host: &str, sitemap: u32, entry: u32) -> String {
    format!("https://{host}/articles/{sitemap}/{entry:05}.html")
}

fn page(options: Options, request: &Request) -> Option<Page> {
    let host = &request.host;
    match request.path.as_str() {
        "/robots.txt" => Some(Page::text(format!("User-agent: *\nSitemap: https://{host}/sitemap.xml\n"))),
        "/sitemap.xml" => Some(Page::xml(index(host, options.sitemaps))),
        path => {
            let n = path.strip_prefix("/sitemap-")?.strip_suffix(".xml")?.parse().ok()?;
            (n < options.sitemaps).then(|| Page::xml(urlset(host, n, options.entries)))
        }
    }
}

const XMLNS: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";

fn index(host: &str, sitemaps: u32) -> String {
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sitemapindex xmlns=\"{XMLNS}\">\n");
    for n in 0..sitemaps {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "<sitemap><loc>https://{host}/sitemap-{n}.xml</loc></sitemap>");
    }
    text + "</sitemapindex>\n"
}

fn urlset(host: &str, sitemap: u32, entries: u32) -> String {
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"{XMLNS}\">\n");
    for n in 0..entries {
        let _ =
            writeln!(text, "<url><loc>{}</loc><lastmod>2026-06-01</lastmod></url>", loc(host, sitemap, n));
    }
    text + "</urlset>\n"
}
