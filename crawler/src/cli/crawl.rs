//! Runs a crawl: `crawl`, `crawl resume` and `crawl work`.

use anyhow::Context;
use crawler::{CrawlBuilder, Ended, Summary};
use tokio::runtime::Runtime;

use super::args::{CommonArgs, CrawlArgs, ResumeArgs, SeedArgs};
#[cfg(feature = "shared")]
use super::args::{PaceArgs, ScopeArgs, StoreArgs, WorkArgs};
use super::progress::ProgressLine;
#[cfg(feature = "shared")]
use super::shared_place;
use super::{check, exit_code, log, signals};

/// How the end of a crawl is reported.
struct Ending {
    /// Whether an incomplete site makes the program fail.
    is_strict: bool,
    /// Whether several machines share the crawl.
    is_shared: bool,
}

/// Starts a crawl in the data directory. If there is one already, adds the seeds and continues it.
pub fn start(common: &CommonArgs, seeds: &SeedArgs, args: &CrawlArgs) -> anyhow::Result<u8> {
    let builder = check::with_seeds(check::crawl(args), seeds)?.data_dir(&common.data_dir);
    run(common, builder, &Ending { is_strict: args.strict, is_shared: false })
}

/// Continues the crawl in the data directory.
pub fn resume(common: &CommonArgs, args: &ResumeArgs) -> anyhow::Result<u8> {
    let builder = check::crawl(&args.crawl).data_dir(&common.data_dir).retry_failed(args.retry_failed);
    run(common, builder, &Ending { is_strict: args.crawl.strict, is_shared: false })
}

/// Starts a crawl in the store. If there is one with that name already, adds the seeds and joins it.
#[cfg(feature = "shared")]
pub fn start_shared(
    common: &CommonArgs,
    seeds: &SeedArgs,
    args: &CrawlArgs,
    store: &StoreArgs,
) -> anyhow::Result<u8> {
    let place = shared_place::of_crawl(store)?;
    let builder = check::with_seeds(check::crawl(args), seeds)?.shared(place);
    run(common, builder, &Ending { is_strict: args.strict, is_shared: true })
}

/// Joins a crawl in the store.
#[cfg(feature = "shared")]
pub fn work(common: &CommonArgs, args: WorkArgs) -> anyhow::Result<u8> {
    use crawler::defaults;

    let WorkArgs { store, retry_failed, concurrency, timeout, connection, strict } = args;
    // The crawl's own are taken over.
    let pace = PaceArgs {
        rate: defaults::RATE,
        concurrency,
        host_concurrency: defaults::HOST_CONCURRENCY,
        site_concurrency: None,
        site_rate: 0.0,
        address_concurrency: None,
        timeout,
    };
    let args = CrawlArgs { pace, scope: ScopeArgs::default(), connection, strict };
    let builder = check::crawl(&args).shared(shared_place::of_crawl(&store)?).retry_failed(retry_failed);
    run(common, builder, &Ending { is_strict: strict, is_shared: true })
}

fn run(common: &CommonArgs, builder: CrawlBuilder, ending: &Ending) -> anyhow::Result<u8> {
    let progress = ProgressLine::new(!common.no_progress, common.quiet);
    log::init(common, progress.bar());
    let signalled = signals::watch().context("failed to start")?;
    let runtime = Runtime::new().context("failed to start")?;
    let summary = runtime.block_on(async {
        let crawl = builder.start().await?;
        let stopper = crawl.stopper();
        let stopping = tokio::spawn(async move {
            signalled.cancelled().await;
            stopper.stop();
        });
        let showing = tokio::spawn(progress.show_all(crawl.progress()));
        let summary = crawl.finish().await;
        stopping.abort();
        // Its channel has ended with the crawl.
        let _ = showing.await;
        summary
    })?;
    conclude(common, &summary, ending);
    Ok(match summary.ended() {
        Ended::Interrupted => exit_code::INTERRUPTED,
        Ended::Complete if ending.is_strict && summary.hosts_incomplete() > 0 => exit_code::INCOMPLETE,
        Ended::Complete => exit_code::OK,
    })
}

/// Logs how the crawl ended and what limited its speed.
fn conclude(common: &CommonArgs, summary: &Summary, ending: &Ending) {
    let (hosts, entries, requests) = (summary.hosts(), summary.entries(), summary.requests());
    let (incomplete, tasks_pending) = (summary.hosts_incomplete(), summary.tasks_pending());
    match (summary.ended(), ending.is_shared) {
        (Ended::Complete, false) => {
            let wall_s = summary.report().map_or(0.0, |report| (report.crawl.wall_s * 10.0).round() / 10.0);
            tracing::info!(hosts, incomplete, entries, requests, wall_s, "crawl ended");
        }
        (Ended::Complete, true) => {
            tracing::info!(hosts, incomplete, entries, requests, "crawl ended on all machines");
        }
        (Ended::Interrupted, false) => {
            tracing::warn!(hosts, tasks_pending, entries, "interrupted; continue with `crawl resume`");
        }
        (Ended::Interrupted, true) => {
            tracing::warn!(
                hosts,
                tasks_pending,
                entries,
                "this worker was stopped; `crawl work` joins the crawl again"
            );
        }
    }
    if let Some(verdict) = summary.verdict().filter(|_| !common.quiet) {
        tracing::info!("{}", verdict.sentence);
    }
}
