//! The requests of a crawl, each with what the crawl has recorded of it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use frontier::{FetchRecord, HostId, Stage, TaskId, Timestamp};

use super::crawl::Crawled;
use super::plan::{Answer, Place, Plan, Robots, host, origin};
use crate::simulation::Exchange;

/// A request as the web saw it.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    /// The number of the session that made it.
    pub session: usize,
    pub exchange: &'a Exchange,
    /// What the crawl has recorded of it. `None` if the session was killed before that was durable.
    pub record: Option<&'a FetchRecord>,
}

impl Sent<'_> {
    /// Whether a request of `session` could not know the answer to this one.
    pub fn is_unknown_to(&self, session: usize) -> bool {
        self.record.is_none() && self.session != session
    }

    pub fn ended_at(&self) -> Timestamp {
        self.exchange.ended_at.unwrap()
    }
}

/// All requests to each host, in the order in which they were sent.
pub fn by_host(crawled: &Crawled) -> BTreeMap<usize, Vec<Sent<'_>>> {
    let mut records = Records::of(crawled);
    let mut hosts: BTreeMap<usize, Vec<Sent<'_>>> = BTreeMap::new();
    for (session, exchange) in crawled.requests() {
        let host = Plan::host_of(&exchange.url);
        let record = records.take(host, exchange);
        hosts.entry(host).or_default().push(Sent { session, exchange, record });
    }
    records.assert_empty();
    hosts
}

/// The records of requests, by the URL and the time of the request.
struct Records<'a> {
    hosts: Vec<HostId>,
    records: HashMap<(TaskId, Timestamp), Vec<&'a FetchRecord>>,
}

impl<'a> Records<'a> {
    fn of(crawled: &'a Crawled) -> Self {
        let plan = &crawled.plan;
        let hosts: Vec<HostId> = (0..plan.hosts.len()).map(|number| host(number).id()).collect();
        let (redirects, hops) = (redirects(plan, &hosts), hops(plan));
        let mut records: HashMap<_, Vec<_>> = HashMap::new();
        for record in &crawled.fetches {
            let url = if record.hop == 0 { record.task } else { redirects[&record.task] };
            let url = hops.get(&url).copied().unwrap_or(url);
            records.entry((url, sent_at(record))).or_default().push(record);
        }
        Self { hosts, records }
    }

    fn take(&mut self, host: usize, exchange: &Exchange) -> Option<&'a FetchRecord> {
        let url = TaskId::of(self.hosts[host], &exchange.url);
        self.records.get_mut(&(url, exchange.sent_at))?.pop()
    }

    fn assert_empty(&self) {
        let left = self.records.values().flatten().next();
        assert!(left.is_none(), "recorded twice, or never sent: {left:?}");
    }
}

/// When the request of `record` was sent.
fn sent_at(record: &FetchRecord) -> Timestamp {
    let us = record.stages[Stage::Politeness] + record.stages[Stage::Slot];
    record.begun_at + Duration::from_micros(us)
}

/// The URL of each request for another host.
fn hops(plan: &Plan) -> HashMap<TaskId, TaskId> {
    let mut hops = HashMap::new();
    for waiting in 0..plan.hosts.len() {
        let mut next = plan.robots_url(waiting);
        while let Some(url) = next {
            let target = Plan::host_of(&url);
            let (id, is_own) = (host(target).id(), plan.place(&url) == Place::Robots);
            let hop = TaskId::of_hop(id, &url, host(waiting).id());
            let is_new = hops.insert(hop, TaskId::of(id, &url)).is_none();
            // A host that waits itself passes others on.
            next = if is_own && is_new { plan.robots_url(target) } else { None };
        }
    }
    hops
}

/// The URL to which each task is redirected within its host.
fn redirects(plan: &Plan, hosts: &[HostId]) -> HashMap<TaskId, TaskId> {
    let mut redirects = HashMap::new();
    let mut add = |host: usize, from: &str, to: &str| {
        redirects.insert(TaskId::of(hosts[host], from), TaskId::of(hosts[host], to));
    };
    for number in (0..plan.hosts.len()).filter(|&number| plan.hosts[number].robots == Robots::Moved) {
        let origin = origin(number);
        add(number, &format!("{origin}/robots.txt"), &format!("{origin}/moved-robots.txt"));
    }
    for number in 0..plan.hosts.len() {
        // Over other hosts, back to another path of its own.
        let ways = std::iter::successors(plan.robots_url(number), |url| plan.robots_url(Plan::host_of(url)));
        let back = ways.take(plan.hosts.len()).find(|url| Plan::host_of(url) == number);
        if let Some(url) = back.filter(|url| plan.place(url) != Place::Robots) {
            add(number, &format!("{}/robots.txt", origin(number)), &url);
        }
    }
    for (number, page) in plan.pages.iter().enumerate() {
        match page.answer {
            Answer::Moved | Answer::MovedToDisallowed => {
                add(page.host, &plan.url(number), &plan.moved_url(number, page.host));
            }
            Answer::MovedAway(to) if to == page.host => {
                add(to, &plan.url(number), &plan.moved_url(number, to));
            }
            Answer::SameAs(other) => add(page.host, &plan.url(number), &plan.url(other)),
            _ => {}
        }
    }
    redirects
}
