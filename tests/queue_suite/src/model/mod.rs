//! A work queue in memory. It is the specification that every durable queue is compared with.
//!
//! It keeps facts only: which URLs were found and how each ended, and which names of URLs were not accepted. The figures
//! of a host are counted from these after each commit, whereas a durable queue updates them.

mod account;
mod commit;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use frontier::work_queue::{
    Commit, Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, REAPED_COOLDOWN,
    RENEWAL_MARGIN, Release, SegmentRef, Session, SessionRecord, Usage, set_back_by,
};
use frontier::{
    Clock, FetchRecord, HostId, Outcome, SessionId, Site, SkipReason, Task, TaskId, TaskKind, Timestamp,
    WorkQueue,
};

/// A [`WorkQueue`] that keeps everything in maps behind one lock. Nothing of it outlives the process.
///
/// Clones share one queue. The code prefers clarity to speed.
#[derive(Clone)]
pub struct ModelQueue {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    bounds: QueueBounds,
    /// How long a session lives after its last renewal or commit; `None` means until the next one is opened.
    ttl: Option<Duration>,
}

#[derive(Default)]
struct State {
    /// All sessions, by number.
    sessions: Vec<SessionRecord>,
    /// The live sessions, each with the time of its last renewal or commit. Calls of all others are refused.
    alive: BTreeMap<SessionId, Timestamp>,
    hosts: BTreeMap<HostId, HostRecord>,
    leases: BTreeMap<HostId, SessionId>,
    urls: BTreeMap<TaskId, FoundUrl>,
    /// The final URLs of tasks that ended, whether or not they are tasks themselves.
    read_as: BTreeSet<TaskId>,
    /// Each answer that a host got from another one.
    answered: Vec<HostId>,
    /// Each name of a URL that led to no new task: the host that it counts under, and why; `None` for a repeat.
    not_accepted: Vec<(HostId, Option<SkipReason>)>,
    /// By host, the index whose children are being committed in parts.
    parts: BTreeMap<HostId, Parts>,
    /// The site of each host that was found and not seeded.
    found_hosts: Vec<Site>,
    /// Requests by number of session and of commit.
    fetches: BTreeMap<(u32, u64), Vec<FetchRecord>>,
    segments: Vec<SegmentRef>,
}

/// A URL that was accepted as a task.
struct FoundUrl {
    task: Task,
    /// How it ended; `None` while it is pending.
    ended: Option<Outcome>,
    /// How often it became pending.
    times_pending: u64,
}

/// What an index named, of those of its parts that were committed.
struct Parts {
    of: TaskId,
    number: u32,
    /// Why each name led to no new task, as in [`State::not_accepted`].
    not_accepted: Vec<Option<SkipReason>>,
}

/// The calling session and the time of the call.
#[derive(Clone, Copy)]
struct Caller {
    id: SessionId,
    number: u32,
    now: Timestamp,
    /// Whether other sessions may run at the same time.
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
    /// Creates a queue of one machine, in which opening a session ends all earlier ones.
    pub fn new(clock: Arc<dyn Clock>, bounds: QueueBounds) -> Self {
        Self { state: Arc::default(), clock, bounds, ttl: None }
    }

    /// Creates a queue of many machines, in which each session lives for `ttl` after its last renewal or commit.
    pub fn shared(clock: Arc<dyn Clock>, bounds: QueueBounds, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..Self::new(clock, bounds) }
    }

    /// All hosts, by id.
    pub fn hosts(&self) -> Vec<HostRecord> {
        self.state().hosts.values().cloned().collect()
    }

    /// All requests in the order of their commits, each with its `record` stage completed.
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
        // After a panic elsewhere, a test must still be able to inspect the state.
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
        let has_ended = |task| state.urls.get(task).is_some_and(|url| url.ended.is_some());
        Ok(tasks.iter().map(|task| state.read_as.contains(task) || has_ended(task)).collect())
    }

    async fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        let state = self.state();
        self.caller(&state, session)?;
        let later = state.urls.iter().filter(|(id, _)| Some(**id) > after);
        let given_up = later.filter_map(|(&id, url)| GivenUp::of(id, url.task.kind, url.ended.as_ref()?));
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

    async fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        let state = self.state();
        let record = |id| state.hosts.get(id).map(|record| HostRecord { robots: None, ..record.clone() });
        Ok(hosts.iter().filter_map(record).collect())
    }

    async fn counts(&self) -> Result<Counts, QueueError> {
        Ok(self.state().counts(self.clock.now()))
    }
}

/// Leases.
impl State {
    /// Reclaims all hosts and corrects their times to the clock of session `number`.
    fn begin(&mut self, number: u32, now: Timestamp) {
        let set_back = set_back_by(now, &self.sessions);
        for (id, record) in &mut self.hosts {
            if !set_back.is_zero() {
                record.set_back(set_back, number, now, &self.sessions);
            }
            if self.leases.contains_key(id) {
                record.reclaim(number, now, &self.sessions);
            }
        }
        self.leases.clear();
    }

    fn lease(&mut self, caller: Caller, session: &Session, n: usize) -> Vec<LeasedHost> {
        let mut due: Vec<(Timestamp, HostId)> = self
            .hosts
            .iter()
            .filter(|(id, host)| host.has_work() && !self.leases.contains_key(id))
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
        let pending = self.urls_of(host).filter(|url| url.ended.is_none());
        let mut tasks: Vec<Task> = pending.map(|url| url.task.clone()).collect();
        tasks.sort_by_key(|task| (task.priority(), task.id));
        let (mut hops, mut tasks): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(is_hop);
        tasks.truncate(n);
        hops.truncate(n);
        Some(Loaded { host, inbox, busy_since, tasks, hops, redirect: record.redirect.clone() })
    }

    fn urls_of(&self, host: HostId) -> impl Iterator<Item = &FoundUrl> {
        let all = TaskId { host, url: 0 }..=TaskId { host, url: u128::MAX };
        self.urls.range(all).map(|(_, url)| url)
    }

    /// Releases the host. Returns whether it is no longer leased to the caller.
    fn release(&mut self, caller: Caller, release: &Release) -> bool {
        let Some(record) = self.hosts.get_mut(&release.host) else { return true };
        if self.leases.get(&release.host) != Some(&caller.id) {
            return true;
        }
        if record.inbox != release.inbox {
            return false;
        }
        self.leases.remove(&release.host);
        record.release(release, caller.now);
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
        // Reaping belongs to no session, so it uses the number after the last one.
        let number = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        for host in orphans {
            self.leases.remove(&host);
            if let Some(record) = self.hosts.get_mut(&host) {
                record.not_before = record.not_before.max(Some(now + REAPED_COOLDOWN));
                record.reclaim_shared(number, now, &self.sessions);
            }
        }
        dead.len()
    }
}

impl State {
    fn counts(&self, now: Timestamp) -> Counts {
        let count = |fact: &dyn Fn(&HostId, &HostRecord) -> bool| {
            self.hosts.iter().filter(|(id, host)| fact(id, host)).count() as u64
        };
        let free =
            |id: &HostId, host: &HostRecord| host.has_work() && !host.parked && !self.leases.contains_key(id);
        let own = || self.urls.values().filter(|url| !is_hop(&url.task));
        Counts {
            hosts: count(&|_, host| host.is_site),
            hosts_done: count(&|_, host| host.is_site && host.account.unfinished() == 0),
            hosts_parked: count(&|_, host| host.parked && host.not_before > Some(now)),
            hosts_leased: self.leases.len() as u64,
            tasks: own().count() as u64,
            tasks_pending: own().filter(|url| url.ended.is_none()).count() as u64,
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

/// Whether `task` is a request for another host.
fn is_hop(task: &Task) -> bool {
    task.kind == TaskKind::RobotsHop
}
