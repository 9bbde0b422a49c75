//! What a crawl of a planned web must lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::plan::{ALWAYS, Answer, CRAWL_DELAY_S_MAX, Failure, Plan, Rules};

/// The documents that must be recorded, and those that may be, because an index that names them is cut short.
#[derive(Default)]
pub struct Expected {
    pub documents: BTreeMap<String, usize>,
    pub possible: BTreeSet<String>,
    visited: BTreeSet<(usize, bool)>,
    /// The hosts whose documents name each page, each as often as it does.
    named_on: BTreeMap<usize, Vec<usize>>,
    /// The documents whose children are in `named_on`.
    read: BTreeSet<usize>,
    /// The pages that lead to the document of another page, with that page.
    same: BTreeMap<usize, usize>,
    /// Whether the children of an index are not all known, because it is cut short.
    is_vague: bool,
}

/// The numbers of duplicates that must be counted.
pub struct Duplicates {
    /// The fewest and most that each host can have.
    pub hosts: Vec<RangeInclusive<u64>>,
    /// Those of all hosts together.
    pub all: u64,
}

impl Expected {
    /// What a crawl of `plan` must lead to.
    pub fn of(plan: &Plan) -> Self {
        let mut expected = Self::default();
        for number in 0..plan.hosts.len() {
            if !plan.hosts[number].is_foreign && is_open(plan, number) {
                let of = if let Rules::Of(host) = plan.rules(number) { host } else { number };
                let roots = plan.roots[of].clone();
                expected.name(&roots, number);
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
            let moved = |to: usize| plan.moved_url(page, to);
            let host = plan.pages[page].host;
            let (url, content, is_whole) = match plan.pages[page].answer {
                Answer::Document | Answer::CoolsDownFirst(..) => (plan.url(page), page, true),
                Answer::FailsFirst(ALWAYS, Failure::CutShort) => (plan.url(page), page, false),
                Answer::FailsFirst(ALWAYS, _) => continue,
                Answer::FailsFirst(..) => (plan.url(page), page, true),
                Answer::Moved => (moved(host), page, true),
                Answer::MovedAway(to) if is_open(plan, to) => (moved(to), page, true),
                Answer::SameAs(other) => (plan.url(other), other, true),
                Answer::Disallowed if !plan.has_rules(host) => (plan.url(page), page, true),
                Answer::MovedToDisallowed if !plan.has_rules(host) => (moved(host), page, true),
                Answer::MovedAway(_)
                | Answer::MovedToDisallowed
                | Answer::Missing
                | Answer::Disallowed
                | Answer::NotASitemap => continue,
            };
            let is_certain = is_certain && is_whole;
            if content != page {
                self.same.insert(page, content);
            }
            self.is_vague |= !is_certain && !plan.children[content].is_empty();
            if !plan.children[content].is_empty() {
                if is_certain && self.read.insert(content) {
                    self.name(&plan.children[content], Plan::host_of(&url));
                }
                todo.extend(plan.children[content].iter().map(|&child| (child, is_certain)));
            } else if is_certain {
                self.documents.insert(url, Plan::entries(content));
            } else {
                self.possible.insert(url);
            }
        }
    }

    fn name(&mut self, pages: &[usize], host: usize) {
        for &page in pages {
            self.named_on.entry(page).or_default().push(host);
        }
    }

    /// The duplicates. `None` if an index is cut short, so that the number of its children is not known.
    pub fn duplicates(&self, plan: &Plan) -> Option<Duplicates> {
        if self.is_vague {
            return None;
        }
        let mut hosts = vec![0..=0; plan.hosts.len()];
        let mut all = 0;
        let mut add = |host: usize, fewest: u64, most: u64| {
            hosts[host] = hosts[host].start() + fewest..=hosts[host].end() + most;
        };
        for named_on in self.named_on.values() {
            all += named_on.len() as u64 - 1;
            let naming: BTreeSet<usize> = named_on.iter().copied().collect();
            for &host in &naming {
                let times = named_on.iter().filter(|&&other| other == host).count() as u64;
                let most = if naming.len() == 1 { times - 1 } else { times };
                add(host, times - 1, most);
            }
        }
        // Of two tasks that lead to the same document, one has nothing new.
        let is_named = |(_, other): &(&usize, &usize)| self.visited.contains(&(**other, true));
        for (&page, _) in self.same.iter().filter(is_named) {
            add(plan.pages[page].host, 1, 1);
            all += 1;
        }
        Some(Duplicates { hosts, all })
    }
}

/// Whether pages of the host may be requested: its robots.txt can be reached and does not ask for too slow a pace.
fn is_open(plan: &Plan, host: usize) -> bool {
    plan.rules(host) != Rules::Unreachable
        && plan.crawl_delay_s(host).is_none_or(|seconds| seconds <= CRAWL_DELAY_S_MAX)
}
