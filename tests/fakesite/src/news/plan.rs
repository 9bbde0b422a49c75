//! The sitemaps of each host and the number of entries in each.
//!
//! The numbers are invented to resemble real news sites: some have one sitemap, some have a hundred.

use crate::stable_hash;

use super::article::{Month, Style};

/// One host.
pub(super) struct HostPlan {
    pub(super) name: &'static str,
    pub(super) style: Style,
    /// Whether it never answers, unless `Options::hanging` is off.
    pub(super) hangs: bool,
    /// Whether robots.txt names the roots; otherwise they are found at a well-known path.
    pub(super) names_roots: bool,
    pub(super) crawl_delay: Option<&'static str>,
    pub(super) roots: Vec<Node>,
    /// Sitemaps that are served but only referenced by another host.
    pub(super) unlisted: Vec<Node>,
}

/// A sitemap.
pub(super) enum Node {
    Index(Index),
    Document(Document),
}

/// A sitemap of sitemaps.
pub(super) struct Index {
    pub(super) path: String,
    pub(super) packing: Packing,
    pub(super) children: Vec<Node>,
}

/// A sitemap of pages.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) packing: Packing,
    pub(super) entries: u32,
    /// When its articles were published.
    pub(super) month: Month,
    /// Unique within the host, so that the URLs in its documents are unique.
    pub(super) number: u32,
    pub(super) quirk: Quirk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Articles,
    News,
    Videos,
    Alternates,
    Rss,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    /// A `.gz` file.
    Gzip,
    /// Plain, with a gzip content encoding for clients that accept it.
    Encoded,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Quirk {
    None,
    /// Always fails with this status.
    Fails(u16),
    /// Fails once with this status.
    FailsOnce(u16),
    /// Redirects to this path.
    MovedTo(&'static str),
    /// Redirects to this path of this host, whose plan has it as unlisted.
    MovedToHost(&'static str, &'static str),
}

impl Kind {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Articles | Self::News | Self::Videos | Self::Alternates => "application/xml",
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

impl Node {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Index(index) => &index.path,
            Self::Document(document) => &document.path,
        }
    }

    /// The month of its newest article.
    pub(super) fn month(&self) -> Month {
        match self {
            Self::Index(index) => index.children.first().map_or(Month::LATEST, Self::month),
            Self::Document(document) => document.month,
        }
    }

    fn number(&mut self, next: &mut u32) {
        match self {
            Self::Index(index) => index.children.iter_mut().for_each(|child| child.number(next)),
            Self::Document(document) => {
                document.number = *next;
                *next += 1;
            }
        }
    }
}

impl HostPlan {
    fn new(name: &'static str, style: Style) -> Self {
        let (roots, unlisted) = (Vec::new(), Vec::new());
        Self { name, style, hangs: false, names_roots: true, crawl_delay: None, roots, unlisted }
    }

    fn root(mut self, node: Node) -> Self {
        self.roots.push(node);
        self
    }

    fn unlisted(mut self, node: Node) -> Self {
        self.unlisted.push(node);
        self
    }

    fn crawl_delay(mut self, value: &'static str) -> Self {
        self.crawl_delay = Some(value);
        self
    }

    fn hangs(mut self) -> Self {
        self.hangs = true;
        self
    }

    fn without_sitemap_lines(mut self) -> Self {
        self.names_roots = false;
        self
    }

    fn numbered(mut self) -> Self {
        let mut next = 0;
        self.roots.iter_mut().chain(&mut self.unlisted).for_each(|node| node.number(&mut next));
        self
    }
}

/// All hosts, in the order of the seed file. Without the two hosts that hang they have 338 sitemaps and 650,000
/// entries.
pub(super) fn hosts() -> Vec<HostPlan> {
    large_hosts().into_iter().chain(middling_hosts()).chain(small_hosts()).map(HostPlan::numbered).collect()
}

fn large_hosts() -> Vec<HostPlan> {
    use Kind::{Articles, News, Videos};
    use Packing::{Encoded, Gzip, Plain};
    vec![
        HostPlan::new("www.cnn.com", Style::Dated)
            .root(index(
                "/sitemaps/article.xml",
                Plain,
                archive("/sitemaps/article-{month}.xml.gz", Gzip, 30, 92_000),
            ))
            .root(document("/sitemaps/cnn/news.xml", News, Plain, 900))
            .root(index(
                "/sitemaps/video.xml",
                Plain,
                series("/sitemaps/video-{n}.xml.gz", Videos, Gzip, 2, 4_000),
            )),
        HostPlan::new("www.nytimes.com", Style::Dated)
            .root(index("/sitemaps/new/sitemap.xml.gz", Gzip, yearly_indexes(6, 118_000)))
            .root(document("/sitemaps/new/news.xml.gz", News, Gzip, 700)),
        HostPlan::new("www.bbc.com", Style::Section)
            .root(index(
                "/sitemaps/https-index-com-archive.xml",
                Plain,
                series("/sitemaps/https-sitemap-com-archive-{n}.xml.gz", Articles, Gzip, 16, 82_000),
            ))
            .root(index(
                "/sitemaps/https-index-com-news.xml",
                Plain,
                series("/sitemaps/https-sitemap-com-news-{n}.xml", News, Plain, 3, 2_400),
            )),
        HostPlan::new("www.theguardian.com", Style::Section)
            .root(document("/sitemaps/news.xml", News, Encoded, 1_000))
            .root(index(
                "/sitemaps/archive.xml",
                Encoded,
                archive("/sitemaps/archive/{month}.xml", Encoded, 20, 69_640),
            )),
        HostPlan::new("www.washingtonpost.com", Style::Html)
            .root(document("/sitemaps/news-sitemap.xml.gz", News, Gzip, 600))
            .root(index(
                "/sitemaps/sitemap.xml.gz",
                Gzip,
                archive("/sitemaps/{month}.xml.gz", Gzip, 18, 45_000),
            )),
    ]
}

fn middling_hosts() -> Vec<HostPlan> {
    use Kind::{Alternates, Articles, News};
    use Packing::{Gzip, Plain};
    vec![
        HostPlan::new("www.reuters.com", Style::Section)
            .root(index(
                "/arc/outboundfeeds/sitemap-index/?outputType=xml",
                Plain,
                series("/arc/outboundfeeds/sitemap/?outputType=xml&from={n}00", Articles, Plain, 30, 3_000),
            ))
            .root(document("/arc/outboundfeeds/news-sitemap/?outputType=xml", News, Plain, 100)),
        HostPlan::new("www.npr.org", Style::Dated).without_sitemap_lines().root(index(
            "/sitemap.xml",
            Plain,
            archive("/sitemaps/{month}.xml.gz", Gzip, 10, 30_000),
        )),
        HostPlan::new("www.aljazeera.com", Style::Section)
            .root(index("/sitemap.xml", Plain, series("/sitemaps/{n}.xml.gz", Alternates, Gzip, 8, 16_000)))
            .root(document("/news-sitemap.xml", News, Plain, 300)),
        HostPlan::new("www.foxnews.com", Style::Section)
            .crawl_delay("0")
            .root(index(
                "/sitemap.xml",
                Plain,
                with(
                    series("/sitemap.xml.gz?type=articles&part={n}", Articles, Gzip, 24, 56_000),
                    failing("/sitemap.xml.gz?type=articles&part=25", Quirk::Fails(404)),
                ),
            ))
            .root(document("/sitemap.xml?type=news", News, Plain, 500)),
        HostPlan::new("www.bloomberg.com", Style::Dated).hangs().root(index(
            "/feeds/sitemap_index.xml",
            Plain,
            archive("/feeds/sitemap_{month}.xml.gz", Gzip, 4, 4_000),
        )),
        HostPlan::new("www.wsj.com", Style::Section).hangs().root(index(
            "/sitemap.xml",
            Plain,
            archive("/sitemaps/{month}.xml", Plain, 3, 3_000),
        )),
        HostPlan::new("www.forbes.com", Style::Dated)
            .root(index(
                "/sitemap_index.xml",
                Plain,
                with(
                    archive("/sitemaps/{month}.xml.gz", Gzip, 14, 28_000),
                    failing("/sitemaps/members.xml.gz", Quirk::Fails(403)),
                ),
            ))
            .root(document("/news_sitemap.xml.gz", News, Gzip, 400)),
    ]
}

fn small_hosts() -> Vec<HostPlan> {
    use Kind::{Articles, News, Rss, Text};
    use Packing::{Gzip, Plain};
    vec![
        HostPlan::new("www.usatoday.com", Style::Html)
            .crawl_delay("0.05")
            .root(index(
                "/sitemap.xml",
                Plain,
                with(
                    archive("/sitemap/{month}.xml", Plain, 12, 24_000),
                    failing("/sitemap/archive.xml", Quirk::Fails(503)),
                ),
            ))
            .root(document("/news-sitemap.xml", News, Plain, 500)),
        HostPlan::new("www.latimes.com", Style::Html)
            .root(index("/sitemap.xml", Plain, archive("/sitemap-{month}.xml.gz", Gzip, 9, 18_000)))
            .root(document("/sitemap-topics.txt", Text, Plain, 5_000))
            .unlisted(document("/syndication/tribune.xml", Articles, Plain, 1_500)),
        HostPlan::new("abcnews.go.com", Style::Section)
            .root(index("/xmlLatestSitemap", Plain, series("/xmlSitemap/{n}.gz", Articles, Gzip, 8, 12_000)))
            .root(document("/abcnews/topstories", Rss, Plain, 60)),
        HostPlan::new("www.cbsnews.com", Style::Section).root(index(
            "/xml-sitemap/index.xml",
            Plain,
            with(
                series("/xml-sitemap/article-{n}.xml", Articles, Plain, 10, 14_000),
                moved("/xml-sitemap/latest.xml", Quirk::MovedTo("/xml-sitemap/2026/latest.xml"), 1_000),
            ),
        )),
        HostPlan::new("www.nbcnews.com", Style::Section)
            .root(index(
                "/sitemap/nbcnews/sitemap-index",
                Plain,
                with(
                    archive("/sitemap/nbcnews/{month}.xml.gz", Gzip, 7, 12_000),
                    moved("/sitemap/nbcnews/current.xml.gz", Quirk::FailsOnce(503), 2_000),
                ),
            ))
            .root(document("/sitemap/nbcnews/sitemap-news", News, Gzip, 400)),
        HostPlan::new("www.chicagotribune.com", Style::Dated)
            .root(document("/sitemap-1.xml", Articles, Plain, 2_500))
            .root(document("/sitemap-2.xml", Articles, Plain, 2_300))
            .root(document("/sitemap-3.xml", Articles, Plain, 1_200))
            .root(failing(
                "/sitemap-partner.xml",
                Quirk::MovedToHost("www.latimes.com", "/syndication/tribune.xml"),
            )),
        HostPlan::new("www.seattletimes.com", Style::Section).root(document(
            "/sitemap.xml",
            Articles,
            Plain,
            3_000,
        )),
    ]
}

fn index(path: &str, packing: Packing, children: Vec<Node>) -> Node {
    Node::Index(Index { path: path.to_owned(), packing, children })
}

fn document(path: &str, kind: Kind, packing: Packing, entries: u32) -> Node {
    let (path, month) = (path.to_owned(), Month::LATEST);
    Node::Document(Document { path, kind, packing, entries, month, number: 0, quirk: Quirk::None })
}

fn with(mut nodes: Vec<Node>, another: Node) -> Vec<Node> {
    nodes.push(another);
    nodes
}

/// A document without entries of its own: the quirk decides the answer.
fn failing(path: &str, quirk: Quirk) -> Node {
    moved(path, quirk, 0)
}

/// A document of articles that can be read despite the quirk, packed according to its name.
fn moved(path: &str, quirk: Quirk, entries: u32) -> Node {
    let packing = if path.ends_with(".gz") { Packing::Gzip } else { Packing::Plain };
    let (path, month) = (path.to_owned(), Month::LATEST);
    Node::Document(Document { path, kind: Kind::Articles, packing, entries, month, number: 0, quirk })
}

/// Documents of articles, one per month, the latest first. `{month}` in the path becomes `2026-06`.
fn archive(path: &str, packing: Packing, documents: u32, entries: u32) -> Vec<Node> {
    let name = |n: u32| path.replace("{month}", &Month::LATEST.before(n).to_string());
    spread(name, Kind::Articles, packing, documents, entries)
}

/// Documents numbered from 1. `{n}` in the path becomes the number.
fn series(path: &str, kind: Kind, packing: Packing, documents: u32, entries: u32) -> Vec<Node> {
    let name = |n: u32| path.replace("{n}", &(n + 1).to_string());
    spread(name, kind, packing, documents, entries)
}

/// One index of twelve documents per year, so that the documents are nested two levels deep.
fn yearly_indexes(years: u32, entries: u32) -> Vec<Node> {
    let mut months = archive("/sitemaps/new/sitemap-{month}.xml.gz", Packing::Gzip, years * 12, entries);
    let mut indexes = Vec::new();
    for year in 0..years {
        let later = months.split_off(months.len().min(12));
        let path = format!("/sitemaps/new/year-{}.xml.gz", year + 1);
        indexes.push(index(&path, Packing::Gzip, months));
        months = later;
    }
    indexes
}

fn spread(
    name: impl Fn(u32) -> String,
    kind: Kind,
    packing: Packing,
    documents: u32,
    entries: u32,
) -> Vec<Node> {
    let shares = shares(entries, documents, kind == Kind::News);
    let node = |(n, entries)| {
        let (path, month) = (name(n), Month::LATEST.before(n));
        Node::Document(Document { path, kind, packing, entries, month, number: 0, quirk: Quirk::None })
    };
    (0..documents).zip(shares).map(node).collect()
}

/// Splits a total into parts. Unless `even`, they differ from their mean by up to a third.
fn shares(total: u32, parts: u32, even: bool) -> Vec<u32> {
    let weight = |n: u32| if even { 3 } else { 2_000 + stable_hash::mix(u64::from(n)) % 2_000 };
    let sum: u64 = (0..parts).map(weight).sum();
    let mut weight_before = 0;
    let cut = |weight: u64| u32::try_from(u64::from(total) * weight / sum.max(1)).unwrap_or(total);
    (0..parts)
        .map(|n| {
            let start = cut(weight_before);
            weight_before += weight(n);
            cut(weight_before) - start
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_uneven_and_add_up() {
        let shares = shares(92_000, 30, false);
        assert_eq!(shares.iter().sum::<u32>(), 92_000);
        assert!(shares.iter().max() > shares.iter().min());
    }
}
