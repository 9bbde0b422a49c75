//! The rows of any document come back from a segment, damage of any byte is found, and what is salvaged from a damaged
//! segment was written to it.

#![no_main]

mod watch;

use frontier::{Host, Task, TaskKind, Timestamp};
use libfuzzer_sys::fuzz_target;
use sitemap::{Child, Entry, Limits, Problem, Sink};
use storage::{DocumentHead, EntryScope, FinishedRows, Rows, Scratch, fuzzing};
use url::Url;

const SITEMAP: &str = "https://www.example.com/sitemap.xml";

struct IntoRows(Rows);

impl Sink for IntoRows {
    fn entry(&mut self, entry: &Entry<'_>) {
        self.0.push(entry, EntryScope::SameHost).expect("an entry within the limits fits");
    }
    fn child(&mut self, _: &Child<'_>) {}
    fn problem(&mut self, _: Problem) {}
}

fn rows(document: &[u8]) -> FinishedRows {
    let url = Url::parse(SITEMAP).expect("a URL");
    let host = Host::of(&url).expect("a host");
    let mut rows = IntoRows(Scratch::in_memory().rows(DocumentHead {
        task: Task::new(&host, SITEMAP, TaskKind::Sitemap).id,
        attempt: 1,
        host: host.to_string(),
        sitemap: SITEMAP.to_owned(),
        fetched_at: Timestamp::from_micros(1_800_000_000_000_000),
    }));
    sitemap::read(document, &url, Limits::default(), &mut rows);
    rows.0.finish().expect("rows in memory can be finished")
}

// The last five bytes of an input choose where the segment is damaged and how, and where it is cut off. The document comes
// first, so run.sh can make a seed by appending five bytes to a file.
fuzz_target!(|bytes: &[u8]| {
    let [document @ .., p0, p1, p2, flip, cut] = bytes else { return };
    let position = u32::from_le_bytes([*p0, *p1, *p2, 0]) as usize;
    watch::in_linear_time(|| check(document, position, *flip, *cut));
});

fn check(document: &[u8], position: usize, flip: u8, cut: u8) -> u64 {
    // The bytes themselves are no segment, and nothing may be found in them that is not there.
    fuzzing::salvage(document);
    let finished = rows(document);
    if finished.is_empty() {
        return document.len() as u64;
    }
    let (mut segment, crc32c) = fuzzing::segment(std::slice::from_ref(&finished)).expect("memory");
    let (length, rows) = (segment.len() as u64, finished.len());
    let written = fuzzing::read_segment(&segment, length, rows, crc32c).expect("a whole segment is read");
    assert_eq!(written.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), rows);
    let salvaged = fuzzing::salvage(&segment);
    assert_eq!(salvaged.len(), 1);
    assert!(salvaged[0].1 == written, "the salvaged rows are those that were written");

    let at = position % segment.len();
    segment[at] ^= flip;
    segment.truncate(segment.len() - usize::from(cut));
    if flip != 0 || cut != 0 {
        assert!(fuzzing::read_segment(&segment, length, rows, crc32c).is_err(), "byte {at} is damaged");
    }
    for (_, batches) in fuzzing::salvage(&segment) {
        assert!(batches == written, "byte {at} is damaged, and other rows are salvaged");
    }
    length + document.len() as u64
}
