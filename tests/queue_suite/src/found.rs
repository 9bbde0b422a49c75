//! Found tasks: accepted, already known, or refused.

use super::*;
use frontier::bounds::NAMED_BY_MAX;
use frontier::work_queue::Part;
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

/// A document that was read again after a kill names the same URLs. They are no repeats, whoever else named them since.
pub fn a_url_that_the_same_document_named_before_is_no_repeat(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, b) = (site("a"), site("b"));
    let (index, other) = (sitemap(&a, "/index"), sitemap(&b, "/index"));
    worker.commit_found(vec![index.clone(), other.clone()]);
    worker.commit_found(vec![child(&index, "/1"), child(&other, "/2")]);
    worker.commit_found(vec![child(&index, "/1"), child(&other, "/1"), child(&index, "/2")]);
    assert_eq!((worker.account(&a).duplicate, worker.account(&b).duplicate), (1, 1));
}

/// What an index names in its parts counts once, with its outcome. Its new tasks can be loaded before that.
pub fn what_an_index_names_in_parts_counts_with_its_outcome(factory: Factory) {
    let mut worker = Worker::bounded(factory, 5);
    let a = site("a");
    let (index, other) = (sitemap(&a, "/index"), sitemap(&a, "/other"));
    worker.commit_found(vec![index.clone(), other.clone()]);
    worker.commit_found(vec![child(&other, "/1")]);
    let part = |number, paths: &[&str]| Commit {
        found: paths.iter().map(|path| child(&index, path)).collect(),
        part: Some(Part { of: index.task.id, number }),
        ..Commit::default()
    };
    worker.commit(part(1, &["/1", "/2"]));
    worker.lease(1);
    assert_eq!(worker.paths(&a, 9), ["/index", "/other", "/1", "/2"]);
    let account = worker.account(&a);
    assert_eq!((account.found, account.duplicate), (4, 0), "the repeat does not count yet");

    worker.reopen();
    worker.commit(part(1, &["/1", "/2"]));
    worker.commit(part(2, &["/3", "/4"]));
    worker.commit_outcomes(vec![TaskOutcome { parts: 2, repeats: 1, ..read(&index) }]);
    let account = worker.account(&a);
    assert_eq!((account.duplicate, account.skipped.get(&SkipReason::CountLimit)), (2, Some(&1)));
    assert_eq!((account.found, account.pending), (8, 4));
    assert_eq!(account.parts, None);
}

/// After a kill between the parts an index may be shorter, so that it needs no parts.
pub fn parts_of_an_earlier_reading_do_not_count(factory: Factory) {
    let mut worker = Worker::start(factory);
    let a = site("a");
    let (index, other) = (sitemap(&a, "/index"), sitemap(&a, "/other"));
    worker.commit_found(vec![index.clone(), other.clone(), child(&other, "/1")]);
    let part = Some(Part { of: index.task.id, number: 1 });
    worker.commit(Commit { found: vec![child(&index, "/1")], part, ..Commit::default() });
    worker.reopen();
    worker.commit_outcomes(vec![read(&index)]);
    let account = worker.account(&a);
    assert_eq!((account.duplicate, account.parts), (0, None));
}

/// `--max-hosts-per-site` bounds the hosts that documents name, not the seeds. Hosts that are known stay.
pub fn hosts_of_a_site_beyond_the_bound_are_refused(factory: Factory) {
    let mut worker = Worker::start(factory);
    let (a, index) = (site("a"), sitemap(&site("a"), "/index"));
    worker.commit_found(vec![index.clone()]);
    let named = |name: &str, path: &str| {
        let host = site(name);
        let task = Task { parent: Some(index.task.id), ..sitemap(&host, path).task };
        NewTask { host, task, found_on: Some(a.id()) }
    };
    let names = ["1.b", "2.b", "3.b", "1.b"];
    worker.commit_found(names.map(|name| named(name, "/1")).into());
    worker.reopen();
    worker.commit_found(vec![
        named("2.b", "/2"),
        named("4.b", "/1"),
        named("1.c", "/1"),
        sitemap(&site("5.b"), "/1"),
    ]);

    let known: Vec<String> =
        worker.queue.hosts().iter().map(|record| record.host.name().to_owned()).collect();
    for (name, is_known) in
        [("1.b", true), ("2.b", true), ("3.b", false), ("4.b", false), ("1.c", true), ("5.b", true)]
    {
        assert_eq!(known.contains(&format!("{name}.example")), is_known, "{name}");
    }
    let account = worker.account(&a);
    assert_eq!(account.skipped, [(SkipReason::CountLimit, 2)].into());
    assert_eq!(account.duplicate, 0);
}

/// The child of `index` at `path` of the same host.
fn child(index: &NewTask, path: &str) -> NewTask {
    let mut new = named_on(&index.host, sitemap(&site("a"), path));
    new.task.depth = 1;
    new.task.parent = Some(index.task.id);
    new
}
