//! What a reader gives of a crawl that does not run.

use frontier::WorkQueue;
use frontier::work_queue::Commit;
use storage::{CrawlReader, TaskState};

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
fn hosts_that_were_lent_count_as_free_once_nobody_works() {
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
fn tasks_come_with_what_became_of_them() {
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
