//! A commit: what it changes is gathered beside the store, then written as one batch.
//!
//! Follows [`frontier::work_queue::ModelQueue`] step by step.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use frontier::work_queue::{Commit, GivenUp, HostRecord, QueueError, SegmentRef, Session, SessionRecord};
use frontier::{
    FetchRecord, Host, HostId, NewTask, Outcome, SkipReason, Task, TaskId, TaskKind, TaskOutcome, Timestamp,
};

use super::engine::{Engine, is_full, move_host};
use super::records::{Counters, Place, SegmentPlace, SegmentRecord, TaskState};
use super::store::{Durability, Writes};
use super::stored::{StoredFetch, StoredState};
use super::{keys, read};
use crate::sealing::Order;
use crate::segment::name::SegmentName;

/// Encoded requests that share a record, nearly: many small records would cost sled more.
const FETCH_CHUNK_BYTES: usize = 8 << 10;

impl Engine {
    pub(super) fn commit(&mut self, session: &Session, commit: Commit) -> Result<(), QueueError> {
        self.fence(session)?;
        let record = self.session_record(session)?;
        let last = record.commit_seq;
        if commit.seq == last && last > 0 {
            return Ok(());
        }
        if commit.seq != last + 1 {
            return Err(QueueError::OutOfOrder { last, found: commit.seq });
        }
        let now = self.clock.now();
        let record = SessionRecord {
            commit_seq: commit.seq,
            last_commit_at: now,
            usage: commit.usage,
            ..record.clone()
        };
        let durability = if commit.segment.is_some() { Durability::Power } else { Durability::Process };
        let segment = commit.segment.clone();
        let (writes, counters) = Changes::new(self, session.number, now).writes(commit, &record)?;
        self.apply(writes, durability)?;
        self.counters = counters;
        if let Some(place) = self.sessions.get_mut(session.number as usize) {
            *place = record;
        }
        self.rows += segment.as_ref().map_or(0, |segment| segment.rows);
        if segment.is_none() {
            return Ok(());
        }
        self.tell()?;
        self.tell_sealer()
    }

    /// Has the last segment sealed if it is full.
    fn tell_sealer(&self) -> Result<(), QueueError> {
        let Some(sealer) = &self.sealer else { return Ok(()) };
        if read::last_segment(&self.store)?.is_some_and(|last| is_full(&last)) {
            // Should it be gone, the next start seals.
            let _ = sealer.send(Order::Full);
        }
        Ok(())
    }

    fn session_record(&self, session: &Session) -> Result<&SessionRecord, QueueError> {
        self.sessions.get(session.number as usize).ok_or(QueueError::Fenced(session.id))
    }
}

/// What a commit changes.
struct Changes<'a> {
    engine: &'a Engine,
    /// The number of the session that commits.
    number: u32,
    now: Timestamp,
    writes: Writes,
    counters: Counters,
    hosts: BTreeMap<HostId, HostChange>,
    tasks: BTreeMap<TaskId, TaskChange>,
}

/// A host as it was and as it becomes; `None`: not known.
struct HostChange {
    before: Option<HostRecord>,
    after: Option<HostRecord>,
    /// Whether its account was touched, so that its time must be kept.
    is_touched: bool,
}

struct TaskChange {
    before: Option<TaskState>,
    after: Option<TaskState>,
}

impl<'a> Changes<'a> {
    fn new(engine: &'a Engine, number: u32, now: Timestamp) -> Self {
        let (hosts, tasks) = (BTreeMap::new(), BTreeMap::new());
        Self { engine, number, now, writes: Writes::default(), counters: engine.counters, hosts, tasks }
    }

    /// All writes of `commit`, and the totals after it.
    fn writes(mut self, commit: Commit, session: &SessionRecord) -> Result<(Writes, Counters), QueueError> {
        for outcome in &commit.outcomes {
            self.settle(outcome)?;
        }
        for &task in &commit.again {
            self.reopen(task)?;
        }
        for new in commit.found {
            self.take_in(new)?;
        }
        for update in &commit.hosts {
            if self.host(update.host)?.after.is_some() {
                self.engine.store.replace(&mut self.writes, &keys::robots(update.host), &update.robots)?;
            }
        }
        for rest in &commit.rests {
            if let Some(record) = &mut self.host(rest.host)?.after {
                record.not_before = record.not_before.max(Some(rest.until));
            }
        }
        if let Some(segment) = &commit.segment {
            self.register(segment, session)?;
        }
        self.write_fetches(commit.seq, commit.fetches, commit.previous_commit_us, session)?;
        self.writes.put(&keys::session(self.number), session)?;
        self.finish()
    }
}

/// Outcomes and what was found.
impl Changes<'_> {
    /// An outcome of a task that is not pending changes nothing.
    fn settle(&mut self, outcome: &TaskOutcome) -> Result<(), QueueError> {
        let id = outcome.task;
        let change = self.task(id)?;
        let Some(TaskState::Pending(task)) = &mut change.after else { return Ok(()) };
        let kind = task.kind;
        task.attempts = outcome.attempts;
        if let Outcome::Retry(not_before) = outcome.outcome {
            task.not_before = Some(not_before);
        } else {
            change.after = Some(TaskState::Done { task: task.clone(), outcome: outcome.outcome.clone() });
        }
        if let Some(record) = self.touch(id.host)? {
            record.account.settle(kind, outcome);
        }
        match outcome.read_as {
            Some(read_as) if !matches!(outcome.outcome, Outcome::Retry(_)) => self.settle_alias(read_as),
            _ => Ok(()),
        }
    }

    /// The URL under which a task was read needs no reading any more.
    fn settle_alias(&mut self, read_as: TaskId) -> Result<(), QueueError> {
        let change = self.task(read_as)?;
        let attempts = match &change.after {
            Some(TaskState::Pending(task)) => task.attempts,
            Some(TaskState::Done { .. } | TaskState::ReadAs) => return Ok(()),
            None => {
                change.after = Some(TaskState::ReadAs);
                return Ok(());
            }
        };
        let (outcome, refused) = (Outcome::Duplicate, BTreeMap::new());
        self.settle(&TaskOutcome { task: read_as, outcome, attempts, read_as: None, refused })
    }

    /// What was given up is pending again; anything else stays as it is.
    fn reopen(&mut self, id: TaskId) -> Result<(), QueueError> {
        let change = self.task(id)?;
        let Some(TaskState::Done { task, outcome }) = &change.after else { return Ok(()) };
        if GivenUp::of(id, task.kind, outcome).is_none() {
            return Ok(());
        }
        let (task, outcome) = (Task { attempts: 0, not_before: None, ..task.clone() }, outcome.clone());
        let kind = task.kind;
        change.after = Some(TaskState::Pending(task));
        if let Some(record) = self.touch(id.host)? {
            record.account.reopen(kind, &outcome);
            record.inbox += 1;
        }
        Ok(())
    }

    fn take_in(&mut self, new: NewTask) -> Result<(), QueueError> {
        let id = new.task.id;
        let bound = self.engine.bounds.sitemaps_max;
        let record = self.host_or_new(id.host, new.host)?;
        record.is_seed |= new.found_on.is_none();
        let is_full = new.task.kind == TaskKind::Sitemap && record.accepted >= bound;
        match &mut self.task(id)?.after {
            Some(known) => {
                if let TaskState::Pending(task) = known {
                    unite(&mut task.named_by, &new.task.named_by);
                }
                // A guess is no document's word, and neither is a seed line given twice.
                let Some(named_on) = new.found_on.filter(|_| new.task.kind == TaskKind::Sitemap) else {
                    return Ok(());
                };
                if let Some(record) = self.touch(named_on)? {
                    record.account.repeat();
                }
            }
            None if is_full => {
                let named_on = new.found_on.unwrap_or(id.host);
                let counted = if self.host(named_on)?.after.is_some() { named_on } else { id.host };
                if let Some(record) = self.touch(counted)? {
                    record.account.refuse(SkipReason::CountLimit, 1);
                }
            }
            None => self.take_on(new.task)?,
        }
        Ok(())
    }

    fn take_on(&mut self, task: Task) -> Result<(), QueueError> {
        let id = task.id;
        if let Some(record) = self.touch(id.host)? {
            record.account.take_on(task.kind);
            record.accepted += u64::from(task.kind == TaskKind::Sitemap);
            record.inbox += 1;
        }
        self.counters.tasks += 1;
        self.task(id)?.after = Some(TaskState::Pending(task));
        Ok(())
    }
}

/// Hosts and tasks as the commit leaves them so far.
impl Changes<'_> {
    fn host(&mut self, id: HostId) -> Result<&mut HostChange, QueueError> {
        match self.hosts.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let before: Option<HostRecord> = self.engine.store.get(&keys::host(id))?;
                Ok(place.insert(HostChange { after: before.clone(), before, is_touched: false }))
            }
        }
    }

    fn host_or_new(&mut self, id: HostId, host: Host) -> Result<&mut HostRecord, QueueError> {
        let after = &mut self.host(id)?.after;
        match after {
            Some(known) if known.host != host => {
                Err(QueueError::HostCollision(known.host.to_string(), host.to_string()))
            }
            after => Ok(after.get_or_insert_with(|| HostRecord::new(host))),
        }
    }

    /// The host's record, for changing its account; `None` when the host is not known.
    fn touch(&mut self, id: HostId) -> Result<Option<&mut HostRecord>, QueueError> {
        let change = self.host(id)?;
        change.is_touched = true;
        Ok(change.after.as_mut())
    }

    /// Empty for a host that is not known.
    fn origin(&mut self, id: HostId) -> Result<String, QueueError> {
        Ok(self.host(id)?.after.as_ref().map(|record| record.host.to_string()).unwrap_or_default())
    }

    fn task(&mut self, id: TaskId) -> Result<&mut TaskChange, QueueError> {
        let origin = self.origin(id.host)?;
        match self.tasks.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let before: Option<StoredState> = self.engine.store.get(&keys::task(id))?;
                let before = before.map(|stored| stored.state(id, &origin));
                Ok(place.insert(TaskChange { after: before.clone(), before }))
            }
        }
    }
}

/// Writing.
impl Changes<'_> {
    /// Registers bytes that an open segment gained.
    fn register(&mut self, added: &SegmentRef, session: &SessionRecord) -> Result<(), QueueError> {
        let refused = |what: &str| QueueError::Storage(format!("segment {}: {what}", added.name));
        let name: SegmentName = added.name.parse().map_err(|_| refused("not a segment's name"))?;
        if name.sealed.is_some() || name.session != session.session.id {
            return Err(refused("written by another session"));
        }
        let place = SegmentPlace { session: self.number, seq: name.seq };
        let key = keys::segment(place);
        let known: Option<SegmentRecord> = self.engine.store.get(&key)?;
        let known = known.unwrap_or_else(|| SegmentRecord {
            name: added.name.clone(),
            bytes: 0,
            rows: 0,
            crc32c: 0,
            first: place,
            last: place,
        });
        let added_bytes =
            added.to_bytes.checked_sub(added.from_bytes).filter(|_| added.from_bytes == known.bytes);
        let added_bytes = added_bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(|| {
            let (from, to) = (added.from_bytes, added.to_bytes);
            refused(&format!("bytes {from} to {to} do not follow the {} registered", known.bytes))
        })?;
        let record = SegmentRecord {
            bytes: added.to_bytes,
            rows: known.rows + added.rows,
            crc32c: crc32c::crc32c_combine(known.crc32c, added.crc32c, added_bytes),
            ..known
        };
        self.writes.put(&key, &record).map(|_| ())
    }

    fn write_fetches(
        &mut self,
        seq: u64,
        fetches: Vec<FetchRecord>,
        previous_us: u64,
        session: &SessionRecord,
    ) -> Result<(), QueueError> {
        if seq > 1 {
            self.writes.put(&keys::fetches(self.number, seq - 1, 0), &previous_us)?;
        }
        self.counters.requests += fetches.len() as u64;
        let stored = |fetch| StoredFetch::new(fetch, session.session.id);
        let fetches: Vec<StoredFetch> = fetches.into_iter().map(stored).collect();
        for (chunk, fetches) in (1..).zip(chunks(&fetches)) {
            self.writes.put(&keys::fetches(self.number, seq, chunk), &fetches)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Writes, Counters), QueueError> {
        for (id, change) in std::mem::take(&mut self.tasks) {
            self.write_task(id, change)?;
        }
        for (id, change) in std::mem::take(&mut self.hosts) {
            self.write_host(id, change)?;
        }
        self.writes.put(keys::COUNTERS, &self.counters)?;
        Ok((self.writes, self.counters))
    }

    fn write_task(&mut self, id: TaskId, change: TaskChange) -> Result<(), QueueError> {
        let TaskChange { before, after: Some(after) } = change else { return Ok(()) };
        if before.as_ref() == Some(&after) {
            return Ok(());
        }
        let place = |state: &TaskState| match state {
            TaskState::Pending(task) => Some(keys::pending(id, task.priority())),
            TaskState::Done { .. } | TaskState::ReadAs => None,
        };
        let (from, to) = (before.as_ref().and_then(place), place(&after));
        if from != to {
            if let Some(key) = from {
                self.writes.remove(&key);
            }
            if let Some(key) = to {
                self.writes.put(&key, &())?;
            }
        }
        let origin = self.origin(id.host)?;
        self.writes.put(&keys::task(id), &StoredState::new(after, &origin)).map(|_| ())
    }

    /// A host's time is kept at the end: one whose last task brought its next one was busy all the time.
    fn write_host(&mut self, id: HostId, change: HostChange) -> Result<(), QueueError> {
        let HostChange { before, after: Some(mut after), is_touched } = change else { return Ok(()) };
        if is_touched {
            after.keep_time(self.number, self.now, &self.engine.sessions);
        }
        if before.as_ref() == Some(&after) {
            return Ok(());
        }
        let is_lent = self.engine.lent.contains(&id);
        let from = before.as_ref().map_or(Place::Nowhere, |record| Place::of(record, is_lent));
        move_host(&mut self.writes, id, from, Place::of(&after, is_lent))?;
        if let Some(before) = &before {
            self.counters.remove(before);
        }
        self.counters.add(&after);
        self.writes.put(&keys::host(id), &after).map(|_| ())
    }
}

fn unite(named_by: &mut Vec<HostId>, more: &[HostId]) {
    for host in more {
        if !named_by.contains(host) {
            named_by.push(*host);
        }
    }
}

/// The requests in groups of about [`FETCH_CHUNK_BYTES`].
fn chunks(fetches: &[StoredFetch]) -> impl Iterator<Item = &[StoredFetch]> {
    let mut bytes = 0;
    fetches.chunk_by(move |a, _| {
        bytes += a.bytes();
        let is_same = bytes < FETCH_CHUNK_BYTES;
        if !is_same {
            bytes = 0;
        }
        is_same
    })
}
