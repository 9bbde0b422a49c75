//! The cases, each a promise of [`WorkQueue`](crate::work_queue::WorkQueue).

use super::*;
use crate::outcome::{ErrorKind, SkipReason};
use crate::stage::Stage;
use crate::work_queue::{HostRest, HostUpdate, REAPED_REST};

/// Leasing excludes: a host is one session's until it is given back.
pub async fn a_host_is_lent_to_one_borrower_at_a_time<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.find(vec![robots(&a), robots(&b)]).await;
    assert_eq!(worker.lease(1).await.len(), 1);
    assert_eq!(worker.lease(10).await.len(), 1);
    assert!(worker.lease(10).await.is_empty(), "both are lent");

    let loaded = worker.load(&a, 1).await;
    assert!(worker.give_back(given_back(&loaded)).await.is_empty());
    assert_eq!(worker.leased_names(10).await, ["a.example"]);
}

/// The order of leasing is [`HostRecord::due_at`].
pub async fn hosts_due_longest_are_lent_first<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    for name in ["m", "b", "x"] {
        worker.find(vec![robots(&site(name))]).await;
        worker.advance_s(1);
    }
    assert_eq!(worker.leased_names(2).await, ["m.example", "b.example"]);

    let loaded = worker.load(&site("m"), 1).await;
    let later =
        Release { not_before: Some(worker.harness.now() + Duration::from_secs(5)), ..given_back(&loaded) };
    worker.give_back(later).await;
    assert_eq!(worker.leased_names(10).await, ["x.example"], "m is not due");
    assert_eq!(worker.counts().await.next_due_at, Some(worker.harness.now() + Duration::from_secs(5)));
    worker.advance_s(5);
    let leased = worker.lease(10).await;
    assert_eq!(leased[0].host, site("m"));
    assert_eq!(leased[0].not_before, Some(worker.harness.now()));
}

/// A host without pending tasks is not lent, until it gets one.
pub async fn a_host_is_lent_when_it_has_something_to_do<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    worker.end(vec![read(&sitemap(&a, "/1"))]).await;
    let loaded = worker.load(&a, 1).await;
    assert!(loaded.tasks.is_empty());
    worker.give_back(given_back(&loaded)).await;
    assert!(worker.lease(10).await.is_empty());
    worker.advance_s(1);
    worker.find(vec![sitemap(&a, "/2")]).await;
    let leased = worker.lease(10).await;
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].busy_since, worker.harness.now());
}

/// Loading changes nothing, and the order is by priority, then by id.
pub async fn tasks_come_by_priority_and_again_until_their_outcome_is_committed<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    let roots = [sitemap(&a, "/1"), sitemap(&a, "/2")];
    let child = deeper(1, named_on(&a, sitemap(&a, "/child")));
    worker.find(vec![child, roots[0].clone(), roots[1].clone(), robots(&a)]).await;
    worker.lease(1).await;

    let mut by_id = roots.clone();
    by_id.sort_by_key(|new| new.task.id);
    let expected: Vec<&str> = by_id.iter().map(|new| &new.task.url[a.to_string().len()..]).collect();
    let order = ["/robots.txt", expected[0], expected[1], "/child"];
    assert_eq!(worker.paths(&a, 10).await, order);
    assert_eq!(worker.paths(&a, 3).await, order[..3], "loading changed nothing");
    worker.end(vec![ended(&robots(&a), Outcome::NotModified), read(&by_id[0])]).await;
    assert_eq!(worker.paths(&a, 10).await, order[2..]);
}

/// Hosts that are not lent to the caller, or not known, are left out.
pub async fn only_lent_hosts_are_loaded<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.find(vec![robots(&a)]).await;
    worker.advance_s(1);
    worker.find(vec![robots(&b)]).await;
    worker.lease(1).await;
    let asked = [site("unknown").id(), b.id(), a.id()];
    let loaded = worker.queue().load(&worker.session, &asked, 10).await.unwrap();
    assert_eq!(loaded.iter().map(|loaded| loaded.host).collect::<Vec<_>>(), [a.id()]);
}

/// On one machine a later session ends the earlier ones: none of their calls does anything.
pub async fn a_new_session_fences_off_the_old_one<H: Harness>() {
    if H::SESSION_TTL.is_some() {
        return;
    }
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
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
    assert_eq!(worker.lease(1).await.len(), 1, "nothing of it was done");
    assert_eq!(worker.paths(&a, 1).await, ["/1"]);
}

/// Where sessions live side by side, each has its own hosts and its own commit numbers.
pub async fn sessions_side_by_side_share_no_host<H: Harness>() {
    if H::SESSION_TTL.is_none() {
        return;
    }
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.find(vec![sitemap(&a, "/1"), sitemap(&b, "/1")]).await;
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
    assert!(worker.give_back(grab).await.is_empty(), "not ours to give back");
    assert!(worker.lease(10).await.is_empty(), "it is still lent");
    worker.queue().commit(&other, Commit { seq: 1, ..Commit::default() }).await.unwrap();
}

/// A session that stops renewing loses its hosts; what it says later changes nothing.
pub async fn a_reaped_session_is_fenced_off_and_its_hosts_are_lent_again<H: Harness>() {
    let Some(ttl) = H::SESSION_TTL else { return };
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    let heir = worker.queue().open_session("heir").await.unwrap();
    worker.harness.advance(ttl / 2);
    let queue = worker.queue();
    assert!(queue.renew(&heir).await.unwrap() > worker.harness.now());
    worker.harness.advance(ttl / 2 + Duration::from_secs(1));
    assert_eq!(queue.reap().await.unwrap(), 1, "the heir has renewed");
    assert_fenced(
        &queue
            .commit(
                &worker.session,
                Commit { seq: 2, outcomes: vec![read(&sitemap(&a, "/1"))], ..Commit::default() },
            )
            .await,
    );
    assert!(queue.lease(&heir, 1).await.unwrap().is_empty(), "its last request may still be on its way");
    worker.harness.advance(REAPED_REST);
    assert_eq!(queue.lease(&heir, 1).await.unwrap().len(), 1);
    assert_eq!(
        queue.load(&heir, &[a.id()], 1).await.unwrap()[0].tasks.len(),
        1,
        "the zombie's commit did nothing"
    );
}

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

/// Whatever names it again counts as a repeat where it was named; a seed or a guess counts nowhere.
pub async fn a_url_is_taken_on_once<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.find(vec![sitemap(&a, "/1"), sitemap(&a, "/1"), robots(&b)]).await;
    assert_eq!(worker.account(&a).await.found, 1, "a seed given twice");
    worker.find(vec![named_on(&a, sitemap(&a, "/1")), named_on(&b, sitemap(&a, "/1"))]).await;
    worker.find(vec![named_on(&a, new_task(&a, "/1", TaskKind::Probe(0)))]).await;
    worker.end(vec![read(&sitemap(&a, "/1"))]).await;
    worker.find(vec![named_on(&b, sitemap(&a, "/1"))]).await;

    let account = worker.account(&a).await;
    assert_eq!((account.found, account.fetched, account.duplicate), (2, 1, 1));
    assert_eq!(worker.account(&b).await.duplicate, 2);
    let counts = worker.counts().await;
    assert_eq!((counts.tasks, counts.tasks_pending), (2, 1));
    assert!(worker.is_done(&sitemap(&a, "/1")).await);
    assert!(!worker.is_done(&robots(&b)).await, "known and pending");
    assert!(!worker.is_done(&sitemap(&b, "/unknown")).await);
}

/// Refusals count under the host that named the URL, and a refused URL is not known.
pub async fn sitemaps_beyond_the_bound_are_refused_in_commit_order<H: Harness>() {
    let mut worker = Worker::<H>::bounded(2).await;
    let (a, b) = (site("a"), site("b"));
    worker.find(vec![robots(&b)]).await;
    let named: Vec<NewTask> = ["/1", "/2", "/3", "/1"].map(|path| named_on(&b, sitemap(&a, path))).into();
    worker.find(named).await;
    worker.find(vec![sitemap(&a, "/4")]).await;

    let account = worker.account(&a).await;
    assert_eq!((account.found, account.pending), (3, 2));
    assert_eq!(account.skipped.get(&SkipReason::CountLimit), Some(&1), "a seed counts under its own host");
    let account = worker.account(&b).await;
    assert_eq!(account.skipped.get(&SkipReason::CountLimit), Some(&1));
    assert_eq!(account.errors.get(&ErrorKind::CountLimit), Some(&1));
    assert_eq!(account.duplicate, 1);
    assert_eq!(worker.record(&a).await.accepted, 2);
    assert!(!worker.is_done(&sitemap(&a, "/3")).await);
}

/// `--max-sitemaps` bounds sitemaps.
pub async fn robots_and_guesses_do_not_count_against_the_bound<H: Harness>() {
    let mut worker = Worker::<H>::bounded(1).await;
    let a = site("a");
    let guess = |n| named_on(&a, new_task(&a, &format!("/guess{n}"), TaskKind::Probe(n)));
    worker.find(vec![sitemap(&a, "/1"), robots(&a), guess(0), guess(1)]).await;
    let record = worker.record(&a).await;
    assert_eq!((record.accepted, record.account.unfinished()), (1, 4));
}

/// A sitemap may list the URLs of all hosts whose robots.txt leads to it.
pub async fn those_who_name_a_pending_task_are_united<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    let named_by = |names: &[&str]| {
        let mut new = named_on(&a, sitemap(&a, "/1"));
        new.task.named_by = names.iter().map(|name| site(name).id()).collect();
        new
    };
    let (first, second) = (named_by(&["x"]), named_by(&["y", "x", "z"]));
    worker.find(vec![first]).await;
    worker.find(vec![second]).await;
    worker.lease(1).await;
    let expected = ["x", "y", "z"].map(|name| site(name).id());
    assert_eq!(worker.load(&a, 1).await.tasks[0].named_by, expected);
}

/// The compare-and-set on the inbox: no wake-up is lost.
pub async fn a_host_with_new_tasks_stays_lent<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    worker.end(vec![read(&sitemap(&a, "/1"))]).await;
    let stale = worker.load(&a, 1).await;
    worker.find(vec![named_on(&a, sitemap(&a, "/2"))]).await;
    let date = Some(worker.harness.now() + Duration::from_secs(60));
    let release = Release { not_before: date, parked: true, ..given_back(&stale) };
    assert_eq!(worker.give_back(release).await, [a.id()]);
    assert!(worker.lease(1).await.is_empty(), "it is still lent");
    assert_eq!(worker.record(&a).await.not_before, None, "and unchanged");

    // A repeat is no new task.
    let fresh = worker.load(&a, 1).await;
    worker.find(vec![named_on(&a, sitemap(&a, "/2"))]).await;
    assert!(worker.give_back(given_back(&fresh)).await.is_empty());
    assert_eq!(worker.lease(1).await.len(), 1);
}

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
    let rests = [until, shorter].map(|until| HostRest { host: a.id(), until }).to_vec();
    worker.commit(Commit { outcomes, rests, ..Commit::default() }).await;

    worker.reopen().await;
    assert!(worker.lease(1).await.is_empty());
    assert_eq!(worker.counts().await.next_due_at, Some(until), "the run waits for it");
    worker.harness.advance(until.since(worker.harness.now()));
    assert_eq!(worker.leased_names(1).await, ["a.example"]);
}

/// As its borrower would have done, had it not been killed.
pub async fn a_long_rest_puts_the_host_of_a_lost_session_aside<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.lease(1).await;
    let until = worker.harness.now() + Duration::from_secs(3_600);
    let rests = vec![HostRest { host: a.id(), until }];
    worker.commit(Commit { rests, ..Commit::default() }).await;
    assert!(!worker.record(&a).await.parked, "it is its borrower's to put it aside");

    worker.reopen().await;
    let counts = worker.counts().await;
    assert_eq!((counts.hosts_parked, counts.next_due_at), (1, None), "the run does not wait for it");
    let record = worker.record(&a).await;
    assert_eq!((record.parked, record.not_before, record.busy_since), (true, Some(until), None));
    worker.harness.advance(until.since(worker.harness.now()));
    assert_eq!(worker.leased_names(1).await, ["a.example"]);
}

/// Two URLs that lead to one document: it is read once, whichever comes first.
pub async fn a_final_url_counts_as_read<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    let (from, known, unknown) = (sitemap(&a, "/from"), sitemap(&a, "/known"), sitemap(&a, "/unknown"));
    worker.find(vec![from.clone(), known.clone(), sitemap(&a, "/again")]).await;
    worker.end(vec![TaskOutcome { read_as: Some(known.task.id), ..read(&from) }]).await;
    let account = worker.account(&a).await;
    assert_eq!((account.fetched, account.duplicate, account.pending), (1, 1, 1));
    assert!(worker.is_done(&known).await);

    worker.end(vec![TaskOutcome { read_as: Some(unknown.task.id), ..read(&sitemap(&a, "/again")) }]).await;
    assert!(worker.is_done(&unknown).await);
    worker.find(vec![named_on(&a, unknown.clone())]).await;
    let account = worker.account(&a).await;
    assert_eq!((account.fetched, account.duplicate, account.pending), (2, 2, 0));
    assert_eq!(worker.counts().await.tasks, 3, "a final URL is no task");
}

/// Late, repeated and made-up outcomes.
pub async fn an_outcome_of_a_task_that_is_not_pending_changes_nothing<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1")]).await;
    worker.end(vec![read(&sitemap(&a, "/1"))]).await;
    let before = (worker.counts().await, worker.record(&a).await);
    let failed = |new| TaskOutcome {
        refused: BTreeMap::from([(SkipReason::BadUrl, 3)]),
        read_as: Some(sitemap(&a, "/2").task.id),
        ..ended(new, Outcome::Failed(ErrorKind::Timeout))
    };
    worker
        .end(vec![failed(&sitemap(&a, "/1")), failed(&robots(&a)), failed(&sitemap(&site("b"), "/"))])
        .await;
    assert_eq!((worker.counts().await, worker.record(&a).await), before);
    assert!(!worker.is_done(&sitemap(&a, "/2")).await);
}

/// [`Outcome::Absent`] of a guessed path.
pub async fn a_guess_that_finds_nothing_leaves_no_trace<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    let guess = |n| named_on(&a, new_task(&a, &format!("/guess{n}"), TaskKind::Probe(n)));
    worker.find(vec![robots(&a), guess(0), guess(1)]).await;
    worker.end(vec![ended(&robots(&a), Outcome::NotModified), ended(&guess(0), Outcome::Absent)]).await;
    let account = worker.account(&a).await;
    assert_eq!((account.found, account.unfinished()), (0, 1));
    worker.end(vec![read(&guess(1))]).await;
    let account = worker.account(&a).await;
    assert_eq!((account.found, account.fetched, account.entries), (1, 1, 2));
    assert!(account.is_complete());
}

/// [`Commit::again`] undoes what the account counted; all that came to another end stays as it is.
pub async fn what_was_given_up_can_be_asked_again<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    let guess = new_task(&a, "/guess", TaskKind::Probe(0));
    let all = vec![robots(&a), sitemap(&a, "/1"), sitemap(&a, "/2"), sitemap(&a, "/3"), guess.clone()];
    worker.find(all.clone()).await;
    let fresh = worker.account(&a).await;
    let unruly = Outcome::Skipped(SkipReason::RobotsUnreachable);
    let failed = |new: &NewTask| ended(new, Outcome::Failed(ErrorKind::Timeout));
    worker
        .end(vec![failed(&all[0]), failed(&all[1]), ended(&all[2], unruly), read(&all[3]), failed(&all[4])])
        .await;

    // One at a time, in the order of their ids.
    let (mut given_up, mut after) = (Vec::new(), None);
    while let Some(next) = worker.queue().given_up(&worker.session, after, 1).await.unwrap().pop() {
        after = Some(next.task);
        given_up.push(next);
    }
    let mut expected: Vec<_> = [0, 1, 2, 4].iter().map(|&n| (all[n].task.id, n == 0 || n == 2)).collect();
    expected.sort();
    let found: Vec<_> = given_up.iter().map(|given_up| (given_up.task, given_up.for_want_of_rules)).collect();
    assert_eq!(found, expected);

    let again = all.iter().map(|new| new.task.id).collect();
    worker.commit(Commit { again, ..Commit::default() }).await;
    worker.reopen().await;
    let account = worker.account(&a).await;
    assert_eq!((account.pending, account.probing, account.robots_pending), (2, 1, true));
    assert_eq!((account.failed, account.errors, account.skipped), (0, fresh.errors, fresh.skipped));
    assert_eq!((account.fetched, account.entries), (1, 2), "what was read stays read");
    worker.lease(1).await;
    assert_eq!(worker.load(&a, 10).await.tasks.len(), 4);
    assert!(worker.load(&a, 10).await.tasks.iter().all(|task| task.attempts == 0));
}

/// From the commit that brings the first task to the one that ends the last.
pub async fn wall_time_runs_while_a_host_has_something_to_do<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/index")]).await;
    let begun_at = worker.harness.now();
    worker.advance_s(3);
    // Its last task brings the next one: no pause between them.
    let found = vec![named_on(&a, sitemap(&a, "/1"))];
    worker.commit(Commit { outcomes: vec![read(&sitemap(&a, "/index"))], found, ..Commit::default() }).await;
    assert_eq!(worker.record(&a).await.busy_since, Some((worker.session.number, begun_at)));
    worker.advance_s(4);
    worker.end(vec![read(&sitemap(&a, "/1"))]).await;
    worker.advance_s(50);
    let record = worker.record(&a).await;
    assert_eq!((record.wall_us, record.busy_since), (7_000_000, None));

    worker.find(vec![sitemap(&a, "/2")]).await;
    worker.lease(1).await;
    worker.advance_s(2);
    let loaded = worker.load(&a, 1).await;
    let date = Some(worker.harness.now() + Duration::from_secs(100));
    worker.give_back(Release { not_before: date, parked: true, ..given_back(&loaded) }).await;
    worker.advance_s(30);
    let record = worker.record(&a).await;
    assert_eq!((record.wall_us, record.busy_since), (9_000_000, None), "a parked host has nothing to do");
}

/// Of a session that was killed, what lies before its last commit counts.
pub async fn wall_time_leaves_out_the_pauses_between_sessions<H: Harness>() {
    if H::SESSION_TTL.is_some() {
        return;
    }
    let mut worker = Worker::<H>::start().await;
    let a = site("a");
    worker.find(vec![sitemap(&a, "/1"), sitemap(&a, "/2")]).await;
    worker.advance_s(3);
    worker.end(vec![read(&sitemap(&a, "/1"))]).await;
    worker.advance_s(10);
    worker.reopen().await;
    worker.advance_s(5);
    worker.end(vec![]).await;
    worker.advance_s(100);
    worker.reopen().await;
    let leased = worker.lease(1).await;
    assert_eq!(leased[0].busy_since, worker.harness.now(), "clamped to the session");
    worker.advance_s(2);
    worker.end(vec![read(&sitemap(&a, "/2"))]).await;
    assert_eq!(worker.record(&a).await.wall_us, (3 + 5 + 2) * 1_000_000);
}

/// [`Counts`], field by field.
pub async fn counts_are_the_totals<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    assert_eq!(worker.counts().await, Counts::default());
    let (a, b, c) = (site("a"), site("b"), site("c"));
    let (one, two) = (sitemap(&a, "/1"), sitemap(&a, "/2"));
    worker.find(vec![one.clone(), two.clone(), sitemap(&b, "/1"), robots(&c)]).await;
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
    // Which of the three was lent first is by id.
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

/// The state before a crash is the state after it.
pub async fn reopening_loses_nothing_that_was_committed<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    let mut child = deeper(2, named_on(&a, sitemap(&b, "/child")));
    child.task.parent = Some(sitemap(&a, "/1").task.id);
    child.task.hops = 3;
    child.task.named_by = vec![a.id()];
    worker.find(vec![robots(&a), sitemap(&a, "/1"), child.clone()]).await;
    let mut outcome = read(&sitemap(&a, "/1"));
    outcome.refused = BTreeMap::from([(SkipReason::DepthLimit, 5)]);
    let fetches = vec![fetch_record(outcome.task, worker.harness.now())];
    let hosts = vec![HostUpdate { host: a.id(), robots: rules(worker.harness.now(), "Allow: /".to_owned()) }];
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

/// What was lent to a session that is no more.
pub async fn hosts_of_a_lost_session_are_lent_again<H: Harness>() {
    let mut worker = Worker::<H>::start().await;
    let (a, b) = (site("a"), site("b"));
    worker.find(vec![sitemap(&a, "/1")]).await;
    assert!(!worker.lease(1).await[0].asked_before);
    worker.load(&a, 1).await;
    worker.reopen().await;
    worker.advance_s(1);
    worker.find(vec![sitemap(&b, "/1")]).await;
    let leased = worker.lease(10).await;
    let facts: Vec<_> = leased.iter().map(|leased| (leased.host.name(), leased.asked_before)).collect();
    assert_eq!(facts, [("a.example", true), ("b.example", false)]);
    assert_eq!(worker.paths(&a, 1).await, ["/1"]);
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

fn assert_fenced<T: std::fmt::Debug>(answer: &Result<T, QueueError>) {
    assert!(matches!(answer, Err(QueueError::Fenced(_))), "{answer:?}");
}
