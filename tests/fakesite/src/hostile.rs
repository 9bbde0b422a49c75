//! A web of hostile hosts with one misbehaviour each, and a few well-behaved hosts.

use std::io::{self, Write};
use std::iter;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

use crate::holding;
use crate::misbehaviour::Misbehaviour;
use crate::page::Page;
use crate::request::Request;
use crate::web::{Site, Web};

/// The size of the web.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Hostile hosts of each [kind](KINDS) that is not heavy.
    pub copies: u32,
    /// Hostile hosts of each [heavy](HEAVY) kind.
    pub heavy_copies: u32,
    /// Well-behaved hosts.
    pub well_behaved: u32,
    /// Sitemaps per well-behaved host. Its robots.txt names all of them, and each has one entry.
    pub sitemaps: u32,
}

/// A kind of hostile host: its name, and a function that builds the site of a host name.
type Kind = (&'static str, fn(&str) -> Site);

/// Longer than any client waits.
const FOR_GOOD: Duration = Duration::from_secs(24 * 3600);
/// Number of attributes, namespaces or levels in the documents that have too many of them.
const TOO_MANY: usize = 1_000_000;
/// Children of the large index, and the length of each path: 50 MiB including the tags around them.
const CHILDREN: usize = 50_000;
const CHILD_PATH_BYTES: usize = 980;
/// Images of the large entry: more than a reader may keep of one entry.
const IMAGES: usize = 160_000;

/// The kinds of hostile hosts.
pub const KINDS: &[Kind] = &[
    ("silent", |_| Site::new().misbehaves(Misbehaviour::NeverAnswers)),
    ("late", |host| misbehaving(host, Misbehaviour::SlowFirstByte(FOR_GOOD))),
    ("dripping", |host| misbehaving(host, drip())),
    ("dripping-rules", |_| Site::new().page("/robots.txt", Page::text("User-agent: *\n").misbehaves(drip()))),
    ("stalling", |host| misbehaving(host, Misbehaviour::StallsAfter(60))),
    ("dropping", |host| misbehaving(host, Misbehaviour::DropsAfter(60))),
    ("resetting", |host| misbehaving(host, Misbehaviour::ResetsConnection)),
    ("closing", |host| misbehaving(host, Misbehaviour::ClosesUnanswered)),
    ("claiming-more", |host| misbehaving(host, Misbehaviour::LiesAboutLength(1_000_000))),
    ("claiming-less", |host| misbehaving(host, Misbehaviour::LiesAboutLength(30))),
    ("garbage", |host| misbehaving(host, Misbehaviour::Garbage(Bytes::from_static(b"\0\x01SSH-2.0\r\n")))),
    ("headless", |host| misbehaving(host, Misbehaviour::BareBody)),
    ("endless-headers", |host| misbehaving(host, Misbehaviour::EndlessHeaders)),
    ("huge-header", |host| misbehaving(host, Misbehaviour::HugeHeader(100_000_000))),
    ("cookies", |host| misbehaving(host, Misbehaviour::CookieFlood(5_000))),
    ("interim", |host| misbehaving(host, Misbehaviour::EndlessInterim)),
    ("bad-chunks", |host| misbehaving(host, Misbehaviour::BadChunks)),
    ("split", |host| misbehaving(host, Misbehaviour::ExtraResponse)),
    ("endless-body", |host| misbehaving(host, Misbehaviour::EndlessBody)),
    ("endless-token", |host| announcing(host, endless(b"<urlset><url><loc>http://a.test/", b"x"))),
    ("endless-gzip-name", |host| announcing(host, endless(&GZIP_WITH_NAME, b"x"))),
    ("endless-gzip-blocks", |host| announcing(host, endless(&GZIP, &EMPTY_BLOCK))),
    ("endless-gzip-tail", |host| announcing(host, endless_tail(host))),
    ("bomb", |host| misbehaving(host, Misbehaviour::GzipBomb { decoded_bytes: 1 << 30 })),
    ("doubled-bomb", |host| announcing(host, Page::doubled_bomb(10 << 30))),
    ("brotli", |host| announcing(host, Page::xml("\x0b\x02\x01\n").header("content-encoding", "br"))),
    ("unavailable", |host| misbehaving(host, Misbehaviour::Status(503))),
    ("busy", |host| misbehaving(host, busy())),
    ("circling", |host| misbehaving(host, Misbehaviour::RedirectLoop)),
    ("inward", |host| {
        misbehaving(host, Misbehaviour::RedirectsTo("http://169.254.169.254/latest/".to_owned()))
    }),
    ("soft-404", |_| Site::new().misbehaves(Misbehaviour::HtmlSoft404)),
    ("billion-laughs", |host| announcing(host, Page::xml(billion_laughs()))),
    ("attributes", |host| {
        announcing(host, urlset_of(&["<url ", " a=''", "><loc>http://a.test/</loc></url>"]))
    }),
    ("namespaces", |host| {
        announcing(host, urlset_of(&["<url ", " xmlns:a='b'", "><loc>http://a.test/</loc></url>"]))
    }),
    ("levels", |host| announcing(host, urlset_of(&["<url>", "<a>", ""]))),
    ("session-ids", |host| announcing_index(host, session_ids)),
    ("exploding", |host| announcing_index(host, exploding)),
    ("large-index", |host| announcing(host, large_index(host))),
    ("large-entry", |host| announcing(host, large_entry())),
    ("long-names", |host| holding(host, "long-names")),
    ("long-prefixes", |host| holding(host, "long-prefixes")),
    ("long-namespaces", |host| holding(host, "long-namespaces")),
    ("euro-names", |host| holding(host, "euro-names")),
    ("long-entry", |host| holding(host, "long-entry")),
    ("many-records", |host| holding(host, "many-records")),
    ("many-links", |host| holding(host, "many-links")),
    ("invalid-bytes", |host| holding(host, "invalid-bytes")),
    ("pings-when-idle", |host| flooding(host, Misbehaviour::PingsWhenIdle)),
    ("unknown-frames-when-idle", |host| flooding(host, Misbehaviour::UnknownFramesWhenIdle)),
];

/// The kinds that are served over https, because they misbehave over HTTP/2 alone.
const OVER_HTTPS: &[&str] = &["pings-when-idle", "unknown-frames-when-idle"];

/// The kinds that are expensive to read: tens of megabytes, or seconds of CPU time.
pub const HEAVY: &[&str] = &[
    "huge-header",
    "interim",
    "endless-headers",
    "endless-body",
    "endless-token",
    "endless-gzip-name",
    "endless-gzip-blocks",
    "endless-gzip-tail",
    "bomb",
    "doubled-bomb",
    "attributes",
    "namespaces",
    "levels",
    "large-index",
    "large-entry",
    "long-names",
    "long-prefixes",
    "long-namespaces",
    "euro-names",
    "long-entry",
    "many-records",
    "many-links",
    "invalid-bytes",
];

impl Options {
    fn copies_of(self, kind: &str) -> u32 {
        if HEAVY.contains(&kind) { self.heavy_copies } else { self.copies }
    }

    /// Total number of hostile hosts.
    pub fn hostile_hosts(self) -> u32 {
        KINDS.iter().map(|(kind, _)| self.copies_of(kind)).sum()
    }
}

/// Builds the web.
pub fn web(options: Options) -> Web {
    let hostile = KINDS.iter().flat_map(|kind| (0..options.copies_of(kind.0)).map(move |n| (kind, n)));
    let web = hostile.fold(Web::new(), |web, ((name, site), n)| {
        let host = host_name(name, n);
        web.host(&host, site(&host))
    });
    (0..options.well_behaved).fold(web, |web, n| {
        let host = host_name(WELL_BEHAVED, n);
        web.host(&host, well_behaved(&host, options.sitemaps))
    })
}

/// Name of the kind of host that does nothing wrong.
pub const WELL_BEHAVED: &str = "well-behaved";

/// The name of the `n`th host of a kind, from 0.
pub fn host_name(kind: &str, n: u32) -> String {
    format!("{kind}-{n}.test")
}

/// The origin of the `n`th host of a kind, from 0.
pub fn origin(kind: &str, n: u32) -> String {
    let scheme = if OVER_HTTPS.contains(&kind) { "https" } else { "http" };
    format!("{scheme}://{}", host_name(kind, n))
}

/// The seeds, one a line. The well-behaved hosts are in the middle of the list.
pub fn seeds(options: Options) -> String {
    let copies = |kind: &'static str| (0..options.copies_of(kind)).map(move |n| origin(kind, n));
    let hostile = KINDS.iter().flat_map(|(kind, _)| copies(kind));
    let mut origins: Vec<String> = hostile.collect();
    let middle = origins.len() / 2;
    origins.splice(middle..middle, (0..options.well_behaved).map(|n| origin(WELL_BEHAVED, n)));
    origins.iter().map(|origin| format!("{origin}\n")).collect()
}

/// The loc of the single entry in a sitemap of a well-behaved host.
pub fn loc(host: &str, sitemap: u32) -> String {
    format!("http://{host}/page-{sitemap}.html")
}

fn well_behaved(host: &str, sitemaps: u32) -> Site {
    let lines: String = (0..sitemaps).map(|n| format!("Sitemap: http://{host}/{n}.xml\n")).collect();
    (0..sitemaps).fold(Site::new().robots(lines), |site, n| {
        let urls = format!("<urlset><url><loc>{}</loc></url></urlset>", loc(host, n));
        site.page(&format!("/{n}.xml"), Page::xml(urls))
    })
}

/// A site whose robots.txt names one sitemap.
fn announcing(host: &str, sitemap: Page) -> Site {
    Site::new().robots(format!("Sitemap: http://{host}/sitemap.xml\n")).page("/sitemap.xml", sitemap)
}

fn misbehaving(host: &str, misbehaviour: Misbehaviour) -> Site {
    let sitemap = Page::xml(format!("<urlset>{}</urlset>", url(host)));
    announcing(host, sitemap.misbehaves(misbehaviour))
}

/// A site whose only sitemap is one of [`holding::pages`].
fn holding(host: &str, kind: &str) -> Site {
    let page = holding::pages().iter().find(|(name, _)| *name == kind);
    page.map_or_else(Site::new, |(_, page)| announcing(host, page.clone()))
}

/// A site over https with one sitemap. Its Crawl-delay leaves the connection idle before it is requested.
fn flooding(host: &str, misbehaviour: Misbehaviour) -> Site {
    let robots = format!("User-agent: *\nCrawl-delay: 3\nSitemap: https://{host}/sitemap.xml\n");
    let sitemap = Page::xml(format!("<urlset>{}</urlset>", url(host)));
    Site::new().robots(robots).page("/sitemap.xml", sitemap).misbehaves(misbehaviour)
}

fn announcing_index(host: &str, index: fn(&Request) -> String) -> Site {
    let robots = format!("Sitemap: http://{host}/sitemap.xml\n");
    Site::new().robots(robots).otherwise(move |request| Some(Page::xml(index(request))))
}

fn url(host: &str) -> String {
    format!("<url><loc>http://{host}/1</loc></url>")
}

fn drip() -> Misbehaviour {
    Misbehaviour::SlowBody { bytes: 1, every: Duration::from_secs(1) }
}

fn busy() -> Misbehaviour {
    Misbehaviour::RetryAfter { status: 429, value: "1".to_owned(), times: u32::MAX }
}

/// The header of a gzip member without a name (RFC 1952 section 2.3), and one with a name, which must follow.
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const GZIP_WITH_NAME: [u8; 10] = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255];
/// An empty stored block that is not the last block (RFC 1951 section 3.2.4).
const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// Bytes of an endless body per write.
const CHUNK_BYTES: usize = 64 << 10;

/// `beginning`, then `unit` repeated without end.
fn endless(beginning: &[u8], unit: &[u8]) -> Page {
    let (beginning, unit) =
        (Bytes::copy_from_slice(beginning), Bytes::from(unit.repeat(CHUNK_BYTES / unit.len())));
    Page::streamed("application/xml", None, move || {
        iter::once(beginning.clone()).chain(iter::repeat(unit.clone()))
    })
}

/// A valid gzip file, then zeros without end.
fn endless_tail(host: &str) -> Page {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = write!(encoder, "<urlset>{}</urlset>", url(host));
    endless(&encoder.finish().unwrap_or_default(), b"\0")
}

fn billion_laughs() -> String {
    let mut text = "<!DOCTYPE urlset [<!ENTITY l0 \"ha\">".to_owned();
    for n in 1..10 {
        text.push_str(&format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)));
    }
    text + "]><urlset><url><loc>http://a.test/&l9;</loc></url></urlset>"
}

/// A URL set of three parts, where the second part is repeated a million times.
fn urlset_of(parts: &'static [&'static str; 3]) -> Page {
    Page::written("application/xml", move |out| {
        out.write_all(b"<urlset><url><loc>http://a.test/first</loc></url>")?;
        out.write_all(parts[0].as_bytes())?;
        write_repeated(parts[1], TOO_MANY, out)?;
        out.write_all(parts[2].as_bytes())?;
        out.write_all(b"<url><loc>http://a.test/last</loc></url></urlset>")
    })
}

fn write_repeated(text: &str, times: usize, out: &mut dyn Write) -> io::Result<()> {
    (0..times).try_for_each(|_| out.write_all(text.as_bytes()))
}

/// An index that lists itself with a new session id each time.
fn session_ids(request: &Request) -> String {
    let id = request.path.len();
    let child =
        format!("http://{}{}{}sid={id}", request.host, request.path, if id == 12 { '?' } else { '&' });
    format!("<sitemapindex><sitemap><loc>{}</loc></sitemap></sitemapindex>", child.replace('&', "&amp;"))
}

/// An index of a hundred indexes, each of which is an index of a hundred indexes, and so on.
fn exploding(request: &Request) -> String {
    let stem = request.path.trim_end_matches(".xml");
    let child = |n| format!("<sitemap><loc>http://{}{stem}-{n}.xml</loc></sitemap>", request.host);
    format!("<sitemapindex>{}</sitemapindex>", (0..100).map(child).collect::<String>())
}

/// An index of 50 MiB: as many children as an index may have, with long names.
fn large_index(host: &str) -> Page {
    let host = host.to_owned();
    Page::written("application/xml", move |out| {
        out.write_all(b"<sitemapindex>\n")?;
        for n in 0..CHILDREN {
            writeln!(out, "<sitemap><loc>http://{host}/{n:0CHILD_PATH_BYTES$}</loc></sitemap>")?;
        }
        out.write_all(b"</sitemapindex>")
    })
}

/// One entry with very many images, which the server never finishes sending.
fn large_entry() -> Page {
    let length = 60 * IMAGES as u64;
    let page = Page::written("application/xml", |out| {
        out.write_all(b"<urlset><url><loc>http://a.test/</loc>\n")?;
        (0..IMAGES)
            .try_for_each(|n| writeln!(out, "<image:image><image:loc>/{n:07}.jpg</image:loc></image:image>"))
    });
    page.misbehaves(Misbehaviour::StallsAfter(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_every_host_is_a_seed() {
        let names: std::collections::HashSet<_> = KINDS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert!(HEAVY.iter().all(|heavy| names.contains(heavy)));
        assert!(holding::pages().iter().all(|(kind, _)| names.contains(kind)));
        let options = Options { copies: 2, heavy_copies: 1, well_behaved: 3, sitemaps: 1 };
        let seeds = seeds(options);
        assert_eq!(seeds.lines().count() as u32, options.hostile_hosts() + 3);
        assert_eq!(seeds.lines().count(), KINDS.len() * 2 - HEAVY.len() + 3);
        assert!(seeds.contains("http://well-behaved-2.test\n"));
    }
}
