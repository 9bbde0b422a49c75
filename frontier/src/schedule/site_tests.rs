//! Tests of the pace of sites.

use std::time::Duration;

use super::tests::{at, host, known, leased, load, started};
use super::*;

/// A schedule with these hosts, which have a task each. `site_concurrency` requests at a time to a site, one each
/// `site_spacing_s`.
fn schedule(names: &[&str], site_concurrency: usize, site_spacing_s: u64) -> Schedule {
    let pace = Pace {
        site_spacing: Duration::from_secs(site_spacing_s),
        site_concurrency,
        ..Pace::of_hosts(Duration::from_secs(1), 1)
    };
    let mut schedule = Schedule::new(pace, at(0));
    for name in names {
        schedule.admit(leased(name), at(0));
        load(&mut schedule, name, &["/1"], at(0));
        schedule.set_robots(host(name).id(), known("", at(0)), at(0));
    }
    schedule
}

fn assert_waits(next: &Next, until: Option<Timestamp>) {
    assert!(matches!(next, Next::Wait(moment) if *moment == until), "{next:?}, expected {until:?}");
}

/// Ends `request` and releases its host if it has nothing left.
fn end(schedule: &mut Schedule, request: &Request, now: Timestamp) {
    schedule.settle(request, NextStep::Done, now);
    let idle = schedule.idle();
    schedule.released(&idle, &[], now);
}

#[test]
fn hosts_of_a_full_site_wait_and_start_in_turn_when_a_request_ends() {
    let mut schedule = schedule(&["1.a", "2.a", "3.a", "4.a", "b"], 2, 0);
    let in_flight = [0, 1, 2].map(|_| started(schedule.next(at(0))));
    let names: Vec<&str> = in_flight.iter().map(|request| request.step.host.name()).collect();
    assert!(names.contains(&"b.example"), "another site is not held up: {names:?}");
    assert_waits(&schedule.next(at(0)), None);
    assert_eq!(schedule.waiting_for(at(0)).pace, 2, "they wait for their site, not for a worker");
    let first = in_flight.iter().find(|request| request.step.host.name() != "b.example").unwrap();
    end(&mut schedule, first, at(5));
    let next = started(schedule.next(at(6)));
    assert_eq!((next.begun_at, next.permitted_at), (at(0), at(5)), "the wait for the site is politeness");
    assert_waits(&schedule.next(at(6)), None);
    end(&mut schedule, &next, at(7));
    assert_eq!(started(schedule.next(at(7))).permitted_at, at(7));
}

#[test]
fn requests_to_a_site_are_a_spacing_apart_whichever_host_they_are_for() {
    let mut schedule = schedule(&["1.a", "2.a", "3.a"], usize::MAX, 10);
    let first = started(schedule.next(at(0)));
    assert_waits(&schedule.next(at(0)), Some(at(10)));
    end(&mut schedule, &first, at(1));
    assert_waits(&schedule.next(at(9)), Some(at(10)));
    let second = started(schedule.next(at(12)));
    assert_eq!(second.permitted_at, at(10));
    schedule.started(&second, at(13));
    assert_waits(&schedule.next(at(20)), Some(at(23)));
    end(&mut schedule, &second, at(21));
    let third = started(schedule.next(at(23)));
    end(&mut schedule, &third, at(24));
    // A host of the site that is leased later does not forget the last request.
    schedule.admit(leased("4.a"), at(25));
    load(&mut schedule, "4.a", &["/1"], at(25));
    schedule.set_robots(host("4.a").id(), known("", at(25)), at(25));
    assert_waits(&schedule.next(at(25)), Some(at(33)));
}

#[test]
fn a_host_that_is_released_while_it_waits_for_its_site_holds_no_other_up() {
    let mut schedule = schedule(&["1.a", "2.a", "3.a"], 1, 0);
    let first = started(schedule.next(at(0)));
    assert_waits(&schedule.next(at(0)), None);
    assert_eq!(schedule.release_surplus(1, false, at(0)), 1, "it may be given to another worker");
    let idle = schedule.idle();
    assert_eq!(idle.len(), 1);
    schedule.released(&idle, &[], at(1));
    end(&mut schedule, &first, at(2));
    let last = started(schedule.next(at(2)));
    assert_ne!(last.host_id(), idle[0].host);
    end(&mut schedule, &last, at(3));
    assert!(schedule.is_empty());
}

#[test]
fn a_request_whose_address_is_full_is_put_back_and_waits_without_a_slot() {
    let mut schedule = schedule(&["a"], usize::MAX, 0);
    let request = started(schedule.next(at(0)));
    schedule.withdraw(&request, at(2));
    assert_eq!(schedule.in_flight(), 0);
    assert!(schedule.idle().is_empty(), "its task is still to be done");
    assert_waits(&schedule.next(at(9)), None);
    assert!(schedule.resume(host("a").id(), at(9)));
    assert!(!schedule.resume(host("a").id(), at(9)), "it waits no more");
    let again = started(schedule.next(at(9)));
    assert_eq!((again.url(), again.step.attempt), (request.url(), 1));
    assert_eq!((again.begun_at, again.permitted_at), (at(0), at(9)));
}
