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

use smallvec::SmallVec;

use crate::host::{Host, HostId};
use crate::politeness::DueTime;
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
    lease: Lease,
    robots: HostRobots,
    due: DueTime,
    jobs: Jobs,
    slots: Slots,
    busy_since: Timestamp,
    hold: Hold,
    loading: Loading,
    /// The queue's mark of new work, see [`crate::work_queue::Release::inbox`].
    inbox: u64,
}

/// What the lease says of the host.
struct Lease {
    id: HostId,
    host: Arc<Host>,
    is_seed: bool,
    /// The queue's mark of new work at that time.
    inbox: u64,
}

/// What is known of the host's robots.txt.
struct HostRobots {
    /// The rules with their text, as the queue keeps them.
    record: Option<RobotsRecord>,
    rules: Box<RobotsState>,
    /// When robots.txt was last requested. The rules may have been fetched earlier: an older copy serves while
    /// robots.txt is unreachable.
    requested_at: Option<Timestamp>,
    /// Whether a request for it is in flight.
    is_requested: bool,
    /// Where it was redirected to, if the host waits for another host or has the answer.
    redirect: Option<Box<RobotsRedirect>>,
    /// Whether the rules and their text were dropped. The host starts no request until it has been released and leased
    /// again.
    are_dropped: bool,
}

/// The host's tasks in memory.
#[derive(Default)]
struct Jobs {
    /// Its own tasks.
    own: VecDeque<Job>,
    /// Requests for other hosts.
    hops: VecDeque<Job>,
    /// Whether a request for another host is next, if both can start.
    is_hop_next: bool,
}

/// Room for requests in flight.
struct Slots {
    all: SmallVec<[Slot; 1]>,
    /// Tasks that have ended but are still pending in the queue. Their slots are free, and they do not start again.
    settled_ahead: Vec<TaskId>,
}

/// What keeps the host from starting requests, besides its pace.
#[derive(Default)]
struct Hold {
    parked_until: Option<Timestamp>,
    /// Whether its address has as many requests in flight as are allowed.
    waits_for_address: bool,
    /// Whether it is to be released together with its tasks.
    is_surplus: bool,
}

/// Room for one request in flight.
enum Slot {
    Free { since: Timestamp },
    Taken(TaskId),
}

impl HostQueue {
    pub(crate) fn new(leased: LeasedHost, pace: Pace, now: Timestamp) -> Self {
        let rules = RobotsState::from_record(leased.robots.as_ref());
        // If the clock has been set back since, neither the age of the rules nor the host's last request is known.
        let requested_at = rules.requested_at().filter(|at| at.distance(now) < ROBOTS_AGE_MAX);
        let is_of_future = rules.requested_at() > Some(now);
        let slots = (0..pace.host_concurrency.max(1)).map(|_| Slot::Free { since: leased.busy_since });
        let asked_before = leased.asked_before || is_of_future;
        let mut due = DueTime::of_leased(leased.not_before, asked_before, pace.spacing, now);
        due.set_crawl_delay(rules.crawl_delay());
        Self {
            robots: HostRobots {
                record: leased.robots,
                rules: Box::new(rules),
                requested_at: requested_at.map(|at| at.min(now)),
                is_requested: false,
                redirect: None,
                are_dropped: false,
            },
            due,
            jobs: Jobs::default(),
            slots: Slots { all: slots.collect(), settled_ahead: Vec::new() },
            busy_since: leased.busy_since,
            hold: Hold::default(),
            loading: Loading::Wanted { tasks: true, hops: true },
            inbox: leased.inbox,
            lease: Lease {
                id: leased.host.id(),
                is_seed: leased.is_seed,
                inbox: leased.inbox,
                host: Arc::new(leased.host),
            },
        }
    }

    pub(crate) fn id(&self) -> HostId {
        self.lease.id
    }

    pub(crate) fn host(&self) -> &Host {
        &self.lease.host
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.taken().count()
    }

    fn taken(&self) -> impl Iterator<Item = TaskId> {
        self.slots.all.iter().filter_map(|slot| match slot {
            Slot::Taken(task) => Some(*task),
            Slot::Free { .. } => None,
        })
    }

    /// The free slot that was freed last, with the moment. With nothing else in flight, the host's time then continues
    /// without a gap.
    fn free_slot(&self) -> Option<(Timestamp, usize)> {
        let free = self.slots.all.iter().enumerate().filter_map(|(index, slot)| match slot {
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
        self.hold.waits_for_address
    }

    /// Whether it waits for another host that serves its robots.txt.
    fn waits_for_redirect(&self) -> bool {
        self.robots.redirect.as_ref().is_some_and(|redirect| redirect.is_waiting())
    }

    /// Where its robots.txt was redirected to.
    pub(crate) fn redirect(&self) -> Option<&RobotsRedirect> {
        self.robots.redirect.as_deref()
    }

    pub(crate) fn parked_until(&self) -> Option<Timestamp> {
        self.hold.parked_until
    }
}
