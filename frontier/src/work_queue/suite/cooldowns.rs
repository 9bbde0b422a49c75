//! Rests: moments before which nothing may be asked.

use super::*;
use crate::work_queue::HostCooldown;

/// A retry is no end.
pub async fn a_retry_stays_pending_with_its_time<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    let later = worker.harness.now() + Duration::from_secs(2);
    worker.end(vec![TaskOutcome { attempts: 2, ..ended(&sitemap(&a, "/1"), Outcome::Retry(later)) }]).await;
    let task = worker.load(&a, 1).await.tasks.remove(0);
    assert_eq!((task.attempts, task.not_before), (2, Some(later)));
    assert_eq!(worker.account(&a).await.pending, 1);

    worker.reopen().await;
    worker.lease(1).await;
    assert_eq!(worker.load(&a, 1).await.tasks[0], task, "the next session knows");
}

/// Parked beyond the end of a crawl, and of the process.
pub async fn a_parked_host_is_not_lent_before_its_date<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    let loaded = worker.load(&a, 1).await;
    let date = worker.harness.now() + Duration::from_secs(3_600);
    worker.give_back(Release { not_before: Some(date), parked: true, ..given_back(&loaded) }).await;
    worker.find(vec![named_on(&a, sitemap(&a, "/2"))]).await;
    let counts = worker.counts().await;
    assert_eq!((counts.hosts_parked, counts.next_due_at, counts.tasks_pending), (1, None, 2));

    worker.reopen().await;
    assert!(worker.lease(1).await.is_empty());
    assert!(worker.record(&a).await.parked);
    worker.harness.advance(date.since(worker.harness.now()) - Duration::from_secs(1));
    assert!(worker.lease(1).await.is_empty());
    worker.advance_s(1);
    let leased = worker.lease(1).await;
    assert_eq!(leased[0].busy_since, worker.harness.now(), "its time runs again");
    let record = worker.record(&a).await;
    assert!(!record.parked && record.busy_since.is_some());
}

/// Retry-After speaks for the whole host, not only for the URL that was asked.
pub async fn a_rest_outlives_the_session_that_was_asked_for_it<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]).await;
    worker.lease(1).await;
    let until = worker.harness.now() + Duration::from_secs(110);
    let outcomes = vec![ended(&sitemap(&a, "/1"), Outcome::Retry(until))];
    let shorter = worker.harness.now() + Duration::from_secs(7);
    let cooldowns = [until, shorter].map(|until| HostCooldown { host: a.id(), until }).to_vec();
    worker.commit(Commit { outcomes, cooldowns, ..Commit::default() }).await;

    worker.reopen().await;
    assert!(worker.lease(1).await.is_empty());
    assert_eq!(worker.counts().await.next_due_at, Some(until), "the run waits for it");
    worker.harness.advance(until.since(worker.harness.now()));
    assert_eq!(worker.leased_names(1).await, ["a.example"]);
}

/// A redirect may end at a host that another has: what that host asked for holds, whatever its borrower gives back.
pub async fn a_rest_of_which_the_borrower_does_not_know_outlives_its_giving_back<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    for (seconds, is_parked) in [(100, false), (3_600, true)] {
        worker.lease(1).await;
        let loaded = worker.load(&a, 1).await;
        let until = worker.harness.now() + Duration::from_secs(seconds);
        let cooldowns = vec![HostCooldown { host: a.id(), until }];
        worker.commit(Commit { cooldowns, ..Commit::default() }).await;
        let sooner = Some(worker.harness.now() + Duration::from_secs(1));
        worker.give_back(Release { not_before: sooner, ..given_back(&loaded) }).await;

        let record = worker.record(&a).await;
        assert_eq!((record.not_before, record.parked), (Some(until), is_parked), "{seconds} s");
        let (awaited, counts) = (Some(until).filter(|_| !is_parked), worker.counts().await);
        assert_eq!(counts.next_due_at, awaited, "the run waits for a rest, but not for a long one");
        worker.advance_s(seconds - 1);
        assert!(worker.lease(1).await.is_empty(), "{seconds} s");
        worker.advance_s(1);
    }
    assert_eq!(worker.leased_names(1).await, ["a.example"]);
}

/// As its borrower would have done, had it not been killed.
pub async fn a_long_rest_puts_the_host_of_a_lost_session_aside<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    let until = worker.harness.now() + Duration::from_secs(3_600);
    let cooldowns = vec![HostCooldown { host: a.id(), until }];
    worker.commit(Commit { cooldowns, ..Commit::default() }).await;
    assert!(!worker.record(&a).await.parked, "it is its borrower's to put it aside");

    worker.reopen().await;
    let counts = worker.counts().await;
    assert_eq!((counts.hosts_parked, counts.next_due_at), (1, None), "the run does not wait for it");
    let record = worker.record(&a).await;
    assert_eq!((record.parked, record.not_before, record.busy_since), (true, Some(until), None));
    worker.harness.advance(until.since(worker.harness.now()));
    assert_eq!(worker.leased_names(1).await, ["a.example"]);
}
