//! `crawl --store` and `crawl work`: start a crawl that many machines share, or join it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use frontier::{NewTask, Scope, SessionId};
use serde::{Deserialize, Serialize};
use storage::{
    Database, GARBAGE_AGE_MIN, PlaceError, Registry, SESSION_TTL, SegmentStore, SharedCrawl, StoreError,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::args::{CommonArgs, CrawlArgs, PaceArgs, ScopeArgs, SeedArgs, StoreArgs, WorkArgs};
use super::crawl::SessionStart;
use super::{crawl, exit_code, log};
use crate::cli::progress::Progress;
use crate::cli::signals;
use crate::descriptors;
use crate::engine::Ended;
use crate::settings::{self, Settings, UsageError};
use crate::shared::{self, SharedParts};

/// The name of a crawl whose seeds come from no file.
const DEFAULT_NAME: &str = "crawl";

/// For tests: how many seconds a session lives without a sign of life.
const SESSION_LIFE_VARIABLE: &str = "CRAWL_TEST_SESSION_LIFE_S";

/// How often a worker looks whether the crawl that it joined has seeds already.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a shared crawl remembers of the flags it was started with.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Fixed for the whole crawl.
    scope: Scope,
    /// Those of the worker that started it: the pace of a host and the identity are every worker's.
    last_session: serde_json::Value,
}

/// A store with its place for segments.
struct Opened {
    runtime: Runtime,
    database: Database,
    segments: SegmentStore,
}

/// Starts the crawl in the store, or joins the one of that name with these seeds added.
pub fn start(
    common: &CommonArgs,
    seeds: &SeedArgs,
    args: &CrawlArgs,
    store: &StoreArgs,
) -> anyhow::Result<u8> {
    let settings = Settings::from_args(args)?;
    let tasks = settings::seeds(seeds)?;
    // Checked before anything is made.
    settings::scope(&args.scope, Scope::default())?;
    let opened = open(store)?;
    let name = store.name.clone().unwrap_or_else(|| default_name(seeds));
    refuse_place_of_another(&opened, &name)?;
    let shared = opened.runtime.block_on(opened.database.crawl_or_new(&name))?;
    let scope = opened.runtime.block_on(scope(&shared, &args.scope, &settings))?;
    mark(&opened, &shared)?;
    opened.runtime.block_on(shared.add_seeds(&tasks))?;
    drop(tasks);
    run(common, opened, &shared, scope, settings, false)
}

/// Joins the crawl in the store.
pub fn work(common: &CommonArgs, args: WorkArgs) -> anyhow::Result<u8> {
    let WorkArgs { store, retry_failed, concurrency, timeout, connection, strict } = args;
    let has_identity = connection.user_agent.is_some() || connection.contact.is_some();
    let pace = PaceArgs { rate: 1.0, concurrency, host_concurrency: 1, timeout };
    let args = CrawlArgs { pace, scope: ScopeArgs::default(), connection, strict };
    let mut settings = Settings::from_args(&args)?;
    let opened = open(&store)?;
    let shared = opened.runtime.block_on(find(&opened.database, store.name.as_deref()))?;
    let Some(known) = opened.runtime.block_on(remembered(&shared))? else {
        bail!("the crawl has not been started yet: run `crawl --seeds FILE --store … --output …` first");
    };
    settings.take_over(&known.last_session, !has_identity);
    opened.segments.check_mark(&opened.runtime.block_on(shared.identity())?)?;
    run(common, opened, &shared, known.scope, settings, retry_failed)
}

fn run(
    common: &CommonArgs,
    opened: Opened,
    crawl: &SharedCrawl,
    scope: Scope,
    mut settings: Settings,
    retry_failed: bool,
) -> anyhow::Result<u8> {
    let shutdown = signals::watch().context("failed to start")?;
    let too_few_descriptors = descriptors::fit(&mut settings);
    let is_strict = settings.strict;
    let progress = Progress::new(!common.no_progress, common.quiet);
    log::init(common, progress.bar());
    crawl::warn_of_descriptors(too_few_descriptors, &settings);
    let Opened { runtime, segments, .. } = opened;
    if let Err(error) = remove_garbage(&runtime, crawl, &segments) {
        // It costs room, no more.
        tracing::warn!(%error, "files that nobody registered could not be removed");
    }
    let parts = SharedParts {
        settings: Arc::new(settings),
        scope,
        crawl: crawl.clone(),
        segments,
        session_life: session_life(),
        shutdown: shutdown.clone(),
    };
    let ended = runtime.block_on(async {
        let Some(seeds) = seeds_of(crawl, &shutdown).await? else { return Ok(Ended::Interrupted) };
        shared::run(parts, progress, SessionStart { seeds, retry_failed }).await
    })?;
    let (totals, incomplete) = runtime.block_on(totals(crawl))?;
    let (hosts, entries, requests) = (totals.hosts, totals.entries, totals.requests);
    Ok(match ended {
        Ended::Interrupted => {
            let tasks_pending = totals.tasks_pending;
            tracing::warn!(
                hosts,
                tasks_pending,
                entries,
                "this worker was stopped; `crawl work` joins again"
            );
            exit_code::INTERRUPTED
        }
        Ended::Complete => {
            tracing::info!(hosts, incomplete, entries, requests, "crawl ended on all machines");
            if is_strict && incomplete > 0 { exit_code::INCOMPLETE } else { exit_code::OK }
        }
    })
}

/// Removes what workers left that are no more; what they left within the last day stays.
fn remove_garbage(runtime: &Runtime, crawl: &SharedCrawl, segments: &SegmentStore) -> anyhow::Result<()> {
    let (now, sessions) = runtime.block_on(async { (crawl.now().await, crawl.sessions().await) });
    let (now, sessions) = (now?, sessions?);
    if sessions.first().is_none_or(|first| first.session.started_at + GARBAGE_AGE_MIN > now) {
        return Ok(());
    }
    let removed = segments.remove_garbage(&mut Registered { runtime, crawl }, now)?;
    if !removed.is_empty() {
        tracing::info!(files = removed.len(), "removed files that nobody registered");
    }
    Ok(())
}

/// What the crawl knows of its segments.
struct Registered<'a> {
    runtime: &'a Runtime,
    crawl: &'a SharedCrawl,
}

impl Registry for Registered<'_> {
    type Error = StoreError;

    fn sessions_alive(&mut self) -> Result<BTreeSet<SessionId>, StoreError> {
        Ok(self.runtime.block_on(self.crawl.sessions_alive())?.into_iter().collect())
    }

    fn registered(&mut self) -> Result<BTreeSet<String>, StoreError> {
        let segments = self.runtime.block_on(self.crawl.segments())?;
        Ok(segments.into_iter().map(|segment| segment.name).collect())
    }
}

/// Opens database and place of segments; makes tables in the one where there are none, and nothing else.
fn open(args: &StoreArgs) -> anyhow::Result<Opened> {
    let (store, output) = both(args)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start")?;
    let segments = open_segments(output, &runtime)?;
    let database = runtime.block_on(Database::open(store))?;
    Ok(Opened { runtime, database, segments })
}

/// Both URLs: what one machine keeps in its data directory, others could not read.
fn both(args: &StoreArgs) -> Result<(&str, &str), UsageError> {
    match (&args.store, &args.output) {
        (Some(store), Some(output)) => Ok((store, output)),
        (Some(_), None) => Err(UsageError::NoOutput),
        (None, _) => Err(UsageError::NoStore),
    }
}

/// The place of segments at `url`, by the variables of the environment.
pub(super) fn open_segments(url: &str, runtime: &Runtime) -> Result<SegmentStore, PlaceError> {
    let variables = std::env::vars_os();
    let variables =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    SegmentStore::open(url, variables, runtime.handle().clone())
}

/// The crawl of that name, or the only one.
pub(super) async fn find(database: &Database, name: Option<&str>) -> anyhow::Result<SharedCrawl> {
    if let Some(name) = name {
        return Ok(database.crawl(name).await?);
    }
    match database.crawls().await?.as_slice() {
        [name] => Ok(database.crawl(name).await?),
        [] => bail!(
            "there is no crawl in {}: start one with `crawl --seeds FILE --store … --output …`",
            database.place()
        ),
        names => Err(UsageError::WhichCrawl(names.join(", ")).into()),
    }
}

/// The name of the first seeds file, without its folder and its ending.
fn default_name(seeds: &SeedArgs) -> String {
    let file = seeds.seeds.first().filter(|path| path.as_os_str() != "-");
    let stem = file.and_then(|path| Path::file_stem(path)).map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| DEFAULT_NAME.to_owned())
}

/// The scope of the crawl: for a new one what is typed now, which it then remembers; else the remembered one, from which
/// nothing typed now may differ.
async fn scope(crawl: &SharedCrawl, args: &ScopeArgs, settings: &Settings) -> anyhow::Result<Scope> {
    if remembered(crawl).await?.is_none() {
        let scope = settings::scope(args, Scope::default())?;
        let typed = Remembered { scope, last_session: settings.for_report() };
        crawl.set_settings(&serde_json::to_string(&typed)?).await?;
    }
    // Another may have started it at the same moment, and then its scope holds.
    let known = remembered(crawl).await?.context("the crawl remembers no settings")?.scope;
    let scope = settings::scope(args, known.clone())?;
    let differences: Vec<String> = known.differences(&scope).iter().map(ToString::to_string).collect();
    if !differences.is_empty() {
        return Err(UsageError::ScopeChanged(differences.join("; ")).into());
    }
    Ok(scope)
}

async fn remembered(crawl: &SharedCrawl) -> anyhow::Result<Option<Remembered>> {
    let text = crawl.settings().await?;
    let known = text.map(|text| serde_json::from_str(&text)).transpose();
    known.context("failed to read the settings that the crawl remembers")
}

/// A crawl that is not there yet cannot have segments: what is marked is another's.
fn refuse_place_of_another(opened: &Opened, name: &str) -> anyhow::Result<()> {
    match opened.runtime.block_on(opened.database.crawl(name)) {
        Ok(_) => Ok(()),
        Err(StoreError::NoCrawl { .. }) => match opened.segments.check_mark("") {
            Err(PlaceError::NotMarked { .. }) => Ok(()),
            checked => Ok(checked?),
        },
        Err(error) => Err(error.into()),
    }
}

/// Marks the place as this crawl's, unless segments lie elsewhere already.
fn mark(opened: &Opened, crawl: &SharedCrawl) -> anyhow::Result<()> {
    let identity = opened.runtime.block_on(crawl.identity())?;
    match opened.segments.check_mark(&identity) {
        Err(PlaceError::NotMarked { .. }) if opened.runtime.block_on(crawl.segments())?.is_empty() => {
            Ok(opened.segments.mark(&identity)?)
        }
        checked => Ok(checked?),
    }
}

/// The seeds of all who started the crawl, as soon as there are any: one of them may have ended before it had taken in its
/// own. `None` when this worker is told to stop.
async fn seeds_of(crawl: &SharedCrawl, shutdown: &CancellationToken) -> anyhow::Result<Option<Vec<NewTask>>> {
    loop {
        let seeds = crawl.seeds().await?;
        if !seeds.is_empty() {
            return Ok(Some(seeds));
        }
        tracing::info!("waiting for the crawl to be given its first seeds");
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// The totals, and the number of hosts that are not complete.
async fn totals(crawl: &SharedCrawl) -> anyhow::Result<(frontier::work_queue::Counts, u64)> {
    // Each brings its rules along, which may be 500 KB.
    const HOSTS_AT_ONCE: usize = 100;
    let (counts, mut incomplete, mut after) = (crawl.counts().await?, 0, None);
    loop {
        let hosts = crawl.hosts_after(after, HOSTS_AT_ONCE).await?;
        let Some((last, _)) = hosts.last() else { return Ok((counts, incomplete)) };
        after = Some(*last);
        incomplete +=
            hosts.iter().filter(|(_, host)| host.parked || !host.account.is_complete()).count() as u64;
    }
}

fn session_life() -> Duration {
    let seconds = std::env::var(SESSION_LIFE_VARIABLE).ok().and_then(|text| text.parse().ok());
    seconds.map_or(SESSION_TTL, Duration::from_secs)
}
