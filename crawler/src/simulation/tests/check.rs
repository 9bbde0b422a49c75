//! What every simulated crawl must keep, read from the log of the web and from what the crawl has left behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use frontier::{Account, HostId, Timestamp};

use super::crawl::{Crawled, SessionLog};
use super::plan::{
    ALWAYS, Answer, COOLDOWN_S_MAX, CRAWL_DELAY_S_MAX, Failure, Page, Place, Plan, Robots, host,
};
use crate::simulation::Exchange;

/// Time in which an answer becomes durable. It may be lost if the session is killed within it.
const COMMITTED_WITHIN: Duration = Duration::from_secs(1);
/// The shortest pause after an answer that asks for one and does not say how long.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// A request, and the session that made it.
#[derive(Clone, Copy)]
struct Sent<'a> {
    session: usize,
    exchange: &'a Exchange,
}

impl Sent<'_> {
    /// Whether the crawl may have forgotten the answer, because the session was killed before it was durable.
    fn may_be_lost(&self, sessions: &[SessionLog]) -> bool {
        let session = &sessions[self.session];
        let ended_at = self.exchange.ended_at.unwrap();
        session.was_killed && session.ended_at.since(ended_at) <= COMMITTED_WITHIN
    }
}

/// Everything that is checked of any crawl.
pub fn everything(crawled: &Crawled) {
    every_host_is_treated_politely(crawled);
    no_more_requests_are_in_flight_than_allowed(crawled);
    nothing_is_asked_twice(crawled);
    nothing_is_lost_and_nothing_is_recorded_twice(crawled);
    every_account_adds_up(crawled);
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

fn by_host(crawled: &Crawled) -> BTreeMap<usize, Vec<Sent<'_>>> {
    let mut hosts: BTreeMap<usize, Vec<Sent<'_>>> = BTreeMap::new();
    for (session, exchange) in crawled.requests() {
        hosts.entry(Plan::host_of(&exchange.url)).or_default().push(Sent { session, exchange });
    }
    hosts
}

fn every_host_is_treated_politely(crawled: &Crawled) {
    for (host, sent) in by_host(crawled) {
        assert_eq!(
            crawled.plan.place(&sent[0].exchange.url),
            Place::Robots,
            "robots.txt comes first: host {host}"
        );
        assert_delays(crawled, host, &sent);
        assert_cooldowns(crawled, host, &sent);
    }
}

/// The rate and the Crawl-delay between any two requests to a host, also over the end of a session.
fn assert_delays(crawled: &Crawled, host: usize, sent: &[Sent<'_>]) {
    let Crawled { plan, pace, .. } = crawled;
    let crawl_delay = plan.hosts[host].crawl_delay_s.filter(|s| *s <= CRAWL_DELAY_S_MAX).unwrap_or(0);
    let crawl_delay = Duration::from_secs(crawl_delay.into());
    // The session that knows the rules, and whether they are durable.
    let mut rules: Option<(usize, bool)> = None;
    for (n, Sent { session, exchange }) in sent.iter().enumerate() {
        let place = plan.place(&exchange.url);
        let is_robots = matches!(place, Place::Robots | Place::MovedRobots);
        if !is_robots {
            // No page is requested before the rules are durable.
            rules = rules.map(|(session, _)| (session, true));
        }
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
        if is_robots && exchange.is_whole && exchange.status == Some(200) {
            rules = Some((*session, rules.is_some_and(|(_, is_durable)| is_durable)));
        }
    }
}

/// No request during a cooldown that the host has asked for.
fn assert_cooldowns(crawled: &Crawled, host: usize, sent: &[Sent<'_>]) {
    let mut cooldown: Option<(Sent<'_>, Timestamp)> = None;
    for next in sent {
        if let Some((asked, until)) = cooldown {
            let ended_at = asked.exchange.ended_at.unwrap();
            let is_forgotten = asked.session != next.session && asked.may_be_lost(&crawled.sessions);
            let sent_at = next.exchange.sent_at;
            // With several requests in flight, the answer may come at the moment at which the next one is sent.
            let was_sent_before =
                sent_at < ended_at || (sent_at == ended_at && crawled.pace.host_concurrency > 1);
            assert!(
                is_forgotten || was_sent_before || sent_at >= until,
                "host {host} is in its cooldown until {until}\n{:?}\n{:?}",
                asked.exchange,
                next.exchange
            );
        }
        let asks = matches!(next.exchange.status, Some(429 | 503)) && next.exchange.is_whole;
        if asks {
            let seconds = match crawled.plan.place(&next.exchange.url) {
                Place::Page(page) => match crawled.plan.pages[page].answer {
                    Answer::CoolsDownFirst(_, seconds) => Some(Duration::from_secs(seconds)),
                    _ => None,
                },
                _ => None,
            };
            let until = next.exchange.ended_at.unwrap() + seconds.unwrap_or(BACKOFF_MIN);
            if cooldown.is_none_or(|(_, before)| before < until) {
                cooldown = Some((*next, until));
            }
        }
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

/// A request whose answer ends its task is repeated only if the answer was lost with a session.
fn nothing_is_asked_twice(crawled: &Crawled) {
    let plan = &crawled.plan;
    // Such a page is read for another one too.
    let same: BTreeSet<usize> = plan
        .pages
        .iter()
        .filter_map(|page| match page.answer {
            Answer::SameAs(other) => Some(other),
            _ => None,
        })
        .collect();
    let mut ended: HashMap<&str, Sent<'_>> = HashMap::new();
    for (session, exchange) in crawled.requests() {
        let is_final = match plan.place(&exchange.url) {
            Place::Page(page) => !same.contains(&page) && ends_its_task(&plan.pages[page], exchange),
            Place::MovedPage(_) => exchange.is_whole,
            Place::Robots | Place::MovedRobots | Place::Sitemap | Place::Nothing => false,
        };
        let sent = Sent { session, exchange };
        if let Some(before) = ended.get(exchange.url.as_str()) {
            let is_lost = before.session != session && before.may_be_lost(&crawled.sessions);
            assert!(is_lost, "asked again\n{:?}\n{exchange:?}", before.exchange);
        }
        if is_final {
            ended.insert(&exchange.url, sent);
        }
    }
}

fn ends_its_task(page: &Page, exchange: &Exchange) -> bool {
    exchange.is_whole
        && match page.answer {
            Answer::Document | Answer::Missing | Answer::NotASitemap | Answer::Disallowed => true,
            // To its own host, it is followed as part of the same task.
            Answer::MovedAway(to) => to != page.host,
            Answer::FailsFirst(times, _) => exchange.number >= times,
            Answer::CoolsDownFirst(..) => exchange.number > 0,
            Answer::Moved | Answer::SameAs(_) => false,
        }
}

/// The documents that must be recorded, and those that may be, because an index that names them is cut short.
#[derive(Default)]
struct Expected {
    documents: BTreeMap<String, usize>,
    possible: BTreeSet<String>,
    visited: BTreeSet<(usize, bool)>,
}

impl Expected {
    fn of(plan: &Plan) -> Self {
        let mut expected = Self::default();
        for number in 0..plan.hosts.len() {
            if !plan.hosts[number].is_foreign && is_open(plan, number) {
                let roots: Vec<usize> = plan.roots[number].clone();
                expected.add(plan, roots, true);
            }
        }
        expected
    }

    fn add(&mut self, plan: &Plan, pages: Vec<usize>, is_certain: bool) {
        let mut todo: Vec<(usize, bool)> = pages.into_iter().map(|page| (page, is_certain)).collect();
        while let Some((page, is_certain)) = todo.pop() {
            if !self.visited.insert((page, is_certain)) || !is_open(plan, plan.pages[page].host) {
                continue;
            }
            let moved = |to: usize| format!("{}/{page}-moved", super::plan::origin(to));
            let (url, content, is_whole) = match plan.pages[page].answer {
                Answer::Document | Answer::CoolsDownFirst(..) => (plan.url(page), page, true),
                Answer::FailsFirst(ALWAYS, Failure::CutShort) => (plan.url(page), page, false),
                Answer::FailsFirst(ALWAYS, _) => continue,
                Answer::FailsFirst(..) => (plan.url(page), page, true),
                Answer::Moved => (moved(plan.pages[page].host), page, true),
                Answer::MovedAway(to) if is_open(plan, to) => (moved(to), page, true),
                Answer::SameAs(other) => (plan.url(other), other, true),
                Answer::Disallowed if !plan.has_rules(plan.pages[page].host) => (plan.url(page), page, true),
                Answer::MovedAway(_) | Answer::Missing | Answer::Disallowed | Answer::NotASitemap => continue,
            };
            let is_certain = is_certain && is_whole;
            if !plan.children[content].is_empty() {
                todo.extend(plan.children[content].iter().map(|&child| (child, is_certain)));
            } else if is_certain {
                self.documents.insert(url, Plan::entries(content));
            } else {
                self.possible.insert(url);
            }
        }
    }
}

/// Whether pages of the host may be requested: its robots.txt can be reached and does not ask for too slow a pace.
fn is_open(plan: &Plan, host: usize) -> bool {
    if matches!(plan.hosts[host].robots, Robots::FailsFirst(ALWAYS, _)) {
        return false;
    }
    !plan.has_rules(host) || plan.hosts[host].crawl_delay_s.is_none_or(|seconds| seconds <= CRAWL_DELAY_S_MAX)
}

fn nothing_is_lost_and_nothing_is_recorded_twice(crawled: &Crawled) {
    let expected = Expected::of(&crawled.plan);
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
        if parks(&crawled.plan, number) || !record.account.skipped.is_empty() {
            // Its time ends when the queue takes it back, after one more check for new tasks. And a task that a rule forbids
            // has no request, but may wait for a free worker.
            assert!(covered <= wall, "host {number}: {covered:?} of {wall:?}");
        } else {
            assert_eq!(covered, wall, "host {number}");
        }
        if crawled.pace.host_concurrency == 1 {
            assert_eq!(sum, covered, "host {number}: paths overlap");
        }
    }
}

fn parks(plan: &Plan, host: usize) -> bool {
    let is_long = |answer| matches!(answer, Answer::CoolsDownFirst(_, seconds) if seconds > COOLDOWN_S_MAX);
    plan.pages.iter().any(|page| page.host == host && is_long(page.answer))
}
