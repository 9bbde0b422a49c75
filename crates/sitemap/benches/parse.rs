//! CPU time of reading a plain `urlset` with all its fields, against a bare loop of quick-xml that collects loc and
//! lastmod alone: `cargo bench -p sitemap`. The goal is at most 1.3 times the bare loop.
#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::events::Event;
use rustix::time::{ClockId, clock_gettime};
use sitemap::{Child, DocumentReader, Entry, Limits, Problem, Sink, limits::SLICE_BYTES};
use url::Url;

const ENTRIES: usize = 50_000;
const ROUNDS: usize = 15;

fn main() {
    let document = document();
    println!("{ENTRIES} entries, {:.1} MB, best of {ROUNDS}", document.len() as f64 / 1e6);
    let (mut bare, mut ours) = (Duration::MAX, Duration::MAX);
    // In turns, so that a busy machine slows both.
    for _ in 0..ROUNDS {
        bare = bare.min(time(|| bare_loop(&document)));
        ours = ours.min(time(|| our_reader(document.as_bytes())));
    }
    println!("bare loop {bare:?}, reader {ours:?}, ratio {:.2}", ours.as_secs_f64() / bare.as_secs_f64());
}

/// About 200 bytes an entry, as common generators write them.
fn document() -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    for number in 0..ENTRIES {
        let day = number % 28 + 1;
        _ = writeln!(
            text,
            "  <url>\n    <loc>https://www.example.com/section-{}/a-page-about-something/{number}</loc>\n    \
             <lastmod>2024-05-{day:02}T07:08:09+00:00</lastmod>\n    <changefreq>weekly</changefreq>\n    \
             <priority>0.8</priority>\n  </url>",
            number % 17
        );
    }
    text.push_str("</urlset>\n");
    text
}

fn time(run: impl FnOnce() -> usize) -> Duration {
    let start = cpu_time();
    assert_eq!(black_box(run()), ENTRIES);
    cpu_time() - start
}

/// CPU time of this thread, which a busy machine does not stretch.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

fn bare_loop(document: &str) -> usize {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        Elsewhere,
        Loc,
        Lastmod,
    }
    let mut reader = Reader::from_str(document);
    let (mut at, mut loc, mut lastmod, mut count) = (At::Elsewhere, String::new(), String::new(), 0);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                at = match tag.name().0 {
                    "loc" => At::Loc,
                    "lastmod" => At::Lastmod,
                    _ => At::Elsewhere,
                }
            }
            Ok(Event::Text(text)) if at == At::Loc => loc.push_str(&text),
            Ok(Event::Text(text)) if at == At::Lastmod => lastmod.push_str(&text),
            Ok(Event::End(tag)) => {
                at = At::Elsewhere;
                if tag.name().0 == "url" {
                    count += 1;
                    black_box((&loc, &lastmod));
                    loc.clear();
                    lastmod.clear();
                }
            }
            Ok(Event::Eof) => return count,
            Ok(_) => {}
            Err(_) => return 0,
        }
    }
}

struct Count(usize);

impl Sink for Count {
    fn entry(&mut self, entry: &Entry<'_>) {
        black_box(entry);
        self.0 += 1;
    }
    fn child(&mut self, _: &Child<'_>) {}
    fn problem(&mut self, _: Problem) {}
}

fn our_reader(document: &[u8]) -> usize {
    let Ok(base) = Url::parse("https://www.example.com/sitemap.xml") else { return 0 };
    let mut sink = Count(0);
    let mut reader = DocumentReader::new(&base, Limits::default());
    for slice in document.chunks(SLICE_BYTES) {
        if reader.push(slice, &mut sink).is_err() {
            return 0;
        }
    }
    reader.finish(&mut sink);
    sink.0
}
