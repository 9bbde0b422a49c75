//! Applies the parts of a commit to hosts and tasks, one after the other.

use std::collections::BTreeSet;

use super::{Known, TaskState};
use crate::bounds::NAMED_BY_MAX;
use crate::host::HostId;
use crate::outcome::{ErrorKind, Outcome, SkipReason, TaskOutcome};
use crate::site::Site;
use crate::task::{NewTask, Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::work_queue::{
    Commit, GivenUp, HostRecord, Part, QueueBounds, RedirectAnswer, RedirectChange, RedirectUpdate,
};

/// What is known, with the part of the commit applied so far.
pub(super) struct Decision {
    pub(super) known: Known,
    /// Hosts whose account changed, for which `keep_time` must be called.
    pub(super) touched: BTreeSet<HostId>,
    bounds: QueueBounds,
    now: Timestamp,
    /// The part of an index that the commit has.
    part: Option<Part>,
}

impl Decision {
    /// What is `known` before any change.
    pub(super) fn new(known: Known, bounds: QueueBounds, now: Timestamp) -> Self {
        Self { known, touched: BTreeSet::new(), bounds, now, part: None }
    }

    /// Applies all of `commit`, except for what it only adds.
    pub(super) fn apply(&mut self, commit: &Commit) {
        for outcome in &commit.outcomes {
            self.settle(outcome);
        }
        for &task in &commit.again {
            self.reopen(task);
        }
        for update in &commit.redirects {
            self.redirect(update);
        }
        self.begin_part(commit.part);
        for new in &commit.found {
            if new.task.kind == TaskKind::RobotsHop { self.add_hop(new) } else { self.add_found(new) }
        }
        for cooldown in &commit.cooldowns {
            if let Some(record) = self.known.hosts.get_mut(&cooldown.host) {
                record.not_before = record.not_before.max(Some(cooldown.until));
            }
        }
    }

    fn begin_part(&mut self, part: Option<Part>) {
        self.part = part;
        if let Some(part) = part
            && let Some(record) = self.known.hosts.get_mut(&part.of.host)
        {
            record.account.begin_part(part);
        }
    }

    /// Applies an outcome. It changes nothing if its task is not pending.
    fn settle(&mut self, outcome: &TaskOutcome) {
        let id = outcome.task;
        let Some(state) = self.known.tasks.get_mut(&id) else { return };
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
        match self.known.tasks.get(&read_as) {
            None => {
                self.known.tasks.insert(read_as, TaskState::ReadAs);
            }
            Some(TaskState::Pending(task)) => {
                self.settle(&TaskOutcome::new(read_as, Outcome::Duplicate, task.attempts));
            }
            Some(TaskState::Done { .. } | TaskState::ReadAs) => {}
        }
    }

    /// Makes a task pending again if it was given up.
    fn reopen(&mut self, id: TaskId) {
        let Some(TaskState::Done { task, outcome }) = self.known.tasks.get(&id) else { return };
        if GivenUp::of(id, task.kind, outcome).is_none() {
            return;
        }
        let (task, outcome) = (Task { attempts: 0, not_before: None, ..task.clone() }, outcome.clone());
        if let Some(record) = self.touch(id.host) {
            record.account.reopen(task.kind, &outcome);
            record.inbox += 1;
        }
        self.known.tasks.insert(id, TaskState::Pending(task));
    }

    fn add_found(&mut self, new: &NewTask) {
        let id = new.task.id;
        // A repeat or refusal counts under the host whose document named the URL.
        let named_on = new.found_on.filter(|host| self.known.hosts.contains_key(host));
        let refused_on = named_on.unwrap_or(id.host);
        if !self.known.hosts.contains_key(&id.host) && !self.add_host(new) {
            return self.count(refused_on, new, Some(SkipReason::CountLimit));
        }
        let Some(record) = self.known.hosts.get_mut(&id.host) else { return };
        if record.host != new.host {
            return self.count(refused_on, new, Some(SkipReason::HostCollision));
        }
        record.is_seed |= new.found_on.is_none();
        record.is_site = true;
        let is_full = new.task.kind.is_named() && record.accepted >= self.bounds.sitemaps_max;
        match self.known.tasks.get_mut(&id) {
            Some(known) => {
                let is_named_before = known.parent().is_some_and(|parent| Some(parent) == new.task.parent);
                if let TaskState::Pending(task) = known {
                    merge(&mut task.named_by, &new.task.named_by);
                }
                // A guessed path or a repeated seed line is not named by a document, so it is not a repeat.
                let is_repeat = new.task.kind == TaskKind::Sitemap && !is_named_before;
                if let Some(named_on) = named_on.filter(|_| is_repeat) {
                    self.count(named_on, new, None);
                }
            }
            None if is_full => self.count(refused_on, new, Some(SkipReason::CountLimit)),
            None => self.add_task(new.task.clone()),
        }
    }

    /// Adds the host of `new`, unless a document named it and its site has as many hosts as are allowed.
    fn add_host(&mut self, new: &NewTask) -> bool {
        if new.found_on.is_some_and(|host| host != new.task.id.host) {
            let hosts = self.known.sites.entry(Site::of(&new.host)).or_default();
            if *hosts >= self.bounds.hosts_per_site_max {
                return false;
            }
            *hosts += 1;
        }
        self.known.hosts.insert(new.task.id.host, HostRecord::new(new.host.clone()));
        true
    }

    fn redirect(&mut self, update: &RedirectUpdate) {
        let Some(record) = self.known.hosts.get_mut(&update.host) else { return };
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
        let Some(record) = self.known.hosts.get_mut(&waiting) else { return };
        if let Some(redirect) = &mut record.redirect {
            redirect.answer = Some((at, answer));
            record.inbox += 1;
        }
    }

    /// Adds a request for another host.
    fn add_hop(&mut self, new: &NewTask) {
        let (id, now) = (new.task.id, self.now);
        let record = self.known.hosts.entry(id.host).or_insert_with(|| HostRecord::new(new.host.clone()));
        let refused = if record.host != new.host {
            Some(RedirectAnswer::Unreachable(ErrorKind::HostCollision))
        } else {
            let until = record.not_before.filter(|until| record.parked && *until > now);
            until.map(RedirectAnswer::Parked)
        };
        if let (Some(answer), Some(waiting)) = (refused, new.task.waiting()) {
            return self.answer(waiting, now, answer);
        }
        if !matches!(self.known.tasks.get(&id), Some(TaskState::Pending(_))) {
            record.hops += 1;
            record.inbox += 1;
            self.known.tasks.insert(id, TaskState::Pending(new.task.clone()));
        }
    }

    /// Counts a URL that is no new task under `host`: as refused for a reason, otherwise as a repeat.
    fn count(&mut self, host: HostId, new: &NewTask, refused: Option<SkipReason>) {
        let is_part = self.part.is_some_and(|part| Some(part.of) == new.task.parent);
        let Some(record) = self.touch(host) else { return };
        let account = &mut record.account;
        match (account.parts.as_mut().filter(|_| is_part), refused) {
            (Some(counts), Some(reason)) => *counts.refused.entry(reason).or_default() += 1,
            (Some(counts), None) => counts.repeats += 1,
            (None, Some(reason)) => account.refuse(reason, 1),
            (None, None) => account.repeat(1),
        }
    }

    fn add_task(&mut self, task: Task) {
        if let Some(record) = self.touch(task.id.host) {
            record.account.take_on(task.kind);
            record.accepted += u64::from(task.kind.is_named());
            record.inbox += 1;
        }
        self.known.tasks.insert(task.id, TaskState::Pending(task));
    }

    /// The host's record, for a change of its account; `None` if the host is unknown.
    fn touch(&mut self, id: HostId) -> Option<&mut HostRecord> {
        self.touched.insert(id);
        self.known.hosts.get_mut(&id)
    }
}

fn merge(named_by: &mut Vec<HostId>, more: &[HostId]) {
    for host in more {
        if named_by.len() < NAMED_BY_MAX && !named_by.contains(host) {
            named_by.push(*host);
        }
    }
}
