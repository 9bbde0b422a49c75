//! How a commit changes the facts of the model.

use frontier::bounds::NAMED_BY_MAX;
use frontier::work_queue::{
    Commit, GivenUp, HostRecord, Part, QueueBounds, RedirectAnswer, RedirectChange, RedirectUpdate,
    SessionRecord, Touched,
};
use frontier::{
    ErrorKind, HostId, NewTask, Outcome, Site, SkipReason, Stage, Task, TaskId, TaskKind, TaskOutcome,
    Timestamp,
};

use super::{Caller, FoundUrl, Parts, State, is_hop};

/// What becomes of a URL that was found.
enum TakenOn {
    /// A new task, or a URL that counts as nothing.
    New,
    Repeat,
    Refused(SkipReason),
}

impl State {
    pub(super) fn session(&mut self, number: u32) -> Option<&mut SessionRecord> {
        self.sessions.get_mut(usize::try_from(number).ok()?)
    }

    pub(super) fn apply(&mut self, caller: Caller, commit: Commit, bounds: QueueBounds) {
        let touched = Touched::by(&commit).hosts;
        commit.outcomes.iter().for_each(|outcome| self.end(outcome));
        commit.again.iter().for_each(|task| self.try_again(*task));
        commit.redirects.into_iter().for_each(|update| self.redirect(update));
        commit.part.into_iter().for_each(|part| self.begin_part(part));
        for new in commit.found {
            if is_hop(&new.task) { self.find_hop(caller, new) } else { self.find(new, commit.part, bounds) }
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
        touched.into_iter().for_each(|host| self.count_host(caller, host));
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

    fn end(&mut self, outcome: &TaskOutcome) {
        let Some(url) = self.pending(outcome.task) else { return };
        url.task.attempts = outcome.attempts;
        match outcome.outcome {
            Outcome::Retry(not_before) => url.task.not_before = Some(not_before),
            ref last => url.ended = Some(last.clone()),
        }
        let host = outcome.task.host;
        for (reason, count) in &outcome.refused {
            (0..*count).for_each(|_| self.not_accepted.push((host, Some(*reason))));
        }
        (0..outcome.repeats).for_each(|_| self.not_accepted.push((host, None)));
        if self.parts.get(&host).is_some_and(|parts| parts.of == outcome.task)
            && let Some(parts) = self.parts.remove(&host).filter(|parts| parts.number == outcome.parts)
        {
            self.not_accepted.extend(parts.not_accepted.into_iter().map(|reason| (host, reason)));
        }
        if let (Some(read_as), false) = (outcome.read_as, matches!(outcome.outcome, Outcome::Retry(_))) {
            self.read_as.insert(read_as);
            if let Some(other) = self.pending(read_as) {
                other.ended = Some(Outcome::Duplicate);
                // A duplicate has no children, so its parts do not count.
                self.parts.retain(|_, parts| parts.of != read_as);
            }
        }
    }

    fn begin_part(&mut self, part: Part) {
        let host = part.of.host;
        if !self.hosts.contains_key(&host) {
            return;
        }
        let known = self.parts.remove(&host).filter(|parts| parts.of == part.of && part.number > 1);
        let mut parts = known.unwrap_or(Parts { of: part.of, number: 0, not_accepted: Vec::new() });
        parts.number += 1;
        self.parts.insert(host, parts);
    }

    fn try_again(&mut self, id: TaskId) {
        let Some(url) = self.urls.get_mut(&id) else { return };
        if url.ended.as_ref().and_then(|outcome| GivenUp::of(id, url.task.kind, outcome)).is_some() {
            url.ended = None;
            url.times_pending += 1;
            url.task = Task { attempts: 0, not_before: None, ..url.task.clone() };
        }
    }

    fn find(&mut self, new: NewTask, part: Option<Part>, bounds: QueueBounds) {
        let part = part.filter(|part| Some(part.of) == new.task.parent);
        let named_on = new.found_on.filter(|host| self.hosts.contains_key(host));
        let refused_on = named_on.unwrap_or(new.task.id.host);
        let (host, reason) = match self.take_on(new, bounds) {
            TakenOn::New => return,
            TakenOn::Repeat => (named_on, None),
            TakenOn::Refused(reason) => {
                (Some(refused_on).filter(|host| self.hosts.contains_key(host)), Some(reason))
            }
        };
        let Some(host) = host else { return };
        match self.parts.get_mut(&host).filter(|_| part.is_some()) {
            Some(parts) => parts.not_accepted.push(reason),
            None => self.not_accepted.push((host, reason)),
        }
    }

    fn take_on(&mut self, NewTask { host, task, found_on }: NewTask, bounds: QueueBounds) -> TakenOn {
        let (id, is_sitemap) = (task.id, task.kind == TaskKind::Sitemap);
        if !self.hosts.contains_key(&id.host) {
            let site = Site::of(&host);
            let hosts_of_site = self.found_hosts.iter().filter(|of| **of == site).count() as u64;
            let is_of_another = found_on.is_some_and(|other| other != id.host);
            if is_of_another && hosts_of_site >= bounds.hosts_per_site_max {
                return TakenOn::Refused(SkipReason::CountLimit);
            }
            self.found_hosts.extend(is_of_another.then_some(site));
        }
        let record = self.hosts.entry(id.host).or_insert_with(|| HostRecord::new(host.clone()));
        if record.host != host {
            return TakenOn::Refused(SkipReason::HostCollision);
        }
        record.is_seed |= found_on.is_none();
        record.is_site = true;
        if self.urls.contains_key(&id) || self.read_as.contains(&id) {
            let first_parent = self.urls.get(&id).and_then(|url| url.task.parent);
            let is_named_again = first_parent.is_some() && first_parent == task.parent;
            if let Some(url) = self.pending(id) {
                merge(&mut url.task.named_by, task.named_by);
            }
            return if is_sitemap && !is_named_again { TakenOn::Repeat } else { TakenOn::New };
        }
        if task.kind.is_named() && sitemaps(self.urls_of(id.host)) >= bounds.sitemaps_max {
            return TakenOn::Refused(SkipReason::CountLimit);
        }
        self.urls.insert(id, FoundUrl { task, ended: None, times_pending: 1 });
        TakenOn::New
    }

    fn redirect(&mut self, RedirectUpdate { host, change }: RedirectUpdate) {
        let Some(record) = self.hosts.get_mut(&host) else { return };
        match change {
            RedirectChange::Wait(redirect) => record.redirect = Some(redirect),
            RedirectChange::End => record.redirect = None,
            RedirectChange::Answer { url, at, answer } => {
                if record
                    .redirect
                    .as_ref()
                    .is_some_and(|redirect| redirect.answer.is_none() && redirect.urls.last() == Some(&url))
                {
                    self.answer(host, at, answer);
                }
            }
        }
    }

    fn answer(&mut self, host: HostId, at: Timestamp, answer: RedirectAnswer) {
        let redirect = self.hosts.get_mut(&host).and_then(|record| record.redirect.as_mut());
        if let Some(redirect) = redirect {
            redirect.answer = Some((at, answer));
            self.answered.push(host);
        }
    }

    fn find_hop(&mut self, caller: Caller, NewTask { host, task, .. }: NewTask) {
        let id = task.id;
        let record = self.hosts.entry(id.host).or_insert_with(|| HostRecord::new(host.clone()));
        let (is_same_host, parked_until) = (record.host == host, record.not_before.filter(|_| record.parked));
        let waiting = task.parent.unwrap().host;
        match parked_until.filter(|until| *until > caller.now) {
            _ if !is_same_host => {
                self.answer(waiting, caller.now, RedirectAnswer::Unreachable(ErrorKind::HostCollision));
            }
            Some(until) => self.answer(waiting, caller.now, RedirectAnswer::Parked(until)),
            None => {
                let known = self.urls.remove(&id);
                let mut url = known.unwrap_or(FoundUrl { task: task.clone(), ended: None, times_pending: 0 });
                if url.times_pending == 0 || url.ended.is_some() {
                    url = FoundUrl { task, ended: None, times_pending: url.times_pending + 1 };
                }
                self.urls.insert(id, url);
            }
        }
    }

    /// The URL, if it is a task to do.
    fn pending(&mut self, id: TaskId) -> Option<&mut FoundUrl> {
        self.urls.get_mut(&id).filter(|url| url.ended.is_none())
    }

    /// Counts what is known of a host again.
    fn count_host(&mut self, caller: Caller, host: HostId) {
        let account = self.account(host);
        let accepted = sitemaps(self.urls_of(host));
        let tasks: u64 = self.urls_of(host).map(|url| url.times_pending).sum();
        let answers = self.answered.iter().filter(|answered| **answered == host).count() as u64;
        let hops = self.urls_of(host).filter(|url| is_hop(&url.task) && url.ended.is_none()).count() as u64;
        if let Some(record) = self.hosts.get_mut(&host) {
            (record.account, record.accepted, record.inbox) = (account, accepted, tasks + answers);
            record.hops = hops;
            caller.keep_time(record, &self.sessions);
        }
    }

    fn complete_record_stage(&mut self, number: u32, seq: u64, previous_commit_us: u64) {
        for fetch in self.fetches.get_mut(&(number, seq.saturating_sub(1))).into_iter().flatten() {
            fetch.stages[Stage::Record] += previous_commit_us;
        }
    }
}

fn sitemaps<'a>(urls: impl Iterator<Item = &'a FoundUrl>) -> u64 {
    urls.filter(|url| url.task.kind.is_named()).count() as u64
}

fn merge(named_by: &mut Vec<HostId>, more: Vec<HostId>) {
    for host in more {
        if named_by.len() < NAMED_BY_MAX && !named_by.contains(&host) {
            named_by.push(host);
        }
    }
}
