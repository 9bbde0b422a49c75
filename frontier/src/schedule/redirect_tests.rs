//! Tests of hosts whose robots.txt is on another host, and of the hosts that make the request.

use std::time::Duration;

use super::tests::{at, host, known, leased, loaded, started, task};
use super::*;
use crate::request::Purpose;
use crate::task::{Task, TaskKind};
use crate::work_queue::RedirectAnswer;

const SECOND: Duration = Duration::from_secs(1);

/// The request of host `b` for host `waiting`, whose robots.txt redirects to `path`.
fn hop(path: &str, waiting: &str) -> Task {
    let target = host("b");
    Task::robots_hop(&target, &target.url(path), 1, &host(waiting))
}

/// Host `b` with these requests for others, and `own` tasks.
fn with_hops(hops: Vec<Task>, own: Vec<Task>) -> Schedule {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    schedule.admit(leased("b"), at(0));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    schedule.load(Loaded { hops, ..loaded("b", 1, None, own) }, at(0));
    schedule
}

fn redirect(answer: Option<(Timestamp, RedirectAnswer)>) -> RobotsRedirect {
    let urls = vec![host("a").url("/robots.txt"), host("b").url("/r.txt")];
    RobotsRedirect { urls, hops: 1, earlier: 0, since: at(1), answer }
}

/// Starts what is due at `now` and ends it. Returns its URL, and whether a request was made.
fn step(schedule: &mut Schedule, now: Timestamp) -> (String, bool) {
    let request = started(schedule.next(now));
    schedule.settle(&request, NextStep::Done, now);
    (request.url().to_owned(), !request.is_known)
}

#[test]
fn requests_for_other_hosts_keep_the_pace_and_alternate_with_own_tasks() {
    let hops = ["c", "d"].map(|waiting| hop("/r.txt", waiting)).to_vec();
    let mut schedule = with_hops(hops, vec![task("b", "/1"), task("b", "/2")]);
    schedule.set_robots(host("b").id(), known("", at(0)), at(0));
    let urls: Vec<String> = (0..4)
        .map(|second| {
            let (url, is_request) = step(&mut schedule, at(second));
            assert!(is_request && matches!(schedule.next(at(second)), Next::Wait(_)), "{url}");
            url
        })
        .collect();
    assert_eq!(urls, ["/1", "/r.txt", "/2", "/r.txt"].map(|path| host("b").url(path)));
}

#[test]
fn a_request_for_another_host_needs_no_rules_of_its_own() {
    let mut schedule = with_hops(vec![hop("/r.txt", "c")], Vec::new());
    assert_eq!(step(&mut schedule, at(0)), (host("b").url("/r.txt"), true));
    assert_eq!(schedule.idle().len(), 1, "nothing else is to be done there");
}

#[test]
fn all_that_wait_for_its_robots_txt_share_one_request() {
    let hops = ["c", "d", "e"].map(|waiting| hop("/robots.txt", waiting)).to_vec();
    let mut schedule = with_hops(hops, Vec::new());
    let request = started(schedule.next(at(0)));
    assert_eq!((request.step.purpose, request.step.task.kind), (Purpose::RobotsRefresh, TaskKind::Robots));
    assert!(matches!(schedule.next(at(5)), Next::Wait(None)), "the others wait for it");
    schedule.set_robots(host("b").id(), known("", at(5)), at(5));
    schedule.settle(&request, NextStep::Done, at(5));
    for _ in 0..3 {
        assert_eq!(step(&mut schedule, at(5)), (host("b").url("/robots.txt"), false));
    }
    assert_eq!(schedule.idle().len(), 1);
}

#[test]
fn a_host_that_waits_starts_nothing_of_its_own_and_serves_others() {
    let mut schedule = with_hops(vec![hop("/r.txt", "c")], vec![task("b", "/robots.txt"), task("b", "/1")]);
    let request = started(schedule.next(at(0)));
    assert_eq!(request.step.task.kind, TaskKind::Robots);
    let urls = vec![host("b").url("/robots.txt"), host("a").url("/r.txt")];
    let redirect = RobotsRedirect { urls, hops: 1, earlier: 0, since: at(0), answer: None };
    schedule.set_redirect(host("b").id(), redirect, at(0));
    schedule.settle(&request, NextStep::Wait, at(0));
    assert_eq!(step(&mut schedule, at(1)), (host("b").url("/r.txt"), true));
    assert_eq!(schedule.idle().len(), 1, "its own tasks stay in the queue");
}

#[test]
fn a_host_that_waits_itself_passes_others_on_without_a_request() {
    let mut schedule = with_hops(vec![hop("/robots.txt", "c")], Vec::new());
    let urls = vec![host("b").url("/robots.txt"), host("c").url("/robots.txt")];
    let redirect = RobotsRedirect { urls, hops: 1, earlier: 0, since: at(0), answer: None };
    schedule.set_redirect(host("b").id(), redirect, at(0));
    assert_eq!(step(&mut schedule, at(0)), (host("b").url("/robots.txt"), false));
}

#[test]
fn a_parked_host_tells_those_that_wait_and_is_idle_then() {
    let mut schedule = with_hops(vec![hop("/r.txt", "c"), hop("/s.txt", "d")], Vec::new());
    let request = started(schedule.next(at(0)));
    schedule.park(host("b").id(), at(3_600), at(1));
    schedule.settle(&request, NextStep::Done, at(1));
    assert!(schedule.idle().is_empty());
    assert!(!step(&mut schedule, at(1)).1);
    let idle = schedule.idle();
    assert!(idle[0].parked && idle[0].not_before == Some(at(3_600)));
}

#[test]
fn the_answer_is_concluded_without_a_request_and_the_wait_is_politeness() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    schedule.admit(LeasedHost { robots: Some(known("", at(30))), ..leased("a") }, at(40));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    let tasks = vec![task("a", "/robots.txt"), task("a", "/1")];
    let redirect = Some(redirect(Some((at(30), RedirectAnswer::Read))));
    schedule.load(Loaded { redirect, ..loaded("a", 1, Some(at(0)), tasks) }, at(40));
    let request = started(schedule.next(at(40)));
    assert!(request.is_known && request.step.task.kind == TaskKind::Robots);
    schedule.settle(&request, NextStep::Done, at(40));
    let request = started(schedule.next(at(40)));
    assert_eq!((request.url(), request.is_known), (host("a").url("/1").as_str(), false));
    assert_eq!((request.begun_at, request.permitted_at), (at(1), at(40)), "from the end of its last request");
}

#[test]
fn an_answer_of_yesterday_is_as_good_as_none() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    let now = at(30) + crate::robots::ROBOTS_AGE_MAX;
    schedule.admit(leased("a"), now);
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    let redirect = Some(redirect(Some((at(30), RedirectAnswer::Moved(host("c").url("/r.txt"), 1)))));
    schedule.load(Loaded { redirect, ..loaded("a", 1, None, vec![task("a", "/robots.txt")]) }, now);
    assert!(!started(schedule.next(now)).is_known);
}

#[test]
fn a_redirect_read_before_the_request_that_found_a_newer_one_changes_nothing() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    schedule.admit(leased("a"), at(0));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    schedule.load(loaded("a", 1, None, vec![task("a", "/robots.txt")]), at(0));
    let request = started(schedule.next(at(0)));
    schedule.woken(host("a").id(), false, at(0));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    schedule.set_redirect(host("a").id(), redirect(None), at(1));
    schedule.settle(&request, NextStep::Wait, at(1));
    schedule.load(loaded("a", 2, None, vec![task("a", "/robots.txt"), task("a", "/1")]), at(1));
    assert!(matches!(schedule.next(at(9)), Next::Wait(None)), "it waits");
}

#[test]
fn rules_that_were_committed_after_the_lease_come_with_the_next_one() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    let old = known("", at(0) - crate::robots::ROBOTS_AGE_MAX);
    schedule.admit(LeasedHost { robots: Some(old), ..leased("a") }, at(0));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    let redirect = Some(redirect(Some((at(5), RedirectAnswer::Read))));
    schedule.load(Loaded { redirect, ..loaded("a", 1, None, vec![task("a", "/1")]) }, at(6));
    assert!(matches!(schedule.next(at(9)), Next::Wait(None)), "it starts nothing");
    assert_eq!((schedule.idle().len(), schedule.rules.text_bytes), (1, 0), "it is released");
}
