//! Leases: hosts are leased, loaded and released.

use super::*;

/// A lease is exclusive until the host is released.
pub fn a_host_is_leased_to_one_session_at_a_time(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![robots(&a), robots(&b)]);
    assert_eq!(worker.lease(1).len(), 1);
    assert_eq!(worker.lease(10).len(), 1);
    assert!(worker.lease(10).is_empty(), "both are leased");

    let loaded = worker.load(&a, 1);
    assert!(worker.release(release_of(&loaded)).is_empty());
    assert_eq!(worker.leased_names(10), ["a.example"]);
}

/// Hosts are leased in the order of [`HostRecord::due_at`].
pub fn hosts_due_longest_are_leased_first(factory: Factory) {
    let mut worker = Worker::start(factory);
    for name in ["m", "b", "x"] {
        worker.commit_found(vec![robots(&site(name))]);
        worker.advance_s(1);
    }
    assert_eq!(worker.leased_names(2), ["m.example", "b.example"]);

    let loaded = worker.load(&site("m"), 1);
    let later =
        Release { not_before: Some(worker.queue.now() + Duration::from_secs(5)), ..release_of(&loaded) };
    worker.release(later);
    assert_eq!(worker.leased_names(10), ["x.example"], "m is not due");
    assert_eq!(worker.counts().next_due_at, Some(worker.queue.now() + Duration::from_secs(5)));
    worker.advance_s(5);
    let leased = worker.lease(10);
    assert_eq!(leased[0].host, site("m"));
    assert_eq!(leased[0].not_before, Some(worker.queue.now()));
}

/// A host without pending tasks is not leased until it gets one.
pub fn a_host_is_leased_when_it_has_something_to_do(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.lease(1);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]);
    let loaded = worker.load(&a, 1);
    assert!(loaded.tasks.is_empty());
    worker.release(release_of(&loaded));
    assert!(worker.lease(10).is_empty());
    worker.advance_s(1);
    worker.commit_found(vec![sitemap(&a, "/2")]);
    let leased = worker.lease(10);
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].busy_since, worker.queue.now());
}

/// Loading changes nothing. The order is by priority, then by id.
pub fn tasks_come_by_priority_and_again_until_their_outcome_is_committed(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    let roots = [sitemap(&a, "/1"), sitemap(&a, "/2")];
    let child = at_depth(1, named_on(&a, sitemap(&a, "/child")));
    worker.commit_found(vec![child, roots[0].clone(), roots[1].clone(), robots(&a)]);
    worker.lease(1);

    let mut by_id = roots;
    by_id.sort_by_key(|new| new.task.id);
    let expected: Vec<&str> = by_id.iter().map(|new| &new.task.url[a.to_string().len()..]).collect();
    let order = ["/robots.txt", expected[0], expected[1], "/child"];
    assert_eq!(worker.paths(&a, 10), order);
    assert_eq!(worker.paths(&a, 3), order[..3], "loading changed nothing");
    worker.commit_outcomes(vec![ended(&robots(&a), Outcome::NotModified), read(&by_id[0])]);
    assert_eq!(worker.paths(&a, 10), order[2..]);
}

/// Hosts that are unknown or not leased to the caller are left out.
pub fn only_leased_hosts_are_loaded(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![robots(&a)]);
    worker.advance_s(1);
    worker.commit_found(vec![robots(&b)]);
    worker.lease(1);
    let asked = [site("unknown").id(), b.id(), a.id()];
    let loaded = worker.queue.load(&worker.session, &asked, 10).unwrap();
    assert_eq!(loaded.iter().map(|loaded| loaded.host).collect::<Vec<_>>(), [a.id()]);
}

/// Release compares the inbox, so that no new task is missed.
pub fn a_host_with_new_tasks_stays_leased(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.lease(1);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]);
    let stale = worker.load(&a, 1);
    worker.commit_found(vec![named_on(&a, sitemap(&a, "/2"))]);
    let date = Some(worker.queue.now() + Duration::from_secs(60));
    let release = Release { not_before: date, parked: true, ..release_of(&stale) };
    assert_eq!(worker.release(release), [a.id()]);
    assert!(worker.lease(1).is_empty(), "it is still leased");
    assert_eq!(worker.record(&a).not_before, None, "and unchanged");

    // A repeat is no new task.
    let fresh = worker.load(&a, 1);
    worker.commit_found(vec![named_on(&a, sitemap(&a, "/2"))]);
    assert!(worker.release(release_of(&fresh)).is_empty());
    assert_eq!(worker.lease(1).len(), 1);
}
