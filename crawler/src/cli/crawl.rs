//! `crawl` and `crawl resume`: start a crawl, or go on with one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use frontier::work_queue::QueueBounds;
use frontier::{NewTask, Scope};
use serde::{Deserialize, Serialize};
use storage::{CrawlReader, DataDir};

use super::args::{CommonArgs, CrawlArgs, ResumeArgs, ScopeArgs, SeedArgs};
use super::{exit_code, log};
use crate::cli::progress::Progress;
use crate::cli::signals;
use crate::clock::SystemClock;
use crate::descriptors;
use crate::engine::Ended;
use crate::engine::session::{self, Parts};
use crate::settings::{self, Settings, UsageError};

/// What a data dir remembers of the flags.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Fixed for the whole crawl.
    scope: Scope,
    /// The last session's pace and identity, for the report.
    last_session: serde_json::Value,
}

/// Starts a crawl in the data dir, or goes on with the one that is there, with new seeds added.
pub fn start(common: &CommonArgs, seeds: &SeedArgs, args: &CrawlArgs) -> anyhow::Result<u8> {
    let settings = Settings::from_args(args)?;
    let seeds = settings::seeds(seeds)?;
    let (scope, clock) = (scope(&common.data_dir, &args.scope)?, Arc::new(SystemClock::new()));
    let shutdown = signals::watch().context("failed to start")?;
    let data_dir = DataDir::open(&common.data_dir, clock.clone(), bounds(&scope))?;
    crawl(common, Parts { settings, scope, data_dir, clock, shutdown }, seeds, false)
}

/// Goes on with the crawl in the data dir.
pub fn resume(common: &CommonArgs, args: &ResumeArgs) -> anyhow::Result<u8> {
    let settings = Settings::from_args(&args.crawl)?;
    let (scope, clock) = (scope(&common.data_dir, &args.crawl.scope)?, Arc::new(SystemClock::new()));
    let shutdown = signals::watch().context("failed to start")?;
    let data_dir = DataDir::open_existing(&common.data_dir, clock.clone(), bounds(&scope))?;
    crawl(common, Parts { settings, scope, data_dir, clock, shutdown }, Vec::new(), args.retry_failed)
}

fn bounds(scope: &Scope) -> QueueBounds {
    QueueBounds { sitemaps_max: scope.max_sitemaps }
}

/// What a session adds to the queue before it starts.
pub struct SessionStart {
    /// All that the crawl was ever started from.
    pub seeds: Vec<NewTask>,
    /// Ask again for what was given up.
    pub retry_failed: bool,
}

fn crawl(
    common: &CommonArgs,
    mut parts: Parts,
    new_seeds: Vec<NewTask>,
    retry_failed: bool,
) -> anyhow::Result<u8> {
    let too_few_descriptors = descriptors::fit(&mut parts.settings);
    let remembered = Remembered { scope: parts.scope.clone(), last_session: parts.settings.for_report() };
    parts.data_dir.set_settings(&serde_json::to_string(&remembered)?)?;
    parts.data_dir.add_seeds(&new_seeds)?;
    drop(new_seeds);
    let seeds = parts.data_dir.seeds()?;
    let is_strict = parts.settings.strict;
    let progress = Progress::new(!common.no_progress, common.quiet);
    log::init(common, progress.bar());
    warn_of_descriptors(too_few_descriptors, &parts.settings);
    if seeds.damaged > 0 {
        let (lines, data_dir) = (seeds.damaged, common.data_dir.display());
        tracing::warn!(
            lines,
            "the file of seeds in {data_dir} is damaged: name them again if they are missing"
        );
    }
    let work = SessionStart { seeds: seeds.tasks, retry_failed };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start")?;
    let ended = runtime.block_on(session::run(parts, progress, work))?;
    // Ends whatever still holds the data dir.
    drop(runtime);
    let incomplete = conclude(common, ended)?;
    Ok(match ended {
        Ended::Interrupted => exit_code::INTERRUPTED,
        Ended::Complete if is_strict && incomplete > 0 => exit_code::INCOMPLETE,
        Ended::Complete => exit_code::OK,
    })
}

/// `limit`: how many files may be open, where that is too few for what was asked.
pub fn warn_of_descriptors(limit: Option<usize>, settings: &Settings) {
    if let Some(limit) = limit {
        let concurrency = settings.concurrency;
        tracing::warn!(
            concurrency,
            "only {limit} files may be open at once (ulimit -n): fewer requests at a time"
        );
    }
}

/// The scope of the crawl: for a new one what is typed now, else the remembered one, from which nothing typed now may
/// differ.
fn scope(data_dir: &Path, args: &ScopeArgs) -> anyhow::Result<Scope> {
    let Some(text) = DataDir::settings_at(data_dir)? else {
        return Ok(settings::scope(args, Scope::default())?);
    };
    let known: Remembered = serde_json::from_str(&text)
        .with_context(|| format!("failed to read the settings remembered in {}", data_dir.display()))?;
    let scope = settings::scope(args, known.scope.clone())?;
    let differences: Vec<String> = known.scope.differences(&scope).iter().map(ToString::to_string).collect();
    if differences.is_empty() {
        Ok(scope)
    } else {
        Err(UsageError::ScopeChanged(differences.join("; ")).into())
    }
}

/// Says how the crawl ended and by what it was bound; gives the number of incomplete hosts.
fn conclude(common: &CommonArgs, ended: Ended) -> anyhow::Result<u64> {
    let reader = CrawlReader::open(&common.data_dir)?;
    let report = reports::report(&reader)?;
    let incomplete = report.totals.hosts - report.totals.hosts_complete;
    let (hosts, entries, requests) =
        (report.totals.hosts, report.totals.entries.kept, report.totals.requests);
    let wall_s = (report.crawl.wall_s * 10.0).round() / 10.0;
    match ended {
        Ended::Complete => tracing::info!(hosts, incomplete, entries, requests, wall_s, "crawl ended"),
        Ended::Interrupted => {
            let tasks_pending = report.crawl.tasks_pending;
            tracing::warn!(hosts, tasks_pending, entries, "interrupted; go on with `crawl resume`");
        }
    }
    if !common.quiet {
        tracing::info!("{}", report.verdict.sentence);
    }
    Ok(incomplete)
}
