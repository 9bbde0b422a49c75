//! What a commit makes of the hosts and tasks it touches: decided in memory, while the hosts are locked.
//!
//! Follows [`frontier::work_queue::ModelQueue`] step by step.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use frontier::work_queue::{Commit, GivenUp, HostRecord, QueueBounds, QueueError, SessionRecord};
use frontier::{Host, HostId, NewTask, Outcome, SkipReason, Task, TaskId, TaskKind, TaskOutcome, Timestamp};

use super::rows::HostRow;
use crate::work_queue::sled::TaskState;

/// All hosts and tasks that a commit can touch: what is to be read before it is decided.
pub(super) struct Touched {
    pub(super) hosts: BTreeSet<HostId>,
    pub(super) tasks: BTreeSet<TaskId>,
}

impl Touched {
    pub(super) fn by(commit: &Commit) -> Self {
        let outcomes = commit.outcomes.iter().flat_map(|outcome| [Some(outcome.task), outcome.read_as]);
        let found = commit.found.iter().map(|new| new.task.id);
        let tasks: BTreeSet<TaskId> =
            outcomes.flatten().chain(commit.again.iter().copied()).chain(found).collect();
        let named_on = commit.found.iter().filter_map(|new| new.found_on);
        let updated = commit.hosts.iter().map(|update| update.host);
        let rested = commit.rests.iter().map(|rest| rest.host);
        let hosts = tasks.iter().map(|task| task.host).chain(named_on).chain(updated).chain(rested);
        let hosts = hosts.collect();
        Self { hosts, tasks }
    }
}

/// A host as it was and as it becomes; `None`: not known.
pub(super) struct HostChange {
    pub(super) before: Option<HostRecord>,
    pub(super) after: Option<HostRecord>,
    /// Whether a session has it.
    pub(super) is_lent: bool,
    /// Whether its account was touched, so that its time must be kept.
    is_touched: bool,
}

/// A task as it was and as it becomes; `None`: not known.
pub(super) struct TaskChange {
    pub(super) before: Option<TaskState>,
    pub(super) after: Option<TaskState>,
}

/// By how much the totals of the crawl change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Totals {
    pub(super) hosts: i64,
    pub(super) hosts_done: i64,
    pub(super) tasks: i64,
    pub(super) tasks_pending: i64,
    pub(super) entries: i64,
}

/// The state of what is touched.
pub(super) struct Changes {
    bounds: QueueBounds,
    pub(super) hosts: BTreeMap<HostId, HostChange>,
    pub(super) tasks: BTreeMap<TaskId, TaskChange>,
    pub(super) totals: Totals,
    /// Those hosts of them that are known in the end.
    pub(super) known: BTreeSet<HostId>,
}

impl Changes {
    /// Nothing has changed yet of what was read.
    pub(super) fn new(
        bounds: QueueBounds,
        hosts: impl IntoIterator<Item = HostRow>,
        tasks: impl IntoIterator<Item = (TaskId, TaskState)>,
    ) -> Self {
        let host = |row: HostRow| {
            let (before, after) = (Some(row.record.clone()), Some(row.record));
            (row.id, HostChange { before, after, is_lent: row.owner.is_some(), is_touched: false })
        };
        let task = |(id, state): (TaskId, TaskState)| {
            (id, TaskChange { before: Some(state.clone()), after: Some(state) })
        };
        Self {
            bounds,
            hosts: hosts.into_iter().map(host).collect(),
            tasks: tasks.into_iter().map(task).collect(),
            totals: Totals::default(),
            known: BTreeSet::new(),
        }
    }

    /// Applies `commit` of the session of this number; what is left alone is taken out.
    pub(super) fn apply(
        &mut self,
        commit: &Commit,
        number: u32,
        now: Timestamp,
        sessions: &[SessionRecord],
    ) -> Result<(), QueueError> {
        for outcome in &commit.outcomes {
            self.settle(outcome);
        }
        for &task in &commit.again {
            self.reopen(task);
        }
        for new in &commit.found {
            self.take_in(new)?;
        }
        for rest in &commit.rests {
            if let Some(record) = self.hosts.get_mut(&rest.host).and_then(|change| change.after.as_mut()) {
                record.not_before = record.not_before.max(Some(rest.until));
            }
        }
        self.tasks.retain(|_, change| change.before != change.after);
        // At the end: a host whose last task brought its next one was busy all the time.
        for change in self.hosts.values_mut().filter(|change| change.is_touched) {
            if let Some(record) = &mut change.after {
                record.keep_shared_time(number, now, sessions);
            }
        }
        let known = self.hosts.iter().filter(|(_, change)| change.after.is_some());
        self.known = known.map(|(&id, _)| id).collect();
        self.hosts.retain(|_, change| change.before != change.after);
        self.sum_up();
        Ok(())
    }

    fn sum_up(&mut self) {
        let totals = &mut self.totals;
        for change in self.hosts.values() {
            let sides = change.after.iter().map(|record| (record, 1));
            for (record, sign) in sides.chain(change.before.iter().map(|record| (record, -1))) {
                let unfinished = record.account.unfinished();
                totals.hosts += sign;
                totals.hosts_done += sign * i64::from(unfinished == 0);
                totals.tasks_pending += sign * unfinished.cast_signed();
                totals.entries += sign * record.account.entries.cast_signed();
            }
        }
    }
}

/// Outcomes and what was found.
impl Changes {
    /// An outcome of a task that is not pending changes nothing.
    fn settle(&mut self, outcome: &TaskOutcome) {
        let id = outcome.task;
        let change = self.task(id);
        let Some(TaskState::Pending(task)) = &mut change.after else { return };
        let kind = task.kind;
        task.attempts = outcome.attempts;
        if let Outcome::Retry(not_before) = outcome.outcome {
            task.not_before = Some(not_before);
        } else {
            change.after = Some(TaskState::Done { task: task.clone(), outcome: outcome.outcome.clone() });
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
        let change = self.task(read_as);
        let attempts = match &change.after {
            Some(TaskState::Pending(task)) => task.attempts,
            Some(TaskState::Done { .. } | TaskState::ReadAs) => return,
            None => {
                change.after = Some(TaskState::ReadAs);
                return;
            }
        };
        let (outcome, refused) = (Outcome::Duplicate, BTreeMap::new());
        self.settle(&TaskOutcome { task: read_as, outcome, attempts, read_as: None, refused });
    }

    /// What was given up is pending again; anything else stays as it is.
    fn reopen(&mut self, id: TaskId) {
        let change = self.task(id);
        let Some(TaskState::Done { task, outcome }) = &change.after else { return };
        if GivenUp::of(id, task.kind, outcome).is_none() {
            return;
        }
        let (task, outcome) = (Task { attempts: 0, not_before: None, ..task.clone() }, outcome.clone());
        let kind = task.kind;
        change.after = Some(TaskState::Pending(task));
        if let Some(record) = self.touch(id.host) {
            record.account.reopen(kind, &outcome);
            record.inbox += 1;
        }
    }

    fn take_in(&mut self, new: &NewTask) -> Result<(), QueueError> {
        let id = new.task.id;
        let bound = self.bounds.sitemaps_max;
        let record = self.host_or_new(id.host, &new.host)?;
        record.is_seed |= new.found_on.is_none();
        let is_full = new.task.kind == TaskKind::Sitemap && record.accepted >= bound;
        match &mut self.task(id).after {
            Some(known) => {
                if let TaskState::Pending(task) = known {
                    unite(&mut task.named_by, &new.task.named_by);
                }
                // A guess is no document's word, and neither is a seed line given twice.
                let named_on = new.found_on.filter(|_| new.task.kind == TaskKind::Sitemap);
                if let Some(record) = named_on.and_then(|host| self.touch(host)) {
                    record.account.repeat();
                }
            }
            None if is_full => {
                let is_known = |host: &HostId| self.hosts.get(host).is_some_and(|host| host.after.is_some());
                let counted = new.found_on.filter(is_known).unwrap_or(id.host);
                if let Some(record) = self.touch(counted) {
                    record.account.refuse(SkipReason::CountLimit, 1);
                }
            }
            None => self.take_on(new.task.clone()),
        }
        Ok(())
    }

    fn take_on(&mut self, task: Task) {
        let id = task.id;
        if let Some(record) = self.touch(id.host) {
            record.account.take_on(task.kind);
            record.accepted += u64::from(task.kind == TaskKind::Sitemap);
            record.inbox += 1;
        }
        self.totals.tasks += 1;
        self.task(id).after = Some(TaskState::Pending(task));
    }
}

/// Hosts and tasks as the commit leaves them so far.
impl Changes {
    fn host_or_new(&mut self, id: HostId, host: &Host) -> Result<&mut HostRecord, QueueError> {
        let unknown = HostChange { before: None, after: None, is_lent: false, is_touched: false };
        let after = &mut self.hosts.entry(id).or_insert(unknown).after;
        match after {
            Some(known) if known.host != *host => {
                Err(QueueError::HostCollision(known.host.to_string(), host.to_string()))
            }
            after => Ok(after.get_or_insert_with(|| HostRecord::new(host.clone()))),
        }
    }

    /// The host's record, for changing its account; `None` when the host is not known.
    fn touch(&mut self, id: HostId) -> Option<&mut HostRecord> {
        let change = self.hosts.get_mut(&id)?;
        change.is_touched = true;
        change.after.as_mut()
    }

    fn task(&mut self, id: TaskId) -> &mut TaskChange {
        match self.tasks.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(TaskChange { before: None, after: None }),
        }
    }
}

fn unite(named_by: &mut Vec<HostId>, more: &[HostId]) {
    for host in more {
        if !named_by.contains(host) {
            named_by.push(*host);
        }
    }
}
