//! What every simulated crawl must keep, read from the log of the web and from what the crawl has left behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use frontier::{Account, HostId, Timestamp};

use super::crawl::Crawled;
use super::expected::Expected;
use super::plan::{Answer, COOLDOWN_S_MAX, CRAWL_DELAY_S_MAX, Place, Plan, Rules, host};
use super::repeats;
use super::sent::{self, Sent};
use crate::simulation::Exchange;

/// The shortest pause after an answer that asks for one and does not say how long.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Everything that is checked of any crawl.
pub fn everything(crawled: &Crawled) {
    let hosts = sent::by_host(crawled);
    every_host_is_treated_politely(crawled, &hosts);
    no_more_requests_are_in_flight_than_allowed(crawled);
    repeats::nothing_is_repeated_needlessly(crawled, &hosts);
    let expected = Expected::of(&crawled.plan);
    nothing_is_lost_and_nothing_is_recorded_twice(crawled, &expected);
    every_account_adds_up(crawled);
    every_duplicate_counts_once(crawled, &expected);
}

/// The accounts of all hosts, and the number of duplicates. These are not in the accounts: of two hosts that name the same
/// page, the one that does so later has a duplicate.
pub fn accounts(crawled: &Crawled) -> (BTreeMap<String, Account>, u64) {
    let mut duplicates = 0;
    let accounts = crawled.hosts.values().map(|record| {
        let mut account = record.account.clone();
        duplicates += account.duplicate;
        account.found -= std::mem::take(&mut account.duplicate);
        (record.host.to_string(), account)
    });
    (accounts.collect(), duplicates)
}

/// The last time that each host was asked.
pub fn last_ends(crawled: &Crawled) -> BTreeMap<usize, Timestamp> {
    crawled
        .requests()
        .map(|(_, exchange)| (Plan::host_of(&exchange.url), exchange.ended_at.unwrap()))
        .collect()
}

fn every_host_is_treated_politely(crawled: &Crawled, hosts: &BTreeMap<usize, Vec<Sent<'_>>>) {
    for (&host, sent) in hosts {
        // What is requested for other hosts needs no rules.
        let is_own = |place: &Place| !matches!(place, Place::RobotsFor(_));
        let mut places = sent.iter().map(|sent| crawled.plan.place(&sent.exchange.url)).filter(is_own);
        assert!(matches!(places.next(), None | Some(Place::Robots)), "robots.txt comes first: host {host}");
        assert_delays(crawled, host, sent);
        assert_cooldowns(crawled, host, sent);
    }
}

/// The rate and the Crawl-delay between any two requests to a host, also over the end of a session.
fn assert_delays(crawled: &Crawled, host: usize, sent: &[Sent<'_>]) {
    let Crawled { plan, pace, .. } = crawled;
    let crawl_delay = plan.crawl_delay_s(host).filter(|s| *s <= CRAWL_DELAY_S_MAX).unwrap_or(0);
    let crawl_delay = Duration::from_secs(crawl_delay.into());
    // The session that knows the rules, and whether they are durable.
    let mut rules: Option<(usize, bool)> = None;
    for (n, Sent { session, exchange, record }) in sent.iter().enumerate() {
        let place = plan.place(&exchange.url);
        let is_robots = matches!(place, Place::Robots | Place::MovedRobots);
        // Rules from another host are known before the first page.
        let is_page = !is_robots && !matches!(place, Place::RobotsFor(_));
        let knows_rules = rules.is_some_and(|(of, is_durable)| is_durable || of == *session);
        let delay = if knows_rules { pace.spacing().max(crawl_delay) } else { pace.spacing() };
        if n > 0 {
            let before = sent[n - 1].exchange;
            let span = exchange.sent_at.since(before.sent_at);
            assert!(span >= delay, "host {host}: {span:?} instead of {delay:?}\n{before:?}\n{exchange:?}");
            // With several requests in flight, one over a new connection may be overtaken.
            let arrivals = before.arrived_at.zip(exchange.arrived_at).filter(|_| pace.host_concurrency == 1);
            let span = arrivals.map(|(before, arrived_at)| arrived_at.since(before));
            assert!(span.is_none_or(|span| span >= delay), "host {host}: {span:?}\n{before:?}\n{exchange:?}");
        }
        let brings_rules = is_robots && exchange.is_whole && exchange.status == Some(200);
        if brings_rules || (is_page && rules.is_none()) {
            rules = Some((*session, record.is_some() || rules.is_some_and(|(_, is_durable)| is_durable)));
        }
    }
}

/// No request during a cooldown that the host has asked for.
fn assert_cooldowns(crawled: &Crawled, host: usize, sent: &[Sent<'_>]) {
    let mut cooldowns: Vec<(Sent<'_>, Timestamp)> = Vec::new();
    for next in sent {
        let sent_at = next.exchange.sent_at;
        cooldowns.retain(|(asked, until)| *until > sent_at && !asked.is_unknown_to(next.session));
        for (asked, until) in &cooldowns {
            let ended_at = asked.ended_at();
            // With several requests in flight, the answer may come at the moment at which the next one is sent.
            let was_sent_before =
                sent_at < ended_at || (sent_at == ended_at && crawled.pace.host_concurrency > 1);
            assert!(
                was_sent_before,
                "host {host} is in its cooldown until {until}\n{:?}\n{:?}",
                asked.exchange, next.exchange
            );
        }
        if matches!(next.exchange.status, Some(429 | 503)) && next.exchange.is_whole {
            let pause = asked_pause(&crawled.plan, next.exchange).unwrap_or(BACKOFF_MIN);
            cooldowns.push((*next, next.ended_at() + pause));
        }
    }
}

/// The pause that a host asks for.
fn asked_pause(plan: &Plan, exchange: &Exchange) -> Option<Duration> {
    let Place::Page(page) = plan.place(&exchange.url) else { return None };
    match plan.pages[page].answer {
        Answer::CoolsDownFirst(_, seconds) => Some(Duration::from_secs(seconds)),
        _ => None,
    }
}

fn no_more_requests_are_in_flight_than_allowed(crawled: &Crawled) {
    let pace = crawled.pace;
    // Ends come before starts at the same moment.
    let mut events: Vec<(Timestamp, bool, usize)> = Vec::new();
    for (_, exchange) in crawled.requests() {
        let host = Plan::host_of(&exchange.url);
        if exchange.ended_at > Some(exchange.sent_at) {
            events.push((exchange.sent_at, true, host));
            events.push((exchange.ended_at.unwrap(), false, host));
        }
    }
    events.sort_unstable();
    let (mut all, mut hosts) = (0, HashMap::<usize, usize>::new());
    for (at, is_start, host) in events {
        let of_host = hosts.entry(host).or_default();
        if is_start {
            (all, *of_host) = (all + 1, *of_host + 1);
            assert!(*of_host <= pace.host_concurrency, "{of_host} requests to host {host} in flight at {at}");
            assert!(all <= pace.concurrency, "{all} requests in flight at {at}");
        } else {
            (all, *of_host) = (all - 1, *of_host - 1);
        }
    }
}

fn nothing_is_lost_and_nothing_is_recorded_twice(crawled: &Crawled, expected: &Expected) {
    for (url, entries) in &expected.documents {
        assert_eq!(crawled.entries.get(url), Some(entries), "{url}");
    }
    for (url, entries) in &crawled.entries {
        let is_possible = expected.possible.contains(url) && *entries <= 3;
        assert!(is_possible || expected.documents.contains_key(url), "{url} has {entries} entries");
    }
    let mut attempts = BTreeSet::new();
    for fetch in &crawled.fetches {
        // The hops of an attempt may be lost with their session, and are then followed again.
        let attempt = (fetch.session, fetch.task, fetch.attempt, fetch.hop, fetch.begun_at);
        assert!(attempts.insert(attempt), "recorded twice: {fetch:?}");
    }
}

fn every_account_adds_up(crawled: &Crawled) {
    let counts = &crawled.view.counts;
    assert_eq!((counts.hosts_done, counts.tasks_pending), (counts.hosts, 0));
    assert_eq!(counts.entries, crawled.entries.values().sum::<usize>() as u64);
    for record in crawled.hosts.values() {
        assert!(record.account.adds_up() && record.busy_since.is_none(), "{record:?}");
    }
}

/// A page that n documents name has n - 1 duplicates. Each counts for the host of one of the documents.
fn every_duplicate_counts_once(crawled: &Crawled, expected: &Expected) {
    let Some(duplicates) = expected.duplicates(&crawled.plan) else { return };
    let mut all = 0;
    for (number, range) in duplicates.hosts.iter().enumerate() {
        let record = crawled.hosts.get(&host(number).id());
        let duplicate = record.map_or(0, |record| record.account.duplicate);
        assert!(range.contains(&duplicate), "host {number} has {duplicate} duplicates and not {range:?}");
        all += duplicate;
    }
    assert_eq!(all, duplicates.all);
}

/// The paths of the requests to a host, each from its beginning until it was durable, cover the time in which the host had
/// something to do. With one slot, every moment belongs to one request.
pub fn paths_tile_the_busy_time(crawled: &Crawled) {
    let mut paths: BTreeMap<HostId, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for fetch in &crawled.fetches {
        let end = fetch.begun_at + Duration::from_micros(fetch.stages.total_us());
        paths.entry(fetch.task.host).or_default().push((fetch.begun_at, end));
    }
    for number in 0..crawled.plan.hosts.len() {
        let id = host(number).id();
        let Some(record) = crawled.hosts.get(&id) else { continue };
        let mut paths = paths.remove(&id).unwrap_or_default();
        paths.sort_unstable();
        let (mut covered, mut sum) = (Duration::ZERO, Duration::ZERO);
        let mut end = Timestamp::from_micros(0);
        for (begun_at, ended_at) in paths {
            covered += ended_at.since(end.max(begun_at));
            sum += ended_at.since(begun_at);
            end = end.max(ended_at);
        }
        let wall = Duration::from_micros(record.wall_us);
        let serves_others = (0..crawled.plan.hosts.len())
            .any(|of| crawled.plan.robots_url(of).is_some_and(|url| Plan::host_of(&url) == number));
        if serves_others {
            // What it does for others is not its own time.
        } else if waits_in_vain(&crawled.plan, number)
            || parks(&crawled.plan, number)
            || !record.account.skipped.is_empty()
        {
            // Its time ends when the queue takes it back, after one more check for new tasks. And a task that a rule forbids
            // has no request, but may wait for a free worker.
            assert!(covered <= wall, "host {number}: {covered:?} of {wall:?}");
        } else {
            assert_eq!(covered, wall, "host {number}");
        }
        if crawled.pace.host_concurrency == 1 && !serves_others {
            assert_eq!(sum, covered, "host {number}: paths overlap");
        }
    }
}

/// Whether a robots.txt on another host leads to no further request of the host. Otherwise its wait is part of that.
fn waits_in_vain(plan: &Plan, host: usize) -> bool {
    let is_elsewhere = |page: &usize| plan.pages[*page].host != host;
    plan.robots_url(host).is_some()
        && match plan.rules(host) {
            Rules::Unreachable => true,
            Rules::Of(of) => !plan.roots[of].is_empty() && plan.roots[of].iter().all(is_elsewhere),
            Rules::Absent => false,
        }
}

fn parks(plan: &Plan, host: usize) -> bool {
    let is_long = |answer| matches!(answer, Answer::CoolsDownFirst(_, seconds) if seconds > COOLDOWN_S_MAX);
    plan.pages.iter().any(|page| page.host == host && is_long(page.answer))
}
