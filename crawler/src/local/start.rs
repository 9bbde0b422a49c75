//! Starts or continues a crawl in a data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontier::Scope;
use storage::{CrawlReader, DataDir};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{SessionParts, run};
use crate::builder::CrawlBuilder;
use crate::clock::SystemClock;
use crate::descriptors;
use crate::engine::Ended;
use crate::engine::error::EngineError;
use crate::engine::observers::Observers;
use crate::error::Error;
use crate::remembered::Remembered;
use crate::settings::Settings;
use crate::summary::Summary;

/// A folder for the state and results of a crawl.
struct Folder {
    path: PathBuf,
    /// Set if the folder is removed with the crawl.
    temporary: Option<Arc<TempDir>>,
}

impl Folder {
    fn at(path: Option<PathBuf>) -> Result<Self, Error> {
        match path {
            Some(path) => Ok(Self { path, temporary: None }),
            None => {
                let folder = TempDir::with_prefix("crawl-").map_err(Error::Start)?;
                Ok(Self { path: folder.path().to_owned(), temporary: Some(Arc::new(folder)) })
            }
        }
    }
}

/// Starts a crawl in the data directory at `path`, or in a temporary one. If there is a crawl already, adds the seeds
/// and continues it.
pub(crate) async fn start(
    builder: CrawlBuilder,
    path: Option<PathBuf>,
    settings: Settings,
    observers: Observers,
    stop: CancellationToken,
) -> Result<AbortOnDropHandle<Result<Summary, Error>>, Error> {
    let folder = Folder::at(path)?;
    let opened = spawn_blocking(move || {
        let parts = open(builder, &folder, settings, stop)?;
        Ok::<_, Error>((folder, parts))
    });
    let (folder, parts) = opened.await.map_err(|_| EngineError::Part("opening the data directory"))??;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        let ended = run(parts, observers).await?;
        let summary = spawn_blocking(move || summary(&folder, ended));
        summary.await.map_err(|_| EngineError::Part("the report"))?
    })))
}

fn open(
    builder: CrawlBuilder,
    folder: &Folder,
    mut settings: Settings,
    stop: CancellationToken,
) -> Result<SessionParts, Error> {
    let clock = Arc::new(SystemClock::new());
    let scope = builder.scope.of_crawl(known_scope(&folder.path)?)?;
    let bounds = scope.queue_bounds();
    let is_new = builder.seeds.were_given();
    let new_seeds = builder.seeds.into_tasks()?;
    let data_dir = match &folder.temporary {
        Some(temporary) => DataDir::open_temporary(temporary, clock.clone(), bounds)?,
        None if is_new => DataDir::open(&folder.path, clock.clone(), bounds)?,
        None => DataDir::open_existing(&folder.path, clock.clone(), bounds)?,
    };
    descriptors::fit(&mut settings);
    let remembered = Remembered::of(scope.clone(), &settings);
    data_dir.set_settings(&remembered.to_text()?)?;
    data_dir.add_seeds(&new_seeds)?;
    let (seeds, retry_failed) = (data_dir.new_seeds()?, builder.retry_failed);
    Ok(SessionParts { settings, scope, data_dir, seeds, retry_failed, clock, shutdown: stop })
}

/// The scope that the crawl at `path` was started with. `None` if there is no crawl.
fn known_scope(path: &Path) -> Result<Option<Scope>, Error> {
    let Some(text) = DataDir::settings_at(path)? else { return Ok(None) };
    Ok(Some(Remembered::parse(&text, &path.display().to_string())?.scope))
}

fn summary(folder: &Folder, ended: Ended) -> Result<Summary, Error> {
    let report = reports::report(&CrawlReader::open(&folder.path)?)?;
    Ok(Summary::of_report(ended, report))
}
