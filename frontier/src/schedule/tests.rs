//! Tests of the schedule with a clock that the tests control.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::host::Host;
use crate::request::Purpose;
use crate::robots::RobotsRules;
use crate::task::{Task, TaskKind};
use crate::work_queue::{Release, RobotsRecord};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn at(seconds: i64) -> Timestamp {
    at_ms(seconds * 1_000)
}

fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + ms * 1_000)
}

pub(super) fn host(name: &str) -> Host {
    Host::of(&url::Url::parse(&format!("https://{name}.example/")).unwrap()).unwrap()
}

pub(super) fn leased(name: &str) -> LeasedHost {
    LeasedHost {
        host: host(name),
        is_seed: true,
        robots: None,
        not_before: None,
        busy_since: at(0),
        asked_before: false,
        inbox: 0,
    }
}

pub(super) fn task(name: &str, path: &str) -> Task {
    let host = host(name);
    let kind = if path == "/robots.txt" { TaskKind::Robots } else { TaskKind::Sitemap };
    Task::new(&host, host.url(path), kind)
}

pub(super) fn loaded(name: &str, inbox: u64, busy_since: Option<Timestamp>, tasks: Vec<Task>) -> Loaded {
    Loaded { host: host(name).id(), inbox, busy_since, tasks, hops: Vec::new(), redirect: None }
}

pub(super) fn load(schedule: &mut Schedule, name: &str, paths: &[&str], now: Timestamp) {
    assert!(schedule.wanting_tasks(10).iter().any(|(id, _)| *id == host(name).id()), "{name} wants tasks");
    let tasks = paths.iter().map(|path| task(name, path)).collect();
    schedule.load(loaded(name, 1, None, tasks), now);
}

/// A schedule with one host, whose rules are `text` and whose tasks are `paths`.
fn with_host(text: &str, slots: usize, paths: &[&str]) -> Schedule {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, slots), at(0));
    schedule.admit(leased("a"), at(0));
    load(&mut schedule, "a", paths, at(0));
    schedule.set_robots(host("a").id(), known(text, at(0)), at(0));
    schedule
}

pub(super) fn started(next: Next) -> Request {
    match next {
        Next::Start(request) => request,
        other => panic!("not started: {other:?}"),
    }
}

fn follow(url: &str, hop: u8) -> NextStep {
    NextStep::Follow(Arc::new(url::Url::parse(url).unwrap()), hop)
}

fn path(request: &Request) -> &str {
    request.url().strip_prefix(&request.step.host.to_string()).unwrap()
}

fn assert_waits(next: &Next, until: Option<Timestamp>) {
    assert!(matches!(next, Next::Wait(moment) if *moment == until), "{next:?}, expected {until:?}");
}

#[test]
fn a_request_leaves_one_delay_after_the_start_before_it() {
    let mut schedule = with_host("", 1, &["/1", "/2"]);
    let first = started(schedule.next(at(5)));
    assert_eq!(
        (path(&first), first.step.attempt, first.begun_at, first.permitted_at),
        ("/1", 1, at(0), at(0))
    );
    assert_waits(&schedule.next(at(5)), None);
    schedule.settle(&first, NextStep::Done, at_ms(5_300));
    assert_waits(&schedule.next(at_ms(5_300)), Some(at(6)));
    let second = started(schedule.next(at(7)));
    assert_eq!((path(&second), second.begun_at, second.permitted_at), ("/2", at_ms(5_300), at(6)));
}

#[test]
fn the_pace_counts_from_the_real_start() {
    let mut schedule = with_host("", 1, &["/1", "/2"]);
    let first = started(schedule.next(at(0)));
    schedule.started(&first, at_ms(400));
    schedule.settle(&first, NextStep::Done, at_ms(500));
    assert_waits(&schedule.next(at_ms(500)), Some(at_ms(1_400)));
}

#[test]
fn slots_limit_the_requests_in_flight_and_do_not_speed_up_the_pace() {
    let mut schedule = with_host("", 2, &["/1", "/2", "/3"]);
    let first = started(schedule.next(at(0)));
    assert_waits(&schedule.next(at(0)), Some(at(1)));
    let second = started(schedule.next(at(1)));
    assert_ne!(first.slot, second.slot);
    assert_waits(&schedule.next(at(9)), None);
    schedule.settle(&first, NextStep::Done, at(9));
    assert_eq!(started(schedule.next(at(9))).slot, first.slot);
}

#[test]
fn robots_txt_of_a_host_without_rules_is_requested_first_without_a_task_in_the_queue() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 2), at(0));
    schedule.admit(leased("a"), at(0));
    load(&mut schedule, "a", &["/1"], at(0));
    let robots = started(schedule.next(at(0)));
    assert_eq!((path(&robots), robots.step.purpose), ("/robots.txt", Purpose::RobotsRefresh));
    assert_waits(&schedule.next(at(5)), None);
    schedule.settle(&robots, NextStep::Retry(at(10)), at(5));
    let again = started(schedule.next(at(10)));
    assert_eq!((path(&again), again.step.attempt), ("/robots.txt", 2));
    schedule.set_robots(host("a").id(), known("User-agent: *\nCrawl-delay: 7", at(11)), at(11));
    schedule.settle(&again, NextStep::Done, at(11));
    assert_waits(&schedule.next(at(11)), Some(at(17)));
    assert_eq!(path(&started(schedule.next(at(17)))), "/1");
}

#[test]
fn the_robots_task_of_a_seed_brings_its_rules() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    schedule.admit(leased("a"), at(0));
    load(&mut schedule, "a", &["/robots.txt", "/1"], at(0));
    assert_eq!(*started(schedule.next(at(0))).step.task, task("a", "/robots.txt"));
}

#[test]
fn rules_are_asked_for_again_after_a_day_and_an_old_copy_may_serve() {
    let mut schedule = with_host("", 1, &["/1", "/2", "/3"]);
    let day = 24 * 60 * 60;
    let robots = started(schedule.next(at(day)));
    assert_eq!(path(&robots), "/robots.txt");
    schedule.set_robots(host("a").id(), known("", at(0)), at(day));
    schedule.settle(&robots, NextStep::Done, at(day));
    assert_eq!(path(&started(schedule.next(at(day + 1)))), "/1");
}

#[test]
fn disallowed_tasks_are_skipped_without_pace() {
    let mut schedule = with_host("User-agent: *\nDisallow: /x", 1, &["/1", "/x1", "/x2"]);
    let first = started(schedule.next(at(0)));
    schedule.settle(&first, NextStep::Done, at_ms(100));
    for _ in 0..2 {
        let Next::Skip(skipped, SkipReason::RobotsDisallowed) = schedule.next(at_ms(100)) else { panic!() };
        assert_waits(&schedule.next(at_ms(100)), None);
        schedule.settle(&skipped, NextStep::Done, at_ms(100));
    }
    assert_eq!(schedule.idle().len(), 1);
}

#[test]
fn a_host_that_wants_a_day_between_requests_is_skipped_at_once() {
    let mut schedule = with_host("User-agent: *\nCrawl-delay: 86400", 1, &["/1"]);
    assert!(matches!(schedule.next(at(0)), Next::Skip(_, SkipReason::CrawlDelay)));
}

#[test]
fn unreachable_rules_skip_all_but_robots_txt() {
    let mut schedule = with_host("", 1, &["/1", "/robots.txt"]);
    let unreachable = RobotsRecord { rules: None, ..known("", at(0)) };
    schedule.set_robots(host("a").id(), unreachable, at(0));
    let Next::Skip(skipped, SkipReason::RobotsUnreachable) = schedule.next(at(0)) else { panic!() };
    schedule.settle(&skipped, NextStep::Done, at(0));
    assert_eq!(path(&started(schedule.next(at(0)))), "/robots.txt");
}

#[test]
fn rules_are_unreachable_if_none_are_set() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    schedule.admit(leased("a"), at(0));
    load(&mut schedule, "a", &["/1"], at(0));
    let robots = started(schedule.next(at(0)));
    schedule.settle(&robots, NextStep::Done, at(1));
    assert!(matches!(schedule.next(at(1)), Next::Skip(_, SkipReason::RobotsUnreachable)));
}

#[test]
fn redirect_hops_come_first_and_obey_the_rules_too() {
    let mut schedule = with_host("User-agent: *\nDisallow: /x", 1, &["/1", "/2"]);
    let first = started(schedule.next(at(0)));
    schedule.settle(&first, follow("https://a.example/moved", 1), at(0));
    let hop = started(schedule.next(at(1)));
    assert_eq!(
        (path(&hop), hop.step.hop, hop.step.attempt, &hop.step.task),
        ("/moved", 1, 1, &first.step.task)
    );
    schedule.settle(&hop, follow("https://a.example/x", 2), at(1));
    let Next::Skip(hop, SkipReason::RobotsDisallowed) = schedule.next(at(1)) else { panic!() };
    assert_eq!((path(&hop), hop.step.hop), ("/x", 2));
}

#[test]
fn other_tasks_continue_while_a_retry_waits() {
    let mut schedule = with_host("", 1, &["/1", "/2"]);
    let first = started(schedule.next(at(0)));
    schedule.settle(&first, NextStep::Retry(at(30)), at(0));
    let second = started(schedule.next(at(1)));
    assert_eq!(path(&second), "/2");
    schedule.settle(&second, NextStep::Done, at(2));
    assert_eq!(schedule.waiting_for(at(3)).retry, 1);
    let again = started(schedule.next(at(30)));
    assert_eq!((path(&again), again.step.attempt, again.begun_at), ("/1", 2, at(2)));
}

#[test]
fn a_cooldown_applies_to_the_whole_host() {
    let mut schedule = with_host("", 1, &["/1", "/2"]);
    let first = started(schedule.next(at(0)));
    schedule.cool_down(host("a").id(), at(50), at(0));
    schedule.settle(&first, NextStep::Retry(at(50)), at(0));
    assert_waits(&schedule.next(at(49)), Some(at(50)));
    assert_eq!(schedule.waiting_for(at(49)), WaitingFor { cooldown: 1, ..WaitingFor::default() });
    started(schedule.next(at(50)));
}

#[test]
fn a_parked_host_starts_nothing_and_is_released_with_its_date() {
    let mut schedule = with_host("", 1, &["/1", "/2"]);
    let first = started(schedule.next(at(0)));
    schedule.park(host("a").id(), at(9_000), at(1));
    assert!(schedule.idle().is_empty(), "a request is in flight");
    schedule.settle(&first, NextStep::Retry(at(9_000)), at(1));
    assert_waits(&schedule.next(at(9_000)), None);
    let release = schedule.idle().remove(0);
    assert_eq!((release.not_before, release.parked), (Some(at(9_000)), true));
    schedule.released(&[release], &[], at(1));
    assert!(schedule.is_empty());
}

#[test]
fn a_host_that_a_lost_session_may_have_asked_waits_one_delay() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    let record = known("User-agent: *\nCrawl-delay: 5", at(-10));
    schedule.admit(LeasedHost { robots: Some(record), asked_before: true, ..leased("a") }, at(0));
    load(&mut schedule, "a", &["/1"], at(0));
    assert_waits(&schedule.next(at(0)), Some(at(5)));
}

pub(super) fn known(text: &str, fetched_at: Timestamp) -> RobotsRecord {
    let rules = Some(RobotsRules::parse(text.as_bytes(), "crawler").to_text());
    RobotsRecord { fetched_at, rules, validator: crate::Validator::default() }
}

#[test]
fn rules_that_an_earlier_session_fetched_serve_until_they_are_a_day_old() {
    const DAY_S: i64 = 24 * 60 * 60;
    for (age_s, path_asked) in [(DAY_S - 1, "/1"), (DAY_S, "/robots.txt"), (0, "/1")] {
        let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
        schedule.admit(LeasedHost { robots: Some(known("", at(-age_s))), ..leased("a") }, at(0));
        load(&mut schedule, "a", &["/1"], at(0));
        assert_eq!(path(&started(schedule.next(at(0)))), path_asked, "{age_s} s old");
    }
}

#[test]
fn rules_of_an_unknown_age_are_asked_for_again_and_the_host_waits_one_delay() {
    // The clock was set back by two days since they were fetched.
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    let known = known("User-agent: *\nCrawl-delay: 5", at(2 * 24 * 60 * 60));
    schedule.admit(LeasedHost { robots: Some(known), ..leased("a") }, at(0));
    load(&mut schedule, "a", &["/1"], at(0));
    assert_waits(&schedule.next(at(0)), Some(at(5)));
    assert_eq!(path(&started(schedule.next(at(5)))), "/robots.txt");
}

#[test]
fn a_clock_set_forward_saves_up_no_burst() {
    // By the clock, a year has passed since the last request. Each request still waits for one delay.
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    let known = known("", at(-10));
    let leased = LeasedHost {
        robots: Some(known),
        asked_before: true,
        not_before: Some(at(-31_536_000)),
        ..leased("a")
    };
    schedule.admit(leased, at(0));
    load(&mut schedule, "a", &["/1", "/2", "/3"], at(0));
    for second in 1..=3 {
        assert_waits(&schedule.next(at_ms(second * 1_000 - 1)), Some(at(second)));
        let request = started(schedule.next(at(second)));
        schedule.settle(&request, NextStep::Done, at(second));
    }
}

#[test]
fn a_task_that_a_wrong_clock_put_off_waits_no_longer_than_a_cooldown_within_a_run() {
    let mut schedule = with_host("", 1, &[]);
    schedule.woken(host("a").id(), false, at(0));
    let far = Task { not_before: Some(at(31_536_000)), attempts: 1, ..task("a", "/1") };
    assert_eq!(schedule.wanting_tasks(1).len(), 1);
    schedule.load(loaded("a", 1, Some(at(0)), vec![far]), at(0));
    assert_waits(&schedule.next(at(0)), Some(at(120)));
}

#[test]
fn hosts_permitted_longest_come_first() {
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    for (name, not_before) in [("a", 3), ("b", 1), ("c", 2)] {
        schedule.admit(LeasedHost { not_before: Some(at(not_before)), ..leased(name) }, at(0));
    }
    assert_eq!(schedule.wanting_tasks(10).len(), 3);
    for name in ["a", "b", "c"] {
        schedule.load(loaded(name, 0, None, vec![task(name, "/1")]), at(0));
    }
    let order: Vec<String> =
        (0..3).map(|_| started(schedule.next(at(10))).step.host.name().to_owned()).collect();
    assert_eq!(order, ["b.example", "c.example", "a.example"]);
    assert_eq!((schedule.in_flight(), schedule.waiting_for(at(10)).answer), (3, 3));
}

#[test]
fn few_tasks_are_held_and_more_are_requested_in_time() {
    let mut schedule = Schedule::new(Pace::of_hosts(Duration::ZERO, 1), at(0));
    schedule.admit(leased("a"), at(0));
    assert_eq!(schedule.wanting_tasks(10), [(host("a").id(), 9)]);
    assert!(schedule.wanting_tasks(10).is_empty(), "requested already");
    let tasks: Vec<Task> = (0..9).map(|n| task("a", &format!("/{n}"))).collect();
    schedule.load(loaded("a", 0, None, tasks.clone()), at(0));
    schedule.set_robots(host("a").id(), known("", at(0)), at(0));
    for _ in 0..7 {
        assert!(schedule.wanting_tasks(10).is_empty());
        let request = started(schedule.next(at(0)));
        schedule.settle(&request, NextStep::Done, at(0));
    }
    let request = started(schedule.next(at(0)));
    assert_eq!(schedule.wanting_tasks(10), [(host("a").id(), 2 + 9)], "the tasks in memory are loaded again");
    // Its outcome is committed after the queue was read. The task must not be started again.
    schedule.settle(&request, NextStep::Done, at(0));
    schedule.load(loaded("a", 0, None, tasks[7..].to_vec()), at(0));
    assert_eq!(*started(schedule.next(at(0))).step.task, tasks[8]);
    assert!(schedule.wanting_tasks(10).is_empty(), "all tasks are loaded");
}

#[test]
fn a_host_with_nothing_left_is_released_once_and_stays_if_it_has_new_tasks() {
    let mut schedule = with_host("", 1, &["/1"]);
    let request = started(schedule.next(at(0)));
    schedule.settle(&request, NextStep::Done, at(2));
    let offered = schedule.idle();
    assert_eq!(offered, [Release { host: host("a").id(), inbox: 1, not_before: Some(at(1)), parked: false }]);
    assert!(schedule.idle().is_empty() && schedule.wanting_tasks(10).is_empty());
    schedule.woken(host("a").id(), false, at(5));
    schedule.released(&offered, &[host("a").id()], at(6));
    load(&mut schedule, "a", &["/2"], at(7));
    let request = started(schedule.next(at(7)));
    assert_eq!((request.begun_at, request.permitted_at), (at(5), at(5)), "it had nothing to do from 2 to 5");
}

#[test]
fn a_host_that_was_done_while_more_tasks_were_requested_begins_a_new_busy_time() {
    let mut schedule = with_host("", 1, &["/1"]);
    let request = started(schedule.next(at(0)));
    schedule.woken(host("a").id(), false, at(1));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    schedule.settle(&request, NextStep::Done, at(2));
    schedule.woken(host("a").id(), false, at(5));
    let loaded_at = |busy_since, tasks| loaded("a", 2, busy_since, tasks);
    // This answer was read before the new task was committed.
    schedule.load(loaded_at(None, Vec::new()), at(6));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    schedule.load(loaded_at(Some(at(5)), vec![task("a", "/2")]), at(7));
    assert_eq!(started(schedule.next(at(7))).begun_at, at(5), "it had nothing to do from 2 to 5");
}

#[test]
fn a_task_settled_ahead_frees_its_slot_and_keeps_its_host() {
    let mut schedule = with_host("", 1, &["/1"]);
    let request = started(schedule.next(at(0)));
    schedule.settle_ahead(&request, at(1));
    assert_eq!(schedule.in_flight(), 0);
    assert!(schedule.idle().is_empty(), "its outcome is not committed yet");
    schedule.woken(host("a").id(), false, at(2));
    assert_eq!(
        schedule.wanting_tasks(10),
        [(host("a").id(), 1 + 9)],
        "a task whose outcome is not committed is loaded again"
    );
    let tasks = vec![task("a", "/1"), task("a", "/2")];
    schedule.load(loaded("a", 2, None, tasks), at(2));
    let second = started(schedule.next(at(2)));
    assert_eq!(path(&second), "/2");
    schedule.settle(&request, NextStep::Done, at(3));
    assert_eq!(schedule.in_flight(), 1, "the slot belongs to the second request");
    schedule.settle(&second, NextStep::Done, at(3));
    assert_eq!(schedule.idle().len(), 1);
}

#[test]
fn a_task_recorded_while_more_are_loaded_is_not_requested_again() {
    let mut schedule = with_host("", 1, &["/1"]);
    let request = started(schedule.next(at(0)));
    schedule.settle_ahead(&request, at(1));
    schedule.woken(host("a").id(), false, at(1));
    assert_eq!(schedule.wanting_tasks(10).len(), 1);
    schedule.settle(&request, NextStep::Done, at(2));
    // This answer was read before the outcome was committed.
    let tasks = vec![task("a", "/1")];
    schedule.load(loaded("a", 2, None, tasks), at(2));
    assert_waits(&schedule.next(at(9)), None);
    assert_eq!(schedule.idle().len(), 1);
}

#[test]
fn a_host_that_waits_for_its_pace_can_be_released_with_its_tasks() {
    let mut schedule = with_host("", 1, &["/1", "/2"]);
    let request = started(schedule.next(at(0)));
    schedule.release_surplus(9, false, at(0));
    assert_waits(&schedule.next(at(0)), None);
    schedule.settle_ahead(&request, at(0));
    schedule.release_surplus(9, false, at(1));
    assert_waits(&schedule.next(at(0)), Some(at(1)));
    schedule.release_surplus(9, false, at(0));
    assert_waits(&schedule.next(at(9)), None);
    assert!(schedule.idle().is_empty(), "its outcome is not committed");
    schedule.settle(&request, NextStep::Done, at(0));
    let surplus = schedule.idle();
    assert_eq!(surplus, [Release { host: host("a").id(), inbox: 1, not_before: Some(at(1)), parked: false }]);
    schedule.released(&surplus, &[host("a").id()], at(1));
    load(&mut schedule, "a", &["/2"], at(2));
    assert_eq!(path(&started(schedule.next(at(2)))), "/2", "it stayed because it had new tasks");
}

#[test]
fn a_host_that_waits_for_a_free_worker_can_be_released_and_one_that_may_start_cannot() {
    let mut schedule = with_host("", 1, &["/1"]);
    assert_eq!(schedule.release_surplus(9, false, at(0)), 0);
    assert_eq!(schedule.release_surplus(9, true, at(0)), 1);
    assert_waits(&schedule.next(at(0)), None);
    let surplus = schedule.idle();
    assert_eq!((surplus.len(), surplus[0].not_before), (1, Some(at(0))));
}

#[test]
fn a_task_read_under_another_url_is_not_requested() {
    let mut schedule = with_host("", 1, &["/1", "/2"]);
    schedule.forget(task("a", "/1").id, at(0));
    assert_eq!(path(&started(schedule.next(at(0)))), "/2");
}
