//! Leases: hosts are leased, loaded and released.

use super::*;

/// A lease is exclusive until the host is released.
pub async fn a_host_is_leased_to_one_session_at_a_time<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![robots(&a), robots(&b)]).await;
    assert_eq!(worker.lease(1).await.len(), 1);
    assert_eq!(worker.lease(10).await.len(), 1);
    assert!(worker.lease(10).await.is_empty(), "both are leased");

    let loaded = worker.load(&a, 1).await;
    assert!(worker.release(release_of(&loaded)).await.is_empty());
    assert_eq!(worker.leased_names(10).await, ["a.example"]);
}

/// Hosts are leased in the order of [`HostRecord::due_at`].
pub async fn hosts_due_longest_are_leased_first<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    for name in ["m", "b", "x"] {
        worker.commit_found(vec![robots(&site(name))]).await;
        worker.advance_s(1);
    }
    assert_eq!(worker.leased_names(2).await, ["m.example", "b.example"]);

    let loaded = worker.load(&site("m"), 1).await;
    let later =
        Release { not_before: Some(worker.harness.now() + Duration::from_secs(5)), ..release_of(&loaded) };
    worker.release(later).await;
    assert_eq!(worker.leased_names(10).await, ["x.example"], "m is not due");
    assert_eq!(worker.counts().await.next_due_at, Some(worker.harness.now() + Duration::from_secs(5)));
    worker.advance_s(5);
    let leased = worker.lease(10).await;
    assert_eq!(leased[0].host, site("m"));
    assert_eq!(leased[0].not_before, Some(worker.harness.now()));
}

/// A host without pending tasks is not leased until it gets one.
pub async fn a_host_is_leased_when_it_has_something_to_do<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]).await;
    let loaded = worker.load(&a, 1).await;
    assert!(loaded.tasks.is_empty());
    worker.release(release_of(&loaded)).await;
    assert!(worker.lease(10).await.is_empty());
    worker.advance_s(1);
    worker.commit_found(vec![sitemap(&a, "/2")]).await;
    let leased = worker.lease(10).await;
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].busy_since, worker.harness.now());
}

/// Loading changes nothing. The order is by priority, then by id.
pub async fn tasks_come_by_priority_and_again_until_their_outcome_is_committed<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    let roots = [sitemap(&a, "/1"), sitemap(&a, "/2")];
    let child = at_depth(1, named_on(&a, sitemap(&a, "/child")));
    worker.commit_found(vec![child, roots[0].clone(), roots[1].clone(), robots(&a)]).await;
    worker.lease(1).await;

    let mut by_id = roots.clone();
    by_id.sort_by_key(|new| new.task.id);
    let expected: Vec<&str> = by_id.iter().map(|new| &new.task.url[a.to_string().len()..]).collect();
    let order = ["/robots.txt", expected[0], expected[1], "/child"];
    assert_eq!(worker.paths(&a, 10).await, order);
    assert_eq!(worker.paths(&a, 3).await, order[..3], "loading changed nothing");
    worker.commit_outcomes(vec![ended(&robots(&a), Outcome::NotModified), read(&by_id[0])]).await;
    assert_eq!(worker.paths(&a, 10).await, order[2..]);
}

/// Hosts that are unknown or not leased to the caller are left out.
pub async fn only_leased_hosts_are_loaded<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![robots(&a)]).await;
    worker.advance_s(1);
    worker.commit_found(vec![robots(&b)]).await;
    worker.lease(1).await;
    let asked = [site("unknown").id(), b.id(), a.id()];
    let loaded = worker.queue().load(&worker.session, &asked, 10).await.unwrap();
    assert_eq!(loaded.iter().map(|loaded| loaded.host).collect::<Vec<_>>(), [a.id()]);
}

/// Release compares the inbox, so that no new task is missed.
pub async fn a_host_with_new_tasks_stays_leased<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]).await;
    let stale = worker.load(&a, 1).await;
    worker.commit_found(vec![named_on(&a, sitemap(&a, "/2"))]).await;
    let date = Some(worker.harness.now() + Duration::from_secs(60));
    let release = Release { not_before: date, parked: true, ..release_of(&stale) };
    assert_eq!(worker.release(release).await, [a.id()]);
    assert!(worker.lease(1).await.is_empty(), "it is still leased");
    assert_eq!(worker.record(&a).await.not_before, None, "and unchanged");

    // A repeat is no new task.
    let fresh = worker.load(&a, 1).await;
    worker.commit_found(vec![named_on(&a, sitemap(&a, "/2"))]).await;
    assert!(worker.release(release_of(&fresh)).await.is_empty());
    assert_eq!(worker.lease(1).await.len(), 1);
}
