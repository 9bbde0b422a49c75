//! Reading the queue's records, for the engine and for those who read a crawl that does not run.

use std::ops::ControlFlow;

use frontier::work_queue::{Counts, HostRecord, QueueError, SessionRecord, TaskState};
use frontier::{FetchRecord, HostId, Stage, TaskId, Timestamp};
use serde::de::DeserializeOwned;

use super::keys;
use super::records::{Counters, SegmentRecord, ViewMark};
use super::store::{Scan, Store};
use super::stored::{StoredFetch, StoredState};
use crate::recovery::Registered;

/// All sessions, by number.
pub(crate) fn sessions(store: &Store) -> Result<Vec<SessionRecord>, QueueError> {
    all(store, keys::SESSIONS)
}

/// The totals as last written.
pub(super) fn counters(store: &Store) -> Result<Counters, QueueError> {
    Ok(store.get(keys::COUNTERS)?.unwrap_or_default())
}

/// The hosts that are lent, or were when the process that had them ended.
pub(super) fn leased(store: &Store) -> impl Iterator<Item = Result<HostId, QueueError>> {
    store.scan(keys::LENT).map(|entry| {
        let (key, _) = entry?;
        keys::host_part(&key).ok_or_else(|| store.damaged(&key, "not a key"))
    })
}

/// What is registered of segments, and who wrote them.
pub(crate) fn registered(store: &Store) -> Result<Registered, QueueError> {
    let sessions = sessions(store)?.iter().map(|record| record.session.id).collect();
    Ok(Registered { segments: segments(store)?, sessions })
}

/// All registered segments, in the order of their rows.
pub(crate) fn segments(store: &Store) -> Result<Vec<SegmentRecord>, QueueError> {
    all(store, keys::SEGMENTS)
}

/// The one whose rows come last.
pub(super) fn last_segment(store: &Store) -> Result<Option<SegmentRecord>, QueueError> {
    store.last(keys::SEGMENTS)
}

/// The hosts of an index whose moment lies at or before `now`, earliest first.
pub(super) fn due(
    store: &Store,
    space: &[u8],
    now: Timestamp,
) -> impl Iterator<Item = Result<(Timestamp, HostId), QueueError>> {
    let entries = store.scan(space).map(|entry| {
        let (key, _) = entry?;
        keys::due_parts(&key).ok_or_else(|| store.damaged(&key, "not a key"))
    });
    entries.take_while(move |entry| !matches!(entry, Ok((at, _)) if *at > now))
}

/// The totals at `now` of a queue that nobody works on: hosts that were lent when the process ended are free.
pub(crate) fn counts_at_rest(store: &Store, now: Timestamp) -> Result<Counts, QueueError> {
    let mut counts = counts(store, &counters(store)?, now)?;
    for id in leased(store) {
        let key = keys::host(id?);
        let record: HostRecord = store.get(&key)?.ok_or_else(|| store.damaged(&key, "missing"))?;
        let due_at = record.is_busy().then(|| record.due_at());
        counts.next_due_at = counts.next_due_at.into_iter().chain(due_at).min();
    }
    Ok(counts)
}

/// The totals at `now`, lent hosts left out.
pub(super) fn counts(store: &Store, counters: &Counters, now: Timestamp) -> Result<Counts, QueueError> {
    let mut parked = counters.hosts_parked;
    for entry in due(store, keys::PARKED, now) {
        entry?;
        parked = parked.saturating_sub(1);
    }
    let next_due_at = due(store, keys::DUE, Timestamp::from_micros(i64::MAX)).next().transpose()?;
    Ok(Counts {
        hosts: counters.hosts,
        hosts_done: counters.hosts_done,
        hosts_parked: parked,
        hosts_leased: 0,
        tasks: counters.tasks,
        tasks_pending: counters.tasks_pending,
        entries: counters.entries,
        requests: counters.requests,
        next_due_at: next_due_at.map(|(at, _)| at),
    })
}

/// All hosts without their rules, by id.
pub(crate) fn hosts(store: &Store) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
    store.scan(keys::HOSTS).map(|entry| {
        let (key, bytes) = entry?;
        let id = keys::host_part(&key).ok_or_else(|| store.damaged(&key, "not a key"))?;
        Ok((id, store.decode(&key, &bytes)?))
    })
}

/// Requests of the commits after `mark`, until there are `n` or more, and the mark behind them.
pub(super) fn fetches_after(
    store: &Store,
    sessions: &[SessionRecord],
    mark: ViewMark,
    n: usize,
) -> Result<(Vec<FetchRecord>, ViewMark), QueueError> {
    let (mut fetches, mut mark, mut commit_us) = (Vec::new(), mark, 0);
    let mut commit = Vec::new();
    let after = if mark.0.is_empty() { keys::FETCHES.to_vec() } else { mark.0.clone() };
    for entry in store.scan_after(keys::FETCHES, &after) {
        let (key, bytes) = entry?;
        let of = key.split_last_chunk::<4>().map_or(&[][..], |(commit, _)| commit);
        if commit != of {
            if fetches.len() >= n {
                break;
            }
            (commit, commit_us) = (of.to_vec(), 0);
        }
        if keys::is_commit_time(&key) {
            commit_us = store.decode(&key, &bytes)?;
            continue;
        }
        for mut fetch in chunk(store, sessions, &key, &bytes)? {
            let record = &mut fetch.stages[Stage::Record];
            *record = record.saturating_add(commit_us);
            fetches.push(fetch);
        }
        mark = ViewMark(key.to_vec());
    }
    Ok((fetches, mark))
}

/// All that is known of URLs, by host.
pub(crate) fn tasks(store: &Store) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
    tasks_after(store, None)
}

/// The same, but for those up to `after`.
pub(super) fn tasks_after(
    store: &Store,
    after: Option<TaskId>,
) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
    let after = after.map_or_else(|| keys::TASKS.to_vec(), keys::task);
    let mut of = (HostId(0), String::new());
    store.scan_after(keys::TASKS, &after).map(move |entry| {
        let (key, bytes) = entry?;
        let id = keys::task_part(&key).ok_or_else(|| store.damaged(&key, "not a key"))?;
        if of.1.is_empty() || of.0 != id.host {
            of = (id.host, origin(store, id.host)?);
        }
        Ok((id, store.decode::<StoredState>(&key, &bytes)?.state(id, &of.1)))
    })
}

/// The origin of that host; empty for one that is not known.
pub(super) fn origin(store: &Store, id: HostId) -> Result<String, QueueError> {
    let record: Option<HostRecord> = store.get(&keys::host(id))?;
    Ok(record.map(|record| record.host.to_string()).unwrap_or_default())
}

/// All requests of these sessions in the order of their commits, the `record` stage of each completed with the time of its
/// commit.
pub(crate) fn fetches<'a>(
    store: &'a Store,
    sessions: &'a [SessionRecord],
) -> impl Iterator<Item = Result<FetchRecord, QueueError>> + 'a {
    Fetches {
        store,
        sessions,
        scan: store.scan(keys::FETCHES),
        commit_us: 0,
        commit: Vec::new(),
        chunk: Vec::new().into_iter(),
    }
}

/// The requests of one record.
fn chunk(
    store: &Store,
    sessions: &[SessionRecord],
    key: &[u8],
    bytes: &[u8],
) -> Result<Vec<FetchRecord>, QueueError> {
    let session = keys::session_part(key).and_then(|number| sessions.get(number as usize));
    let session = session.ok_or_else(|| store.damaged(key, "of no session"))?.session.id;
    let stored: Vec<StoredFetch> = store.decode(key, bytes)?;
    Ok(stored.into_iter().map(|stored| stored.fetch(session)).collect())
}

struct Fetches<'a> {
    store: &'a Store,
    sessions: &'a [SessionRecord],
    scan: Scan<'a>,
    /// What the commit took that brought the next chunks; known only when a later commit told.
    commit_us: u64,
    /// What the keys of that commit begin with.
    commit: Vec<u8>,
    chunk: std::vec::IntoIter<FetchRecord>,
}

impl Fetches<'_> {
    /// Reads the next record of the scan, unless that ends it.
    fn advance(&mut self) -> Result<ControlFlow<()>, QueueError> {
        let Some(entry) = self.scan.next() else { return Ok(ControlFlow::Break(())) };
        let (key, bytes) = entry?;
        let commit = key.split_last_chunk::<4>().map_or(&[][..], |(commit, _)| commit);
        if keys::is_commit_time(&key) {
            self.commit_us = self.store.decode(&key, &bytes)?;
            self.commit = commit.to_vec();
            return Ok(ControlFlow::Continue(()));
        }
        if self.commit != commit {
            self.commit_us = 0;
        }
        self.chunk = chunk(self.store, self.sessions, &key, &bytes)?.into_iter();
        Ok(ControlFlow::Continue(()))
    }
}

impl Iterator for Fetches<'_> {
    type Item = Result<FetchRecord, QueueError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mut fetch) = self.chunk.next() {
                let record = &mut fetch.stages[Stage::Record];
                *record = record.saturating_add(self.commit_us);
                return Some(Ok(fetch));
            }
            match self.advance() {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn all<T: DeserializeOwned>(store: &Store, space: &[u8]) -> Result<Vec<T>, QueueError> {
    store
        .scan(space)
        .map(|entry| {
            let (key, bytes) = entry?;
            store.decode(&key, &bytes)
        })
        .collect()
}
