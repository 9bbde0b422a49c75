//! The robots rules of a leased host: set, evicted and loaded again.

use crate::robots::{ROBOTS_AGE_MAX, RobotsState};
use crate::timestamp::Timestamp;
use crate::work_queue::RobotsRecord;

use super::HostQueue;
use super::job::Job;

impl HostQueue {
    /// Notes that a robots.txt task has ended: the present rules serve for a day from now. Rules that were young
    /// enough to need no request keep their age.
    pub(super) fn robots_ended(&mut self, now: Timestamp) {
        let is_young = |fetched_at: Timestamp| fetched_at.distance(now) < ROBOTS_AGE_MAX;
        let are_known = matches!(*self.robots.rules, RobotsState::Known { .. } | RobotsState::Evicted { .. });
        if !are_known || !self.robots.rules.requested_at().is_some_and(is_young) {
            self.robots.requested_at = Some(now);
        }
        if matches!(*self.robots.rules, RobotsState::Unknown) {
            self.set_rules(RobotsState::Unreachable { since: now });
        }
    }

    /// Sets the rules after they were fetched or turned out to be unreachable.
    pub(crate) fn set_robots(&mut self, robots: RobotsRecord) {
        let rules = RobotsState::from_record(Some(&robots));
        self.robots.record = Some(robots);
        self.robots.are_dropped = false;
        self.set_rules(rules);
    }

    /// The rules as the queue keeps them.
    pub(crate) fn robots(&self) -> Option<&RobotsRecord> {
        self.robots.record.as_ref()
    }

    /// Length of the rules' text in bytes; 0 if there is none.
    pub(crate) fn text_bytes(&self) -> usize {
        self.robots.record.as_ref().and_then(|robots| robots.rules.as_ref()).map_or(0, String::len)
    }

    fn set_rules(&mut self, rules: RobotsState) {
        self.due.set_crawl_delay(rules.crawl_delay());
        self.robots.requested_at = self.robots.requested_at.max(rules.requested_at());
        *self.robots.rules = rules;
        // A waiting refresh is no longer needed, or is created again when it is due.
        self.jobs.own.retain(Job::is_task);
        for job in &mut self.jobs.own {
            job.judge(&self.robots.rules);
        }
    }

    /// Parses the rules again from their text, if they were evicted and `are_wanted`.
    pub(super) fn reload_rules(&mut self, are_wanted: bool) {
        if are_wanted && matches!(*self.robots.rules, RobotsState::Evicted { .. }) {
            *self.robots.rules = RobotsState::from_record(self.robots.record.as_ref());
        }
    }

    /// Drops the parsed rules and keeps their text.
    pub(crate) fn evict_rules(&mut self) {
        self.robots.rules.evict();
    }

    /// Approximate memory of the parsed rules in bytes; 0 if they are not loaded.
    pub(crate) fn rules_bytes(&self) -> usize {
        match &*self.robots.rules {
            RobotsState::Known { robots, .. } => robots.bytes(),
            RobotsState::Unknown | RobotsState::Evicted { .. } | RobotsState::Unreachable { .. } => 0,
        }
    }
}
