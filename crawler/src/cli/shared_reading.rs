//! A crawl that many machines share, read: from any machine, at work or not.

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
use crate::settings::UsageError;

/// Hosts that are asked for at once; each brings its rules along, which may be 500 KB.
const PAGE_HOSTS: usize = 100;
/// Commits with their requests that are asked for at once.
const PAGE_COMMITS: usize = 200;

/// A shared crawl that was found in its store.
pub struct SharedReading {
    runtime: Runtime,
    crawl: SharedCrawl,
    settings: Option<String>,
    sessions: Sessions,
    is_running: bool,
    resumed_by: String,
    /// The entries, where they were asked for.
    entries: Option<SharedReader>,
}

impl SharedReading {
    /// Opens the crawl that the flags name, without its entries; `None` where they name no store.
    pub fn records(args: &StoreArgs) -> anyhow::Result<Option<Self>> {
        let Some(store) = &args.store else {
            return if args.output.is_some() { Err(UsageError::NoStore.into()) } else { Ok(None) };
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start")?;
        let (crawl, settings, sessions, workers) = runtime.block_on(async {
            let crawl = find(&Database::open(store).await?, args.name.as_deref()).await?;
            let (settings, sessions) = (crawl.settings().await?, crawl.sessions().await?);
            let sessions = Sessions::beside_each_other(sessions);
            let workers = crawl.workers().await?;
            anyhow::Ok((crawl, settings, sessions, workers))
        })?;
        let name = args.name.as_ref().map_or_else(String::new, |name| format!(" --crawl {name}"));
        // Not with the addresses: there may be a password in them.
        let resumed_by = format!("crawl work --store … --output …{name}");
        let is_running = workers > 0;
        Ok(Some(Self { runtime, crawl, settings, sessions, is_running, resumed_by, entries: None }))
    }

    /// The same with its entries, as they are registered now.
    pub fn with_entries(args: &StoreArgs) -> anyhow::Result<Option<Self>> {
        let Some(mut reading) = Self::records(args)? else { return Ok(None) };
        let output = args.output.as_deref().ok_or(UsageError::NoOutput)?;
        let place = open_segments(output, &reading.runtime)?;
        let (identity, segments) = reading.runtime.block_on(async {
            Ok::<_, StoreError>((reading.crawl.identity().await?, reading.crawl.segments().await?))
        })?;
        place.check_mark(&identity)?;
        reading.entries = Some(SharedReader::new(place, segments));
        Ok(Some(reading))
    }

    /// The origins of all hosts, by their ids.
    pub fn origins(&self) -> impl Iterator<Item = Result<String, QueueError>> {
        self.hosts().map(|host| Ok(host?.1.host.to_string()))
    }

    /// What pages give, one by one. `next` is told where it was and gives nothing when there is no more.
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

impl RecordSource for SharedReading {
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

    /// By the server's clock.
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
                // Commits without requests are no end.
                if !fetches.is_empty() || *mark == before {
                    return Ok(fetches);
                }
            }
        })
    }
}

impl EntrySource for SharedReading {
    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ReadError>> + '_> {
        Box::new(self.entries.iter().flat_map(SharedReader::entries))
    }
}
