//! How often a URL may be requested: attempts, a fresh robots.txt, and answers that a killed session has lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use frontier::TaskId;

use super::crawl::Crawled;
use super::plan::{Answer, Failure, Page, Place, Plan, Robots};
use super::sent::Sent;
use crate::simulation::Exchange;

/// Attempts per URL.
const ATTEMPTS_MAX: u8 = 3;
/// How long a robots.txt serves.
const ROBOTS_FRESH: Duration = Duration::from_secs(24 * 3600);

/// All checks of repeated requests.
pub fn nothing_is_repeated_needlessly(crawled: &Crawled, hosts: &BTreeMap<usize, Vec<Sent<'_>>>) {
    let same = read_for_others(&crawled.plan);
    for (&host, sent) in hosts {
        little_is_lost(crawled, host, sent);
        nothing_is_asked_twice(&crawled.plan, &same, sent);
        a_fresh_robots_txt_is_not_asked_for(&crawled.plan, host, sent);
        failures_are_tried_again_as_often_as_they_should(crawled, sent);
    }
}

/// A kill loses the requests that occupied a slot of the host, and a session that is not killed loses none.
fn little_is_lost(crawled: &Crawled, host: usize, sent: &[Sent<'_>]) {
    let mut lost = vec![0; crawled.sessions.len()];
    for sent in sent.iter().filter(|sent| sent.record.is_none()) {
        lost[sent.session] += 1;
        let may_be_lost =
            if crawled.sessions[sent.session].was_killed { crawled.pace.host_concurrency } else { 0 };
        assert!(
            lost[sent.session] <= may_be_lost,
            "host {host}: a session lost {} requests\n{:?}",
            lost[sent.session],
            sent.exchange
        );
    }
}

/// The pages that are read for another one too.
fn read_for_others(plan: &Plan) -> BTreeSet<usize> {
    let read_as = plan.pages.iter().filter_map(|page| match page.answer {
        Answer::SameAs(other) => Some(other),
        _ => None,
    });
    read_as.collect()
}

/// A request whose answer ends its task is repeated only if the answer was lost with a session.
fn nothing_is_asked_twice(plan: &Plan, same: &BTreeSet<usize>, all: &[Sent<'_>]) {
    let mut ended: HashMap<&str, Sent<'_>> = HashMap::new();
    for sent in all {
        let Sent { session, exchange, .. } = *sent;
        let is_final = match plan.place(&exchange.url) {
            Place::Page(page) => !same.contains(&page) && ends_its_task(&plan.pages[page], exchange),
            Place::MovedPage(_) => exchange.is_whole,
            Place::Robots | Place::MovedRobots | Place::RobotsFor(_) | Place::Sitemap | Place::Nothing => {
                false
            }
        };
        if let Some(before) = ended.get(exchange.url.as_str()) {
            assert!(before.is_unknown_to(session), "asked again\n{:?}\n{exchange:?}", before.exchange);
        }
        if is_final {
            ended.insert(&exchange.url, *sent);
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
            Answer::Moved | Answer::MovedToDisallowed | Answer::SameAs(_) => false,
        }
}

/// Once robots.txt was answered, or given up, it is not requested for a day.
fn a_fresh_robots_txt_is_not_asked_for(plan: &Plan, host: usize, sent: &[Sent<'_>]) {
    // By the task: several hosts may wait for the same file of another one.
    let mut known: BTreeMap<Option<TaskId>, Sent<'_>> = BTreeMap::new();
    for next in sent {
        let place = plan.place(&next.exchange.url);
        let is_for_another = matches!(place, Place::RobotsFor(_));
        if is_for_another && next.record.is_none() {
            continue;
        }
        let of = next.record.map(|record| record.task).filter(|_| is_for_another);
        if let (Some(before), Place::Robots | Place::RobotsFor(_)) = (known.get(&of), place) {
            let is_old = next.exchange.sent_at.since(before.ended_at()) >= ROBOTS_FRESH;
            assert!(
                is_old || before.is_unknown_to(next.session),
                "host {host}: robots.txt is fresh\n{:?}\n{:?}",
                before.exchange,
                next.exchange
            );
        }
        let is_moved_away = matches!(plan.hosts[host].robots, Robots::MovedAway { .. });
        let is_answered = matches!(next.exchange.status, Some(200 | 403 | 404))
            || (is_moved_away && next.exchange.status == Some(301));
        let is_read = next.exchange.is_whole && is_answered;
        let is_given_up = match plan.hosts[host].robots {
            Robots::FailsFirst(_, failure) => !is_read && is_last(next, failure),
            _ => false,
        };
        let is_robots = matches!(place, Place::Robots | Place::MovedRobots | Place::RobotsFor(_));
        if is_robots && (is_read || is_given_up) {
            known.insert(of, *next);
        }
    }
}

/// Whether no other attempt follows the failed one.
fn is_last(sent: &Sent<'_>, failure: Failure) -> bool {
    failure.is_final() || sent.record.is_some_and(|record| record.attempt >= ATTEMPTS_MAX)
}

/// A URL that fails is tried again up to the last attempt, unless the failure is one that would only repeat. Before each
/// attempt it is left alone for a second, and twice as long each time.
fn failures_are_tried_again_as_often_as_they_should(crawled: &Crawled, sent: &[Sent<'_>]) {
    let plan = &crawled.plan;
    let mut failed: HashMap<&str, (Sent<'_>, Failure)> = HashMap::new();
    for next in sent {
        let url = next.exchange.url.as_str();
        let Some((fails, failure, is_refresh)) = planned_failure(plan, url) else { continue };
        let Some(record) = next.record else { continue };
        if let Some((before, failure)) = failed.remove(url) {
            assert_next_attempt(&before, next, failure, is_refresh);
        } else {
            assert_eq!(record.attempt, 1, "{record:?}");
        }
        if next.exchange.number < fails {
            failed.insert(url, (*next, failure));
        }
    }
    for (last, failure) in failed.values() {
        assert!(is_last(last, *failure), "given up too early\n{:?}", last.exchange);
    }
}

/// How often `url` fails and how, and whether it is a robots.txt that is in no queue.
fn planned_failure(plan: &Plan, url: &str) -> Option<(u32, Failure, bool)> {
    match plan.place(url) {
        Place::Robots => {
            let host = plan.hosts[Plan::host_of(url)];
            match host.robots {
                Robots::FailsFirst(fails, failure) => Some((fails, failure, host.is_foreign)),
                _ => None,
            }
        }
        Place::Page(page) => match plan.pages[page].answer {
            Answer::FailsFirst(fails, failure) => Some((fails, failure, false)),
            _ => None,
        },
        _ => None,
    }
}

fn assert_next_attempt(before: &Sent<'_>, next: &Sent<'_>, failure: Failure, is_refresh: bool) {
    let exchanges = (before.exchange, next.exchange);
    let attempts = (before.record.unwrap().attempt, next.record.unwrap().attempt);
    // The attempts of a refresh are in no queue, so a kill loses their number.
    let is_forgotten = is_refresh && before.session != next.session;
    let is_old = next.exchange.sent_at.since(before.ended_at()) >= ROBOTS_FRESH;
    if attempts.1 == 1 && (is_forgotten || is_old) {
        return;
    }
    assert!(!is_last(before, failure), "tried once too often\n{exchanges:?}");
    assert_eq!(attempts.1, attempts.0 + 1, "{exchanges:?}");
    let pause = next.exchange.sent_at.since(before.ended_at());
    assert!(
        pause >= Duration::from_secs(1 << (attempts.0 - 1)),
        "tried again after {pause:?}\n{exchanges:?}"
    );
}
