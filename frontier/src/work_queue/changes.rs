//! How a commit changes hosts and tasks. Every durable queue uses this code.
//!
//! A queue reads everything that a commit touches ([`Touched`]), computes the changes ([`Changes::of`]) and writes
//! them. Keys, rows and locks are up to the queue. The model in `tests/queue_suite` has code of its own for this, and
//! tests compare the two.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Commit, GivenUp, HostRecord, QueueBounds, RedirectAnswer, RedirectChange, RedirectUpdate, RobotsRecord,
};
use crate::bounds::NAMED_BY_MAX;
use crate::host::HostId;
use crate::outcome::{ErrorKind, Outcome, SkipReason, TaskOutcome};
use crate::task::{NewTask, Task, TaskId, TaskKind};
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
}

/// All hosts and tasks that a commit can touch. A queue must read them to compute [`Changes`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Touched {
    /// The hosts, including those of the tasks.
    pub hosts: BTreeSet<HostId>,
    /// The tasks.
    pub tasks: BTreeSet<TaskId>,
}

impl Touched {
    /// The hosts and tasks that `commit` can touch.
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
        let hosts = hosts.collect();
        Self { hosts, tasks }
    }
}

/// The records of the [`Touched`] hosts and tasks. Unknown hosts and tasks are missing from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// The hosts.
    pub hosts: BTreeMap<HostId, HostRecord>,
    /// The tasks.
    pub tasks: BTreeMap<TaskId, TaskState>,
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
    /// with the same id is refused ([`SkipReason::HostCollision`]).
    pub fn of(
        commit: &'a Commit,
        known: Known,
        bounds: QueueBounds,
        now: Timestamp,
        mut keep_time: impl FnMut(&mut HostRecord),
    ) -> Self {
        let mut decision = Decision {
            hosts: known.hosts.clone(),
            tasks: known.tasks.clone(),
            touched: BTreeSet::new(),
            bounds,
            now,
        };
        decision.apply(commit);
        let Decision { mut hosts, tasks, touched, .. } = decision;
        // Only at the end, because a host whose last task led to its next one stays busy without a break.
        for id in touched {
            if let Some(record) = hosts.get_mut(&id) {
                keep_time(record);
            }
        }
        let updates = commit.hosts.iter().filter(|update| hosts.contains_key(&update.host));
        let robots = updates.map(|update| (update.host, &update.robots)).collect();
        let (hosts, tasks) = (changed(known.hosts, hosts), changed(known.tasks, tasks));
        let totals = TotalsChange::by(&hosts, &tasks);
        Self { hosts, tasks, robots, totals }
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

/// Hosts and tasks with the part of the commit applied so far.
struct Decision {
    hosts: BTreeMap<HostId, HostRecord>,
    tasks: BTreeMap<TaskId, TaskState>,
    /// Hosts whose account changed, for which `keep_time` must be called.
    touched: BTreeSet<HostId>,
    bounds: QueueBounds,
    now: Timestamp,
}

impl Decision {
    fn apply(&mut self, commit: &Commit) {
        for outcome in &commit.outcomes {
            self.settle(outcome);
        }
        for &task in &commit.again {
            self.reopen(task);
        }
        for update in &commit.redirects {
            self.redirect(update);
        }
        for new in &commit.found {
            if new.task.kind == TaskKind::RobotsHop { self.add_hop(new) } else { self.add_found(new) }
        }
        for cooldown in &commit.cooldowns {
            if let Some(record) = self.hosts.get_mut(&cooldown.host) {
                record.not_before = record.not_before.max(Some(cooldown.until));
            }
        }
    }

    /// Applies an outcome. It changes nothing if its task is not pending.
    fn settle(&mut self, outcome: &TaskOutcome) {
        let id = outcome.task;
        let Some(state) = self.tasks.get_mut(&id) else { return };
        let TaskState::Pending(task) = state else { return };
        let kind = task.kind;
        task.attempts = outcome.attempts;
        if let Outcome::Retry(not_before) = outcome.outcome {
            task.not_before = Some(not_before);
        } else {
            *state = TaskState::Done { task: task.clone(), outcome: outcome.outcome.clone() };
        }
        let is_final = !matches!(outcome.outcome, Outcome::Retry(_));
        if let Some(record) = self.touch(id.host) {
            record.account.settle(kind, outcome);
            let has_hop_ended = kind == TaskKind::RobotsHop && is_final;
            record.hops = record.hops.saturating_sub(u64::from(has_hop_ended));
        }
        if let (Some(read_as), true) = (outcome.read_as, is_final) {
            self.settle_alias(read_as);
        }
    }

    /// Marks the final URL of a task as read.
    fn settle_alias(&mut self, read_as: TaskId) {
        match self.tasks.get(&read_as) {
            None => {
                self.tasks.insert(read_as, TaskState::ReadAs);
            }
            Some(TaskState::Pending(task)) => {
                let (outcome, attempts, refused) = (Outcome::Duplicate, task.attempts, BTreeMap::new());
                self.settle(&TaskOutcome { task: read_as, outcome, attempts, read_as: None, refused });
            }
            Some(TaskState::Done { .. } | TaskState::ReadAs) => {}
        }
    }

    /// Makes a task pending again if it was given up.
    fn reopen(&mut self, id: TaskId) {
        let Some(TaskState::Done { task, outcome }) = self.tasks.get(&id) else { return };
        if GivenUp::of(id, task.kind, outcome).is_none() {
            return;
        }
        let (task, outcome) = (Task { attempts: 0, not_before: None, ..task.clone() }, outcome.clone());
        if let Some(record) = self.touch(id.host) {
            record.account.reopen(task.kind, &outcome);
            record.inbox += 1;
        }
        self.tasks.insert(id, TaskState::Pending(task));
    }

    fn add_found(&mut self, new: &NewTask) {
        let id = new.task.id;
        let bound = self.bounds.sitemaps_max;
        let record = self.hosts.entry(id.host).or_insert_with(|| HostRecord::new(new.host.clone()));
        let is_collision = record.host != new.host;
        record.is_seed |= new.found_on.is_none() && !is_collision;
        record.is_site |= !is_collision;
        let is_full = new.task.kind.is_named() && record.accepted >= bound;
        // A repeat or refusal counts under the host whose document named the URL.
        let named_on = new.found_on.filter(|host| self.hosts.contains_key(host));
        if is_collision {
            return self.refuse(named_on.unwrap_or(id.host), SkipReason::HostCollision);
        }
        match self.tasks.get_mut(&id) {
            Some(known) => {
                if let TaskState::Pending(task) = known {
                    merge(&mut task.named_by, &new.task.named_by);
                }
                // A guessed path or a repeated seed line is not named by a document, so it is not a repeat.
                let repeats = named_on.filter(|_| new.task.kind == TaskKind::Sitemap);
                if let Some(record) = repeats.and_then(|host| self.touch(host)) {
                    record.account.repeat();
                }
            }
            None if is_full => self.refuse(named_on.unwrap_or(id.host), SkipReason::CountLimit),
            None => self.add_task(new.task.clone()),
        }
    }

    fn redirect(&mut self, update: &RedirectUpdate) {
        let Some(record) = self.hosts.get_mut(&update.host) else { return };
        match &update.change {
            RedirectChange::Wait(redirect) => record.redirect = Some(redirect.clone()),
            RedirectChange::End => record.redirect = None,
            RedirectChange::Answer { url, at, answer } => {
                let waits_for = |url: &str| {
                    let redirect = record.redirect.as_ref();
                    redirect.is_some_and(|redirect| redirect.is_waiting() && redirect.url() == url)
                };
                if waits_for(url) {
                    self.answer(update.host, *at, answer.clone());
                }
            }
        }
    }

    /// Gives a waiting host its answer. The host has work then, as if it had a new task.
    fn answer(&mut self, waiting: HostId, at: Timestamp, answer: RedirectAnswer) {
        let Some(record) = self.hosts.get_mut(&waiting) else { return };
        if let Some(redirect) = &mut record.redirect {
            redirect.answer = Some((at, answer));
            record.inbox += 1;
        }
    }

    /// Adds a request for another host.
    fn add_hop(&mut self, new: &NewTask) {
        let (id, now) = (new.task.id, self.now);
        let record = self.hosts.entry(id.host).or_insert_with(|| HostRecord::new(new.host.clone()));
        let refused = if record.host != new.host {
            Some(RedirectAnswer::Unreachable(ErrorKind::HostCollision))
        } else {
            let until = record.not_before.filter(|until| record.parked && *until > now);
            until.map(RedirectAnswer::Parked)
        };
        if let (Some(answer), Some(waiting)) = (refused, new.task.waiting()) {
            return self.answer(waiting, now, answer);
        }
        if !matches!(self.tasks.get(&id), Some(TaskState::Pending(_))) {
            record.hops += 1;
            record.inbox += 1;
            self.tasks.insert(id, TaskState::Pending(new.task.clone()));
        }
    }

    fn refuse(&mut self, host: HostId, reason: SkipReason) {
        if let Some(record) = self.touch(host) {
            record.account.refuse(reason, 1);
        }
    }

    fn add_task(&mut self, task: Task) {
        if let Some(record) = self.touch(task.id.host) {
            record.account.take_on(task.kind);
            record.accepted += u64::from(task.kind.is_named());
            record.inbox += 1;
        }
        self.tasks.insert(task.id, TaskState::Pending(task));
    }

    /// The host's record, for a change of its account; `None` if the host is unknown.
    fn touch(&mut self, id: HostId) -> Option<&mut HostRecord> {
        self.touched.insert(id);
        self.hosts.get_mut(&id)
    }
}

fn merge(named_by: &mut Vec<HostId>, more: &[HostId]) {
    for host in more {
        if named_by.len() < NAMED_BY_MAX && !named_by.contains(host) {
            named_by.push(*host);
        }
    }
}
