//! Commits are atomic and are applied once.

use super::*;
use frontier::SkipReason;
use frontier::Stage;
use frontier::work_queue::HostUpdate;

/// A commit whose answer was lost may be sent again.
pub fn a_commit_sent_twice_is_applied_once(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/index")]);
    let commit = Commit {
        seq: 2,
        outcomes: vec![read(&sitemap(&a, "/index"))],
        found: vec![named_on(&a, sitemap(&a, "/1"))],
        fetches: vec![fetch_record(sitemap(&a, "/index").task.id, worker.queue.now())],
        ..Commit::default()
    };
    worker.try_commit(commit.clone()).unwrap();
    let once = (worker.counts(), worker.account(&a));
    worker.try_commit(commit).unwrap();
    assert_eq!((worker.counts(), worker.account(&a)), once);
    assert_eq!(once.0.requests, 1);
}

/// A commit number that skips ahead or goes back changes nothing.
pub fn a_commit_out_of_order_is_refused_whole(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.commit_found(vec![sitemap(&a, "/2")]);
    for seq in [0, 1, 4] {
        let refused = worker.try_commit(Commit { seq, found: vec![sitemap(&a, "/3")], ..Commit::default() });
        let Err(QueueError::OutOfOrder { last: 2, found }) = refused else { panic!("{seq}: {refused:?}") };
        assert_eq!(found, seq);
    }
    assert_eq!(worker.counts().tasks, 2);
    let fresh = Worker::start(factory);
    let refused = fresh.try_commit(Commit { seq: 0, ..Commit::default() });
    assert!(matches!(refused, Err(QueueError::OutOfOrder { last: 0, found: 0 })), "{refused:?}");
}

/// [`SkipReason::HostCollision`]: the two hosts are not merged, and the rest of the commit holds.
pub fn a_task_of_another_origin_with_the_same_id_is_refused_alone(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![robots(&a)]);
    let impostor = |path| NewTask { host: b.clone(), ..sitemap(&a, path) };
    let found = vec![sitemap(&a, "/1"), impostor("/2"), named_on(&a, impostor("/3")), sitemap(&a, "/4")];
    worker.commit_found(found);
    assert_eq!(worker.counts().tasks, 3, "robots.txt, /1 and /4");
    assert_eq!(worker.record(&a).host, a);
    let account = worker.account(&a);
    assert_eq!(account.skipped, [(SkipReason::HostCollision, 2)].into());
    assert!(account.adds_up(), "{account:?}");
}

/// Some robots.txt files are half a megabyte.
pub fn robots_are_kept_whatever_their_size(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![robots(&a)]);
    let validator = Validator { etag: Some("\"x\"".to_owned()), last_modified: None };
    let large =
        RobotsRecord { validator, ..robots_record(worker.queue.now(), "Disallow: /x\n".repeat(40_000)) };
    for record in [large, RobotsRecord { rules: None, ..robots_record(worker.queue.now(), String::new()) }] {
        let hosts = vec![HostUpdate { host: a.id(), robots: record.clone() }];
        worker.commit(Commit { hosts, ..Commit::default() });
        worker.reopen();
        let leased = worker.lease(1);
        assert_eq!(leased[0].robots.as_ref(), Some(&record));
    }
}

/// Only the next commit knows how long a commit took.
pub fn the_record_stage_is_completed_by_the_next_commit(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]);
    for (path, previous_commit_us) in [("/1", 5), ("/2", 70)] {
        let mut fetch = fetch_record(sitemap(&a, path).task.id, worker.queue.now());
        fetch.stages[Stage::Record] = 100;
        worker.commit(Commit { fetches: vec![fetch], previous_commit_us, ..Commit::default() });
    }
    let record_us = |fetches: Vec<FetchRecord>| -> Vec<u64> {
        fetches.iter().map(|fetch| fetch.stages[Stage::Record]).collect()
    };
    assert_eq!(record_us(worker.queue.fetches()), [170, 100]);
    worker.reopen();
    worker.commit(Commit { previous_commit_us: 9, ..Commit::default() });
    assert_eq!(record_us(worker.queue.fetches()), [170, 100], "each session has its own commits");
}
