//! A crawl that leaves nothing behind: queue and entries in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use frontier::work_queue::{Commit, QueueBounds, Session};
use frontier::{TaskId, WorkQueue};
use queue_suite::{HandClock, at_once};
use sitemap::Entry;
use storage::{
    BatchView, DocumentHead, EntryScope, EntryWriter, LocalQueue, LocalWorkQueue, MemorySegments,
    MemoryStore, MemoryWriter, Scratch,
};

use crate::support::{NOW, found, outcome};

const BOUNDS: QueueBounds = QueueBounds { sitemaps_max: 1_000, hosts_per_site_max: u64::MAX };

/// What outlives a crash.
#[derive(Default)]
struct Kept {
    store: MemoryStore,
    segments: MemorySegments,
}

/// A session and what it needs.
struct Work {
    queue: LocalQueue<MemoryStore>,
    session: Session,
    writer: MemoryWriter,
    scratch: Scratch,
    seq: u64,
}

impl Work {
    fn begin(kept: &Kept) -> Self {
        let queue = LocalQueue::in_memory(&kept.store, HandClock::at(NOW), BOUNDS).unwrap();
        let session = at_once(queue.open_session("test")).unwrap();
        let writer = kept.segments.writer(session.id);
        Self { queue, session, writer, scratch: Scratch::in_memory(), seq: 0 }
    }

    fn try_commit(&mut self, commit: Commit) -> bool {
        self.seq += 1;
        at_once(self.queue.commit(&self.session, Commit { seq: self.seq, ..commit })).is_ok()
    }

    fn find(&mut self, n: u32) -> bool {
        self.try_commit(Commit { found: vec![found(n)], ..Commit::default() })
    }

    /// Appends the document of sitemap `n`. Returns the commit that registers it.
    fn append(&mut self, n: u32, entries: usize) -> Commit {
        let task = found(n).task;
        let head = DocumentHead {
            task: task.id,
            attempt: 1,
            host: "https://a.example".to_owned(),
            sitemap: task.url,
            fetched_at: NOW,
        };
        let mut rows = self.scratch.rows(head);
        for i in 0..entries {
            let loc = format!("https://a.example/{n}/{i}");
            rows.push(&Entry { loc: &loc, ..Entry::default() }, EntryScope::SameHost).unwrap();
        }
        let segment = self.writer.append(vec![rows.finish().unwrap()]).unwrap();
        Commit { outcomes: vec![outcome(n, entries as u64)], segment, ..Commit::default() }
    }

    fn is_done(&self, n: u32) -> bool {
        let task: TaskId = found(n).task.id;
        at_once(self.queue.are_done(&self.session, &[task])).unwrap()[0]
    }

    /// The number of entries of each document.
    fn entries(&self, kept: &Kept) -> BTreeMap<String, usize> {
        let view = at_once(self.queue.view()).unwrap();
        let mut entries = BTreeMap::new();
        for batch in kept.segments.entries(view.segments) {
            for row in BatchView::new(&batch.unwrap()).unwrap().rows() {
                *entries.entry(row.sitemap.to_owned()).or_default() += 1;
            }
        }
        entries
    }
}

#[test]
fn a_crawl_in_memory_continues_after_a_crash_with_every_entry_once() {
    let kept = Kept::default();
    let mut work = Work::begin(&kept);
    for n in 0..3 {
        assert!(work.find(n));
    }
    let read = work.append(0, 3);
    assert!(work.try_commit(read));
    // More than a document may hold in memory if there is a folder for the rest.
    let large = 40_000;
    let read = work.append(1, large);
    assert!(work.try_commit(read));
    let torn = work.append(2, 5);

    let mut next = Work::begin(&kept);
    assert!(!work.try_commit(torn), "the killed session can change nothing");
    assert_eq!([0, 1, 2].map(|n| next.is_done(n)), [true, true, false]);
    let read = next.append(2, 5);
    assert!(next.try_commit(read));
    let expected = [(0, 3), (1, large), (2, 5)].map(|(n, entries)| (found(n).task.url, entries));
    assert_eq!(next.entries(&kept), expected.into());
}

#[test]
fn a_full_segment_in_memory_is_followed_by_another() {
    let kept = Kept::default();
    let mut work = Work::begin(&kept);
    let fills = Arc::new(AtomicUsize::new(0));
    let counter = fills.clone();
    let count = move || {
        counter.fetch_add(1, Ordering::SeqCst);
    };
    work.queue.on_full_segment(count).unwrap();
    for n in 0..3 {
        assert!(work.find(n));
        let read = work.append(n, if n < 2 { 1_000_000 } else { 1 });
        assert!(work.try_commit(read));
    }
    let (segments, growing) = work.queue.segments().unwrap();
    assert_eq!(segments.iter().map(|segment| segment.rows).collect::<Vec<_>>(), [1_000_000, 1_000_000, 1]);
    assert_eq!(growing, segments.last().map(|last| last.first));
    assert_eq!(fills.load(Ordering::SeqCst), 2);
}
