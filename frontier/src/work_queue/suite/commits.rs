//! Commits: all or nothing, and once.

use super::*;
use crate::stage::Stage;
use crate::work_queue::HostUpdate;

/// A commit whose answer was lost may be sent again.
pub async fn a_commit_sent_twice_is_applied_once<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/index")]).await;
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

/// Gaps and returns to the past change nothing.
pub async fn a_commit_out_of_order_is_refused_whole<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.find(vec![sitemap(&a, "/2")]).await;
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

/// [`QueueError::HostCollision`]: nothing is merged, nothing of the commit is done.
pub async fn two_origins_with_one_identity_fail_loudly<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.find(vec![robots(&a)]).await;
    let impostor = NewTask { host: b, ..sitemap(&a, "/1") };
    let commit = Commit { seq: 2, found: vec![sitemap(&a, "/2"), impostor], ..Commit::default() };
    let refused = worker.try_commit(commit).await;
    assert!(matches!(refused, Err(QueueError::HostCollision(..))), "{refused:?}");
    assert_eq!(worker.counts().await.tasks, 1);
    worker.find(vec![sitemap(&a, "/3")]).await;
}

/// Some are half a megabyte.
pub async fn robots_are_kept_whatever_their_size<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![robots(&a)]).await;
    let validator = Validator { etag: Some("\"x\"".to_owned()), last_modified: None };
    let large = RobotsRecord { validator, ..rules(worker.harness.now(), "Disallow: /x\n".repeat(40_000)) };
    for record in [large, RobotsRecord { rules: None, ..rules(worker.harness.now(), String::new()) }] {
        let hosts = vec![HostUpdate { host: a.id(), robots: record.clone() }];
        worker.commit(Commit { hosts, ..Commit::default() }).await;
        worker.reopen().await;
        let leased = worker.lease(1).await;
        assert_eq!(leased[0].robots.as_ref(), Some(&record));
    }
}

/// How long a commit took is known only to the next one.
pub async fn the_record_stage_is_completed_by_the_next_commit<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]).await;
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
