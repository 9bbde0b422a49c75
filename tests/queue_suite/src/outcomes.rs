//! Outcomes: how tasks end, and how they are tried again.

use super::*;
use frontier::{ErrorKind, SkipReason};

/// If two URLs lead to one document, it is read once, whichever URL comes first.
pub fn a_final_url_counts_as_read(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    let (from, known, unknown) = (sitemap(&a, "/from"), sitemap(&a, "/known"), sitemap(&a, "/unknown"));
    worker.commit_found(vec![from.clone(), known.clone(), sitemap(&a, "/again")]);
    worker.commit_outcomes(vec![TaskOutcome { read_as: Some(known.task.id), ..read(&from) }]);
    let account = worker.account(&a);
    assert_eq!((account.fetched, account.duplicate, account.pending), (1, 1, 1));
    assert!(worker.is_done(&known));

    worker.commit_outcomes(vec![TaskOutcome {
        read_as: Some(unknown.task.id),
        ..read(&sitemap(&a, "/again"))
    }]);
    assert!(worker.is_done(&unknown));
    worker.commit_found(vec![named_on(&a, unknown)]);
    let account = worker.account(&a);
    assert_eq!((account.fetched, account.duplicate, account.pending), (2, 2, 0));
    assert_eq!(worker.counts().tasks, 3, "a final URL is no task");
}

/// Covers late, repeated and invented outcomes.
pub fn an_outcome_of_a_task_that_is_not_pending_changes_nothing(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    worker.commit_found(vec![sitemap(&a, "/1")]);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]);
    let before = (worker.counts(), worker.record(&a));
    let failed = |new| TaskOutcome {
        refused: BTreeMap::from([(SkipReason::BadUrl, 3)]),
        read_as: Some(sitemap(&a, "/2").task.id),
        ..ended(new, Outcome::Failed(ErrorKind::Timeout))
    };
    worker.commit_outcomes(vec![
        failed(&sitemap(&a, "/1")),
        failed(&robots(&a)),
        failed(&sitemap(&site("b"), "/")),
    ]);
    assert_eq!((worker.counts(), worker.record(&a)), before);
    assert!(!worker.is_done(&sitemap(&a, "/2")));
}

/// A guessed path with [`Outcome::Absent`] is not counted.
pub fn a_guess_that_finds_nothing_leaves_no_trace(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    let guess = |n| named_on(&a, new_task(&a, &format!("/guess{n}"), TaskKind::Probe(n)));
    worker.commit_found(vec![robots(&a), guess(0), guess(1)]);
    worker.commit_outcomes(vec![ended(&robots(&a), Outcome::NotModified), ended(&guess(0), Outcome::Absent)]);
    let account = worker.account(&a);
    assert_eq!((account.found, account.unfinished()), (0, 1));
    worker.commit_outcomes(vec![read(&guess(1))]);
    let account = worker.account(&a);
    assert_eq!((account.found, account.fetched, account.entries), (1, 1, 2));
    assert!(account.is_complete());
}

/// [`Commit::again`] undoes the counts of the account. Tasks with another outcome are unchanged.
pub fn tasks_that_were_given_up_can_be_tried_again(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    let guess = new_task(&a, "/guess", TaskKind::Probe(0));
    let all = vec![robots(&a), sitemap(&a, "/1"), sitemap(&a, "/2"), sitemap(&a, "/3"), guess];
    worker.commit_found(all.clone());
    let fresh = worker.account(&a);
    let unruly = Outcome::Skipped(SkipReason::RobotsUnreachable);
    let failed = |new: &NewTask| ended(new, Outcome::Failed(ErrorKind::Timeout));
    worker.commit_outcomes(vec![
        failed(&all[0]),
        failed(&all[1]),
        ended(&all[2], unruly),
        read(&all[3]),
        failed(&all[4]),
    ]);

    // Read one at a time, in the order of their ids.
    let (mut given_up, mut after) = (Vec::new(), None);
    while let Some(next) = worker.queue.given_up(&worker.session, after, 1).unwrap().pop() {
        after = Some(next.task);
        given_up.push(next);
    }
    let mut expected: Vec<_> = [0, 1, 2, 4].iter().map(|&n| (all[n].task.id, n == 0 || n == 2)).collect();
    expected.sort();
    let found: Vec<_> =
        given_up.iter().map(|given_up| (given_up.task, given_up.robots_unavailable)).collect();
    assert_eq!(found, expected);

    let again = all.iter().map(|new| new.task.id).collect();
    worker.commit(Commit { again, ..Commit::default() });
    worker.reopen();
    let account = worker.account(&a);
    assert_eq!((account.pending, account.probing, account.robots_pending), (2, 1, true));
    assert_eq!((account.failed, account.errors, account.skipped), (0, fresh.errors, fresh.skipped));
    assert_eq!((account.fetched, account.entries), (1, 2), "what was read stays read");
    worker.lease(1);
    assert_eq!(worker.load(&a, 10).tasks.len(), 4);
    assert!(worker.load(&a, 10).tasks.iter().all(|task| task.attempts == 0));
}
