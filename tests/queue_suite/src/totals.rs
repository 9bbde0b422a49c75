//! Totals of hosts and tasks, and the busy time of hosts.

use super::*;

/// Checks every field of [`Counts`].
pub fn counts_are_the_totals(factory: Factory) {
    let mut worker = Worker::start(factory);
    assert_eq!(worker.counts(), Counts::default());
    let (a, b, c) = (site("a"), site("b"), site("c"));
    let (one, two) = (sitemap(&a, "/1"), sitemap(&a, "/2"));
    worker.commit_found(vec![one.clone(), two.clone(), sitemap(&b, "/1"), robots(&c)]);
    let first_due_at = worker.queue.now();
    worker.lease(1);
    worker.advance_s(1);
    let fetches =
        vec![fetch_record(one.task.id, worker.queue.now()), fetch_record(two.task.id, worker.queue.now())];
    worker.commit(Commit {
        outcomes: vec![read(&one), ended(&two, Outcome::Retry(worker.queue.now())), read(&sitemap(&b, "/1"))],
        fetches,
        ..Commit::default()
    });
    let leased = worker.lease(1);
    let mut counts = worker.counts();
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
pub fn records_of_hosts_come_in_the_order_asked_for(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b, unknown) = (site("a"), site("b"), site("unknown"));
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&b, "/1"), sitemap(&b, "/2")]);
    worker.commit(Commit { outcomes: vec![read(&sitemap(&a, "/1"))], ..Commit::default() });
    let asked = [b.id(), unknown.id(), a.id()];
    let records = worker.queue.records(&asked).unwrap();
    let known: Vec<_> = records.iter().map(|record| (&record.host, record.account.unfinished())).collect();
    assert_eq!(known, [(&b, 2), (&a, 0)]);
    assert!(records.iter().all(|record| record.robots.is_none()));
}

/// Busy time runs from the commit with the first task to the commit that ends the last one.
pub fn wall_time_runs_while_a_host_has_something_to_do(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/index")]);
    let begun_at = worker.queue.now();
    worker.advance_s(3);
    // The last task leads to the next one in the same commit, so there is no pause between them.
    let found = vec![named_on(&a, sitemap(&a, "/1"))];
    worker.commit(Commit { outcomes: vec![read(&sitemap(&a, "/index"))], found, ..Commit::default() });
    assert_eq!(worker.record(&a).busy_since, Some((worker.session.number, begun_at)));
    worker.advance_s(4);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]);
    worker.advance_s(50);
    let record = worker.record(&a);
    assert_eq!((record.wall_us, record.busy_since), (7_000_000, None));

    worker.commit_found(vec![sitemap(&a, "/2")]);
    worker.lease(1);
    worker.advance_s(2);
    let loaded = worker.load(&a, 1);
    let date = Some(worker.queue.now() + Duration::from_secs(100));
    worker.release(Release { not_before: date, parked: true, ..release_of(&loaded) });
    worker.advance_s(30);
    let record = worker.record(&a);
    assert_eq!((record.wall_us, record.busy_since), (9_000_000, None), "a parked host has nothing to do");
}

/// A killed session counts up to its last commit.
pub fn wall_time_leaves_out_the_pauses_between_sessions(factory: Factory) {
    let mut worker = Worker::start(factory);
    if worker.queue.session_ttl().is_some() {
        return;
    }
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]);
    worker.advance_s(3);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]);
    worker.advance_s(10);
    worker.reopen();
    worker.advance_s(5);
    worker.commit_outcomes(vec![]);
    worker.advance_s(100);
    worker.reopen();
    let leased = worker.lease(1);
    assert_eq!(leased[0].busy_since, worker.queue.now(), "clamped to the session");
    worker.advance_s(2);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/2"))]);
    assert_eq!(worker.record(&a).wall_us, (3 + 5 + 2) * 1_000_000);
}
