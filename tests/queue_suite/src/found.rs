//! Found tasks: accepted, already known, or refused.

use super::*;
use frontier::bounds::NAMED_BY_MAX;
use frontier::{ErrorKind, SkipReason};

/// A document that names the URL again counts as a repeat under its host. A seed or a guessed path is not counted.
pub fn a_url_is_taken_on_once(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![sitemap(&a, "/1"), sitemap(&a, "/1"), robots(&b)]);
    assert_eq!(worker.account(&a).found, 1, "a seed given twice");
    worker.commit_found(vec![named_on(&a, sitemap(&a, "/1")), named_on(&b, sitemap(&a, "/1"))]);
    worker.commit_found(vec![named_on(&a, new_task(&a, "/1", TaskKind::Probe(0)))]);
    worker.commit_outcomes(vec![read(&sitemap(&a, "/1"))]);
    worker.commit_found(vec![named_on(&b, sitemap(&a, "/1"))]);

    let account = worker.account(&a);
    assert_eq!((account.found, account.fetched, account.duplicate), (2, 1, 1));
    assert_eq!(worker.account(&b).duplicate, 2);
    let counts = worker.counts();
    assert_eq!((counts.tasks, counts.tasks_pending), (2, 1));
    assert!(worker.is_done(&sitemap(&a, "/1")));
    assert!(!worker.is_done(&robots(&b)), "known and pending");
    assert!(!worker.is_done(&sitemap(&b, "/unknown")));
}

/// Refusals count under the host that named the URL. A refused URL stays unknown.
pub fn sitemaps_beyond_the_bound_are_refused_in_commit_order(factory: Factory) {
    let mut worker = Worker::bounded(factory, 2);
    let (a, b) = (site("a"), site("b"));
    worker.commit_found(vec![robots(&b)]);
    let named: Vec<NewTask> = ["/1", "/2", "/3", "/1"].map(|path| named_on(&b, sitemap(&a, path))).into();
    worker.commit_found(named);
    worker.commit_found(vec![sitemap(&a, "/4")]);

    let account = worker.account(&a);
    assert_eq!((account.found, account.pending), (3, 2));
    assert_eq!(account.skipped.get(&SkipReason::CountLimit), Some(&1), "a seed counts under its own host");
    let account = worker.account(&b);
    assert_eq!(account.skipped.get(&SkipReason::CountLimit), Some(&1));
    assert_eq!(account.errors.get(&ErrorKind::CountLimit), Some(&1));
    assert_eq!(account.duplicate, 1);
    assert_eq!(worker.record(&a).accepted, 2);
    assert!(!worker.is_done(&sitemap(&a, "/3")));
}

/// `--max-sitemaps` bounds sitemaps only.
pub fn robots_and_guesses_do_not_count_against_the_bound(factory: Factory) {
    let mut worker = Worker::bounded(factory, 1);
    let a = site("a");
    let guess = |n| named_on(&a, new_task(&a, &format!("/guess{n}"), TaskKind::Probe(n)));
    worker.commit_found(vec![sitemap(&a, "/1"), robots(&a), guess(0), guess(1)]);
    let record = worker.record(&a);
    assert_eq!((record.accepted, record.account.unfinished()), (1, 4));
}

/// A sitemap may list URLs of every host whose robots.txt leads to it.
pub fn hosts_that_name_a_pending_task_are_merged(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    let named_by = |names: &[&str]| {
        let mut new = named_on(&a, sitemap(&a, "/1"));
        new.task.named_by = names.iter().map(|name| site(name).id()).collect();
        new
    };
    let (first, second) = (named_by(&["x"]), named_by(&["y", "x", "z"]));
    worker.commit_found(vec![first]);
    worker.commit_found(vec![second]);
    worker.lease(1);
    let expected = ["x", "y", "z"].map(|name| site(name).id());
    assert_eq!(worker.load(&a, 1).tasks[0].named_by, expected);
}

/// However many hosts name a sitemap, the first ones are kept.
pub fn of_many_hosts_that_name_a_task_the_first_are_kept(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    let names: Vec<String> = (0..3 * NAMED_BY_MAX).map(|n| format!("host{n}")).collect();
    for name in &names {
        let mut new = named_on(&a, sitemap(&a, "/1"));
        new.task.named_by = vec![site(name).id()];
        worker.commit_found(vec![new]);
    }
    worker.lease(1);
    let expected: Vec<HostId> = names[..NAMED_BY_MAX].iter().map(|name| site(name).id()).collect();
    assert_eq!(worker.load(&a, 1).tasks[0].named_by, expected);
}
