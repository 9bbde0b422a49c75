//! Sessions: which calls are refused, and when the hosts of an ended session are leased again.

use super::*;
use frontier::SkipReason;
use frontier::work_queue::HostUpdate;

/// On one machine a new session ends the earlier ones. Their calls have no effect.
pub async fn a_new_session_fences_off_the_old_one<H: Harness>() {
    if H::SESSION_TTL.is_some() {
        return;
    }
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    let inbox = worker.load(&a, 1).await.inbox;
    let old = worker.session.clone();
    worker.reopen().await;
    assert!(old.id != worker.session.id && old.number + 1 == worker.session.number);

    let queue = worker.queue();
    let late = Commit { seq: 2, outcomes: vec![read(&sitemap(&a, "/1"))], ..Commit::default() };
    assert_fenced(&queue.commit(&old, late).await);
    assert_fenced(&queue.lease(&old, 1).await);
    assert_fenced(&queue.load(&old, &[a.id()], 1).await);
    assert_fenced(&queue.are_done(&old, &[]).await);
    assert_fenced(&queue.renew(&old).await);
    assert_fenced(
        &queue.release(&old, &[Release { host: a.id(), inbox, not_before: None, parked: true }]).await,
    );
    assert_eq!(worker.lease(1).await.len(), 1, "the refused calls had no effect");
    assert_eq!(worker.paths(&a, 1).await, ["/1"]);
}

/// Concurrent sessions each have their own hosts and their own commit numbers.
pub async fn concurrent_sessions_share_no_host<H: Harness>() {
    if H::SESSION_TTL.is_none() {
        return;
    }
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&b, "/1")]).await;
    let other = worker.queue().open_session("other").await.unwrap();
    assert_eq!(worker.lease(1).await.len(), 1);
    let theirs = worker.queue().lease(&other, 10).await.unwrap();
    assert_eq!(theirs.len(), 1);
    let foreign = theirs[0].host.id();
    assert!(
        worker.queue().load(&worker.session, &[foreign], 1).await.unwrap().is_empty(),
        "not ours to load"
    );
    let grab = Release { host: foreign, inbox: theirs[0].inbox, not_before: None, parked: false };
    assert!(worker.release(grab).await.is_empty(), "not ours to release");
    assert!(worker.lease(10).await.is_empty(), "it is still leased");
    worker.queue().commit(&other, Commit { seq: 1, ..Commit::default() }).await.unwrap();
}

/// A session that stops renewing loses its hosts. Its later calls have no effect.
pub async fn a_reaped_session_is_fenced_off_and_its_hosts_are_leased_again<H: Harness>() {
    let Some(ttl) = H::SESSION_TTL else { return };
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    let newer = worker.queue().open_session("newer").await.unwrap();
    worker.harness.advance(ttl / 2);
    let queue = worker.queue();
    assert!(queue.renew(&newer).await.unwrap() > worker.harness.now());
    worker.harness.advance(ttl / 2 + Duration::from_secs(1));
    assert_eq!(queue.reap().await.unwrap(), 1, "the new session has renewed");
    assert_fenced(
        &queue
            .commit(
                &worker.session,
                Commit { seq: 2, outcomes: vec![read(&sitemap(&a, "/1"))], ..Commit::default() },
            )
            .await,
    );
    assert!(queue.lease(&newer, 1).await.unwrap().is_empty(), "its last request may still be in flight");
    worker.harness.advance(REAPED_COOLDOWN);
    assert_eq!(queue.lease(&newer, 1).await.unwrap().len(), 1);
    assert_eq!(
        queue.load(&newer, &[a.id()], 1).await.unwrap()[0].tasks.len(),
        1,
        "the commit of the ended session had no effect"
    );
}

/// Hosts that were leased to a session that ended are leased again.
pub async fn hosts_of_a_lost_session_are_leased_again<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![sitemap(&a, "/1")]).await;
    assert!(!worker.lease(1).await[0].asked_before);
    worker.load(&a, 1).await;
    worker.reopen().await;
    worker.advance_s(1);
    worker.commit_found(vec![sitemap(&b, "/1")]).await;
    let leased = worker.lease(10).await;
    let facts: Vec<_> = leased.iter().map(|leased| (leased.host.name(), leased.asked_before)).collect();
    assert_eq!(facts, [("a.example", true), ("b.example", false)]);
    assert_eq!(worker.paths(&a, 1).await, ["/1"]);
}

/// The state after a crash equals the state before it.
pub async fn reopening_loses_nothing_that_was_committed<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    let mut child = at_depth(2, named_on(&a, sitemap(&b, "/child")));
    child.task.parent = Some(sitemap(&a, "/1").task.id);
    child.task.hops = 3;
    child.task.named_by = vec![a.id()];
    worker.commit_found(vec![robots(&a), sitemap(&a, "/1"), child.clone()]).await;
    let mut outcome = read(&sitemap(&a, "/1"));
    outcome.refused = BTreeMap::from([(SkipReason::DepthLimit, 5)]);
    let fetches = vec![fetch_record(outcome.task, worker.harness.now())];
    let hosts =
        vec![HostUpdate { host: a.id(), robots: robots_record(worker.harness.now(), "Allow: /".to_owned()) }];
    worker.commit(Commit { outcomes: vec![outcome], fetches, hosts, ..Commit::default() }).await;
    let before = (worker.harness.hosts().await.len(), worker.record(&a).await, worker.record(&b).await);
    let counts = worker.counts().await;

    worker.harness.reopen().await;
    assert_eq!(
        (worker.harness.hosts().await.len(), worker.record(&a).await, worker.record(&b).await),
        before
    );
    assert_eq!(worker.counts().await, counts);
    worker.reopen().await;
    assert_eq!(worker.lease(10).await.len(), 2);
    assert_eq!(worker.load(&b, 10).await.tasks, [child.task]);
    assert_eq!(worker.paths(&a, 10).await, ["/robots.txt"]);
    assert_eq!(worker.harness.fetches().await.len(), 1);
}

fn assert_fenced<T: std::fmt::Debug>(answer: &Result<T, QueueError>) {
    assert!(matches!(answer, Err(QueueError::Fenced(_))), "{answer:?}");
}
