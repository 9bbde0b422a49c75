//! Reads a crawl that several machines share. Works from any machine, whether the crawl is running or not.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use frontier::work_queue::{Counts, HostRecord, QueueError, TaskState};
use frontier::{FetchRecord, HostId, TaskId, Timestamp};
use reports::{EntrySource, RecordSource, Sessions};
use storage::{Database, FetchMark, ReadError, SharedCrawl, SharedReader, StoreError};

use crate::builder::SharedPlace;
use crate::error::Error;
use crate::shared::blocking::Blocking;
use crate::shared::keeper::SILENCE_MAX;
use crate::shared::place::{find, open_segments};

/// Hosts per query. Each comes with its robots.txt rules, which may take 500 KB.
const PAGE_HOSTS: usize = 100;
/// Tasks per query.
const PAGE_TASKS: usize = 1_000;
/// Commits, with their requests, per query.
const PAGE_COMMITS: usize = 200;

/// A shared crawl that was opened for reading.
pub struct SharedSource {
    runtime: Blocking,
    crawl: SharedCrawl,
    settings: Option<String>,
    sessions: Sessions,
    is_running: bool,
    /// Why a crawl may seem to run that does not.
    problem: Option<String>,
    resumed_by: String,
    /// The entries, if their place was named.
    entries: Option<SharedReader>,
}

impl SharedSource {
    /// Opens the crawl at `place`, with the entries that are registered now. If `place` names no place for segments, it
    /// has no entries.
    pub fn open(place: &SharedPlace) -> Result<Self, Error> {
        let runtime = Blocking::new()?;
        let (crawl, settings, sessions, workers, silent) = runtime.block_on(async {
            let crawl = find(&Database::open(&place.store).await?, place.name.as_deref()).await?;
            let (settings, sessions) = (crawl.settings().await?, crawl.sessions().await?);
            let sessions = Sessions::concurrent(sessions);
            let (workers, silent) = (crawl.workers().await?, crawl.silent_workers(SILENCE_MAX).await?);
            Ok::<_, Error>((crawl, settings, sessions, workers, silent))
        })?;
        let name = place.name.as_ref().map_or_else(String::new, |name| format!(" --crawl {name}"));
        // Without the URLs, because they may contain a password.
        let resumed_by = format!("crawl work --store … --output …{name}");
        let (is_running, problem) = (workers > 0, silence(silent));
        let mut source =
            Self { runtime, crawl, settings, sessions, is_running, problem, resumed_by, entries: None };
        if !place.output.is_empty() {
            source.entries = Some(source.open_entries(place)?);
        }
        Ok(source)
    }

    fn open_entries(&self, place: &SharedPlace) -> Result<SharedReader, Error> {
        let segments = open_segments(place, self.runtime.handle())?;
        let (identity, registered) = self.runtime.block_on(async {
            Ok::<_, StoreError>((self.crawl.identity().await?, self.crawl.segments().await?))
        })?;
        segments.check_mark(&identity)?;
        Ok(SharedReader::new(segments, registered))
    }

    /// Whether a worker is running.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// The origins of all hosts, by their ids.
    pub fn origins(&self) -> impl Iterator<Item = Result<String, QueueError>> {
        self.hosts().map(|host| Ok(host?.1.host.to_string()))
    }

    /// The states of all tasks, by host and then by the hash of the URL.
    pub fn tasks(&self) -> impl Iterator<Item = Result<(TaskId, TaskState), QueueError>> {
        self.pages(async |after: &mut Option<TaskId>| {
            let tasks = self.crawl.tasks_after(*after, PAGE_TASKS).await?;
            *after = tasks.last().map(|(id, _)| *id);
            Ok(tasks)
        })
    }

    /// The items of all pages. `next` fetches the page after a mark and advances the mark; an empty page is the last one.
    fn pages<T, M: Default>(
        &self,
        mut next: impl AsyncFnMut(&mut M) -> Result<Vec<T>, StoreError>,
    ) -> impl Iterator<Item = Result<T, QueueError>> {
        let (mut mark, mut page, mut is_over) = (M::default(), VecDeque::new(), false);
        std::iter::from_fn(move || {
            while page.is_empty() && !is_over {
                match self.runtime.block_on(next(&mut mark)) {
                    Ok(more) => {
                        is_over = more.is_empty();
                        page.extend(more);
                    }
                    Err(error) => {
                        is_over = true;
                        return Some(Err(QueueError::Storage(error.to_string())));
                    }
                }
            }
            page.pop_front().map(Ok)
        })
    }
}

/// What to say about workers whose sessions live on although they are not renewed.
fn silence((workers, until): (u64, Option<Timestamp>)) -> Option<String> {
    let until = until?;
    Some(format!(
        "{workers} of the workers no longer renew their sessions and may have ended, or the server's clock was set back: they \
         count as running until {until}"
    ))
}

impl RecordSource for SharedSource {
    fn is_running(&self) -> bool {
        self.is_running
    }

    fn resumed_by(&self) -> String {
        self.resumed_by.clone()
    }

    fn problem(&self) -> Option<String> {
        self.problem.clone()
    }

    fn settings(&self) -> Option<&str> {
        self.settings.as_deref()
    }

    fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Counts by the server's clock instead of `now`.
    fn counts(&self, _now: Timestamp) -> Result<Counts, QueueError> {
        let counts = self.runtime.block_on(self.crawl.counts());
        counts.map_err(|error| QueueError::Storage(error.to_string()))
    }

    fn hosts(&self) -> impl Iterator<Item = Result<(HostId, HostRecord), QueueError>> {
        self.pages(async |after: &mut Option<HostId>| {
            let hosts = self.crawl.hosts_after(*after, PAGE_HOSTS).await?;
            *after = hosts.last().map(|(id, _)| *id);
            Ok(hosts)
        })
    }

    fn fetches(&self) -> impl Iterator<Item = Result<FetchRecord, QueueError>> {
        self.pages(async |mark: &mut FetchMark| {
            loop {
                let before = *mark;
                let fetches;
                (fetches, *mark) = self.crawl.fetches_after(before, PAGE_COMMITS).await?;
                // Without requests, but with an advanced mark, the page consists of commits without requests.
                if !fetches.is_empty() || *mark == before {
                    return Ok(fetches);
                }
            }
        })
    }
}

impl EntrySource for SharedSource {
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ReadError>> + '_> {
        Box::new(self.entries.iter().flat_map(SharedReader::entries))
    }
}
