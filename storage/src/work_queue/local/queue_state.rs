//! The state of the queue, owned by one thread: sessions, leases and reads.

use std::collections::HashSet;
use std::sync::Arc;

use frontier::work_queue::{
    Counts, GivenUp, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, Session,
    SessionRecord, TaskState, TotalsChange, Usage, set_back_by,
};
use frontier::{Clock, HostId, SessionId, Task, TaskId, TaskKind, Timestamp};

use super::committed::{self, Committed};
use super::host_index::{HostIndex, move_host};
use super::records::{Counters, QueueView};
use super::stored::StoredState;
use super::{keys, read};
use crate::disk::DurableFile;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::segment::{BYTES_MAX, ROWS_MAX};
use crate::work_queue::store::{Durability, Store, Writes};

/// The state of the queue. One thread at a time uses it, so no value changes between a read and the write that depends
/// on it.
pub(super) struct QueueState<S> {
    pub(super) store: S,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bounds: QueueBounds,
    pub(super) sessions: KnownSessions,
    pub(super) counters: Counters,
    /// Rows registered.
    pub(super) rows: u64,
    /// The file `committed`; `None` in memory.
    pub(super) committed_file: Option<DurableFile>,
    /// Called when a segment is full.
    pub(super) on_full_segment: Option<OnFullSegment>,
    /// Set once a write failed, with the reason. The state on disk is unknown from then on.
    stopped: Option<String>,
}

/// The sessions of a queue and what is leased to them.
pub(super) struct KnownSessions {
    /// All of them, by number.
    pub(super) all: Vec<SessionRecord>,
    /// The only one whose calls are accepted: the last one opened by this process.
    alive: Option<SessionId>,
    /// Hosts leased to it, or to the previous session while none is alive.
    pub(super) leased: HashSet<HostId>,
}

/// Called by the queue, in a thread of its own if its store is on disk. It must not wait for the queue.
pub(super) type OnFullSegment = Box<dyn Fn() + Send>;

impl<S: Store> QueueState<S> {
    /// Loads the state from `store`. No session is alive at first. Hosts that are leased to an earlier session are
    /// reclaimed when the next one is opened.
    pub(super) fn new(store: S, clock: Arc<dyn Clock>, bounds: QueueBounds) -> Result<Self, QueueError> {
        Ok(Self {
            clock,
            bounds,
            sessions: KnownSessions {
                all: read::sessions(&store)?,
                alive: None,
                leased: read::leased(&store).collect::<Result<_, _>>()?,
            },
            counters: read::counters(&store)?,
            rows: read::segments(&store)?.iter().map(|segment| segment.rows).sum(),
            committed_file: None,
            on_full_segment: None,
            stopped: None,
            store,
        })
    }

    pub(super) fn open_session(&mut self) -> Result<Session, QueueError> {
        let number = u32::try_from(self.sessions.all.len())
            .map_err(|_| QueueError::Storage("too many sessions in one crawl".to_owned()))?;
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| QueueError::Storage(format!("failed to get random bytes: {error}")))?;
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
        // Segments are named after their session, and a start rejects segments of unknown sessions.
        self.reclaim_hosts(writes, Durability::Power)?;
        self.sessions.all.push(record);
        self.sessions.alive = Some(session.id);
        self.write_committed()?;
        Ok(session)
    }

    /// Reclaims all leased hosts, in one batch with `writes`. If the clock was set back since the last commit, the
    /// times of all hosts are corrected.
    fn reclaim_hosts(&mut self, mut writes: Writes, durability: Durability) -> Result<(), QueueError> {
        let (now, mut totals) = (self.clock.now(), TotalsChange::default());
        let set_back = set_back_by(now, &self.sessions.all);
        let number = u32::try_from(self.sessions.all.len()).unwrap_or(u32::MAX);
        let hosts: Vec<HostId> = if set_back.is_zero() {
            self.sessions.leased.iter().copied().collect()
        } else {
            let known = read::hosts(&self.store).map(|host| host.map(|(id, _)| id));
            known.collect::<Result<_, _>>()?
        };
        for id in hosts {
            let (before, is_leased): (HostRecord, _) =
                (self.required(&keys::host(id))?, self.sessions.leased.contains(&id));
            let mut after = before.clone();
            if !set_back.is_zero() {
                after.set_back(set_back, number, now, &self.sessions.all);
            }
            if is_leased {
                after.reclaim(number, now, &self.sessions.all);
            }
            move_host(&mut writes, id, HostIndex::of(&before, is_leased), HostIndex::of(&after, false))?;
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
        self.apply(&writes, durability)?;
        self.counters = counters;
        self.sessions.leased.clear();
        Ok(())
    }

    /// Fails if `session` has ended or an earlier write failed.
    pub(super) fn fence(&self, session: &Session) -> Result<(), QueueError> {
        if let Some(why) = &self.stopped {
            return Err(QueueError::Storage(why.clone()));
        }
        if self.sessions.alive == Some(session.id) { Ok(()) } else { Err(QueueError::Fenced(session.id)) }
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
            if self.required::<HostRecord>(&keys::host(id))?.has_work() {
                due.push((at, id));
                parked += 1;
            }
        }
        due.sort_unstable();
        due.truncate(n);
        self.lease_hosts(session, now, &due)
    }

    /// Leases these hosts. The writes need not survive a crash, because a crash ends the leases.
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
            let place = HostIndex::of(&record, false);
            totals.remove(&record);
            record.parked = false;
            record.keep_time(session.number, now, &self.sessions.all);
            totals.add(&record);
            move_host(&mut writes, id, place, HostIndex::Leased)?;
            writes.put(&keys::host(id), &record)?;
            record.robots = self.store.get(&keys::robots(id))?;
            leased.push(leased_host(record, session, now));
        }
        let counters = self.counters.changed(totals);
        writes.put(keys::COUNTERS, &counters)?;
        self.apply(&writes, Durability::None)?;
        self.counters = counters;
        self.sessions.leased.extend(hosts.iter().map(|(_, id)| id));
        Ok(leased)
    }

    pub(super) fn load(
        &self,
        session: &Session,
        hosts: &[HostId],
        n: usize,
    ) -> Result<Vec<Loaded>, QueueError> {
        self.fence(session)?;
        let leased = hosts.iter().filter(|id| self.sessions.leased.contains(id));
        leased
            .map(|&host| {
                let record: HostRecord = self.required(&keys::host(host))?;
                let busy_since = record.busy_since.map(|(_, since)| since);
                let has_hops = record.hops > 0;
                let hops = if has_hops { self.pending(host, &keys::hops_of(host), n)? } else { Vec::new() };
                let mut tasks = self.pending(host, &keys::pending_of(host), n)?;
                // Hops come last in the order of the host's pending tasks.
                tasks.retain(|task| task.kind != TaskKind::RobotsHop);
                let HostRecord { inbox, redirect, .. } = record;
                Ok(Loaded { host, inbox, busy_since, tasks, hops, redirect })
            })
            .collect()
    }

    /// The first `n` pending tasks of `host` whose keys begin with `prefix`.
    fn pending(&self, host: HostId, prefix: &[u8], n: usize) -> Result<Vec<Task>, QueueError> {
        let mut tasks = Vec::new();
        let origin = read::origin(&self.store, host)?;
        for entry in self.store.scan(prefix, None).take(n) {
            let (key, _) = entry?;
            let id = keys::pending_part(&key).ok_or_else(|| self.store.damaged(&key, "malformed key"))?;
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

    /// Releases hosts. The writes are durable, because cooldowns must survive the process.
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
            if !self.sessions.leased.contains(&id) || freed.contains(&id) {
                continue;
            }
            let mut record: HostRecord = self.required(&keys::host(id))?;
            if record.inbox != release.inbox {
                kept.push(id);
                continue;
            }
            totals.remove(&record);
            record.release(release, now);
            record.keep_time(session.number, now, &self.sessions.all);
            totals.add(&record);
            move_host(&mut writes, id, HostIndex::Leased, HostIndex::of(&record, false))?;
            writes.put(&keys::host(id), &record)?;
            freed.insert(id);
        }
        if freed.is_empty() {
            return Ok(kept);
        }
        let counters = self.counters.changed(totals);
        writes.put(keys::COUNTERS, &counters)?;
        self.apply(&writes, Durability::Process)?;
        self.counters = counters;
        self.sessions.leased.retain(|id| !freed.contains(id));
        Ok(kept)
    }

    pub(super) fn records(&self, hosts: &[HostId]) -> Result<Vec<HostRecord>, QueueError> {
        let record = |id: &HostId| self.store.get::<HostRecord>(&keys::host(*id)).transpose();
        hosts.iter().filter_map(record).collect()
    }

    pub(super) fn counts(&self) -> Result<Counts, QueueError> {
        let mut counts = read::counts(&self.store, &self.counters, self.clock.now())?;
        counts.hosts_leased = self.sessions.leased.len() as u64;
        Ok(counts)
    }

    /// All registered segments in the order of their rows, and the place of the one that may still grow.
    pub(super) fn segments(&self) -> Result<(Vec<SegmentRecord>, Option<SegmentPlace>), QueueError> {
        let segments = read::segments(&self.store)?;
        let number = self.sessions.all.len().wrapping_sub(1);
        let own = segments
            .last()
            .filter(|last| self.sessions.alive.is_some() && last.first.session as usize == number);
        let growing = own.filter(|last| !last.is_sealed() && !is_full(last)).map(|last| last.first);
        Ok((segments, growing))
    }

    /// The state of the queue, without its hosts, tasks and requests.
    pub(super) fn view(&self) -> Result<QueueView, QueueError> {
        Ok(QueueView {
            segments: read::segments(&self.store)?,
            sessions: self.sessions.all.clone(),
            counts: self.counts()?,
        })
    }

    /// Registers `sealed` instead of `sources`, which are registered and adjacent.
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
                    "segment {} changed while it was being sealed",
                    source.name
                )));
            }
            writes.remove(&key);
        }
        if sources.iter().map(|source| source.rows).sum::<u64>() != sealed.rows {
            return Err(QueueError::Storage(format!(
                "segment {} does not have as many rows as its sources",
                sealed.name
            )));
        }
        writes.put(&keys::segment(sealed.first), sealed)?;
        self.apply(&writes, Durability::Power)
    }

    /// Registers segments whose tasks are already done.
    pub(super) fn adopt_segments(&mut self, segments: &[SegmentRecord]) -> Result<(), QueueError> {
        let mut writes = Writes::default();
        for segment in segments {
            writes.put(&keys::segment(segment.first), segment)?;
        }
        self.apply(&writes, Durability::Power)?;
        self.rows += segments.iter().map(|segment| segment.rows).sum::<u64>();
        self.write_committed()
    }

    /// Updates the file `committed`. Must be called only when the queue is synced.
    pub(super) fn write_committed(&mut self) -> Result<(), QueueError> {
        let Some(file) = &self.committed_file else { return Ok(()) };
        let written = committed::write(file, Committed::of(&self.sessions.all, self.rows));
        written.map_err(|error| QueueError::Storage(format!("cannot write the file `committed`: {error}")))
    }

    /// Applies `writes`. If this fails, every later call fails, because the state on disk is unknown until the next
    /// start.
    pub(super) fn apply(&mut self, writes: &Writes, durability: Durability) -> Result<(), QueueError> {
        self.store.apply(writes, durability).inspect_err(|error| self.stopped = Some(error.to_string()))
    }

    /// Reads a record that must exist because another one refers to it.
    fn required<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<T, QueueError> {
        self.store.get(key)?.ok_or_else(|| self.store.damaged(key, "missing"))
    }
}

/// Whether the segment is full, so that its session continues in a new one.
pub(super) fn is_full(segment: &SegmentRecord) -> bool {
    segment.rows >= ROWS_MAX || segment.bytes >= BYTES_MAX
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
