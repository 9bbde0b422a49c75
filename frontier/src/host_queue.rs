//! A leased host in memory: its next tasks, its slots, its robots rules and its due time.
//!
//! `loading` says which tasks it wants and when it can be released, `choosing` which request starts next and what follows
//! from its end, `rules` keeps its robots rules.

mod choosing;
mod job;
mod loading;
mod rules;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::host::{Host, HostId};
use crate::politeness::{self, DueTime};
use crate::request::Pace;
use crate::robots::{ROBOTS_AGE_MAX, RobotsState};
use crate::task::TaskId;
use crate::timestamp::Timestamp;
use crate::work_queue::{LeasedHost, RobotsRecord, RobotsRedirect};

pub(crate) use choosing::Choice;
use job::Job;
use loading::Loading;

/// One host, from its lease to its release.
pub(crate) struct HostQueue {
    id: HostId,
    host: Arc<Host>,
    is_seed: bool,
    /// The robots rules with their text, as the queue keeps them.
    robots: Option<RobotsRecord>,
    rules: Box<RobotsState>,
    /// When robots.txt was last requested. The rules may have been fetched earlier: an older copy serves while
    /// robots.txt is unreachable.
    rules_requested_at: Option<Timestamp>,
    /// Whether a request for robots.txt is in flight.
    is_requesting_robots: bool,
    /// The queue's mark of new work at the lease.
    leased_inbox: u64,
    /// Where its own robots.txt was redirected to, if it waits for another host or has the answer.
    redirect: Option<Box<RobotsRedirect>>,
    due: DueTime,
    spacing: Duration,
    /// Its own tasks.
    jobs: VecDeque<Job>,
    /// Requests for other hosts.
    hops: VecDeque<Job>,
    /// Whether a request for another host is next, if both can start.
    is_hop_next: bool,
    slots: SmallVec<[Slot; 1]>,
    busy_since: Timestamp,
    parked_until: Option<Timestamp>,
    /// Tasks that have ended but are still pending in the queue. Their slots are free, and they do not start again.
    settled_ahead: Vec<TaskId>,
    /// Whether its address has as many requests in flight as are allowed.
    waits_for_address: bool,
    /// Whether it is to be released together with its tasks.
    is_surplus: bool,
    /// Whether its rules and their text were dropped. It starts no request until it has been released and leased again.
    is_without_rules: bool,
    loading: Loading,
    /// The queue's mark of new work, see [`crate::work_queue::Release::inbox`].
    inbox: u64,
}

/// Room for one request in flight.
enum Slot {
    Free { since: Timestamp },
    Taken(TaskId),
}

impl HostQueue {
    pub(crate) fn new(leased: LeasedHost, pace: Pace, now: Timestamp) -> Self {
        let rules = RobotsState::from_record(leased.robots.as_ref());
        let delay = politeness::delay(pace.spacing, rules.crawl_delay());
        // If the clock has been set back since, neither the age of the rules nor the host's last request is known.
        let rules_requested_at = rules.requested_at().filter(|at| at.distance(now) < ROBOTS_AGE_MAX);
        let is_of_future = rules.requested_at() > Some(now);
        let slots = (0..pace.host_concurrency.max(1)).map(|_| Slot::Free { since: leased.busy_since });
        Self {
            id: leased.host.id(),
            is_seed: leased.is_seed,
            rules_requested_at: rules_requested_at.map(|at| at.min(now)),
            robots: leased.robots,
            rules: Box::new(rules),
            is_requesting_robots: false,
            leased_inbox: leased.inbox,
            redirect: None,
            due: DueTime::of_leased(leased.not_before, leased.asked_before || is_of_future, delay, now),
            spacing: pace.spacing,
            jobs: VecDeque::new(),
            hops: VecDeque::new(),
            is_hop_next: false,
            slots: slots.collect(),
            busy_since: leased.busy_since,
            parked_until: None,
            settled_ahead: Vec::new(),
            waits_for_address: false,
            is_surplus: false,
            is_without_rules: false,
            loading: Loading::Wanted { tasks: true, hops: true },
            inbox: leased.inbox,
            host: Arc::new(leased.host),
        }
    }

    pub(crate) fn id(&self) -> HostId {
        self.id
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.taken().count()
    }

    fn taken(&self) -> impl Iterator<Item = TaskId> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Taken(task) => Some(*task),
            Slot::Free { .. } => None,
        })
    }

    /// The free slot that was freed last, with the moment. With nothing else in flight, the host's time then continues
    /// without a gap.
    fn free_slot(&self) -> Option<(Timestamp, usize)> {
        let free = self.slots.iter().enumerate().filter_map(|(index, slot)| match slot {
            Slot::Free { since } => Some((*since, index)),
            Slot::Taken(_) => None,
        });
        free.max()
    }

    pub(crate) fn is_cooling_down(&self, now: Timestamp) -> bool {
        self.due.is_cooling_down(now)
    }

    pub(crate) fn waits_for_retry(&self, choice: Choice) -> bool {
        let not_before = self.job(choice).and_then(|job| job.not_before);
        not_before > self.due.at()
    }

    /// Whether its address has as many requests in flight as are allowed.
    pub(crate) fn waits_for_address(&self) -> bool {
        self.waits_for_address
    }

    /// Whether it waits for another host that serves its robots.txt.
    fn waits_for_redirect(&self) -> bool {
        self.redirect.as_ref().is_some_and(|redirect| redirect.is_waiting())
    }

    /// Where its robots.txt was redirected to.
    pub(crate) fn redirect(&self) -> Option<&RobotsRedirect> {
        self.redirect.as_deref()
    }

    pub(crate) fn parked_until(&self) -> Option<Timestamp> {
        self.parked_until
    }
}
