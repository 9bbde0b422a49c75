//! The queue itself, on a thread of its own: sessions, lending and looking.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};

use frontier::work_queue::{
    Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, Session,
    SessionRecord, TaskState, TotalsChange, Usage, set_back_by,
};
use frontier::{Clock, HostId, SessionId, Task, TaskId, Timestamp};

use super::records::{Counters, Place, QueueView, SegmentPlace, SegmentRecord, ViewMark};
use super::store::{Durability, Store, Writes};
use super::stored::StoredState;
use super::witness::{self, Extent, Witness};
use super::{keys, read};
use crate::data_dir::OpenError;
use crate::disk::DurableFile;
use crate::sealing::Order;
use crate::segment::{BYTES_MAX, ROWS_MAX};

/// The state of the queue. One thread owns it, so that what is read is still so when it is written.
pub(super) struct QueueState {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bounds: QueueBounds,
    /// All sessions, by number.
    pub(super) sessions: Vec<SessionRecord>,
    /// The one session that may call: the last one opened by this process.
    alive: Option<SessionId>,
    /// Hosts lent to it, or to one before while none is alive.
    pub(super) leased: HashSet<HostId>,
    pub(super) counters: Counters,
    /// Rows registered.
    pub(super) rows: u64,
    /// Where it tells how far it is.
    told: DurableFile,
    /// Told when a segment is full.
    pub(super) sealer: Option<mpsc::Sender<Order>>,
    /// Why it stopped, once a write failed: what is on disk is then unknown.
    stopped: Option<String>,
}

impl QueueState {
    /// Takes up what is in `store`, of which `witness` knows: no session is alive. Hosts that an earlier one was lent come
    /// back with the next.
    pub(super) fn new(
        store: Store,
        witness: &Witness,
        clock: Arc<dyn Clock>,
        bounds: QueueBounds,
    ) -> Result<Self, OpenError> {
        let (sessions, counters) = (read::sessions(&store)?, read::counters(&store)?);
        let rows = read::segments(&store)?.iter().map(|segment| segment.rows).sum();
        witness.check(store.dir(), &sessions, rows)?;
        let told = witness.open().map_err(|error| OpenError::io("open", witness.path(), error))?;
        let leased = read::leased(&store).collect::<Result<_, _>>()?;
        let (alive, sealer, stopped) = (None, None, None);
        Ok(Self { store, clock, bounds, sessions, alive, leased, counters, rows, told, sealer, stopped })
    }

    pub(super) fn open_session(&mut self) -> Result<Session, QueueError> {
        let number = u32::try_from(self.sessions.len())
            .map_err(|_| QueueError::Storage("too many sessions in one crawl".to_owned()))?;
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| QueueError::Storage(format!("no random numbers: {error}")))?;
        let started_at = self.clock.now();
        let session = Session { id: SessionId(u128::from_be_bytes(id)), number, started_at };
        let record = SessionRecord {
            session: session.clone(),
            last_commit_at: started_at,
            commit_seq: 0,
            usage: Usage::default(),
        };
        let mut writes = Writes::default();
        writes.put(&keys::session(number), &record)?;
        // Segments are named after the session, and a start refuses those of sessions that it does not know.
        self.take_back(writes, Durability::Power)?;
        self.sessions.push(record);
        self.alive = Some(session.id);
        self.tell()?;
        Ok(session)
    }

    /// Frees all hosts that are lent, together with `writes`. Where the clock was set back since the last commit, what is
    /// known of any host is corrected.
    fn take_back(&mut self, mut writes: Writes, durability: Durability) -> Result<(), QueueError> {
        let (now, mut totals) = (self.clock.now(), TotalsChange::default());
        let set_back = set_back_by(now, &self.sessions);
        let number = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        let hosts: Vec<HostId> = if set_back.is_zero() {
            self.leased.iter().copied().collect()
        } else {
            let known = read::hosts(&self.store).map(|host| host.map(|(id, _)| id));
            known.collect::<Result<_, _>>()?
        };
        for id in hosts {
            let (before, is_lent): (HostRecord, _) =
                (self.required(&keys::host(id))?, self.leased.contains(&id));
            let mut after = before.clone();
            if !set_back.is_zero() {
                after.set_back(set_back, number, now, &self.sessions);
            }
            if is_lent {
                after.take_back(number, now, &self.sessions);
            }
            move_host(&mut writes, id, Place::of(&before, is_lent), Place::of(&after, false))?;
            if after != before {
                totals.remove(&before);
                totals.add(&after);
                writes.put(&keys::host(id), &after)?;
            }
        }
        let counters = self.counters.changed(totals);
        if counters != self.counters {
            writes.put(keys::COUNTERS, &counters)?;
        }
        self.apply(writes, durability)?;
        self.counters = counters;
        self.leased.clear();
        Ok(())
    }

    /// Checks that `session` may call.
    pub(super) fn fence(&self, session: &Session) -> Result<(), QueueError> {
        if let Some(why) = &self.stopped {
            return Err(QueueError::Storage(why.clone()));
        }
        if self.alive == Some(session.id) { Ok(()) } else { Err(QueueError::Fenced(session.id)) }
    }

    pub(super) fn lease(&mut self, session: &Session, n: usize) -> Result<Vec<LeasedHost>, QueueError> {
        self.fence(session)?;
        let now = self.clock.now();
        let mut due = Vec::new();
        for host in read::due(&self.store, keys::DUE, now).take(n) {
            due.push(host?);
        }
        let mut parked = 0;
        for host in read::due(&self.store, keys::PARKED, now) {
            let (at, id) = host?;
            if parked == n {
                break;
            }
            if self.required::<HostRecord>(&keys::host(id))?.account.unfinished() > 0 {
                due.push((at, id));
                parked += 1;
            }
        }
        due.sort_unstable();
        due.truncate(n);
        self.lease_hosts(session, now, &due)
    }

    /// Lends these hosts. Nothing of it need survive a crash: then they are free as before.
    fn lease_hosts(
        &mut self,
        session: &Session,
        now: Timestamp,
        hosts: &[(Timestamp, HostId)],
    ) -> Result<Vec<LeasedHost>, QueueError> {
        let (mut writes, mut totals) = (Writes::default(), TotalsChange::default());
        let mut leased = Vec::with_capacity(hosts.len());
        for &(_, id) in hosts {
            let mut record: HostRecord = self.required(&keys::host(id))?;
            let place = Place::of(&record, false);
            totals.remove(&record);
            record.parked = false;
            record.keep_time(session.number, now, &self.sessions);
            totals.add(&record);
            move_host(&mut writes, id, place, Place::Leased)?;
            writes.put(&keys::host(id), &record)?;
            record.robots = self.store.get(&keys::robots(id))?;
            leased.push(leased_host(record, session, now));
        }
        let counters = self.counters.changed(totals);
        writes.put(keys::COUNTERS, &counters)?;
        self.apply(writes, Durability::None)?;
        self.counters = counters;
        self.leased.extend(hosts.iter().map(|(_, id)| id));
        Ok(leased)
    }

    pub(super) fn load(
        &self,
        session: &Session,
        hosts: &[HostId],
        n: usize,
    ) -> Result<Vec<Loaded>, QueueError> {
        self.fence(session)?;
        let leased = hosts.iter().filter(|id| self.leased.contains(id));
        leased
            .map(|&host| {
                let record: HostRecord = self.required(&keys::host(host))?;
                let busy_since = record.busy_since.map(|(_, since)| since);
                Ok(Loaded { host, inbox: record.inbox, busy_since, tasks: self.pending(host, n)? })
            })
            .collect()
    }

    fn pending(&self, host: HostId, n: usize) -> Result<Vec<Task>, QueueError> {
        let mut tasks = Vec::new();
        let origin = read::origin(&self.store, host)?;
        for entry in self.store.scan(&keys::pending_of(host)).take(n) {
            let (key, _) = entry?;
            let id = keys::pending_part(&key).ok_or_else(|| self.store.damaged(&key, "not a key"))?;
            match self.required::<StoredState>(&keys::task(id))?.state(id, &origin) {
                TaskState::Pending(task) => tasks.push(task),
                _ => return Err(self.store.damaged(&key, "the task is not pending")),
            }
        }
        Ok(tasks)
    }

    pub(super) fn are_done(&self, session: &Session, tasks: &[TaskId]) -> Result<Vec<bool>, QueueError> {
        self.fence(session)?;
        let is_done = |id: &TaskId| {
            let stored: Option<StoredState> = self.store.get(&keys::task(*id))?;
            Ok(stored.is_some_and(|stored| stored.is_done()))
        };
        tasks.iter().map(is_done).collect()
    }

    pub(super) fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> Result<Vec<GivenUp>, QueueError> {
        self.fence(session)?;
        let mut given_up = Vec::new();
        for known in read::tasks_after(&self.store, after) {
            let (id, state) = known?;
            if let TaskState::Done { task, outcome } = state {
                given_up.extend(GivenUp::of(id, task.kind, &outcome));
            }
            if given_up.len() >= n {
                break;
            }
        }
        Ok(given_up)
    }

    /// Takes hosts back. Durable, since their rest must outlive us.
    pub(super) fn release(
        &mut self,
        session: &Session,
        hosts: &[Release],
    ) -> Result<Vec<HostId>, QueueError> {
        self.fence(session)?;
        let now = self.clock.now();
        let (mut writes, mut totals) = (Writes::default(), TotalsChange::default());
        let (mut freed, mut kept) = (HashSet::new(), Vec::new());
        for release in hosts {
            let id = release.host;
            if !self.leased.contains(&id) || freed.contains(&id) {
                continue;
            }
            let mut record: HostRecord = self.required(&keys::host(id))?;
            if record.inbox != release.inbox {
                kept.push(id);
                continue;
            }
            totals.remove(&record);
            record.give_back(release, now);
            record.keep_time(session.number, now, &self.sessions);
            totals.add(&record);
            move_host(&mut writes, id, Place::Leased, Place::of(&record, false))?;
            writes.put(&keys::host(id), &record)?;
            freed.insert(id);
        }
        if freed.is_empty() {
            return Ok(kept);
        }
        let counters = self.counters.changed(totals);
        writes.put(keys::COUNTERS, &counters)?;
        self.apply(writes, Durability::Process)?;
        self.counters = counters;
        self.leased.retain(|id| !freed.contains(id));
        Ok(kept)
    }

    pub(super) fn counts(&self) -> Result<Counts, QueueError> {
        let mut counts = read::counts(&self.store, &self.counters, self.clock.now())?;
        counts.hosts_leased = self.leased.len() as u64;
        Ok(counts)
    }

    /// All registered segments in the order of their rows, and where the one was begun that may still grow.
    pub(super) fn segments(&self) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), QueueError> {
        let segments = read::segments(&self.store)?;
        let number = self.sessions.len().wrapping_sub(1);
        let own =
            segments.last().filter(|last| self.alive.is_some() && last.first.session as usize == number);
        let growing = own.filter(|last| !last.is_sealed() && !is_full(last)).map(|last| last.first);
        Ok((segments, growing))
    }

    /// The state of the queue with up to about `n` requests after `mark`; its hosts are added to `hosts`.
    pub(super) fn view<H: Extend<(HostId, HostRecord)>>(
        &self,
        mark: ViewMark,
        n: usize,
        mut hosts: H,
    ) -> Result<QueueView<H>, QueueError> {
        for host in read::hosts(&self.store) {
            hosts.extend([host?]);
        }
        let (fetches, mark) = read::fetches_after(&self.store, &self.sessions, mark, n)?;
        Ok(QueueView {
            segments: read::segments(&self.store)?,
            sessions: self.sessions.clone(),
            counts: self.counts()?,
            hosts,
            has_more: fetches.len() >= n,
            fetches,
            mark,
        })
    }

    /// Registers `sealed` in place of `sources`, which are neighbours and registered.
    pub(super) fn replace_segments(
        &mut self,
        sources: &[SegmentRecord],
        sealed: &SegmentRecord,
    ) -> Result<(), QueueError> {
        if let Some(why) = &self.stopped {
            return Err(QueueError::Storage(why.clone()));
        }
        let mut writes = Writes::default();
        for source in sources {
            let key = keys::segment(source.first);
            if self.store.get::<SegmentRecord>(&key)?.as_ref() != Some(source) {
                return Err(QueueError::Storage(format!(
                    "segment {} changed while it was sealed",
                    source.name
                )));
            }
            writes.remove(&key);
        }
        if sources.iter().map(|source| source.rows).sum::<u64>() != sealed.rows {
            return Err(QueueError::Storage(format!(
                "segment {} has not the rows of its sources",
                sealed.name
            )));
        }
        writes.put(&keys::segment(sealed.first), sealed)?;
        self.apply(writes, Durability::Power)
    }

    /// Registers segments whose documents are done already.
    pub(super) fn adopt_segments(&mut self, segments: &[SegmentRecord]) -> Result<(), QueueError> {
        let mut writes = Writes::default();
        for segment in segments {
            writes.put(&keys::segment(segment.first), segment)?;
        }
        self.apply(writes, Durability::Power)?;
        self.rows += segments.iter().map(|segment| segment.rows).sum::<u64>();
        self.tell()
    }

    /// Tells beside the queue how far it is, once that is synced.
    pub(super) fn tell(&mut self) -> Result<(), QueueError> {
        let told = witness::tell(&self.told, Extent::of(&self.sessions, self.rows));
        told.map_err(|error| QueueError::Storage(format!("cannot tell how far it is: {error}")))
    }

    /// Applies `writes`. Once that failed, every call fails: what became of it is unknown until the next start.
    pub(super) fn apply(&mut self, writes: Writes, durability: Durability) -> Result<(), QueueError> {
        self.store.apply(writes, durability).inspect_err(|error| self.stopped = Some(error.to_string()))
    }

    /// A record that others refer to.
    fn required<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<T, QueueError> {
        self.store.get(key)?.ok_or_else(|| self.store.damaged(key, "missing"))
    }
}

/// Whether its session goes on in another one.
pub(super) fn is_full(segment: &SegmentRecord) -> bool {
    segment.rows >= ROWS_MAX || segment.bytes >= BYTES_MAX
}

/// Moves a host from one index to another.
pub(super) fn move_host(writes: &mut Writes, id: HostId, from: Place, to: Place) -> Result<(), QueueError> {
    if from == to {
        return Ok(());
    }
    if let Some(key) = from.key(id) {
        writes.remove(&key);
    }
    match to.key(id) {
        Some(key) => writes.put(&key, &()).map(|_| ()),
        None => Ok(()),
    }
}

fn leased_host(record: HostRecord, session: &Session, now: Timestamp) -> LeasedHost {
    let busy_since = record.busy_since.map_or(now, |(_, since)| since);
    LeasedHost {
        busy_since: busy_since.max(session.started_at),
        is_seed: record.is_seed,
        asked_before: record.asked_before(session),
        not_before: record.not_before,
        inbox: record.inbox,
        host: record.host,
        robots: record.robots,
    }
}
