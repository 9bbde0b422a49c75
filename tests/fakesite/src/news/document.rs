//! Writes the bytes of the sitemaps. Entries are written one by one, so no uncompressed document is in memory as a
//! whole.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::article::{Article, Month, Style, escape};
use super::plan::{Document, Kind};

/// Writes a `sitemapindex` of children, given as path and month.
pub(super) fn write_index(out: &mut dyn Write, origin: &str, children: &[(String, Month)]) -> io::Result<()> {
    let mut text = String::from(DECLARATION);
    text.push_str("<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n");
    for (path, month) in children {
        text.push_str("  <sitemap>\n    <loc>");
        escape(&format!("{origin}{path}"), &mut text);
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "</loc>\n    <lastmod>{month}-28T23:59:00Z</lastmod>\n  </sitemap>\n");
    }
    text.push_str("</sitemapindex>\n");
    out.write_all(text.as_bytes())
}

/// Writes a document of entries.
pub(super) fn write(out: &mut dyn Write, host: &str, style: Style, document: &Document) -> io::Result<()> {
    out.write_all(opening(document.kind, host).as_bytes())?;
    let mut entry = String::with_capacity(1024);
    for number in 0..document.entries {
        let mut article = Article::new(host, style, document.number, document.month, number);
        entry.clear();
        push_entry(document.kind, host, &mut article, &mut entry);
        out.write_all(entry.as_bytes())?;
    }
    out.write_all(closing(document.kind).as_bytes())
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

const XMLNS: &str = "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"";
const XMLNS_IMAGE: &str = "xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\"";
const XMLNS_NEWS: &str = "xmlns:news=\"http://www.google.com/schemas/sitemap-news/0.9\"";
const XMLNS_VIDEO: &str = "xmlns:video=\"http://www.google.com/schemas/sitemap-video/1.1\"";
const XMLNS_XHTML: &str = "xmlns:xhtml=\"http://www.w3.org/1999/xhtml\"";

fn opening(kind: Kind, host: &str) -> String {
    match kind {
        Kind::Articles => format!("{DECLARATION}<urlset {XMLNS} {XMLNS_IMAGE}>\n"),
        Kind::News => format!("{DECLARATION}<urlset {XMLNS} {XMLNS_NEWS} {XMLNS_IMAGE}>\n"),
        Kind::Videos => format!("{DECLARATION}<urlset {XMLNS} {XMLNS_VIDEO}>\n"),
        Kind::Alternates => format!("{DECLARATION}<urlset {XMLNS} {XMLNS_XHTML}>\n"),
        Kind::Rss => format!(
            "{DECLARATION}<rss version=\"2.0\">\n<channel>\n<title>Top stories</title>\n<link>https://{host}/</link>\n\
             <description>What matters now</description>\n"
        ),
        Kind::Text => String::new(),
    }
}

fn closing(kind: Kind) -> &'static str {
    match kind {
        Kind::Rss => "</channel>\n</rss>\n",
        Kind::Text => "",
        _ => "</urlset>\n",
    }
}

fn push_entry(kind: Kind, host: &str, article: &mut Article, out: &mut String) {
    match kind {
        Kind::Text => {
            out.push_str(&article.url);
            out.push('\n');
        }
        Kind::Rss => push_item(article, out),
        _ => {
            let _ = write!(out, "  <url>\n    <loc>{}</loc>\n", article.url);
            if kind != Kind::News {
                let _ = writeln!(out, "    <lastmod>{}</lastmod>", article.lastmod);
            }
            push_extension(kind, host, article, out);
            out.push_str("  </url>\n");
        }
    }
}

fn push_extension(kind: Kind, host: &str, article: &mut Article, out: &mut String) {
    match kind {
        Kind::Articles => push_article(host, article, out),
        Kind::News => push_news(host, article, out),
        Kind::Videos => push_video(host, article, out),
        Kind::Alternates => push_alternates(host, article, out),
        Kind::Rss | Kind::Text => {}
    }
}

/// Adds changefreq and priority to a fifth of the articles, and an image to a third.
fn push_article(host: &str, article: &mut Article, out: &mut String) {
    if article.below(5) == 0 {
        out.push_str("    <changefreq>monthly</changefreq>\n    <priority>0.5</priority>\n");
    }
    if article.below(3) == 0 {
        push_image(host, article, out);
    }
}

fn push_news(host: &str, article: &mut Article, out: &mut String) {
    let (hour, minute) = (article.below(24), article.below(60));
    let _ = write!(
        out,
        "    <news:news>\n      <news:publication>\n        <news:name>{host}</news:name>\n        \
         <news:language>en</news:language>\n      </news:publication>\n      \
         <news:publication_date>{}T{hour:02}:{minute:02}:00+00:00</news:publication_date>\n      <news:title>",
        article.date
    );
    push_title(article, out);
    let keywords = article.phrase(", ");
    let _ = write!(out, "</news:title>\n      <news:keywords>{keywords}</news:keywords>\n    </news:news>\n");
    if article.below(4) > 0 {
        push_image(host, article, out);
    }
}

/// Writes the title escaped for most articles, and as CDATA for some.
fn push_title(article: &mut Article, out: &mut String) {
    if article.below(6) == 0 {
        let _ = write!(out, "<![CDATA[{}]]>", article.title);
    } else {
        escape(&article.title, out);
    }
}

fn push_image(host: &str, article: &mut Article, out: &mut String) {
    let (name, number) = (article.phrase("-"), article.below(1_000_000));
    let _ = write!(
        out,
        "    <image:image>\n      <image:loc>https://media.{host}/images/{name}-{number:06}.jpg?w=1200&amp;q=75</image:loc>\n"
    );
    if article.below(2) == 0 {
        out.push_str("      <image:title>");
        escape(&article.title, out);
        out.push_str("</image:title>\n");
    }
    out.push_str("    </image:image>\n");
}

fn push_video(host: &str, article: &mut Article, out: &mut String) {
    let (id, duration_s, views) =
        (article.below(10_000_000), 20 + article.below(1_800), article.below(900_000));
    let (description, tag) = (article.phrase(" "), article.phrase(" "));
    let _ = write!(
        out,
        "    <video:video>\n      <video:thumbnail_loc>https://media.{host}/thumbs/{id:07}.jpg</video:thumbnail_loc>\n      \
         <video:title>"
    );
    push_title(article, out);
    let _ = write!(
        out,
        "</video:title>\n      <video:description>A look at the {description}</video:description>\n      \
         <video:content_loc>https://media.{host}/clips/{id:07}.mp4</video:content_loc>\n      \
         <video:duration>{duration_s}</video:duration>\n      <video:view_count>{views}</video:view_count>\n      \
         <video:publication_date>{}</video:publication_date>\n      <video:family_friendly>yes</video:family_friendly>\n      \
         <video:tag>{}</video:tag>\n      <video:tag>{tag}</video:tag>\n    </video:video>\n",
        article.lastmod, article.section
    );
}

/// Adds links for three languages: the page itself twice, and an Arabic page.
fn push_alternates(host: &str, article: &Article, out: &mut String) {
    let origin = format!("https://{host}/");
    let path = article.url.strip_prefix(&origin).unwrap_or_default();
    for (language, prefix) in [("en", ""), ("ar", "ar/"), ("x-default", "")] {
        let _ = writeln!(
            out,
            "    <xhtml:link rel=\"alternate\" hreflang=\"{language}\" href=\"{origin}{prefix}{path}\"/>"
        );
    }
}

fn push_item(article: &mut Article, out: &mut String) {
    out.push_str("<item>\n<title>");
    push_title(article, out);
    let (day, hour) = (1 + article.below(28), article.below(24));
    let _ = write!(
        out,
        "</title>\n<link>{0}</link>\n<guid isPermaLink=\"true\">{0}</guid>\n<pubDate>{day} Jun 2026 {hour:02}:00:00 GMT</pubDate>\n\
         </item>\n",
        article.url
    );
}
