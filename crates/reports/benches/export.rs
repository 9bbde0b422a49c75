//! Times each format of an export: `cargo bench -p reports`. Prints nanoseconds and bytes per entry.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use frontier::work_queue::{Commit, QueueBounds};
use frontier::{Clock, Host, TaskId, Timestamp, WorkQueue};
use reports::{ExportOptions, Format, export};
use sitemap::{Entry, Image, News};
use storage::{CrawlReader, DataDir, DocumentHead, EntryScope};

const DOCUMENTS: u64 = 65;
const ENTRIES: u64 = 10_000;

const WORDS: [&str; 16] = [
    "river", "council", "budget", "storm", "harvest", "market", "bridge", "museum", "railway", "election",
    "harbour", "school", "film", "summer", "research", "football",
];

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000)
    }
}

/// Plain entries; every fifth document is a news sitemap with images.
fn write_crawl(path: &Path) {
    let dir = DataDir::open(path, Arc::new(StoppedClock), QueueBounds { sitemaps_max: 50_000 }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let session = runtime.block_on(dir.queue().open_session("bench")).unwrap();
    let mut segments = dir.segments(session.id);
    for document in 0..DOCUMENTS {
        let url = format!("https://www{}.example.com/sitemaps/{document}.xml", document % 19);
        let host = Host::of(&url::Url::parse(&url).unwrap()).unwrap();
        let task = TaskId::of(host.id(), &url);
        let head = DocumentHead {
            task,
            attempt: 1,
            host: host.to_string(),
            sitemap: url,
            fetched_at: StoppedClock.now(),
        };
        let mut rows = dir.rows(head);
        for place in 0..ENTRIES {
            // Mixed, so that neighbours share their beginnings and nothing else, as the URLs of articles do.
            let mixed = (document * ENTRIES + place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let word = |shift: u32| WORDS[(mixed >> shift) as usize % WORDS.len()];
            let (month, section) = (place / 900 + 1, WORDS[(place / 300) as usize % WORDS.len()]);
            let number = mixed >> 40;
            let slug = format!("{}-{}-{}-{number}", word(8), word(16), word(24));
            let loc = format!("{host}/2026/{month:02}/{section}/{slug}.html");
            let lastmod =
                format!("2026-{:02}-{:02}T{:02}:15:00+01:00", place % 12 + 1, place % 28 + 1, place % 24);
            let title = format!("What became of \"number {number}\", and why");
            let mut entry = Entry {
                loc: &loc,
                lastmod: Some(&lastmod),
                lastmod_at: sitemap::lastmod::parse(&lastmod),
                changefreq: Some("daily"),
                priority: Some("0.5"),
                ..Entry::default()
            };
            if document % 5 == 0 {
                entry.news = Some(News {
                    name: Some("The Paper"),
                    language: Some("en"),
                    title: Some(&title),
                    ..News::default()
                });
                entry.images = vec![Image { loc: Some(&loc), ..Image::default() }];
            }
            rows.push(&entry, EntryScope::SameHost).unwrap();
        }
        let segment = segments.append(vec![rows.finish().unwrap()]).unwrap();
        let commit = Commit { seq: document + 1, segment, ..Commit::default() };
        runtime.block_on(dir.queue().commit(&session, commit)).unwrap();
    }
}

/// An output that costs nothing.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    write_crawl(&dir.path().join("data"));
    let reader = CrawlReader::open(&dir.path().join("data")).unwrap();
    let start = Instant::now();
    let rows: usize = reader.entries().map(|batch| batch.unwrap().num_rows()).sum();
    println!("read     {:>6.0} ns", start.elapsed().as_nanos() as f64 / rows as f64);
    let unique = Some(dir.path().to_owned());
    for (name, format, unique) in [
        ("txt", Format::Txt, None),
        ("csv", Format::Csv, None),
        ("jsonl", Format::Jsonl, None),
        ("parquet", Format::Parquet, None),
        ("unique", Format::Txt, unique),
    ] {
        let mut out = Counted(0);
        let options = ExportOptions { format, host: None, since: None, unique };
        let start = Instant::now();
        let summary = export(&reader, &options, &mut out).unwrap();
        let elapsed_ns = start.elapsed().as_nanos() as f64;
        let entries = summary.written as f64;
        println!("{name:<8} {:>6.0} ns {:>6.1} bytes", elapsed_ns / entries, out.0 as f64 / entries);
    }
}
