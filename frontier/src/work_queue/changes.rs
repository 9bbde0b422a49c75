//! What a commit makes of hosts and tasks: the one decision of every durable queue.
//!
//! A queue reads what a commit touches ([`Touched`]), has it decided ([`Changes::of`]) and writes what changed; keys, rows
//! and locks are its own. [`super::ModelQueue`] decides for itself, and the two are compared.

use std::collections::{BTreeMap, BTreeSet};

use super::{Commit, GivenUp, HostRecord, QueueBounds, QueueError, RobotsRecord};
use crate::host::{Host, HostId};
use crate::outcome::{Outcome, SkipReason, TaskOutcome};
use crate::task::{NewTask, Task, TaskId, TaskKind};

/// What a queue knows of a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskState {
    /// To be fetched.
    Pending(Task),
    /// Came to an outcome.
    Done {
        /// The task as it was taken on, with its attempts.
        task: Task,
        /// How it ended.
        outcome: Outcome,
    },
    /// Never a task: the URL under which another task was read.
    ReadAs,
}

/// All hosts and tasks that a commit can touch: what is to be read before it is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Touched {
    /// The hosts, those of the tasks included.
    pub hosts: BTreeSet<HostId>,
    /// The tasks.
    pub tasks: BTreeSet<TaskId>,
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
        let rested = commit.cooldowns.iter().map(|rest| rest.host);
        let hosts = tasks.iter().map(|task| task.host).chain(named_on).chain(updated).chain(rested);
        let hosts = hosts.collect();
        Self { hosts, tasks }
    }
}

/// What a queue knows of that: hosts and tasks that are not known are not in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// The hosts.
    pub hosts: BTreeMap<HostId, HostRecord>,
    /// The tasks.
    pub tasks: BTreeMap<TaskId, TaskState>,
}

/// Something before a commit and after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change<T> {
    /// As it was; `None`: not known.
    pub before: Option<T>,
    /// As it becomes, another than before.
    pub after: T,
}

/// What a commit changes, besides what it only adds: requests, and bytes of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes<'a> {
    /// The hosts that change. Of their rules nothing is said here.
    pub hosts: BTreeMap<HostId, Change<HostRecord>>,
    /// The tasks that change.
    pub tasks: BTreeMap<TaskId, Change<TaskState>>,
    /// The rules that were fetched, of hosts that are known; of two for one host the later.
    pub robots: BTreeMap<HostId, &'a RobotsRecord>,
    /// By how much the totals change.
    pub totals: TotalsChange,
}

impl<'a> Changes<'a> {
    /// What `commit` makes of what is known of all that it touches.
    ///
    /// `keep_time` starts or stops the time of a host whose account changed: [`HostRecord::keep_time`] on one machine,
    /// [`HostRecord::keep_shared_time`] on many. Fails where two origins have one id; then nothing is to be written.
    pub fn of(
        commit: &'a Commit,
        known: Known,
        bounds: QueueBounds,
        mut keep_time: impl FnMut(&mut HostRecord),
    ) -> Result<Self, QueueError> {
        let mut decision = Decision {
            hosts: known.hosts.clone(),
            tasks: known.tasks.clone(),
            touched: BTreeSet::new(),
            bounds,
        };
        decision.apply(commit)?;
        let Decision { mut hosts, tasks, touched, .. } = decision;
        // At the end: a host whose last task brought its next one was busy all the time.
        for id in touched {
            if let Some(record) = hosts.get_mut(&id) {
                keep_time(record);
            }
        }
        let updates = commit.hosts.iter().filter(|update| hosts.contains_key(&update.host));
        let robots = updates.map(|update| (update.host, &update.robots)).collect();
        let (hosts, tasks) = (changed(known.hosts, hosts), changed(known.tasks, tasks));
        let totals = TotalsChange::by(&hosts, &tasks);
        Ok(Self { hosts, tasks, robots, totals })
    }
}

/// Those that are not as they were before.
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

/// By how much the totals of a queue change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TotalsChange {
    /// Hosts known.
    pub hosts: i64,
    /// Of those, with nothing left to do.
    pub hosts_done: i64,
    /// Of those, put aside, be it up to a moment that has passed. No commit changes that.
    pub hosts_parked: i64,
    /// Tasks ever taken on.
    pub tasks: i64,
    /// Of those, still to do.
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
        let taken_on = tasks.values().filter(|task| task.before.is_none() && task.after != TaskState::ReadAs);
        totals.tasks += taken_on.map(|_| 1).sum::<i64>();
        totals
    }

    /// Takes a host out as it was.
    pub fn remove(&mut self, record: &HostRecord) {
        self.count(record, -1);
    }

    /// Takes a host in as it became.
    pub fn add(&mut self, record: &HostRecord) {
        self.count(record, 1);
    }

    fn count(&mut self, record: &HostRecord, times: i64) {
        let unfinished = record.account.unfinished();
        self.hosts += times;
        self.hosts_done += times * i64::from(unfinished == 0);
        self.hosts_parked += times * i64::from(record.parked);
        self.tasks_pending += times * unfinished.cast_signed();
        self.entries += times * record.account.entries.cast_signed();
    }
}

/// Hosts and tasks as the commit leaves them so far.
struct Decision {
    hosts: BTreeMap<HostId, HostRecord>,
    tasks: BTreeMap<TaskId, TaskState>,
    /// Hosts whose account changed, so that their time must be kept.
    touched: BTreeSet<HostId>,
    bounds: QueueBounds,
}

impl Decision {
    fn apply(&mut self, commit: &Commit) -> Result<(), QueueError> {
        for outcome in &commit.outcomes {
            self.settle(outcome);
        }
        for &task in &commit.again {
            self.reopen(task);
        }
        for new in &commit.found {
            self.take_in(new)?;
        }
        for rest in &commit.cooldowns {
            if let Some(record) = self.hosts.get_mut(&rest.host) {
                record.not_before = record.not_before.max(Some(rest.until));
            }
        }
        Ok(())
    }

    /// An outcome of a task that is not pending changes nothing.
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
        if let Some(record) = self.touch(id.host) {
            record.account.settle(kind, outcome);
        }
        if let (Some(read_as), false) = (outcome.read_as, matches!(outcome.outcome, Outcome::Retry(_))) {
            self.settle_alias(read_as);
        }
    }

    /// The URL under which a task was read needs no reading any more.
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

    /// What was given up is pending again; anything else stays as it is.
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

    fn take_in(&mut self, new: &NewTask) -> Result<(), QueueError> {
        let id = new.task.id;
        let bound = self.bounds.sitemaps_max;
        let record = self.host_or_new(id.host, &new.host)?;
        record.is_seed |= new.found_on.is_none();
        let is_full = new.task.kind == TaskKind::Sitemap && record.accepted >= bound;
        // Counted under the host whose document named it.
        let named_on = new.found_on.filter(|host| self.hosts.contains_key(host));
        match self.tasks.get_mut(&id) {
            Some(known) => {
                if let TaskState::Pending(task) = known {
                    unite(&mut task.named_by, &new.task.named_by);
                }
                // A guess is no document's word, and neither is a seed line given twice.
                let repeats = named_on.filter(|_| new.task.kind == TaskKind::Sitemap);
                if let Some(record) = repeats.and_then(|host| self.touch(host)) {
                    record.account.repeat();
                }
            }
            None if is_full => {
                if let Some(record) = self.touch(named_on.unwrap_or(id.host)) {
                    record.account.refuse(SkipReason::CountLimit, 1);
                }
            }
            None => self.take_on(new.task.clone()),
        }
        Ok(())
    }

    fn take_on(&mut self, task: Task) {
        if let Some(record) = self.touch(task.id.host) {
            record.account.take_on(task.kind);
            record.accepted += u64::from(task.kind == TaskKind::Sitemap);
            record.inbox += 1;
        }
        self.tasks.insert(task.id, TaskState::Pending(task));
    }

    fn host_or_new(&mut self, id: HostId, host: &Host) -> Result<&mut HostRecord, QueueError> {
        let known = self.hosts.entry(id).or_insert_with(|| HostRecord::new(host.clone()));
        if known.host == *host {
            Ok(known)
        } else {
            Err(QueueError::HostCollision(known.host.to_string(), host.to_string()))
        }
    }

    /// The host's record, for changing its account; `None` when the host is not known.
    fn touch(&mut self, id: HostId) -> Option<&mut HostRecord> {
        self.touched.insert(id);
        self.hosts.get_mut(&id)
    }
}

fn unite(named_by: &mut Vec<HostId>, more: &[HostId]) {
    for host in more {
        if !named_by.contains(host) {
            named_by.push(*host);
        }
    }
}
