//! `crawl` and `crawl resume`: start or continue a crawl in a data directory.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use frontier::work_queue::QueueBounds;
use frontier::{NewTask, Scope};
use serde::{Deserialize, Serialize};
use storage::{CrawlReader, DataDir};

use super::args::{CommonArgs, CrawlArgs, ResumeArgs, ScopeArgs, SeedArgs};
use super::progress::Progress;
use super::usage_error::UsageError;
use super::{check, exit_code, log, signals};
use crate::clock::SystemClock;
use crate::descriptors;
use crate::engine::Ended;
use crate::engine::session::SessionStart;
use crate::local::{self, SessionParts};
use crate::settings::Settings;

/// The flags that a crawl remembers.
#[derive(Serialize, Deserialize)]
pub struct RememberedFlags {
    /// The scope, which is fixed for the whole crawl.
    pub scope: Scope,
    /// Pace and identity, see [`Settings::for_report`]. In a data directory they are those of the last session, for the
    /// report. In a store they are those of the worker that started the crawl, and every worker uses them.
    pub last_session: serde_json::Value,
}

/// Starts a crawl in the data directory. If there is one already, adds the seeds and continues it.
pub fn start(common: &CommonArgs, seeds: &SeedArgs, args: &CrawlArgs) -> anyhow::Result<u8> {
    let settings = check::settings(args)?;
    let seeds = check::seeds(seeds)?;
    let (scope, clock) = (scope(&common.data_dir, &args.scope)?, Arc::new(SystemClock::new()));
    let shutdown = signals::watch().context("failed to start")?;
    let data_dir = DataDir::open(&common.data_dir, clock.clone(), bounds(&scope))?;
    crawl(common, SessionParts { settings, scope, data_dir, clock, shutdown }, seeds, false)
}

/// Continues the crawl in the data directory.
pub fn resume(common: &CommonArgs, args: &ResumeArgs) -> anyhow::Result<u8> {
    let settings = check::settings(&args.crawl)?;
    let (scope, clock) = (scope(&common.data_dir, &args.crawl.scope)?, Arc::new(SystemClock::new()));
    let shutdown = signals::watch().context("failed to start")?;
    let data_dir = DataDir::open_existing(&common.data_dir, clock.clone(), bounds(&scope))?;
    crawl(common, SessionParts { settings, scope, data_dir, clock, shutdown }, Vec::new(), args.retry_failed)
}

fn bounds(scope: &Scope) -> QueueBounds {
    QueueBounds { sitemaps_max: scope.max_sitemaps }
}

fn crawl(
    common: &CommonArgs,
    mut parts: SessionParts,
    new_seeds: Vec<NewTask>,
    retry_failed: bool,
) -> anyhow::Result<u8> {
    let too_few_descriptors = descriptors::fit(&mut parts.settings);
    let remembered =
        RememberedFlags { scope: parts.scope.clone(), last_session: parts.settings.for_report() };
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
        tracing::warn!(lines, "the file of seeds in {data_dir} is damaged: add missing seeds again");
    }
    let work = SessionStart { seeds: seeds.tasks, retry_failed };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("failed to start")?;
    let ended = runtime.block_on(progress.follow(|state| local::run(parts, state, work)))?;
    // Ends the tasks that still hold the data directory.
    drop(runtime);
    let incomplete = conclude(common, ended)?;
    Ok(match ended {
        Ended::Interrupted => exit_code::INTERRUPTED,
        Ended::Complete if is_strict && incomplete > 0 => exit_code::INCOMPLETE,
        Ended::Complete => exit_code::OK,
    })
}

/// Warns that the concurrency was lowered. `limit` is the limit on open files, if it was too low for the requested
/// concurrency.
pub fn warn_of_descriptors(limit: Option<usize>, settings: &Settings) {
    if let Some(limit) = limit {
        let concurrency = settings.concurrency;
        tracing::warn!(
            concurrency,
            "only {limit} files may be open at once (ulimit -n): the number of requests in flight is lowered"
        );
    }
}

/// The scope of the crawl. For a new crawl it comes from the flags. For an existing crawl it is the remembered one, and the
/// flags must not differ from it.
fn scope(data_dir: &Path, args: &ScopeArgs) -> anyhow::Result<Scope> {
    let Some(text) = DataDir::settings_at(data_dir)? else {
        return Ok(check::scope(args, Scope::default())?);
    };
    let known: RememberedFlags = serde_json::from_str(&text)
        .with_context(|| format!("failed to read the remembered settings in {}", data_dir.display()))?;
    let scope = check::scope(args, known.scope.clone())?;
    let differences: Vec<String> = known.scope.differences(&scope).iter().map(ToString::to_string).collect();
    if differences.is_empty() {
        Ok(scope)
    } else {
        Err(UsageError::ScopeChanged(differences.join("; ")).into())
    }
}

/// Logs how the crawl ended and what limited its speed. Returns the number of incomplete hosts.
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
            tracing::warn!(hosts, tasks_pending, entries, "interrupted; continue with `crawl resume`");
        }
    }
    if !common.quiet {
        tracing::info!("{}", report.verdict.sentence);
    }
    Ok(incomplete)
}
