//! Whole crawls by the real engine in virtual time, with kills at random moments.

mod check;
mod crawl;
mod expected;
mod plan;
mod random;
mod repeats;
mod sent;
mod slow_queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontier::Clock;

use super::{Stalled, VirtualClock};
use crawl::{Crawled, Kill, TestPace};
use plan::{Answer, HostPlan, Page, Plan};
use random::Random;

/// Number of small webs that are crawled.
const SMALL_WEBS: u64 = 768;

#[test]
fn a_crawl_is_polite_and_comes_to_the_same_end_however_often_it_is_killed() {
    let fails = |seed: &u64| std::panic::catch_unwind(|| small_web(*seed)).is_err();
    let failed: Vec<u64> = (0..SMALL_WEBS).filter(fails).collect();
    assert!(failed.is_empty(), "the webs of the seeds {failed:?}");
}

fn small_web(seed: u64) {
    let mut random = Random(seed);
    let (plan, pace) = (Arc::new(Plan::small(&mut random)), TestPace::any(&mut random));
    let kills: Vec<Kill> = (0..1 + random.below(4)).map(|_| kill(&mut random, 60)).collect();
    let undisturbed = Crawled::run(&plan, TestPace { queue_ms_max: 0, ..pace }, &[]);
    check::everything(&undisturbed);
    check::paths_tile_the_busy_time(&undisturbed);
    let disturbed = Crawled::run(&plan, pace, &kills);
    check::everything(&disturbed);
    assert_eq!(check::accounts(&undisturbed), check::accounts(&disturbed));
}

fn kill(random: &mut Random, requests: usize) -> Kill {
    Kill {
        after_requests: random.index(requests),
        later_ms: random.below(50),
        downtime_ms: [0, 1, 10 + random.below(5_000)][random.index(3)],
    }
}

#[test]
fn a_crawl_can_be_repeated() {
    let plan = Arc::new(Plan::small(&mut Random(7)));
    let pace = TestPace::any(&mut Random(7));
    let requests = || -> Vec<_> {
        Crawled::run(&plan, pace, &[]).requests().map(|(_, request)| request.clone()).collect()
    };
    assert_eq!(requests(), requests());
}

#[test]
fn one_slow_host_holds_nobody_up() {
    let mut hosts = vec![HostPlan { latency_ms: 5, ..HostPlan::default() }; 20];
    hosts[7] = HostPlan { latency_ms: 60_000, ..HostPlan::default() };
    let page = |n: usize| Page { host: n % 20, parent: None, also_named_by: None, answer: Answer::Document };
    let plan = Arc::new(Plan::new(hosts, (0..200).map(page).collect()));
    let pace =
        TestPace { spacing_ms: 1_000, host_concurrency: 1, concurrency: 3, timeout_s: 120, queue_ms_max: 0 };
    let crawled = Crawled::run(&plan, pace, &[]);
    check::everything(&crawled);
    let begin = crawled.sessions[0].began_at;
    for (host, ended_at) in check::last_ends(&crawled) {
        // robots.txt and ten sitemaps at one per second, plus a short wait for workers.
        let seconds = ended_at.since(begin).as_secs();
        assert!(host == 7 || seconds <= 12, "host {host} took {seconds} s");
    }
}

/// On some of the hosts the redirect is the faster way, and the index is read as another page while it is on its way.
#[test]
fn an_index_that_is_read_in_two_ways_at_once_names_its_children_once() {
    let hosts = 200;
    let page = |n: usize| {
        let (host, first) = (n / 3, n - n % 3);
        let parent = (n % 3 == 1).then_some(first);
        let answer = if n % 3 == 2 { Answer::SameAs(first) } else { Answer::Document };
        Page { host, parent, also_named_by: None, answer }
    };
    let plan = Plan::new(
        vec![HostPlan { latency_ms: 1_000, ..HostPlan::default() }; hosts],
        (0..3 * hosts).map(page).collect(),
    );
    let pace =
        TestPace { spacing_ms: 0, host_concurrency: 2, concurrency: 400, timeout_s: 30, queue_ms_max: 0 };
    check::everything(&Crawled::run(&Arc::new(plan), pace, &[]));
}

/// `SIMULATED_HOSTS=10000` makes it 200,000 requests over a virtual week, as `make soak` does.
#[test]
fn a_crawl_of_many_hosts_is_polite_and_loses_nothing() {
    let hosts = std::env::var("SIMULATED_HOSTS").map_or(1_000, |text| text.parse().unwrap());
    let begun = Instant::now();
    let mut random = Random(1);
    let plan = Arc::new(Plan::large(&mut random, hosts, 20));
    let pace =
        TestPace { spacing_ms: 20_000, host_concurrency: 1, concurrency: 2, timeout_s: 30, queue_ms_max: 20 };
    let kills =
        (0..20).map(|_| Kill { downtime_ms: random.below(6 * 3_600_000), ..kill(&mut random, 2 * hosts) });
    let kills: Vec<Kill> = kills.collect();
    let crawled = Crawled::run(&plan, pace, &kills);
    let ran = begun.elapsed();
    check::everything(&crawled);
    let requests = crawled.requests().count();
    let span = crawled.sessions.last().unwrap().ended_at.since(crawled.sessions[0].began_at);
    let killed = crawled.sessions.iter().filter(|session| session.was_killed).count();
    println!(
        "hosts={hosts} requests={requests} virtual_days={:.1} kills={killed} ran_s={:.1} checked_s={:.1}",
        span.as_secs_f64() / 86_400.0,
        ran.as_secs_f64(),
        (begun.elapsed() - ran).as_secs_f64(),
    );
    assert!(requests >= 20 * hosts, "{requests}");
    assert!(killed >= 10, "{killed}");
    assert!(hosts < 10_000 || span >= Duration::from_secs(7 * 86_400), "{span:?}");
}

#[test]
fn a_simulation_in_which_nothing_can_happen_any_more_ends() {
    let clock = VirtualClock::at(Default::default());
    let stalled = clock.run(std::future::pending::<()>()).unwrap();
    assert_eq!(stalled, Err(Stalled { at: clock.now() }));
}

#[test]
fn virtual_time_passes_while_all_wait_and_in_the_order_of_their_moments() {
    let clock = VirtualClock::at(Default::default());
    let begin = clock.now();
    let order = clock.run(async {
        let (sender, mut woken) = tokio::sync::mpsc::unbounded_channel();
        for days in [3, 1, 2] {
            let (clock, sender) = (clock.clone(), sender.clone());
            tokio::spawn(async move {
                clock.sleep_until(begin + Duration::from_secs(days * 86_400)).await;
                sender.send((days, clock.now().since(begin).as_secs() / 86_400))
            });
        }
        drop(sender);
        let mut order = Vec::new();
        while let Some(next) = woken.recv().await {
            order.push(next);
        }
        order
    });
    assert_eq!(order.unwrap(), Ok(vec![(1, 1), (2, 2), (3, 3)]));
}
