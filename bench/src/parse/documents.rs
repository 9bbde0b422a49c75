//! The documents to read: generated, the same in every run, formatted as by common sitemap generators.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Entries of the plain document, as many as sitemaps.org allows.
const PLAIN_ENTRIES: usize = 50_000;
/// Maximum size of a document at sitemaps.org, and the least by which the long documents stay below it.
const BYTES_MAX: usize = 50 << 20;
const ROOM_BYTES: usize = 1 << 20;
/// Length of the single long token.
const TOKEN_BYTES: usize = 49 << 20;
/// An entry has 0 to 4 images.
const IMAGES: usize = 5;

/// A document and the number of entries that a reader must find in it.
pub struct Document {
    pub name: &'static str,
    pub text: String,
    pub entries: usize,
}

impl Document {
    /// 50,000 entries with all four fields of sitemaps.org, about 10 MB.
    pub fn plain() -> Self {
        let mut text = head("");
        for number in 0..PLAIN_ENTRIES {
            // Writing to a string cannot fail.
            _ = writeln!(
                text,
                "  <url>\n    <loc>{}</loc>\n    <lastmod>{}</lastmod>\n    <changefreq>weekly</changefreq>\n    \
                 <priority>0.{}</priority>\n  </url>",
                page(number),
                date(number),
                number % 9 + 1
            );
        }
        Self { name: "plain", text: end(text), entries: PLAIN_ENTRIES }
    }

    /// As many entries with news and images as fit into 50 MiB.
    pub fn rich() -> Self {
        let mut text = head(
            " xmlns:news=\"http://www.google.com/schemas/sitemap-news/0.9\"\
             \n  xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\"",
        );
        let mut entries = 0;
        while text.len() < BYTES_MAX - ROOM_BYTES {
            rich_entry(&mut text, entries);
            entries += 1;
        }
        Self { name: "news and images", text: end(text), entries }
    }

    /// One entry, then one token of 49 MiB: text outside of any field.
    pub fn one_token() -> Self {
        let mut text = head("");
        _ = writeln!(text, "<url><loc>{}</loc></url>", page(0));
        text.extend(std::iter::repeat_n('x', TOKEN_BYTES));
        Self { name: "one token of 49 MiB", text: end(text), entries: 1 }
    }

    /// The document as a gzip file at the default compression level.
    pub fn gzipped(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(self.text.as_bytes())?;
        encoder.finish()
    }
}

fn head(namespaces: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"{namespaces}>\n"
    )
}

fn end(mut text: String) -> String {
    text.push_str("</urlset>\n");
    text
}

fn rich_entry(text: &mut String, number: usize) {
    _ = writeln!(
        text,
        "  <url>\n    <loc>{}</loc>\n    <lastmod>{}</lastmod>\n    <news:news>\n      <news:publication>\n        \
         <news:name>The Example Herald</news:name>\n        <news:language>en</news:language>\n      \
         </news:publication>\n      <news:publication_date>{}</news:publication_date>\n      \
         <news:title>{}</news:title>\n      <news:keywords>{}</news:keywords>\n    </news:news>",
        page(number),
        date(number),
        date(number),
        // Some titles hold entity references.
        words(number * 7 + 1, 8, if number.is_multiple_of(5) { " &amp; " } else { " " }),
        words(number * 7 + 2, 4, ", "),
    );
    for image in 0..number % IMAGES {
        _ = writeln!(
            text,
            "    <image:image>\n      <image:loc>https://images.example.com/{}-{image}.jpg</image:loc>\n      \
             <image:caption>{}</image:caption>\n    </image:image>",
            words(number * 7 + 3 + image, 3, "-"),
            words(number * 7 + 4 + image, 10, " "),
        );
    }
    text.push_str("  </url>\n");
}

fn page(number: usize) -> String {
    format!("https://www.example.com/{}/{}-{number}", words(number % 17, 1, ""), words(number, 4, "-"))
}

fn date(number: usize) -> String {
    let (day, hour, minute) = (number % 28 + 1, number % 24, number % 60);
    format!("2026-05-{day:02}T{hour:02}:{minute:02}:09+00:00")
}

/// `count` words, chosen by `seed`.
fn words(seed: usize, count: usize, between: &str) -> String {
    const WORDS: [&str; 32] = [
        "after",
        "border",
        "budget",
        "city",
        "climate",
        "council",
        "court",
        "debate",
        "election",
        "energy",
        "festival",
        "football",
        "garden",
        "harbour",
        "health",
        "island",
        "justice",
        "market",
        "minister",
        "museum",
        "orchestra",
        "parliament",
        "physics",
        "railway",
        "report",
        "river",
        "school",
        "station",
        "summer",
        "theatre",
        "union",
        "weather",
    ];
    // Multiplicative hashing, so that neighbouring seeds get different words.
    let mut state = seed as u64;
    let mut chosen = Vec::with_capacity(count);
    for _ in 0..count {
        state = state.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        chosen.push(WORDS[(state >> 59) as usize]);
    }
    chosen.join(between)
}
