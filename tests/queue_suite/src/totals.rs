//! Totals of hosts and tasks, and the busy time of hosts.

use super::*;

/// Checks every field of [`Counts`].
pub async fn counts_are_the_totals<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    assert_eq!(worker.counts().await, Counts::default());
    let (a, b, c) = (site("a"), site("b"), site("c"));
    let (one, two) = (sitemap(&a, "/1"), sitemap(&a, "/2"));
    worker.commit_found(vec![one.clone(), two.clone(), sitemap(&b, "/1"), robots(&c)]).await;
    let first_due_at = worker.harness.now();
    worker.lease(1).await;
    worker.advance_s(1);
    let fetches = vec![
        fetch_record(one.task.id, worker.harness.now()),
        fetch_record(two.task.id, worker.harness.now()),
    ];
    worker
        .commit(Commit {
            outcomes: vec![
                read(&one),
                ended(&two, Outcome::Retry(worker.harness.now())),
                read(&sitemap(&b, "/1")),
            ],
            fetches,
            ..Commit::default()
        })
        .await;
    let leased = worker.lease(1).await;
    let mut counts = worker.counts().await;
    // The id decides which of the three was leased first.
    assert!(counts.next_due_at.is_none() || counts.next_due_at == Some(first_due_at));
    counts.next_due_at = None;
    let expected = Counts {
        hosts: 3,
        hosts_done: 1,
        hosts_parked: 0,
        hosts_leased: 1 + leased.len() as u64,
        tasks: 4,
        tasks_pending: 2,
        entries: 4,
        requests: 2,
        next_due_at: None,
    };
    assert_eq!(counts, expected);
}

/// Records of hosts come in the order asked for, without robots.txt rules and without hosts that are not known.
pub async fn records_of_hosts_come_in_the_order_asked_for<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b, unknown) = (site("a"), site("b"), site("unknown"));
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&b, "/1"), sitemap(&b, "/2")]).await;
    worker.commit(Commit { outcomes: vec![read(&sitemap(&a, "/1"))], ..Commit::default() }).await;
    let asked = [b.id(), unknown.id(), a.id()];
    let records = worker.harness.queue().records(&asked).await.unwrap();
    let known: Vec<_> = records.iter().map(|record| (&record.host, record.account.unfinished())).collect();
    assert_eq!(known, [(&b, 2), (&a, 0)]);
    assert!(records.iter().all(|record| record.robots.is_none()));
}

/// Busy time runs from the commit with the first task to the commit that ends the last one.
pub async fn wall_time_runs_while_a_host_has_something_to_do<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/index")]).await;
    let begun_at = worker.harness.now();
    worker.advance_s(3);
    // The last task leads to the next one in the same commit, so there is no pause between them.
    let found = vec![named_on(&a, sitemap(&a, "/1"))];
    worker.commit(Commit { outcomes: vec![read(&sitemap(&a, "/index"))], found, ..Commit::default() }).await;
    assert_eq!(worker.record(&a).await.busy_since, Some((worker.session.number, begun_at)));
    worker.advance_s(4);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]).await;
    worker.advance_s(50);
    let record = worker.record(&a).await;
    assert_eq!((record.wall_us, record.busy_since), (7_000_000, None));

    worker.commit_found(vec![sitemap(&a, "/2")]).await;
    worker.lease(1).await;
    worker.advance_s(2);
    let loaded = worker.load(&a, 1).await;
    let date = Some(worker.harness.now() + Duration::from_secs(100));
    worker.release(Release { not_before: date, parked: true, ..release_of(&loaded) }).await;
    worker.advance_s(30);
    let record = worker.record(&a).await;
    assert_eq!((record.wall_us, record.busy_since), (9_000_000, None), "a parked host has nothing to do");
}

/// A killed session counts up to its last commit.
pub async fn wall_time_leaves_out_the_pauses_between_sessions<H: Harness>() {
    if H::SESSION_TTL.is_some() {
        return;
    }
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]).await;
    worker.advance_s(3);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]).await;
    worker.advance_s(10);
    worker.reopen().await;
    worker.advance_s(5);
    worker.commit_outcomes(vec![]).await;
    worker.advance_s(100);
    worker.reopen().await;
    let leased = worker.lease(1).await;
    assert_eq!(leased[0].busy_since, worker.harness.now(), "clamped to the session");
    worker.advance_s(2);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/2"))]).await;
    assert_eq!(worker.record(&a).await.wall_us, (3 + 5 + 2) * 1_000_000);
}
