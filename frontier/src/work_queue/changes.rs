//! How a commit changes hosts and tasks. Every durable queue uses this code.
//!
//! A queue reads everything that a commit touches ([`Touched`]), computes the changes ([`Changes::of`]) and writes
//! them. Keys, rows and locks are up to the queue. The model in `tests/queue_suite` has code of its own for this, and
//! tests compare the two.

mod decision;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use decision::Decision;

use super::{Commit, HostRecord, QueueBounds, RobotsRecord};
use crate::host::HostId;
use crate::outcome::Outcome;
use crate::site::Site;
use crate::task::{Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;

/// The state of a URL in the queue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TaskState {
    /// Not fetched yet, or to be retried.
    Pending(Task),
    /// Finished with an outcome.
    Done {
        /// The task as it was found, with the number of its attempts.
        task: Task,
        /// How it ended.
        outcome: Outcome,
    },
    /// Never a task: the final URL of another task.
    ReadAs,
}

impl TaskState {
    /// Whether it is a task that counts under its host. A final URL is none, and a request for another host is not its
    /// own.
    pub fn is_own_task(&self) -> bool {
        match self {
            Self::Pending(task) | Self::Done { task, .. } => task.kind != TaskKind::RobotsHop,
            Self::ReadAs => false,
        }
    }

    /// The task whose document named it first.
    fn parent(&self) -> Option<TaskId> {
        match self {
            Self::Pending(task) | Self::Done { task, .. } => task.parent,
            Self::ReadAs => None,
        }
    }
}

/// All hosts, tasks and sites that a commit can touch. A queue must read them to compute [`Changes`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Touched {
    /// The hosts, including those of the tasks.
    pub hosts: BTreeSet<HostId>,
    /// The tasks.
    pub tasks: BTreeSet<TaskId>,
    /// The sites that may get new hosts.
    pub sites: BTreeSet<Site>,
}

impl Touched {
    /// What `commit` can touch.
    pub fn by(commit: &Commit) -> Self {
        let outcomes = commit.outcomes.iter().flat_map(|outcome| [Some(outcome.task), outcome.read_as]);
        let found = commit.found.iter().map(|new| new.task.id);
        let tasks: BTreeSet<TaskId> =
            outcomes.flatten().chain(commit.again.iter().copied()).chain(found).collect();
        let named_on = commit.found.iter().filter_map(|new| new.found_on);
        let updated = commit.hosts.iter().map(|update| update.host);
        let cooling = commit.cooldowns.iter().map(|cooldown| cooldown.host);
        let redirected = commit.redirects.iter().map(|update| update.host);
        let hosts = tasks.iter().map(|task| task.host);
        let hosts = hosts.chain(named_on).chain(updated).chain(cooling).chain(redirected);
        let hosts = hosts.chain(commit.part.map(|part| part.of.host)).collect();
        let elsewhere = commit.found.iter().filter(|new| {
            let is_elsewhere = new.found_on.is_some_and(|host| host != new.task.id.host);
            is_elsewhere && new.task.kind != TaskKind::RobotsHop
        });
        Self { hosts, tasks, sites: elsewhere.map(|new| Site::of(&new.host)).collect() }
    }
}

/// The records of the [`Touched`] hosts, tasks and sites. Unknown ones are missing from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// The hosts.
    pub hosts: BTreeMap<HostId, HostRecord>,
    /// The tasks.
    pub tasks: BTreeMap<TaskId, TaskState>,
    /// The sites, each with the number of its hosts that were found and not seeded.
    pub sites: BTreeMap<Site, u64>,
}

/// A record before and after a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change<T> {
    /// The record before the commit; `None` if it was unknown.
    pub before: Option<T>,
    /// The record after the commit. It differs from `before`.
    pub after: T,
}

/// The changes that a commit makes, except for what it only adds: requests and bytes of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes<'a> {
    /// The hosts that change. Their `robots` field is unused here.
    pub hosts: BTreeMap<HostId, Change<HostRecord>>,
    /// The tasks that change.
    pub tasks: BTreeMap<TaskId, Change<TaskState>>,
    /// The sites that get new hosts.
    pub sites: BTreeMap<Site, Change<u64>>,
    /// The fetched robots.txt rules of known hosts. If a commit has two for one host, this is the later one.
    pub robots: BTreeMap<HostId, &'a RobotsRecord>,
    /// Change of the totals.
    pub totals: TotalsChange,
}

impl<'a> Changes<'a> {
    /// Computes the changes of `commit` at `now`, given the `known` records of all that it touches.
    ///
    /// `keep_time` starts or stops the busy time of a host whose account changed: [`HostRecord::keep_time`] on one
    /// machine, [`HostRecord::keep_shared_time`] on many. A task whose host has another origin than the known host
    /// with the same id is refused ([`crate::outcome::SkipReason::HostCollision`]).
    pub fn of(
        commit: &'a Commit,
        known: Known,
        bounds: QueueBounds,
        now: Timestamp,
        mut keep_time: impl FnMut(&mut HostRecord),
    ) -> Self {
        let mut decision = Decision::new(known.clone(), bounds, now);
        decision.apply(commit);
        let Decision { known: Known { mut hosts, tasks, sites }, touched, .. } = decision;
        // Only at the end, because a host whose last task led to its next one stays busy without a break.
        for id in touched {
            if let Some(record) = hosts.get_mut(&id) {
                keep_time(record);
            }
        }
        let updates = commit.hosts.iter().filter(|update| hosts.contains_key(&update.host));
        let robots = updates.map(|update| (update.host, &update.robots)).collect();
        let (hosts, tasks) = (changed(known.hosts, hosts), changed(known.tasks, tasks));
        let (sites, totals) = (changed(known.sites, sites), TotalsChange::by(&hosts, &tasks));
        Self { hosts, tasks, sites, robots, totals }
    }
}

/// The records that differ from before.
fn changed<K: Ord, T: PartialEq>(
    mut before: BTreeMap<K, T>,
    after: BTreeMap<K, T>,
) -> BTreeMap<K, Change<T>> {
    let changes = after.into_iter().map(|(id, after)| {
        let before = before.remove(&id);
        (id, Change { before, after })
    });
    changes.filter(|(_, change)| change.before.as_ref() != Some(&change.after)).collect()
}

/// Change of a queue's totals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TotalsChange {
    /// Hosts known.
    pub hosts: i64,
    /// Hosts without unfinished tasks.
    pub hosts_done: i64,
    /// Parked hosts, including those whose date has passed. No commit changes this number.
    pub hosts_parked: i64,
    /// Tasks ever accepted.
    pub tasks: i64,
    /// Tasks not finished yet.
    pub tasks_pending: i64,
    /// Entries kept.
    pub entries: i64,
}

impl TotalsChange {
    fn by(hosts: &BTreeMap<HostId, Change<HostRecord>>, tasks: &BTreeMap<TaskId, Change<TaskState>>) -> Self {
        let mut totals = Self::default();
        for change in hosts.values() {
            if let Some(before) = &change.before {
                totals.remove(before);
            }
            totals.add(&change.after);
        }
        let accepted = tasks.values().filter(|task| task.before.is_none() && task.after.is_own_task());
        totals.tasks += accepted.map(|_| 1).sum::<i64>();
        totals
    }

    /// Subtracts a host as it was before.
    pub fn remove(&mut self, record: &HostRecord) {
        self.count(record, -1);
    }

    /// Adds a host as it is now.
    pub fn add(&mut self, record: &HostRecord) {
        self.count(record, 1);
    }

    fn count(&mut self, record: &HostRecord, times: i64) {
        let unfinished = record.account.unfinished();
        self.hosts += times * i64::from(record.is_site);
        self.hosts_done += times * i64::from(record.is_site && unfinished == 0);
        self.hosts_parked += times * i64::from(record.parked);
        self.tasks_pending += times * unfinished.cast_signed();
        self.entries += times * record.account.entries.cast_signed();
    }
}
