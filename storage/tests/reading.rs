//! Reading a crawl, running or not.

use frontier::WorkQueue;
use frontier::work_queue::Commit;
use frontier::work_queue::TaskState;
use storage::{BatchView, CrawlReader, Live, LiveReader, LocalWorkQueue};

use crate::support::{NOW, Place, Work, block_on, found};

#[test]
fn entries_come_in_the_order_of_the_commits_over_sessions() {
    let place = Place::new();
    for n in 0..3 {
        Work::begin(&place).crawl(n, 2);
    }
    let expected: Vec<String> =
        (0..3).flat_map(|n| (0..2).map(move |i| format!("https://a.example/{n}/{i}"))).collect();
    assert_eq!(place.locs(), expected);
    let reader = CrawlReader::open(&place.path).unwrap();
    assert_eq!(reader.segments().iter().map(|segment| segment.rows).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(reader.sessions().len(), 3);
    assert!(reader.sessions().iter().all(|record| record.commit_seq == 2));
}

#[test]
fn leased_hosts_are_free_once_the_crawl_has_ended() {
    let place = Place::new();
    let mut work = Work::begin(&place);
    work.commit(Commit { found: vec![found(1)], ..Commit::default() });
    assert_eq!(block_on(work.queue.lease(&work.session, 9)).unwrap().len(), 1);
    drop(work);
    let reader = CrawlReader::open(&place.path).unwrap();
    let counts = reader.counts(NOW).unwrap();
    assert_eq!((counts.hosts, counts.hosts_leased, counts.tasks_pending), (1, 0, 1));
    assert_eq!(counts.next_due_at, Some(NOW));
}

#[test]
fn tasks_are_read_with_their_states() {
    let place = Place::new();
    let mut work = Work::begin(&place);
    work.crawl(1, 2);
    work.commit(Commit { found: vec![found(2)], ..Commit::default() });
    drop(work);
    let reader = CrawlReader::open(&place.path).unwrap();
    let tasks: Vec<TaskState> = reader.tasks().map(|task| task.unwrap().1).collect();
    assert_eq!(tasks.len(), 2);
    assert!(tasks.iter().any(|state| matches!(state, TaskState::Done { task, .. } if task.attempts == 1)));
    assert!(tasks.iter().any(|state| matches!(state, TaskState::Pending(_))));
}

#[test]
fn entries_sealed_while_they_are_read_come_once_and_in_order() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let mut work = Work::begin(&place);
    work.crawl(2, 3);
    let view = block_on(work.queue.view(storage::ViewMark::default(), 9, Vec::new())).unwrap();
    let live = |revision, segments| Live {
        pid: 7,
        revision,
        segments,
        origins: Vec::new(),
        outputs: std::collections::BTreeMap::default(),
    };
    work.data_dir.show(&live(1, view.segments)).unwrap();
    let reader = LiveReader::open(&place.path, 7).unwrap();
    let mut entries = reader.entries();
    let first = entries.next().unwrap().unwrap();

    work.crawl(3, 3);
    work.data_dir.sealer().unwrap().finish().unwrap();
    let view = block_on(work.queue.view(storage::ViewMark::default(), 9, Vec::new())).unwrap();
    assert!(view.segments.iter().all(storage::SegmentRecord::is_sealed));
    work.data_dir.show(&live(2, view.segments)).unwrap();
    let batches = std::iter::once(first).chain(entries.map(Result::unwrap));
    let locs: Vec<String> = batches
        .flat_map(|batch| {
            let view = BatchView::new(&batch).unwrap();
            view.rows().map(|row| row.entry.loc.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let expected: Vec<String> =
        (1..3).flat_map(|n| (0..3).map(move |i| format!("https://a.example/{n}/{i}"))).collect();
    assert_eq!(locs, expected, "the entries registered when the reader was opened");
}
