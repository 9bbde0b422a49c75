//! A news web: the nineteen hosts of `seeds/news.txt` with about 340 sitemaps and 650,000 entries, the same in every
//! run.
//!
//! It has robots.txt files with and without `Sitemap` lines, indexes nested up to two levels, gzip and plain files,
//! news, image, video and hreflang extensions, a feed, a text sitemap, children that are forbidden, gone or broken,
//! redirects, and two hosts that accept connections and never answer. The module `plan` lists the sitemaps of each
//! host; [`expected()`] gives the expected result of a crawl.

mod article;
mod document;
mod expected;
mod options;
mod plan;
mod robots;

use crate::misbehaviour::Misbehaviour;
use crate::page::Page;
use crate::request::Scheme;
use crate::web::{Site, Web};

use plan::{Document, HostPlan, Index, Node, Packing, Quirk};

pub use expected::{Expected, ExpectedHost, expected};
pub use options::Options;

/// Builds the web.
pub fn web(options: Options) -> Web {
    plan::hosts().into_iter().fold(Web::new(), |web, host| {
        let name = host.name;
        web.host(name, site(host, options))
    })
}

/// The names of the hosts, in the order of the seed file.
pub fn host_names() -> Vec<&'static str> {
    plan::hosts().iter().map(|host| host.name).collect()
}

fn site(host: HostPlan, options: Options) -> Site {
    if host.hangs && options.hanging {
        return Site::new().misbehaves(Misbehaviour::NeverAnswers);
    }
    let mut site = Site::new().robots(robots::text(&host, options.scheme));
    let style = host.style;
    for node in host.roots.into_iter().chain(host.unlisted) {
        site = add_node(site, host.name, style, node, options.scheme);
    }
    site
}

fn add_node(mut site: Site, host: &'static str, style: article::Style, node: Node, scheme: Scheme) -> Site {
    match node {
        Node::Document(document) => add_document(site, host, style, document, scheme),
        Node::Index(index) => {
            let page = packed(index_page(host, &index, scheme), index.packing);
            site = site.page(&index.path, page);
            index.children.into_iter().fold(site, |site, child| add_node(site, host, style, child, scheme))
        }
    }
}

fn index_page(host: &'static str, index: &Index, scheme: Scheme) -> Page {
    let origin = format!("{scheme}://{host}");
    let children: Vec<_> =
        index.children.iter().map(|child| (child.path().to_owned(), child.month())).collect();
    Page::written("application/xml", move |out| document::write_index(out, &origin, &children))
}

fn add_document(
    site: Site,
    host: &'static str,
    style: article::Style,
    document: Document,
    scheme: Scheme,
) -> Site {
    let path = document.path.clone();
    match document.quirk.clone() {
        Quirk::None => site.page(&path, document_page(host, style, document)),
        Quirk::Fails(status) => site.page(&path, Page::status(status)),
        Quirk::FailsOnce(status) => {
            let fails_once = Misbehaviour::StatusThenOk { status, times: 1 };
            site.page(&path, document_page(host, style, document).misbehaves(fails_once))
        }
        Quirk::MovedTo(target) => {
            let page = document_page(host, style, document);
            site.page(&path, redirect(target.to_owned())).page(target, page)
        }
        Quirk::MovedToHost(other, target) => {
            site.page(&path, redirect(format!("{scheme}://{other}{target}")))
        }
    }
}

fn redirect(to: String) -> Page {
    Page::status(301).header("location", to)
}

fn document_page(host: &'static str, style: article::Style, document: Document) -> Page {
    let packing = document.packing;
    let page =
        Page::written(document.kind.content_type(), move |out| document::write(out, host, style, &document));
    packed(page, packing)
}

fn packed(page: Page, packing: Packing) -> Page {
    match packing {
        Packing::Plain => page,
        Packing::Gzip => page.gzipped(),
        Packing::Encoded => page.gzip_encoded(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_are_those_of_the_seed_file() {
        let seeds = include_str!("../../../../seeds/news.txt");
        let listed: Vec<_> =
            seeds.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(host_names(), listed);
    }
}
