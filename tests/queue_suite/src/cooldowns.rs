//! Cooldowns: no request may leave before they end.

use super::*;
use frontier::work_queue::HostCooldown;

/// A task to be retried is not finished.
pub fn a_retry_stays_pending_with_its_time(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.lease(1);
    let later = worker.queue.now() + Duration::from_secs(2);
    worker.commit_outcomes(vec![TaskOutcome {
        attempts: 2,
        ..ended(&sitemap(&a, "/1"), Outcome::Retry(later))
    }]);
    let task = worker.load(&a, 1).tasks.remove(0);
    assert_eq!((task.attempts, task.not_before), (2, Some(later)));
    assert_eq!(worker.account(&a).pending, 1);

    worker.reopen();
    worker.lease(1);
    assert_eq!(worker.load(&a, 1).tasks[0], task, "the next session knows");
}

/// A host stays parked when the crawl and the process end.
pub fn a_parked_host_is_not_leased_before_its_date(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.lease(1);
    let loaded = worker.load(&a, 1);
    let date = worker.queue.now() + Duration::from_secs(3_600);
    worker.release(Release { not_before: Some(date), parked: true, ..release_of(&loaded) });
    worker.commit_found(vec![named_on(&a, sitemap(&a, "/2"))]);
    let counts = worker.counts();
    assert_eq!((counts.hosts_parked, counts.next_due_at, counts.tasks_pending), (1, None, 2));

    worker.reopen();
    assert!(worker.lease(1).is_empty());
    assert!(worker.record(&a).parked);
    worker.queue.advance(date.since(worker.queue.now()) - Duration::from_secs(1));
    assert!(worker.lease(1).is_empty());
    worker.advance_s(1);
    let leased = worker.lease(1);
    assert_eq!(leased[0].busy_since, worker.queue.now(), "its busy time runs again");
    let record = worker.record(&a);
    assert!(!record.parked && record.busy_since.is_some());
}

/// Retry-After applies to the whole host, not only to the requested URL.
pub fn a_cooldown_outlives_the_session_that_was_asked_for_it(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]);
    worker.lease(1);
    let until = worker.queue.now() + Duration::from_secs(110);
    let outcomes = vec![ended(&sitemap(&a, "/1"), Outcome::Retry(until))];
    let shorter = worker.queue.now() + Duration::from_secs(7);
    let cooldowns = [until, shorter].map(|until| HostCooldown { host: a.id(), until }).to_vec();
    worker.commit(Commit { outcomes, cooldowns, ..Commit::default() });

    worker.reopen();
    assert!(worker.lease(1).is_empty());
    assert_eq!(worker.counts().next_due_at, Some(until), "the run waits for it");
    worker.queue.advance(until.since(worker.queue.now()));
    assert_eq!(worker.leased_names(1), ["a.example"]);
}

/// A redirect may lead to a host that another session has leased. The cooldown that this host asks for stays, even if
/// the release of that session has an earlier time.
pub fn a_cooldown_unknown_to_the_leasing_session_outlives_the_release(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    for (seconds, is_parked) in [(100, false), (3_600, true)] {
        worker.lease(1);
        let loaded = worker.load(&a, 1);
        let until = worker.queue.now() + Duration::from_secs(seconds);
        let cooldowns = vec![HostCooldown { host: a.id(), until }];
        worker.commit(Commit { cooldowns, ..Commit::default() });
        let sooner = Some(worker.queue.now() + Duration::from_secs(1));
        worker.release(Release { not_before: sooner, ..release_of(&loaded) });

        let record = worker.record(&a);
        assert_eq!((record.not_before, record.parked), (Some(until), is_parked), "{seconds} s");
        let (awaited, counts) = (Some(until).filter(|_| !is_parked), worker.counts());
        assert_eq!(counts.next_due_at, awaited, "the run waits for a short cooldown, not for a long one");
        worker.advance_s(seconds - 1);
        assert!(worker.lease(1).is_empty(), "{seconds} s");
        worker.advance_s(1);
    }
    assert_eq!(worker.leased_names(1), ["a.example"]);
}

/// The session would have parked the host itself if it had not been killed.
pub fn a_long_cooldown_parks_the_host_of_a_lost_session(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.lease(1);
    let until = worker.queue.now() + Duration::from_secs(3_600);
    let cooldowns = vec![HostCooldown { host: a.id(), until }];
    worker.commit(Commit { cooldowns, ..Commit::default() });
    assert!(!worker.record(&a).parked, "its session is the one to park it");

    worker.reopen();
    let counts = worker.counts();
    assert_eq!((counts.hosts_parked, counts.next_due_at), (1, None), "the run does not wait for it");
    let record = worker.record(&a);
    assert_eq!((record.parked, record.not_before, record.busy_since), (true, Some(until), None));
    worker.queue.advance(until.since(worker.queue.now()));
    assert_eq!(worker.leased_names(1), ["a.example"]);
}
