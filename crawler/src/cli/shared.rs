//! `crawl --store` and `crawl work`: start or join a crawl that several machines share.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use frontier::{NewTask, Scope, SessionId};
use storage::{Database, GARBAGE_AGE_MIN, PlaceError, Registry, SegmentStore, SharedCrawl, StoreError};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::args::{CommonArgs, CrawlArgs, PaceArgs, ScopeArgs, SeedArgs, StoreArgs, WorkArgs};
use super::crawl::RememberedFlags;
use super::progress::Progress;
use super::usage_error::UsageError;
use super::{check, crawl, exit_code, log, signals};
use crate::descriptors;
use crate::engine::Ended;
use crate::engine::session::SessionStart;
use crate::settings::Settings;
use crate::shared::{self, SharedParts};

/// The name of a crawl whose seeds do not come from a file.
const DEFAULT_NAME: &str = "crawl";

/// How often a worker checks whether the crawl that it joined has seeds.
const SEEDS_POLL_EVERY: Duration = Duration::from_secs(1);

/// An open store, and the place for segments.
struct OpenStore {
    runtime: Runtime,
    database: Database,
    segments: SegmentStore,
}

/// Starts a crawl in the store. If there is one with that name already, adds the seeds and joins it.
pub fn start(
    common: &CommonArgs,
    seeds: &SeedArgs,
    args: &CrawlArgs,
    store: &StoreArgs,
) -> anyhow::Result<u8> {
    let settings = check::settings(args)?;
    let tasks = check::seeds(seeds)?;
    // Checked before anything is created.
    check::scope(&args.scope, Scope::default())?;
    let opened = open(store)?;
    let name = store.name.clone().unwrap_or_else(|| default_name(seeds));
    refuse_foreign_segments(&opened, &name)?;
    let shared = opened.runtime.block_on(opened.database.crawl_or_new(&name))?;
    let scope = opened.runtime.block_on(scope(&shared, &args.scope, &settings))?;
    mark(&opened, &shared)?;
    opened.runtime.block_on(shared.add_seeds(&tasks))?;
    drop(tasks);
    run(common, opened, &shared, scope, settings, false)
}

/// Joins a crawl in the store.
pub fn work(common: &CommonArgs, args: WorkArgs) -> anyhow::Result<u8> {
    let WorkArgs { store, retry_failed, concurrency, timeout, connection, strict } = args;
    let has_identity = connection.user_agent.is_some() || connection.contact.is_some();
    let pace = PaceArgs { rate: 1.0, concurrency, host_concurrency: 1, timeout };
    let args = CrawlArgs { pace, scope: ScopeArgs::default(), connection, strict };
    let mut settings = check::settings(&args)?;
    let opened = open(&store)?;
    let shared = opened.runtime.block_on(find(&opened.database, store.name.as_deref()))?;
    let Some(known) = opened.runtime.block_on(remembered(&shared))? else {
        bail!("the crawl has not been started: run `crawl --seeds FILE --store … --output …` first");
    };
    settings.take_over(&known.last_session, !has_identity);
    opened.segments.check_mark(&opened.runtime.block_on(shared.identity())?)?;
    run(common, opened, &shared, known.scope, settings, retry_failed)
}

fn run(
    common: &CommonArgs,
    opened: OpenStore,
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
    let OpenStore { runtime, segments, .. } = opened;
    if let Err(error) = remove_garbage(&runtime, crawl, &segments) {
        // They take up space, but do no other harm.
        tracing::warn!(%error, "could not remove unregistered files");
    }
    let parts = SharedParts {
        settings: Arc::new(settings),
        scope,
        crawl: crawl.clone(),
        segments,
        shutdown: shutdown.clone(),
    };
    let ended = runtime.block_on(async {
        let Some(seeds) = seeds_of(crawl, &shutdown).await? else { return Ok(Ended::Interrupted) };
        progress.follow(|state| shared::run(parts, state, SessionStart { seeds, retry_failed })).await
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
                "this worker was stopped; `crawl work` joins the crawl again"
            );
            exit_code::INTERRUPTED
        }
        Ended::Complete => {
            tracing::info!(hosts, incomplete, entries, requests, "crawl ended on all machines");
            if is_strict && incomplete > 0 { exit_code::INCOMPLETE } else { exit_code::OK }
        }
    })
}

/// Removes the files that ended workers left behind. Files of the last day are kept.
fn remove_garbage(runtime: &Runtime, crawl: &SharedCrawl, segments: &SegmentStore) -> anyhow::Result<()> {
    let (now, sessions) = runtime.block_on(async { (crawl.now().await, crawl.sessions().await) });
    let (now, sessions) = (now?, sessions?);
    if sessions.first().is_none_or(|first| first.session.started_at + GARBAGE_AGE_MIN > now) {
        return Ok(());
    }
    let removed = segments.remove_garbage(&mut Registered { runtime, crawl }, now)?;
    if !removed.is_empty() {
        tracing::info!(files = removed.len(), "removed unregistered files");
    }
    Ok(())
}

/// The segments that are registered in the crawl.
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

/// Opens the database and the place for segments. Creates missing tables and nothing else.
fn open(args: &StoreArgs) -> anyhow::Result<OpenStore> {
    let (store, output) = store_and_output(args)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start")?;
    let segments = open_segments(output, &runtime)?;
    let database = runtime.block_on(Database::open(store))?;
    Ok(OpenStore { runtime, database, segments })
}

/// The values of `--store` and `--output`, which are only valid together: other machines cannot read the data directory of
/// one machine.
fn store_and_output(args: &StoreArgs) -> Result<(&str, &str), UsageError> {
    match (&args.store, &args.output) {
        (Some(store), Some(output)) => Ok((store, output)),
        (Some(_), None) => Err(UsageError::NoOutput),
        (None, _) => Err(UsageError::NoStore),
    }
}

/// The place for segments at `url`. Credentials come from environment variables.
pub(super) fn open_segments(url: &str, runtime: &Runtime) -> Result<SegmentStore, PlaceError> {
    let variables = std::env::vars_os();
    let variables =
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    SegmentStore::open(url, variables, runtime.handle().clone())
}

/// The crawl called `name`, or the only crawl.
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

/// The name of the first seeds file, without folder and extension.
fn default_name(seeds: &SeedArgs) -> String {
    let file = seeds.seeds.first().filter(|path| path.as_os_str() != "-");
    let stem = file.and_then(|path| Path::file_stem(path)).map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| DEFAULT_NAME.to_owned())
}

/// The scope of the crawl. For a new crawl it comes from the flags and is remembered. For an existing crawl it is the
/// remembered one, and the flags must not differ from it.
async fn scope(crawl: &SharedCrawl, args: &ScopeArgs, settings: &Settings) -> anyhow::Result<Scope> {
    if remembered(crawl).await?.is_none() {
        let scope = check::scope(args, Scope::default())?;
        let flags = RememberedFlags { scope, last_session: settings.for_report() };
        crawl.set_settings(&serde_json::to_string(&flags)?).await?;
    }
    // Another worker may have started the crawl at the same time. Then the scope of that worker is remembered.
    let known = remembered(crawl).await?.context("the crawl has no remembered settings")?.scope;
    let scope = check::scope(args, known.clone())?;
    let differences: Vec<String> = known.differences(&scope).iter().map(ToString::to_string).collect();
    if !differences.is_empty() {
        return Err(UsageError::ScopeChanged(differences.join("; ")).into());
    }
    Ok(scope)
}

async fn remembered(crawl: &SharedCrawl) -> anyhow::Result<Option<RememberedFlags>> {
    let text = crawl.settings().await?;
    let known = text.map(|text| serde_json::from_str(&text)).transpose();
    known.context("failed to read the remembered settings of the crawl")
}

/// Refuses a place for segments that is marked, if the crawl does not exist yet: it belongs to another crawl.
fn refuse_foreign_segments(opened: &OpenStore, name: &str) -> anyhow::Result<()> {
    match opened.runtime.block_on(opened.database.crawl(name)) {
        Ok(_) => Ok(()),
        Err(StoreError::NoCrawl { .. }) => match opened.segments.check_mark("") {
            Err(PlaceError::NotMarked { .. }) => Ok(()),
            checked => Ok(checked?),
        },
        Err(error) => Err(error.into()),
    }
}

/// Marks the place for segments as belonging to this crawl, unless the crawl has segments elsewhere.
fn mark(opened: &OpenStore, crawl: &SharedCrawl) -> anyhow::Result<()> {
    let identity = opened.runtime.block_on(crawl.identity())?;
    match opened.segments.check_mark(&identity) {
        Err(PlaceError::NotMarked { .. }) if opened.runtime.block_on(crawl.segments())?.is_empty() => {
            Ok(opened.segments.mark(&identity)?)
        }
        checked => Ok(checked?),
    }
}

/// Waits for the seeds of the crawl and returns all of them: the worker that added some may have ended before it turned them
/// into tasks. `None` if this worker is told to stop.
async fn seeds_of(crawl: &SharedCrawl, shutdown: &CancellationToken) -> anyhow::Result<Option<Vec<NewTask>>> {
    loop {
        let seeds = crawl.seeds().await?;
        if !seeds.is_empty() {
            return Ok(Some(seeds));
        }
        tracing::info!("waiting for the first seeds of the crawl");
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(SEEDS_POLL_EVERY) => {}
        }
    }
}

/// The totals of the crawl and the number of incomplete hosts.
async fn totals(crawl: &SharedCrawl) -> anyhow::Result<(frontier::work_queue::Counts, u64)> {
    // Each host comes with its robots.txt rules, which may take 500 KB.
    const PAGE_HOSTS: usize = 100;
    let (counts, mut incomplete, mut after) = (crawl.counts().await?, 0, None);
    loop {
        let hosts = crawl.hosts_after(after, PAGE_HOSTS).await?;
        let Some((last, _)) = hosts.last() else { return Ok((counts, incomplete)) };
        after = Some(*last);
        incomplete +=
            hosts.iter().filter(|(_, host)| host.parked || !host.account.is_complete()).count() as u64;
    }
}
