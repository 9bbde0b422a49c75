//! How a commit changes the model.

use std::collections::{BTreeMap, BTreeSet};

use super::{Caller, State};
use crate::account::Account;
use crate::host::HostId;
use crate::outcome::{Outcome, SkipReason, TaskOutcome};
use crate::stage::Stage;
use crate::task::{NewTask, Task, TaskId, TaskKind};
use crate::work_queue::{Commit, GivenUp, HostRecord, QueueBounds, SessionRecord, TaskState};

impl State {
    pub(super) fn session(&mut self, number: u32) -> Option<&mut SessionRecord> {
        self.sessions.get_mut(usize::try_from(number).ok()?)
    }

    pub(super) fn apply(&mut self, caller: Caller, commit: Commit, bounds: QueueBounds) {
        let mut touched = BTreeSet::new();
        for outcome in &commit.outcomes {
            self.settle(outcome, &mut touched);
        }
        for &task in &commit.again {
            self.reopen(task, &mut touched);
        }
        for new in commit.found {
            self.add_found(new, bounds, &mut touched);
        }
        for update in commit.hosts {
            if let Some(record) = self.hosts.get_mut(&update.host) {
                record.robots = Some(update.robots);
            }
        }
        for cooldown in commit.cooldowns {
            if let Some(record) = self.hosts.get_mut(&cooldown.host) {
                record.not_before = record.not_before.max(Some(cooldown.until));
            }
        }
        // Only at the end, because a host whose last task led to its next one stays busy without a break.
        for host in touched {
            if let Some(record) = self.hosts.get_mut(&host) {
                caller.keep_time(record, &self.sessions);
            }
        }
        self.complete_record_stage(caller.number, commit.seq, commit.previous_commit_us);
        self.fetches.insert((caller.number, commit.seq), commit.fetches);
        self.segments.extend(commit.segment);
        self.alive.insert(caller.id, caller.now);
        if let Some(record) = self.session(caller.number) {
            record.commit_seq = commit.seq;
            record.last_commit_at = caller.now;
            record.usage = commit.usage;
        }
    }

    /// Applies an outcome. It changes nothing if its task is not pending.
    fn settle(&mut self, outcome: &TaskOutcome, touched: &mut BTreeSet<HostId>) {
        let Some(TaskState::Pending(task)) = self.tasks.get_mut(&outcome.task) else { return };
        let kind = task.kind;
        task.attempts = outcome.attempts;
        if let Outcome::Retry(not_before) = outcome.outcome {
            task.not_before = Some(not_before);
        } else {
            let task = task.clone();
            self.tasks.insert(outcome.task, TaskState::Done { task, outcome: outcome.outcome.clone() });
        }
        if let Some(account) = self.account(outcome.task.host, touched) {
            account.settle(kind, outcome);
        }
        if let (Some(read_as), false) = (outcome.read_as, matches!(outcome.outcome, Outcome::Retry(_))) {
            self.settle_alias(read_as, touched);
        }
    }

    /// Marks the final URL of a task as read.
    fn settle_alias(&mut self, read_as: TaskId, touched: &mut BTreeSet<HostId>) {
        match self.tasks.get(&read_as) {
            None => {
                self.tasks.insert(read_as, TaskState::ReadAs);
            }
            Some(TaskState::Pending(task)) => {
                let duplicate = TaskOutcome {
                    task: read_as,
                    outcome: Outcome::Duplicate,
                    attempts: task.attempts,
                    read_as: None,
                    refused: BTreeMap::new(),
                };
                self.settle(&duplicate, touched);
            }
            Some(TaskState::Done { .. } | TaskState::ReadAs) => {}
        }
    }

    /// Makes a task pending again if it was given up.
    fn reopen(&mut self, id: TaskId, touched: &mut BTreeSet<HostId>) {
        let Some(TaskState::Done { task, outcome }) = self.tasks.get(&id) else { return };
        if GivenUp::of(id, task.kind, outcome).is_none() {
            return;
        }
        let (task, outcome) = (Task { attempts: 0, not_before: None, ..task.clone() }, outcome.clone());
        if let Some(account) = self.account(id.host, touched) {
            account.reopen(task.kind, &outcome);
        }
        if let Some(record) = self.hosts.get_mut(&id.host) {
            record.inbox += 1;
        }
        self.tasks.insert(id, TaskState::Pending(task));
    }

    fn add_found(&mut self, new: NewTask, bounds: QueueBounds, touched: &mut BTreeSet<HostId>) {
        let id = new.task.id;
        let record = self.hosts.entry(id.host).or_insert_with(|| HostRecord::new(new.host.clone()));
        let is_collision = record.host != new.host;
        record.is_seed |= new.found_on.is_none() && !is_collision;
        let is_full = new.task.kind == TaskKind::Sitemap && record.accepted >= bounds.sitemaps_max;
        // A repeat or refusal counts under the host whose document named the URL.
        let named_on = new.found_on.filter(|host| self.hosts.contains_key(host));
        if is_collision {
            if let Some(account) = self.account(named_on.unwrap_or(id.host), touched) {
                account.refuse(SkipReason::HostCollision, 1);
            }
            return;
        }
        match self.tasks.get_mut(&id) {
            Some(known) => {
                if let TaskState::Pending(task) = known {
                    merge(&mut task.named_by, &new.task.named_by);
                }
                // A guessed path or a repeated seed line is not named by a document, so it is not a repeat.
                let repeats = named_on.filter(|_| new.task.kind == TaskKind::Sitemap);
                if let Some(account) = repeats.and_then(|host| self.account(host, touched)) {
                    account.repeat();
                }
            }
            None if is_full => {
                if let Some(account) = self.account(named_on.unwrap_or(id.host), touched) {
                    account.refuse(SkipReason::CountLimit, 1);
                }
            }
            None => self.add_task(new.task, touched),
        }
    }

    fn add_task(&mut self, task: Task, touched: &mut BTreeSet<HostId>) {
        let Some(record) = self.hosts.get_mut(&task.id.host) else { return };
        touched.insert(task.id.host);
        record.account.take_on(task.kind);
        record.accepted += u64::from(task.kind == TaskKind::Sitemap);
        record.inbox += 1;
        self.tasks.insert(task.id, TaskState::Pending(task));
    }

    fn account(&mut self, host: HostId, touched: &mut BTreeSet<HostId>) -> Option<&mut Account> {
        touched.insert(host);
        self.hosts.get_mut(&host).map(|record| &mut record.account)
    }

    fn complete_record_stage(&mut self, number: u32, seq: u64, previous_commit_us: u64) {
        for fetch in self.fetches.get_mut(&(number, seq.saturating_sub(1))).into_iter().flatten() {
            fetch.stages[Stage::Record] += previous_commit_us;
        }
    }
}

fn merge(named_by: &mut Vec<HostId>, more: &[HostId]) {
    for host in more {
        if !named_by.contains(host) {
            named_by.push(*host);
        }
    }
}
