//! Hosts whose robots.txt is on another host.

use super::*;
use frontier::ErrorKind;
use frontier::work_queue::{HostUpdate, RedirectAnswer, RedirectChange, RedirectUpdate, RobotsRedirect};

/// The request of `target` for the robots.txt of `waiting`, which is at `path` there.
fn hop(target: &Host, path: &str, waiting: &Host) -> NewTask {
    let task = Task::robots_hop(target, &target.url(path), 1, waiting);
    NewTask { task, host: target.clone(), found_on: Some(waiting.id()) }
}

/// `waiting` waits for `hop`.
fn wait(worker: &Worker, waiting: &Host, hop: &NewTask) -> Commit {
    let urls = vec![waiting.url("/robots.txt"), hop.task.url.clone()];
    let redirect = RobotsRedirect { urls, hops: 1, earlier: 0, since: worker.queue.now(), answer: None };
    let redirects = vec![RedirectUpdate { host: waiting.id(), change: RedirectChange::Wait(redirect) }];
    Commit { redirects, found: vec![hop.clone()], ..Commit::default() }
}

/// `hop` has ended with `answer` for `waiting`.
fn answer(worker: &Worker, waiting: &Host, hop: &NewTask, answer: RedirectAnswer) -> Commit {
    let change = RedirectChange::Answer { url: hop.task.url.clone(), at: worker.queue.now(), answer };
    Commit {
        outcomes: vec![ended(hop, Outcome::NotModified)],
        redirects: vec![RedirectUpdate { host: waiting.id(), change }],
        ..Commit::default()
    }
}

/// A host that waits is not leased, the other one is, and counts as no site.
pub fn a_host_that_waits_for_another_is_not_leased(factory: Factory) {
    let (mut worker, a, b) = (Worker::start(factory), site("a"), site("b"));
    worker.commit_found(vec![robots(&a)]);
    let request = hop(&b, "/r.txt", &a);
    worker.commit(wait(&worker, &a, &request));
    assert_eq!(worker.leased_names(9), ["b.example"]);
    let loaded = worker.load(&b, 9);
    assert_eq!((loaded.tasks.len(), loaded.hops), (0, vec![request.task]));
    let counts = worker.counts();
    assert_eq!((counts.hosts, counts.tasks, counts.tasks_pending), (1, 1, 1));
    assert!(!worker.record(&b).is_site);
}

/// The commit of the answer makes the host due, also after a crash, and its rules come with the lease.
pub fn the_answer_of_another_host_makes_the_host_due(factory: Factory) {
    let (mut worker, a, b) = (Worker::start(factory), site("a"), site("b"));
    worker.commit_found(vec![robots(&a)]);
    let request = hop(&b, "/r.txt", &a);
    worker.commit(wait(&worker, &a, &request));
    worker.reopen();
    assert_eq!(worker.leased_names(9), ["b.example"]);
    let rules = robots_record(worker.queue.now(), "#".to_owned());
    let hosts = vec![HostUpdate { host: a.id(), robots: rules.clone() }];
    worker.commit(Commit { hosts, ..answer(&worker, &a, &request, RedirectAnswer::Read) });
    worker.reopen();
    let leased = worker.lease(9);
    assert_eq!(leased.len(), 1, "the other host has nothing left to do");
    assert_eq!((&leased[0].host, &leased[0].robots), (&a, &Some(rules)));
    let redirect = worker.load(&a, 9).redirect.unwrap();
    assert!(matches!(redirect.answer, Some((_, RedirectAnswer::Read))));
    worker.commit(Commit {
        redirects: vec![RedirectUpdate { host: a.id(), change: RedirectChange::End }],
        ..Commit::default()
    });
    assert_eq!(worker.load(&a, 9).redirect, None);
}

/// An answer to another URL than the one that the host waits for changes nothing.
pub fn an_answer_that_nobody_waits_for_changes_nothing(factory: Factory) {
    let (mut worker, a, b) = (Worker::start(factory), site("a"), site("b"));
    worker.commit_found(vec![robots(&a)]);
    let (first, second) = (hop(&b, "/1.txt", &a), hop(&b, "/2.txt", &a));
    worker.commit(wait(&worker, &a, &first));
    worker.commit(wait(&worker, &a, &second));
    worker.commit(answer(&worker, &a, &first, RedirectAnswer::Unreachable(ErrorKind::Dns)));
    assert_eq!(worker.leased_names(9), ["b.example"]);
    assert_eq!(worker.load(&b, 9).hops.len(), 1);
}

/// A host that waits itself is leased for the requests that others wait for, and for nothing else.
pub fn hosts_that_wait_for_each_other_are_leased_for_each_other(factory: Factory) {
    let (mut worker, a, b) = (Worker::start(factory), site("a"), site("b"));
    worker.commit_found(vec![robots(&a), robots(&b)]);
    worker.commit(wait(&worker, &a, &hop(&b, "/r.txt", &a)));
    worker.commit(wait(&worker, &b, &hop(&a, "/r.txt", &b)));
    let mut names = worker.leased_names(9);
    names.sort();
    assert_eq!(names, ["a.example", "b.example"]);
    assert_eq!(worker.load(&a, 9).hops.len(), 1);
}

/// Many requests for others leave room for the host's own tasks, and the other way round.
pub fn requests_for_others_are_loaded_beside_own_tasks(factory: Factory) {
    let (mut worker, target) = (Worker::start(factory), site("target"));
    let own = (0..5).map(|n| sitemap(&target, &format!("/{n}.xml")));
    let hops = (0..5).map(|n| hop(&target, "/r.txt", &site(&format!("w{n}"))));
    worker.commit_found(own.chain(hops).collect());
    worker.lease(1);
    let loaded = worker.load(&target, 3);
    assert_eq!((loaded.tasks.len(), loaded.hops.len()), (3, 3));
}

/// A host that asks a parked one is told so at once, and a parked host is leased after its date.
pub fn a_host_that_asks_a_parked_one_learns_its_date(factory: Factory) {
    let (mut worker, a, b) = (Worker::start(factory), site("a"), site("b"));
    worker.commit_found(vec![robots(&b)]);
    worker.lease(1);
    let date = worker.queue.now() + Duration::from_secs(3_600);
    let loaded = worker.load(&b, 9);
    worker.release(Release { not_before: Some(date), parked: true, ..release_of(&loaded) });
    worker.commit_found(vec![robots(&a)]);
    let request = hop(&b, "/r.txt", &a);
    worker.commit(wait(&worker, &a, &request));
    assert_eq!(worker.leased_names(9), ["a.example"]);
    let answer = worker.load(&a, 9).redirect.unwrap().answer;
    assert_eq!(answer.unwrap().1, RedirectAnswer::Parked(date));
}
