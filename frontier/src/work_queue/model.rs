//! The queue in memory: the specification that every durable queue is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, SegmentRef,
    Session, SessionRecord, TaskState, Usage, WorkQueue, set_back_by,
};
use crate::account::Account;
use crate::fetch_record::{FetchRecord, SessionId};
use crate::host::HostId;
use crate::outcome::{Outcome, SkipReason, TaskOutcome};
use crate::stage::Stage;
use crate::task::{NewTask, Task, TaskId, TaskKind};
use crate::timestamp::{Clock, Timestamp};

/// How long hosts of a reaped session rest: its last requests may still be on their way.
pub const REAPED_COOLDOWN: Duration = Duration::from_secs(5);

/// A session stops fetching this long before it may be reaped.
pub const RENEWAL_MARGIN: Duration = Duration::from_secs(15);

/// A [`WorkQueue`] in maps behind one lock; nothing of it outlives the process.
///
/// Clones share one queue. It is written to be read: where speed and plainness disagree, plainness has it.
#[derive(Clone)]
pub struct ModelQueue {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    bounds: QueueBounds,
    /// How long a session lives after its last sign of life; `None`: until the next one is opened.
    ttl: Option<Duration>,
}

#[derive(Default)]
struct State {
    /// Every session there ever was, by number.
    sessions: Vec<SessionRecord>,
    /// The sessions that may still call, with their last sign of life: absence is the fence.
    alive: BTreeMap<SessionId, Timestamp>,
    hosts: BTreeMap<HostId, HostRecord>,
    leases: BTreeMap<HostId, SessionId>,
    tasks: BTreeMap<TaskId, TaskState>,
    /// Requests by number of session and of commit.
    fetches: BTreeMap<(u32, u64), Vec<FetchRecord>>,
    segments: Vec<SegmentRef>,
}

/// The session that calls, and when.
#[derive(Clone, Copy)]
struct Caller {
    id: SessionId,
    number: u32,
    now: Timestamp,
    /// Whether others may run beside it.
    is_shared: bool,
}

impl Caller {
    fn keep_time(self, record: &mut HostRecord, sessions: &[SessionRecord]) {
        if self.is_shared {
            record.keep_shared_time(self.number, self.now, sessions);
        } else {
            record.keep_time(self.number, self.now, sessions);
        }
    }
}

impl ModelQueue {
    /// A queue of one machine: opening a session ends all earlier ones.
    pub fn new(clock: Arc<dyn Clock>, bounds: QueueBounds) -> Self {
        Self { state: Arc::default(), clock, bounds, ttl: None }
    }

    /// A queue of many machines: sessions live side by side, each for `ttl` after its last renewal or commit.
    pub fn shared(clock: Arc<dyn Clock>, bounds: QueueBounds, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..Self::new(clock, bounds) }
    }

    /// All hosts, by id.
    pub fn hosts(&self) -> Vec<HostRecord> {
        self.state().hosts.values().cloned().collect()
    }

    /// All requests in the order of their commits, the `record` stage of each completed.
    pub fn fetches(&self) -> Vec<FetchRecord> {
        self.state().fetches.values().flatten().cloned().collect()
    }

    /// All sessions, by number.
    pub fn sessions(&self) -> Vec<SessionRecord> {
        self.state().sessions.clone()
    }

    /// All registered pieces of segments, in the order of their commits.
    pub fn segments(&self) -> Vec<SegmentRef> {
        self.state().segments.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not hide the state from the test that looks into it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn caller(&self, state: &State, session: &Session) -> Result<Caller, QueueError> {
        if !state.alive.contains_key(&session.id) {
            return Err(QueueError::Fenced(session.id));
        }
        let (number, now, is_shared) = (session.number, self.clock.now(), self.ttl.is_some());
        Ok(Caller { id: session.id, number, now, is_shared })
    }
}

impl WorkQueue for ModelQueue {
    async fn open_session(&self, _worker: &str) -> Result<Session, QueueError> {
        let now = self.clock.now();
        let mut state = self.state();
        if self.ttl.is_none() {
            state.alive.clear();
        }
        let number = u32::try_from(state.sessions.len()).unwrap_or(u32::MAX);
        if self.ttl.is_none() {
            state.begin(number, now);
        }
        let session = Session { id: SessionId(u128::from(number) + 1), number, started_at: now };
        state.alive.insert(session.id, now);
        state.sessions.push(SessionRecord {
            session: session.clone(),
            last_commit_at: now,
            commit_seq: 0,
            usage: Usage::default(),
        });
        Ok(session)
    }

    async fn lease(&self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        let mut state = self.state();
        let caller = self.caller(&state, session)?;
        Ok(state.lease(caller, session, n))
    }

    async fn load(&self, session: &Session, hosts: &[HostId], n: usize) -> Result<Vec<Loaded>, QueueError> {
        let state = self.state();
        let caller = self.caller(&state, session)?;
        Ok(hosts.iter().filter_map(|&host| state.load(caller, host, n)).collect())
    }

    async fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        let state = self.state();
        self.caller(&state, session)?;
        let is_done =
            |task| matches!(state.tasks.get(task), Some(TaskState::Done { .. } | TaskState::ReadAs));
        Ok(tasks.iter().map(is_done).collect())
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        let state = self.state();
        self.caller(&state, session)?;
        let later = state.tasks.iter().filter(|(id, _)| Some(**id) > after);
        let given_up = later.filter_map(|(&id, state)| match state {
            TaskState::Done { task, outcome } => GivenUp::of(id, task.kind, outcome),
            TaskState::Pending(_) | TaskState::ReadAs => None,
        });
        Ok(given_up.take(n).collect())
    }

    async fn commit(&self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        let mut state = self.state();
        let caller = self.caller(&state, session)?;
        let last = state.session(caller.number).map_or(0, |record| record.commit_seq);
        if commit.seq == last && last > 0 {
            return Ok(());
        }
        if commit.seq != last + 1 {
            return Err(QueueError::OutOfOrder { last, found: commit.seq });
        }
        state.check_identities(&commit.found)?;
        state.apply(caller, commit, self.bounds);
        Ok(())
    }

    async fn release(&self, session: &Session, hosts: &[Release]) -> Result<Vec<HostId>, QueueError> {
        let mut state = self.state();
        let caller = self.caller(&state, session)?;
        Ok(hosts
            .iter()
            .filter(|release| !state.release(caller, release))
            .map(|release| release.host)
            .collect())
    }

    async fn renew(&self, session: &Session) -> Result<Timestamp, QueueError> {
        let mut state = self.state();
        let caller = self.caller(&state, session)?;
        state.alive.insert(caller.id, caller.now);
        let deadline = |ttl: Duration| caller.now + ttl.saturating_sub(RENEWAL_MARGIN);
        Ok(self.ttl.map_or(Timestamp::from_micros(i64::MAX), deadline))
    }

    async fn reap(&self) -> Result<usize, QueueError> {
        let Some(ttl) = self.ttl else { return Ok(0) };
        Ok(self.state().reap(self.clock.now(), ttl))
    }

    async fn workers(&self) -> Result<u64, QueueError> {
        Ok(self.state().alive.len() as u64)
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        Ok(self.state().counts(self.clock.now()))
    }
}

/// Lending.
impl State {
    /// Hosts are no longer lent, and what is known of them fits the clock of session `number`.
    fn begin(&mut self, number: u32, now: Timestamp) {
        let set_back = set_back_by(now, &self.sessions);
        for (id, record) in &mut self.hosts {
            if !set_back.is_zero() {
                record.set_back(set_back, number, now, &self.sessions);
            }
            if self.leases.contains_key(id) {
                record.take_back(number, now, &self.sessions);
            }
        }
        self.leases.clear();
    }

    fn lease(&mut self, caller: Caller, session: &Session, n: usize) -> Vec<LeasedHost> {
        let mut due: Vec<(Timestamp, HostId)> = self
            .hosts
            .iter()
            .filter(|(id, host)| host.account.unfinished() > 0 && !self.leases.contains_key(id))
            .map(|(&id, host)| (host.due_at(), id))
            .filter(|&(due_at, _)| due_at <= caller.now)
            .collect();
        due.sort_unstable();
        due.truncate(n);
        due.into_iter().filter_map(|(_, id)| self.lease_host(caller, session, id)).collect()
    }

    fn lease_host(&mut self, caller: Caller, session: &Session, id: HostId) -> Option<LeasedHost> {
        let record = self.hosts.get_mut(&id)?;
        record.parked = false;
        caller.keep_time(record, &self.sessions);
        self.leases.insert(id, caller.id);
        let busy_since = record.busy_since.map_or(caller.now, |(_, since)| since);
        Some(LeasedHost {
            host: record.host.clone(),
            robots: record.robots.clone(),
            not_before: record.not_before,
            busy_since: busy_since.max(session.started_at),
            is_seed: record.is_seed,
            asked_before: record.asked_before(session),
            inbox: record.inbox,
        })
    }

    fn load(&self, caller: Caller, host: HostId, n: usize) -> Option<Loaded> {
        if self.leases.get(&host) != Some(&caller.id) {
            return None;
        }
        let record = self.hosts.get(&host)?;
        let (inbox, busy_since) = (record.inbox, record.busy_since.map(|(_, since)| since));
        let mut tasks: Vec<Task> = self.pending(host).cloned().collect();
        tasks.sort_by_key(|task| (task.priority(), task.id));
        tasks.truncate(n);
        Some(Loaded { host, inbox, busy_since, tasks })
    }

    fn pending(&self, host: HostId) -> impl Iterator<Item = &Task> {
        let tasks = self.tasks.range(TaskId { host, url: 0 }..=TaskId { host, url: u128::MAX });
        tasks.filter_map(|(_, state)| match state {
            TaskState::Pending(task) => Some(task),
            TaskState::Done { .. } | TaskState::ReadAs => None,
        })
    }

    /// Whether the host is no longer lent to the caller.
    fn release(&mut self, caller: Caller, release: &Release) -> bool {
        let Some(record) = self.hosts.get_mut(&release.host) else { return true };
        if self.leases.get(&release.host) != Some(&caller.id) {
            return true;
        }
        if record.inbox != release.inbox {
            return false;
        }
        self.leases.remove(&release.host);
        record.give_back(release, caller.now);
        caller.keep_time(record, &self.sessions);
        true
    }

    fn reap(&mut self, now: Timestamp, ttl: Duration) -> usize {
        let is_dead = |seen_at: Timestamp| seen_at + ttl < now;
        let dead: BTreeSet<SessionId> =
            self.alive.iter().filter(|(_, seen_at)| is_dead(**seen_at)).map(|(&id, _)| id).collect();
        self.alive.retain(|id, _| !dead.contains(id));
        let orphans: Vec<HostId> =
            self.leases.iter().filter(|(_, id)| dead.contains(id)).map(|(&host, _)| host).collect();
        // Reaping belongs to no session: its time ends where the latest began.
        let number = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        for host in orphans {
            self.leases.remove(&host);
            if let Some(record) = self.hosts.get_mut(&host) {
                record.not_before = record.not_before.max(Some(now + REAPED_COOLDOWN));
                record.take_back_shared(number, now, &self.sessions);
            }
        }
        dead.len()
    }
}

/// Committing.
impl State {
    fn session(&mut self, number: u32) -> Option<&mut SessionRecord> {
        self.sessions.get_mut(usize::try_from(number).ok()?)
    }

    fn check_identities(&self, found: &[NewTask]) -> Result<(), QueueError> {
        let mut fresh = BTreeMap::new();
        for new in found {
            let id = new.task.id.host;
            let known = self.hosts.get(&id).map(|record| &record.host);
            let other = known.unwrap_or_else(|| fresh.entry(id).or_insert(&new.host));
            if *other != new.host {
                return Err(QueueError::HostCollision(other.to_string(), new.host.to_string()));
            }
        }
        Ok(())
    }

    fn apply(&mut self, caller: Caller, commit: Commit, bounds: QueueBounds) {
        let mut touched = BTreeSet::new();
        for outcome in &commit.outcomes {
            self.settle(outcome, &mut touched);
        }
        for &task in &commit.again {
            self.reopen(task, &mut touched);
        }
        for new in commit.found {
            self.take_in(new, bounds, &mut touched);
        }
        for update in commit.hosts {
            if let Some(record) = self.hosts.get_mut(&update.host) {
                record.robots = Some(update.robots);
            }
        }
        for rest in commit.cooldowns {
            if let Some(record) = self.hosts.get_mut(&rest.host) {
                record.not_before = record.not_before.max(Some(rest.until));
            }
        }
        // At the end: a host whose last task brought its next one was busy all the time.
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

    /// An outcome of a task that is not pending changes nothing.
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

    /// The URL under which a task was read needs no reading any more.
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

    /// What was given up is pending again; anything else stays as it is.
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

    fn take_in(&mut self, new: NewTask, bounds: QueueBounds, touched: &mut BTreeSet<HostId>) {
        let id = new.task.id;
        let record = self.hosts.entry(id.host).or_insert_with(|| HostRecord::new(new.host));
        record.is_seed |= new.found_on.is_none();
        let is_full = new.task.kind == TaskKind::Sitemap && record.accepted >= bounds.sitemaps_max;
        // Counted under the host whose document named it.
        let named_on = new.found_on.filter(|host| self.hosts.contains_key(host));
        match self.tasks.get_mut(&id) {
            Some(known) => {
                if let TaskState::Pending(task) = known {
                    unite(&mut task.named_by, &new.task.named_by);
                }
                // A guess is no document's word, and neither is a seed line given twice.
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
            None => self.take_on(new.task, touched),
        }
    }

    fn take_on(&mut self, task: Task, touched: &mut BTreeSet<HostId>) {
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

    fn counts(&self, now: Timestamp) -> Counts {
        let count = |fact: &dyn Fn(&HostId, &HostRecord) -> bool| {
            self.hosts.iter().filter(|(id, host)| fact(id, host)).count() as u64
        };
        let free = |id: &HostId, host: &HostRecord| host.is_busy() && !self.leases.contains_key(id);
        Counts {
            hosts: self.hosts.len() as u64,
            hosts_done: count(&|_, host| host.account.unfinished() == 0),
            hosts_parked: count(&|_, host| host.parked && host.not_before > Some(now)),
            hosts_leased: self.leases.len() as u64,
            tasks: self.tasks.values().filter(|state| !matches!(state, TaskState::ReadAs)).count() as u64,
            tasks_pending: self.hosts.values().map(|host| host.account.unfinished()).sum(),
            entries: self.hosts.values().map(|host| host.account.entries).sum(),
            requests: self.fetches.values().map(|fetches| fetches.len() as u64).sum(),
            next_due_at: self
                .hosts
                .iter()
                .filter(|(id, host)| free(id, host))
                .map(|(_, host)| host.due_at())
                .min(),
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

#[cfg(test)]
mod tests;
