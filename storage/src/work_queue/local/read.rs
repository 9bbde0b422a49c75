//! Reads the queue's records, for a running queue and for readers of a crawl that is not running.

use std::ops::ControlFlow;

use frontier::work_queue::{Counts, HostRecord, QueueError, SessionRecord, TaskState};
use frontier::{FetchRecord, HostId, Stage, TaskId, Timestamp};
use serde::de::DeserializeOwned;

use super::keys;
use super::records::Counters;
use super::stored::{StoredFetch, StoredState};
use crate::recovery::Registered;
use crate::segment::record::SegmentRecord;
use crate::work_queue::FetchMark;
use crate::work_queue::store::Store;

/// All sessions, by number.
pub(crate) fn sessions(store: &impl Store) -> Result<Vec<SessionRecord>, QueueError> {
    all(store, keys::SESSIONS)
}

/// The totals as last written.
pub(super) fn counters(store: &impl Store) -> Result<Counters, QueueError> {
    Ok(store.get(keys::COUNTERS)?.unwrap_or_default())
}

/// The leased hosts. If no process runs, these are the hosts that were leased when the last one ended.
pub(super) fn leased(store: &impl Store) -> impl Iterator<Item = Result<HostId, QueueError>> {
    store.scan(keys::LEASED, None).map(|entry| {
        let (key, _) = entry?;
        keys::host_part(&key).ok_or_else(|| store.damaged(&key, "malformed key"))
    })
}

/// The registered segments and all sessions.
pub(crate) fn registered(store: &impl Store) -> Result<Registered, QueueError> {
    let (sessions, last_commits) =
        sessions(store)?.iter().map(|record| (record.session.id, record.commit_seq)).unzip();
    Ok(Registered { segments: segments(store)?, sessions, last_commits })
}

/// All registered segments, in the order of their rows.
pub(crate) fn segments(store: &impl Store) -> Result<Vec<SegmentRecord>, QueueError> {
    all(store, keys::SEGMENTS)
}

/// The hosts of an index with a time at or before `now`, earliest first.
pub(super) fn due(
    store: &impl Store,
    space: &[u8],
    now: Timestamp,
) -> impl Iterator<Item = Result<(Timestamp, HostId), QueueError>> {
    let entries = store.scan(space, None).map(|entry| {
        let (key, _) = entry?;
        keys::due_parts(&key).ok_or_else(|| store.damaged(&key, "malformed key"))
    });
    entries.take_while(move |entry| !matches!(entry, Ok((at, _)) if *at > now))
}

/// The totals at `now` of a queue without a running process. Hosts that were leased when the process ended count as
/// free.
pub(crate) fn counts_at_rest(store: &impl Store, now: Timestamp) -> Result<Counts, QueueError> {
    let mut counts = counts(store, &counters(store)?, now)?;
    for id in leased(store) {
        let key = keys::host(id?);
        let record: HostRecord = store.get(&key)?.ok_or_else(|| store.damaged(&key, "missing"))?;
        let due_at = (record.has_work() && !record.parked).then(|| record.due_at());
        counts.next_due_at = counts.next_due_at.into_iter().chain(due_at).min();
    }
    Ok(counts)
}

/// The totals at `now`, without counting leased hosts.
pub(super) fn counts(store: &impl Store, counters: &Counters, now: Timestamp) -> Result<Counts, QueueError> {
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

/// All hosts by id, without their robots.txt rules.
pub(crate) fn hosts(store: &impl Store) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
    hosts_after(store, None)
}

/// Like [`hosts`], starting after `after`.
pub(super) fn hosts_after(
    store: &impl Store,
    after: Option<HostId>,
) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
    let after = after.map(keys::host);
    store.scan(keys::HOSTS, after.as_deref()).map(|entry| {
        let (key, bytes) = entry?;
        let id = keys::host_part(&key).ok_or_else(|| store.damaged(&key, "malformed key"))?;
        Ok((id, store.decode(&key, &bytes)?))
    })
}

/// Requests of the commits after `mark`, up to the commit that makes them `n` or more, and the mark after them.
pub(super) fn fetches_after(
    store: &impl Store,
    sessions: &[SessionRecord],
    mark: FetchMark,
    n: usize,
) -> Result<(Vec<FetchRecord>, FetchMark), QueueError> {
    let (mut fetches, mut mark, mut commit_us) = (Vec::new(), mark, 0);
    let mut commit = Vec::new();
    let after = keys::fetches(mark.session, mark.commit_seq, u32::MAX);
    for entry in store.scan(keys::FETCHES, Some(&after)) {
        let (key, bytes) = entry?;
        let commit_of_key = key.split_last_chunk::<4>().map_or(&[][..], |(commit, _)| commit);
        if commit != commit_of_key {
            if fetches.len() >= n {
                break;
            }
            (commit, commit_us) = (commit_of_key.to_vec(), 0);
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
        mark = keys::commit_part(&key).ok_or_else(|| store.damaged(&key, "malformed key"))?;
    }
    Ok((fetches, mark))
}

/// The states of all URLs, by host.
pub(crate) fn tasks(store: &impl Store) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
    tasks_after(store, None)
}

/// Like [`tasks`], starting after `after`.
pub(super) fn tasks_after(
    store: &impl Store,
    after: Option<TaskId>,
) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
    let after = after.map(keys::task);
    let mut last = (HostId(0), String::new());
    store.scan(keys::TASKS, after.as_deref()).map(move |entry| {
        let (key, bytes) = entry?;
        let id = keys::task_part(&key).ok_or_else(|| store.damaged(&key, "malformed key"))?;
        if last.1.is_empty() || last.0 != id.host {
            last = (id.host, origin(store, id.host)?);
        }
        Ok((id, store.decode::<StoredState>(&key, &bytes)?.state(id, &last.1)))
    })
}

/// The origin of a host; empty if the host is unknown.
pub(super) fn origin(store: &impl Store, id: HostId) -> Result<String, QueueError> {
    let record: Option<HostRecord> = store.get(&keys::host(id))?;
    Ok(record.map(|record| record.host.to_string()).unwrap_or_default())
}

/// All requests of these sessions in the order of their commits. The `record` stage of each includes the time of its
/// commit.
pub(crate) fn fetches<'a, S: Store>(
    store: &'a S,
    sessions: &'a [SessionRecord],
) -> impl Iterator<Item = Result<FetchRecord, QueueError>> + 'a {
    Fetches {
        store,
        sessions,
        scan: store.scan(keys::FETCHES, None),
        commit_us: 0,
        commit: Vec::new(),
        chunk: Vec::new().into_iter(),
    }
}

/// Decodes the requests of one record.
fn chunk(
    store: &impl Store,
    sessions: &[SessionRecord],
    key: &[u8],
    bytes: &[u8],
) -> Result<Vec<FetchRecord>, QueueError> {
    let session = keys::session_part(key).and_then(|number| sessions.get(number as usize));
    let session = session.ok_or_else(|| store.damaged(key, "its session is unknown"))?.session.id;
    let stored: Vec<StoredFetch> = store.decode(key, bytes)?;
    Ok(stored.into_iter().map(|stored| stored.fetch(session)).collect())
}

struct Fetches<'a, S: Store> {
    store: &'a S,
    sessions: &'a [SessionRecord],
    scan: S::Scan<'a>,
    /// Time of the commit that the next chunks belong to; 0 if no later commit has recorded it.
    commit_us: u64,
    /// Prefix of the keys of that commit.
    commit: Vec<u8>,
    chunk: std::vec::IntoIter<FetchRecord>,
}

impl<S: Store> Fetches<'_, S> {
    /// Reads the next record of the scan.
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

impl<S: Store> Iterator for Fetches<'_, S> {
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

fn all<T: DeserializeOwned>(store: &impl Store, space: &[u8]) -> Result<Vec<T>, QueueError> {
    store
        .scan(space, None)
        .map(|entry| {
            let (key, bytes) = entry?;
            store.decode(&key, &bytes)
        })
        .collect()
}
