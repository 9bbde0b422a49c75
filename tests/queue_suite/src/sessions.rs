//! Sessions: which calls are refused, and when the hosts of an ended session are leased again.

use super::*;
use frontier::SkipReason;
use frontier::work_queue::HostUpdate;

/// On one machine a new session ends the earlier ones. Their calls have no effect.
pub fn a_new_session_fences_off_the_old_one(factory: Factory) {
    let mut worker = Worker::start(factory);
    if worker.queue.session_ttl().is_some() {
        return;
    }
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.lease(1);
    let inbox = worker.load(&a, 1).inbox;
    let old = worker.session.clone();
    worker.reopen();
    assert!(old.id != worker.session.id && old.number + 1 == worker.session.number);

    let queue = &worker.queue;
    let late = Commit { seq: 2, outcomes: vec![read(&sitemap(&a, "/1"))], ..Commit::default() };
    assert_fenced(&queue.commit(&old, late));
    assert_fenced(&queue.lease(&old, 1));
    assert_fenced(&queue.load(&old, &[a.id()], 1));
    assert_fenced(&queue.are_done(&old, &[]));
    assert_fenced(&queue.renew(&old));
    assert_fenced(&queue.release(&old, &[Release { host: a.id(), inbox, not_before: None, parked: true }]));
    assert_eq!(worker.lease(1).len(), 1, "the refused calls had no effect");
    assert_eq!(worker.paths(&a, 1), ["/1"]);
}

/// Concurrent sessions each have their own hosts and their own commit numbers.
pub fn concurrent_sessions_share_no_host(factory: Factory) {
    let mut worker = Worker::start(factory);
    if worker.queue.session_ttl().is_none() {
        return;
    }
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&b, "/1")]);
    let other = worker.queue.open_session("other").unwrap();
    assert_eq!(worker.lease(1).len(), 1);
    let theirs = worker.queue.lease(&other, 10).unwrap();
    assert_eq!(theirs.len(), 1);
    let foreign = theirs[0].host.id();
    assert!(worker.queue.load(&worker.session, &[foreign], 1).unwrap().is_empty(), "not ours to load");
    let grab = Release { host: foreign, inbox: theirs[0].inbox, not_before: None, parked: false };
    assert!(worker.release(grab).is_empty(), "not ours to release");
    assert!(worker.lease(10).is_empty(), "it is still leased");
    worker.queue.commit(&other, Commit { seq: 1, ..Commit::default() }).unwrap();
}

/// A session that stops renewing loses its hosts. Its later calls have no effect.
pub fn a_reaped_session_is_fenced_off_and_its_hosts_are_leased_again(factory: Factory) {
    let mut worker = Worker::start(factory);
    let Some(ttl) = worker.queue.session_ttl() else { return };
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.lease(1);
    let newer = worker.queue.open_session("newer").unwrap();
    worker.queue.advance(ttl / 2);
    let queue = &worker.queue;
    assert!(queue.renew(&newer).unwrap() > worker.queue.now());
    worker.queue.advance(ttl / 2 + Duration::from_secs(1));
    assert_eq!(queue.reap().unwrap(), 1, "the new session has renewed");
    assert_fenced(&queue.commit(
        &worker.session,
        Commit { seq: 2, outcomes: vec![read(&sitemap(&a, "/1"))], ..Commit::default() },
    ));
    assert!(queue.lease(&newer, 1).unwrap().is_empty(), "its last request may still be in flight");
    worker.queue.advance(REAPED_COOLDOWN);
    assert_eq!(queue.lease(&newer, 1).unwrap().len(), 1);
    assert_eq!(
        queue.load(&newer, &[a.id()], 1).unwrap()[0].tasks.len(),
        1,
        "the commit of the ended session had no effect"
    );
}

/// Hosts that were leased to a session that ended are leased again.
pub fn hosts_of_a_lost_session_are_leased_again(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![sitemap(&a, "/1")]);
    assert!(!worker.lease(1)[0].asked_before);
    worker.load(&a, 1);
    worker.reopen();
    worker.advance_s(1);
    worker.commit_found(vec![sitemap(&b, "/1")]);
    let leased = worker.lease(10);
    let facts: Vec<_> = leased.iter().map(|leased| (leased.host.name(), leased.asked_before)).collect();
    assert_eq!(facts, [("a.example", true), ("b.example", false)]);
    assert_eq!(worker.paths(&a, 1), ["/1"]);
}

/// The state after a crash equals the state before it.
pub fn reopening_loses_nothing_that_was_committed(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b) = (site("a"), site("b"));
    let mut child = at_depth(2, named_on(&a, sitemap(&b, "/child")));
    child.task.parent = Some(sitemap(&a, "/1").task.id);
    child.task.hops = 3;
    child.task.named_by = vec![a.id()];
    worker.commit_found(vec![robots(&a), sitemap(&a, "/1"), child.clone()]);
    let mut outcome = read(&sitemap(&a, "/1"));
    outcome.refused = BTreeMap::from([(SkipReason::DepthLimit, 5)]);
    let fetches = vec![fetch_record(outcome.task, worker.queue.now())];
    let hosts =
        vec![HostUpdate { host: a.id(), robots: robots_record(worker.queue.now(), "Allow: /".to_owned()) }];
    worker.commit(Commit { outcomes: vec![outcome], fetches, hosts, ..Commit::default() });
    let before = (worker.queue.hosts().len(), worker.record(&a), worker.record(&b));
    let counts = worker.counts();

    worker.queue.reopen();
    assert_eq!((worker.queue.hosts().len(), worker.record(&a), worker.record(&b)), before);
    assert_eq!(worker.counts(), counts);
    worker.reopen();
    assert_eq!(worker.lease(10).len(), 2);
    assert_eq!(worker.load(&b, 10).tasks, [child.task]);
    assert_eq!(worker.paths(&a, 10), ["/robots.txt"]);
    assert_eq!(worker.queue.fetches().len(), 1);
}

fn assert_fenced<T: std::fmt::Debug>(answer: &Result<T, QueueError>) {
    assert!(matches!(answer, Err(QueueError::Fenced(_))), "{answer:?}");
}
