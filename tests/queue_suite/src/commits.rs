//! Commits are atomic and are applied once.

use super::*;
use frontier::SkipReason;
use frontier::Stage;
use frontier::work_queue::HostUpdate;

/// A commit whose answer was lost may be sent again.
pub async fn a_commit_sent_twice_is_applied_once<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/index")]).await;
    let commit = Commit {
        seq: 2,
        outcomes: vec![read(&sitemap(&a, "/index"))],
        found: vec![named_on(&a, sitemap(&a, "/1"))],
        fetches: vec![fetch_record(sitemap(&a, "/index").task.id, worker.harness.now())],
        ..Commit::default()
    };
    worker.try_commit(commit.clone()).await.unwrap();
    let once = (worker.counts().await, worker.account(&a).await);
    worker.try_commit(commit).await.unwrap();
    assert_eq!((worker.counts().await, worker.account(&a).await), once);
    assert_eq!(once.0.requests, 1);
}

/// A commit number that skips ahead or goes back changes nothing.
pub async fn a_commit_out_of_order_is_refused_whole<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]).await;
    worker.commit_found(vec![sitemap(&a, "/2")]).await;
    for seq in [0, 1, 4] {
        let refused =
            worker.try_commit(Commit { seq, found: vec![sitemap(&a, "/3")], ..Commit::default() }).await;
        let Err(QueueError::OutOfOrder { last: 2, found }) = refused else { panic!("{seq}: {refused:?}") };
        assert_eq!(found, seq);
    }
    assert_eq!(worker.counts().await.tasks, 2);
    let fresh = Worker::<H>::start().await;
    let refused = fresh.try_commit(Commit { seq: 0, ..Commit::default() }).await;
    assert!(matches!(refused, Err(QueueError::OutOfOrder { last: 0, found: 0 })), "{refused:?}");
}

/// [`SkipReason::HostCollision`]: the two hosts are not merged, and the rest of the commit holds.
pub async fn a_task_of_another_origin_with_the_same_id_is_refused_alone<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![robots(&a)]).await;
    let impostor = |path| NewTask { host: b.clone(), ..sitemap(&a, path) };
    let found = vec![sitemap(&a, "/1"), impostor("/2"), named_on(&a, impostor("/3")), sitemap(&a, "/4")];
    worker.commit_found(found).await;
    assert_eq!(worker.counts().await.tasks, 3, "robots.txt, /1 and /4");
    assert_eq!(worker.record(&a).await.host, a);
    let account = worker.account(&a).await;
    assert_eq!(account.skipped, [(SkipReason::HostCollision, 2)].into());
    assert!(account.adds_up(), "{account:?}");
}

/// Some robots.txt files are half a megabyte.
pub async fn robots_are_kept_whatever_their_size<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![robots(&a)]).await;
    let validator = Validator { etag: Some("\"x\"".to_owned()), last_modified: None };
    let large =
        RobotsRecord { validator, ..robots_record(worker.harness.now(), "Disallow: /x\n".repeat(40_000)) };
    for record in [large, RobotsRecord { rules: None, ..robots_record(worker.harness.now(), String::new()) }]
    {
        let hosts = vec![HostUpdate { host: a.id(), robots: record.clone() }];
        worker.commit(Commit { hosts, ..Commit::default() }).await;
        worker.reopen().await;
        let leased = worker.lease(1).await;
        assert_eq!(leased[0].robots.as_ref(), Some(&record));
    }
}

/// Only the next commit knows how long a commit took.
pub async fn the_record_stage_is_completed_by_the_next_commit<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]).await;
    for (path, previous_commit_us) in [("/1", 5), ("/2", 70)] {
        let mut fetch = fetch_record(sitemap(&a, path).task.id, worker.harness.now());
        fetch.stages[Stage::Record] = 100;
        worker.commit(Commit { fetches: vec![fetch], previous_commit_us, ..Commit::default() }).await;
    }
    let record_us = |fetches: Vec<FetchRecord>| -> Vec<u64> {
        fetches.iter().map(|fetch| fetch.stages[Stage::Record]).collect()
    };
    assert_eq!(record_us(worker.harness.fetches().await), [170, 100]);
    worker.reopen().await;
    worker.commit(Commit { previous_commit_us: 9, ..Commit::default() }).await;
    assert_eq!(record_us(worker.harness.fetches().await), [170, 100], "each session has its own commits");
}
