//! Tests of the memory that robots rules take.

use std::time::Duration;

use super::tests::{at, known, leased, load, loaded, started, task};
use super::*;
use crate::robots::loaded_rules;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn rules_of_ten_thousand_hosts_take_bounded_memory_and_go_on_being_obeyed() {
    const HOSTS: usize = 10_000;
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    let mut rules: String = (0..60).map(|n| format!("Disallow: /private/{n}\n")).collect();
    rules.insert_str(0, "User-agent: *\nDisallow: /x\n");
    let rules = known(&rules, at(-1));
    let names: Vec<String> = (0..HOSTS).map(|n| format!("h{n}")).collect();
    for name in &names {
        schedule.admit(LeasedHost { robots: Some(rules.clone()), ..leased(name) }, at(0));
        assert!(schedule.rules.loaded.bytes() <= loaded_rules::BYTES_MAX);
    }
    let in_memory = schedule.hosts.iter().filter(|(_, placed)| placed.queue.rules_bytes() > 0).count();
    assert!(in_memory > 1_000 && in_memory < HOSTS / 2, "{in_memory} of {HOSTS}");
    schedule.wanting_tasks(HOSTS);
    // The rules of the first host were evicted, those of the last were not.
    for name in [&names[0], &names[HOSTS - 1]] {
        let tasks = vec![task(name, "/x/1"), task(name, "/open")];
        schedule.load(loaded(name, 1, None, tasks), at(0));
        assert!(matches!(schedule.next(at(0)), Next::Skip(_, SkipReason::RobotsDisallowed)));
    }
}

#[test]
fn rules_of_two_thousand_hosts_of_500_000_bytes_each_send_hosts_back_until_they_fit() {
    const HOSTS: usize = 2_000;
    let rules: String = (0..490).map(|n| format!("Disallow: /{n:01000}\n")).collect();
    let rules = known(&format!("User-agent: *\nDisallow: /x\n{rules}"), at(-1));
    assert!(rules.rules.as_ref().unwrap().len() > 490_000);
    let mut schedule = Schedule::new(Pace::of_hosts(SECOND, 1), at(0));
    let (mut count, mut most) = (0, 0);
    while count < HOSTS {
        // Like the engine, it leases hosts while there is room, and releases idle hosts.
        while schedule.has_room_for_rules() {
            let name = format!("h{count}");
            schedule.admit(LeasedHost { robots: Some(rules.clone()), ..leased(&name) }, at(0));
            load(&mut schedule, &name, &["/x/1", "/open"], at(0));
            count += 1;
        }
        most = most.max(schedule.rules.text_bytes);
        let Next::Skip(skipped, SkipReason::RobotsDisallowed) = schedule.next(at(0)) else { panic!() };
        schedule.settle(&skipped, NextStep::Done, at(0));
        let request = started(schedule.next(at(0)));
        schedule.cool_down(request.step.host.id(), at(100), at(0));
        schedule.settle(&request, NextStep::Retry(at(100)), at(0));
        schedule.evict_rules(at(0));
        let idle = schedule.idle();
        schedule.released(&idle, &[], at(0));
    }
    assert!(most <= TEXT_BYTES_WANTED + (1 << 20), "{most} bytes of text");
    assert!(schedule.rules.loaded.bytes() <= loaded_rules::BYTES_MAX);
    let texts: usize = schedule.hosts.iter().map(|(_, placed)| placed.queue.text_bytes()).sum();
    assert_eq!(schedule.rules.text_bytes, texts, "the sum is kept up to date");
}

/// Leased hosts whose rules are only fetched now, as at the beginning of a crawl.
#[test]
fn rules_fetched_by_two_thousand_leased_hosts_are_dropped_where_they_do_not_fit() {
    const HOSTS: usize = 2_000;
    let line = "Disallow: /".to_owned() + &"x".repeat(989);
    let rules = known(
        &format!("User-agent: *\n{}", (0..500).map(|n| format!("{line}{n}\n")).collect::<String>()),
        at(0),
    );
    let mut schedule = Schedule::new(Pace::of_hosts(Duration::ZERO, 1), at(0));
    let names: Vec<String> = (0..HOSTS).map(|n| format!("h{n}")).collect();
    for name in &names {
        schedule.admit(leased(name), at(0));
        load(&mut schedule, name, &["/robots.txt"], at(0));
    }
    for _ in 0..HOSTS {
        let request = started(schedule.next(at(0)));
        let host = request.step.host.id();
        schedule.set_robots(host, rules.clone(), at(0));
        schedule.settle(&request, NextStep::Done, at(0));
        schedule.woken(host, false, at(0));
        schedule.evict_rules(at(0));
        assert!(schedule.rules.text_bytes <= TEXT_BYTES_MAX, "{} bytes of text", schedule.rules.text_bytes);
    }
    assert!(schedule.idle().is_empty(), "their marks of new work are not known yet");
    schedule.wanting_tasks(HOSTS);
    for name in &names {
        let tasks = vec![task(name, "/1")];
        schedule.load(loaded(name, 7, None, tasks), at(0));
    }
    let idle = schedule.idle();
    assert!(idle.iter().all(|release| release.inbox == 7));
    schedule.released(&idle, &[], at(0));
    let started = std::iter::from_fn(|| matches!(schedule.next(at(0)), Next::Start(_)).then_some(())).count();
    assert_eq!((idle.len() + started, schedule.hosts()), (HOSTS, started));
    assert!(started > 100, "{started} kept their rules");
}
