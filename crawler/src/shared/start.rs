//! Starts or joins a crawl that several machines share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use frontier::{Clock, Scope, SessionId};
use storage::{GARBAGE_AGE_MIN, Registry, SegmentStore, SharedCrawl, StoreError};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::SharedParts;
use super::blocking::Blocking;
use super::place::{OpenPlace, find};
use crate::builder::{CrawlBuilder, ScopeOptions, SharedPlace};
use crate::clock::SystemClock;
use crate::descriptors;
use crate::engine::Ended;
use crate::engine::error::EngineError;
use crate::engine::observers::Observers;
use crate::error::Error;
use crate::remembered::Remembered;
use crate::settings::Settings;
use crate::summary::{Summary, Totals};

/// The name of a crawl whose seeds do not come from a file.
const DEFAULT_NAME: &str = "crawl";

/// How often a worker checks whether the crawl that it joined has seeds.
const SEEDS_POLL_EVERY: Duration = Duration::from_secs(1);

/// Hosts per query. Each comes with its robots.txt rules, which may take 500 KB.
const PAGE_HOSTS: usize = 100;

/// A shared crawl that this worker is part of.
struct Joined {
    crawl: SharedCrawl,
    segments: SegmentStore,
    scope: Scope,
    settings: Settings,
}

/// Starts a crawl at `place`, or joins the one that is there. Seeds are added to it.
pub(crate) async fn start(
    mut builder: CrawlBuilder,
    place: SharedPlace,
    settings: Settings,
    observers: Observers,
    stop: CancellationToken,
) -> Result<AbortOnDropHandle<Result<Summary, Error>>, Error> {
    let retry_failed = std::mem::take(&mut builder.retry_failed);
    let opened = spawn_blocking(move || {
        if builder.seeds.were_given() {
            begin(builder, &place, settings)
        } else {
            join(&builder, &place, settings)
        }
    });
    let joined = opened.await.map_err(|_| EngineError::Part("opening the store"))??;
    let running = run(joined, retry_failed, observers, stop);
    Ok(AbortOnDropHandle::new(tokio::spawn(running)))
}

/// Starts a crawl. If there is one with that name already, adds the seeds and joins it.
fn begin(builder: CrawlBuilder, place: &SharedPlace, settings: Settings) -> Result<Joined, Error> {
    let name = place.name.as_deref().or(builder.seeds.name()).unwrap_or(DEFAULT_NAME).to_owned();
    let tasks = builder.seeds.into_tasks()?;
    let opened = OpenPlace::open(place)?;
    opened.refuse_foreign_segments(&name)?;
    let crawl = opened.blocking.block_on(opened.database.crawl_or_new(&name))?;
    let scope = opened.blocking.block_on(scope(&crawl, &builder.scope, &settings))?;
    opened.mark(&crawl)?;
    opened.blocking.block_on(crawl.add_seeds(&tasks))?;
    joined(opened, crawl, scope, settings)
}

/// Joins a crawl, with its scope, pace and identity.
fn join(builder: &CrawlBuilder, place: &SharedPlace, mut settings: Settings) -> Result<Joined, Error> {
    let opened = OpenPlace::open(place)?;
    let crawl = opened.blocking.block_on(find(&opened.database, place.name.as_deref()))?;
    let Some(known) = opened.blocking.block_on(remembered(&crawl))? else {
        return Err(Error::NotStarted(
            "the crawl has not been started: run `crawl --seeds FILE --store … --output …` first".to_owned(),
        ));
    };
    settings.take_over(&known.last_session, !builder.has_identity());
    opened.segments.check_mark(&opened.blocking.block_on(crawl.identity())?)?;
    joined(opened, crawl, known.scope, settings)
}

fn joined(
    opened: OpenPlace,
    crawl: SharedCrawl,
    scope: Scope,
    mut settings: Settings,
) -> Result<Joined, Error> {
    descriptors::fit(&mut settings);
    let OpenPlace { blocking, segments, .. } = opened;
    if let Err(error) = remove_garbage(&blocking, &crawl, &segments) {
        // They take up space, but do no other harm.
        tracing::warn!(%error, "could not remove unregistered files");
    }
    Ok(Joined { crawl, segments, scope, settings })
}

async fn run(
    joined: Joined,
    retry_failed: bool,
    observers: Observers,
    stop: CancellationToken,
) -> Result<Summary, Error> {
    let Joined { crawl, segments, scope, settings } = joined;
    let ended = match wait_for_seeds(&crawl, &stop).await? {
        false => Ended::Interrupted,
        true => {
            let (settings, crawl) = (Arc::new(settings), crawl.clone());
            let parts = SharedParts { settings, scope, crawl, segments, shutdown: stop };
            super::run(parts, observers, retry_failed).await?
        }
    };
    Ok(Summary::of_totals(ended, totals(&crawl).await?))
}

/// Removes the files that ended workers left behind. Files of the last day are kept.
fn remove_garbage(
    blocking: &Blocking,
    crawl: &SharedCrawl,
    segments: &SegmentStore,
) -> Result<(), Box<dyn std::error::Error>> {
    let (now, sessions) = blocking.block_on(async { (crawl.now().await, crawl.sessions().await) });
    let (now, sessions) = (now?, sessions?);
    if sessions.first().is_none_or(|first| first.session.started_at + GARBAGE_AGE_MIN > now) {
        return Ok(());
    }
    let removed = segments.remove_garbage(&mut Registered { blocking, crawl }, now)?;
    if !removed.is_empty() {
        tracing::info!(files = removed.len(), "removed unregistered files");
    }
    Ok(())
}

/// The segments that are registered in the crawl.
struct Registered<'a> {
    blocking: &'a Blocking,
    crawl: &'a SharedCrawl,
}

impl Registry for Registered<'_> {
    type Error = StoreError;

    fn sessions_alive(&mut self) -> Result<BTreeSet<SessionId>, StoreError> {
        Ok(self.blocking.block_on(self.crawl.sessions_alive())?.into_iter().collect())
    }

    fn registered(&mut self) -> Result<BTreeSet<String>, StoreError> {
        let segments = self.blocking.block_on(self.crawl.segments())?;
        Ok(segments.into_iter().map(|segment| segment.name).collect())
    }
}

/// The scope of the crawl. For a new crawl it comes from the options and is remembered. For an existing crawl it is the
/// remembered one, and the options must not differ from it.
async fn scope(crawl: &SharedCrawl, options: &ScopeOptions, settings: &Settings) -> Result<Scope, Error> {
    if remembered(crawl).await?.is_none() {
        let scope = options.of_crawl(None)?;
        let remembered = Remembered::of(scope, settings);
        crawl.set_settings(&remembered.to_text()?).await?;
    }
    // Another worker may have started the crawl at the same time. Then the scope of that worker is remembered.
    let known = remembered(crawl).await?.map(|known| known.scope);
    Ok(options.of_crawl(known)?)
}

async fn remembered(crawl: &SharedCrawl) -> Result<Option<Remembered>, Error> {
    let text = crawl.settings().await?;
    text.map(|text| Remembered::parse(&text, "the crawl")).transpose()
}

/// Waits until the crawl has seeds. Returns false if this worker is told to stop.
async fn wait_for_seeds(crawl: &SharedCrawl, stop: &CancellationToken) -> Result<bool, StoreError> {
    let clock = SystemClock::new();
    while !crawl.has_seeds().await? {
        tracing::info!("waiting for the first seeds of the crawl");
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = clock.sleep_until(clock.now() + SEEDS_POLL_EVERY) => {}
        }
    }
    Ok(true)
}

/// The totals of the crawl, over all workers.
async fn totals(crawl: &SharedCrawl) -> Result<Totals, StoreError> {
    let (counts, mut incomplete, mut after) = (crawl.counts().await?, 0, None);
    loop {
        let hosts = crawl.hosts_after(after, PAGE_HOSTS).await?;
        let Some((last, _)) = hosts.last() else {
            return Ok(Totals {
                hosts: counts.hosts,
                hosts_incomplete: incomplete,
                entries: counts.entries,
                requests: counts.requests,
                tasks_pending: counts.tasks_pending,
            });
        };
        after = Some(*last);
        incomplete +=
            hosts.iter().filter(|(_, host)| host.parked || !host.account.is_complete()).count() as u64;
    }
}
