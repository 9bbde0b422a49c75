//! Reads a crawl that several machines share. Works from any machine, whether the crawl is running or not.

use std::collections::VecDeque;

use anyhow::Context;
use arrow_array::RecordBatch;
use frontier::work_queue::{Counts, HostRecord, QueueError};
use frontier::{FetchRecord, HostId, Timestamp};
use reports::{EntrySource, RecordSource, Sessions};
use storage::{Database, FetchMark, ReadError, SharedCrawl, SharedReader, StoreError};
use tokio::runtime::Runtime;

use super::args::StoreArgs;
use super::shared::{find, open_segments};
use super::usage_error::UsageError;

/// Hosts per query. Each comes with its robots.txt rules, which may take 500 KB.
const PAGE_HOSTS: usize = 100;
/// Commits, with their requests, per query.
const PAGE_COMMITS: usize = 200;

/// A shared crawl that was opened for source.
pub struct SharedSource {
    runtime: Runtime,
    crawl: SharedCrawl,
    settings: Option<String>,
    sessions: Sessions,
    is_running: bool,
    resumed_by: String,
    /// The entries, if they were requested.
    entries: Option<SharedReader>,
}

impl SharedSource {
    /// Opens the crawl that the flags name, without its entries. `None` if they name no store.
    pub fn records_only(args: &StoreArgs) -> anyhow::Result<Option<Self>> {
        let Some(store) = &args.store else {
            return if args.output.is_some() { Err(UsageError::NoStore.into()) } else { Ok(None) };
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start")?;
        let (crawl, settings, sessions, workers) = runtime.block_on(async {
            let crawl = find(&Database::open(store).await?, args.name.as_deref()).await?;
            let (settings, sessions) = (crawl.settings().await?, crawl.sessions().await?);
            let sessions = Sessions::concurrent(sessions);
            let workers = crawl.workers().await?;
            anyhow::Ok((crawl, settings, sessions, workers))
        })?;
        let name = args.name.as_ref().map_or_else(String::new, |name| format!(" --crawl {name}"));
        // Without the URLs, because they may contain a password.
        let resumed_by = format!("crawl work --store … --output …{name}");
        let is_running = workers > 0;
        Ok(Some(Self { runtime, crawl, settings, sessions, is_running, resumed_by, entries: None }))
    }

    /// Like [`Self::records_only`], with the entries that are registered now.
    pub fn with_entries(args: &StoreArgs) -> anyhow::Result<Option<Self>> {
        let Some(mut source) = Self::records_only(args)? else { return Ok(None) };
        let output = args.output.as_deref().ok_or(UsageError::NoOutput)?;
        let place = open_segments(output, &source.runtime)?;
        let (identity, segments) = source.runtime.block_on(async {
            Ok::<_, StoreError>((source.crawl.identity().await?, source.crawl.segments().await?))
        })?;
        place.check_mark(&identity)?;
        source.entries = Some(SharedReader::new(place, segments));
        Ok(Some(source))
    }

    /// The origins of all hosts, by their ids.
    pub fn origins(&self) -> impl Iterator<Item = Result<String, QueueError>> {
        self.hosts().map(|host| Ok(host?.1.host.to_string()))
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

impl RecordSource for SharedSource {
    fn is_running(&self) -> bool {
        self.is_running
    }

    fn resumed_by(&self) -> String {
        self.resumed_by.clone()
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
