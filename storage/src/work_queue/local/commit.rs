//! Commits: reads what a commit touches, computes its [`Changes`] and writes everything as one batch.

use std::collections::BTreeMap;

use frontier::work_queue::{
    Change, Changes, Commit, HostRecord, Known, QueueError, SegmentRef, Session, SessionRecord, TaskState,
    Touched,
};
use frontier::{FetchRecord, HostId, TaskId};

use super::host_index::{HostIndex, move_host};
use super::keys;
use super::queue_state::{QueueState, is_full};
use super::records::Counters;
use super::stored::{StoredFetch, StoredState};
use crate::segment::name::SegmentName;
use crate::segment::record::{SegmentPlace, SegmentRecord};
use crate::work_queue::store::{Durability, Store, Writes};

/// Approximate size of a record of encoded requests. Many small records would take more space in sled.
const FETCH_CHUNK_BYTES: usize = 8 << 10;

/// Origins by host. Stored URLs omit the origin.
type Origins = BTreeMap<HostId, String>;

/// What a commit leads to.
struct Decided {
    writes: Writes,
    /// The totals after it.
    counters: Counters,
    /// The segment that it adds rows to, with these rows.
    segment: Option<SegmentRecord>,
}

impl<S: Store> QueueState<S> {
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
        let added_rows = commit.segment.as_ref().map_or(0, |added| added.rows);
        let Decided { writes, counters, segment } = self.decide(commit, &record)?;
        self.apply(&writes, durability)?;
        self.counters = counters;
        if let Some(place) = self.sessions.all.get_mut(session.number as usize) {
            *place = record;
        }
        let Some(segment) = segment else { return Ok(()) };
        self.rows += added_rows;
        self.write_committed()?;
        if is_full(&segment)
            && let Some(wake) = &self.on_full_segment
        {
            wake();
        }
        Ok(())
    }

    /// What `commit` leads to.
    fn decide(&self, commit: Commit, session: &SessionRecord) -> Result<Decided, QueueError> {
        let (number, now) = (session.session.number, session.last_commit_at);
        let (known, mut origins) = self.known(&Touched::by(&commit))?;
        let keep_time = |record: &mut HostRecord| record.keep_time(number, now, &self.sessions.all);
        let changes = Changes::of(&commit, known, self.bounds, now, keep_time);
        let mut counters = self.counters.changed(changes.totals);
        counters.requests += commit.fetches.len() as u64;

        let mut writes = Writes::default();
        for (id, change) in changes.hosts {
            origins.entry(id).or_insert_with(|| change.after.host.to_string());
            self.write_host(&mut writes, id, &change)?;
        }
        for (id, change) in changes.tasks {
            write_task(&mut writes, id, change, origins.get(&id.host).map_or("", String::as_str))?;
        }
        for (site, change) in changes.sites {
            writes.put(&keys::site(&site), &change.after)?;
        }
        for (id, robots) in changes.robots {
            self.store.replace(&mut writes, &keys::robots(id), robots)?;
        }
        let register = |added| self.register(&mut writes, added, session);
        let segment = commit.segment.as_ref().map(register).transpose()?;
        write_fetches(&mut writes, commit.seq, commit.fetches, commit.previous_commit_us, session)?;
        writes.put(&keys::session(number), session)?;
        writes.put(keys::COUNTERS, &counters)?;
        Ok(Decided { writes, counters, segment })
    }

    fn known(&self, touched: &Touched) -> Result<(Known, Origins), QueueError> {
        let (mut known, mut origins) = (Known::default(), Origins::new());
        for &id in &touched.hosts {
            if let Some(record) = self.store.get::<HostRecord>(&keys::host(id))? {
                origins.insert(id, record.host.to_string());
                known.hosts.insert(id, record);
            }
        }
        for &id in &touched.tasks {
            if let Some(stored) = self.store.get::<StoredState>(&keys::task(id))? {
                let origin = origins.get(&id.host).map_or("", String::as_str);
                known.tasks.insert(id, stored.state(id, origin));
            }
        }
        for site in &touched.sites {
            if let Some(hosts) = self.store.get(&keys::site(site))? {
                known.sites.insert(site.clone(), hosts);
            }
        }
        Ok((known, origins))
    }

    fn write_host(
        &self,
        writes: &mut Writes,
        id: HostId,
        change: &Change<HostRecord>,
    ) -> Result<(), QueueError> {
        let is_leased = self.sessions.leased.contains(&id);
        let from =
            change.before.as_ref().map_or(HostIndex::NotIndexed, |record| HostIndex::of(record, is_leased));
        move_host(writes, id, from, HostIndex::of(&change.after, is_leased))?;
        writes.put(&keys::host(id), &change.after)
    }

    /// Registers bytes that were appended to an open segment. Returns the segment with them.
    fn register(
        &self,
        writes: &mut Writes,
        added: &SegmentRef,
        session: &SessionRecord,
    ) -> Result<SegmentRecord, QueueError> {
        let refused = |what: &str| QueueError::Storage(format!("segment {}: {what}", added.name));
        let name: SegmentName = added.name.parse().map_err(|_| refused("invalid segment name"))?;
        if name.sealed.is_some() || name.session != session.session.id {
            return Err(refused("written by another session"));
        }
        if added.replaces_from.is_some() {
            return Err(refused("an open segment cannot replace others"));
        }
        let place = SegmentPlace { session: session.session.number, seq: name.seq };
        let key = keys::segment(place);
        let known: Option<SegmentRecord> = self.store.get(&key)?;
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
            refused(&format!("bytes {from} to {to} do not follow the {} registered bytes", known.bytes))
        })?;
        let record = SegmentRecord {
            bytes: added.to_bytes,
            rows: known.rows + added.rows,
            crc32c: crc32c::crc32c_combine(known.crc32c, added.crc32c, added_bytes),
            ..known
        };
        writes.put(&key, &record)?;
        Ok(record)
    }

    fn session_record(&self, session: &Session) -> Result<&SessionRecord, QueueError> {
        self.sessions.all.get(session.number as usize).ok_or(QueueError::Fenced(session.id))
    }
}

/// Writes the change of a task. `origin` is that of the task's host.
fn write_task(
    writes: &mut Writes,
    id: TaskId,
    change: Change<TaskState>,
    origin: &str,
) -> Result<(), QueueError> {
    let place = |state: &TaskState| match state {
        TaskState::Pending(task) => Some(keys::pending(id, task.priority())),
        TaskState::Done { .. } | TaskState::ReadAs => None,
    };
    let (from, to) = (change.before.as_ref().and_then(place), place(&change.after));
    if from != to {
        if let Some(key) = from {
            writes.remove(&key);
        }
        if let Some(key) = to {
            writes.put(&key, &())?;
        }
    }
    writes.put(&keys::task(id), &StoredState::new(change.after, origin))
}

fn write_fetches(
    writes: &mut Writes,
    seq: u64,
    fetches: Vec<FetchRecord>,
    previous_us: u64,
    session: &SessionRecord,
) -> Result<(), QueueError> {
    let number = session.session.number;
    if seq > 1 {
        writes.put(&keys::fetches(number, seq - 1, 0), &previous_us)?;
    }
    let stored = |fetch| StoredFetch::new(fetch, session.session.id);
    let fetches: Vec<StoredFetch> = fetches.into_iter().map(stored).collect();
    for (chunk, fetches) in (1..).zip(chunks(&fetches)) {
        writes.put(&keys::fetches(number, seq, chunk), &fetches)?;
    }
    Ok(())
}

/// Splits the requests into groups of about [`FETCH_CHUNK_BYTES`].
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
