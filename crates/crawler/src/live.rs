//! Shows a running crawl to those who read beside it, about once a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frontier::Clock;
use frontier::work_queue::QueueError;
use reports::{RESUME, StatusTally, Tally, TimelineTally, render};
use storage::{DataDir, Live, OpenError, QueueView, SledQueue, ViewMark};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;

/// How often it is shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// A showing that takes long is followed by a pause so many times as long, so that it costs few per cent of a core.
const PAUSE_FACTOR: u32 = 20;

/// Requests taken over at a time.
const FETCHES_MAX: usize = 20_000;

/// Why the crawl could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] OpenError),
    /// An output could not be made.
    #[error("failed to make a report: {0}")]
    Render(#[from] std::io::Error),
    /// The thread that makes reports is gone.
    #[error("the thread that makes reports has ended")]
    Thread,
}

/// Shows a crawl.
pub struct Show {
    data_dir: Arc<DataDir>,
    queue: Arc<SledQueue>,
    clock: Arc<SystemClock>,
    revision: u64,
    mark: ViewMark,
    tally: Tally,
    timeline: TimelineTally,
}

impl Show {
    /// Nothing is shown yet.
    pub fn new(data_dir: Arc<DataDir>, queue: Arc<SledQueue>, clock: Arc<SystemClock>) -> Self {
        let (revision, mark) = (0, ViewMark::default());
        let (tally, timeline) = (Tally::new(Vec::new()), TimelineTally::growing());
        Self { data_dir, queue, clock, revision, mark, tally, timeline }
    }

    /// Shows the crawl until `over`, and once more then.
    pub async fn run(mut self, over: CancellationToken) -> Result<(), ShowError> {
        loop {
            let is_over = over.is_cancelled();
            let begun_at = self.clock.now();
            self = self.show().await?;
            if is_over {
                return Ok(());
            }
            let pause = SHOW_EVERY.max(self.clock.now().since(begun_at) * PAUSE_FACTOR);
            tokio::select! {
                () = over.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn show(mut self) -> Result<Self, ShowError> {
        loop {
            let mut view = self.queue.view(std::mem::take(&mut self.mark), FETCHES_MAX).await?;
            self.mark = std::mem::take(&mut view.mark);
            let has_more = view.has_more;
            let shown = tokio::task::spawn_blocking(move || self.take(view).map(|()| self));
            self = shown.await.map_err(|_| ShowError::Thread)??;
            if !has_more {
                return Ok(self);
            }
        }
    }

    fn take(&mut self, view: QueueView) -> Result<(), ShowError> {
        let mut status = StatusTally::default();
        let mut origins = Vec::with_capacity(view.hosts.len());
        for (id, record) in view.hosts {
            status.add(&record);
            origins.push(record.host.to_string());
            self.tally.add_host(id, record);
        }
        self.timeline.grow(&view.sessions);
        self.tally.set_sessions(view.sessions);
        for fetch in &view.fetches {
            self.tally.add_fetch(fetch);
            // Nobody knows yet which hosts will be the slowest: those that are asked first have been at it for longest.
            self.timeline.add_lane(fetch.task.host, || self.tally.origin(fetch.task.host));
            self.timeline.add_fetch(fetch);
        }
        if view.has_more {
            return Ok(());
        }
        let status = status.finish(&view.counts, true, RESUME);
        let report = self.tally.clone().finish(reports::settings(self.data_dir.settings()?.as_deref()), true);
        let mut outputs = BTreeMap::new();
        outputs.insert("status.text".to_owned(), render::status_text(&status));
        outputs.insert("status.json".to_owned(), text(|out| render::status_json(&status, out))?);
        outputs.insert("report.text".to_owned(), render::report_text(&report));
        outputs.insert("report.json".to_owned(), text(|out| render::report_json(&report, out))?);
        let page = text(|out| render::report_html(&report, &self.timeline.finish(), out))?;
        outputs.insert("report.html".to_owned(), page);
        self.revision += 1;
        let (pid, revision, segments) = (std::process::id(), self.revision, view.segments);
        Ok(self.data_dir.show(&Live { pid, revision, segments, origins, outputs })?)
    }
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}
