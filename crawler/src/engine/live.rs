//! Shows a running crawl to those who read beside it, about once a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{HostRecord, QueueError};
use frontier::{Clock, HostId};
use reports::{RESUME, Sessions, StatusTally, Tally, TimelineTally, render};
use storage::{DataDir, Live, OpenError, QueueView, SledQueue, ViewMark};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;

/// How often it is shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// A showing that takes long is followed by a pause so many times as long, so that it costs few per cent of a core.
const PAUSE_FACTOR: u32 = 20;

/// Requests taken over at a time.
const FETCHES_MAX: usize = 20_000;

/// Hosts in the reports beside the crawl, the slowest: all of them would take kilobytes each, again and again. The totals are
/// those of all, and so are the reports of a crawl at rest.
const HOSTS_SHOWN_MAX: usize = 1_000;

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
    shown: KnownHosts,
    timeline: TimelineTally,
}

/// What is kept of hosts and their requests.
struct KnownHosts {
    tally: Tally,
    /// Of the view at hand.
    status: StatusTally,
    origins: Vec<String>,
}

impl Extend<(HostId, HostRecord)> for KnownHosts {
    fn extend<I: IntoIterator<Item = (HostId, HostRecord)>>(&mut self, hosts: I) {
        for (id, record) in hosts {
            self.status.add(&record);
            self.origins.push(record.host.to_string());
            self.tally.add_host(id, record);
        }
    }
}

impl KnownHosts {
    fn new(tally: Tally) -> Self {
        Self { tally, status: StatusTally::default(), origins: Vec::new() }
    }
}

impl Show {
    /// Nothing is shown yet.
    pub fn new(data_dir: Arc<DataDir>, queue: Arc<SledQueue>, clock: Arc<SystemClock>) -> Self {
        let (revision, mark) = (0, ViewMark::default());
        let (shown, timeline) = (KnownHosts::new(Tally::new(Sessions::default())), TimelineTally::growing());
        Self { data_dir, queue, clock, revision, mark, shown, timeline }
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

    async fn show(self) -> Result<Self, ShowError> {
        let Self { data_dir, queue, clock, revision, mut mark, mut shown, mut timeline } = self;
        loop {
            shown = KnownHosts::new(shown.tally);
            let view = queue.view(mark, FETCHES_MAX, shown).await?;
            let (has_more, dir) = (view.has_more, data_dir.clone());
            let taken = tokio::task::spawn_blocking(move || take(view, timeline, &dir, revision + 1));
            (mark, shown, timeline) = taken.await.map_err(|_| ShowError::Thread)??;
            if !has_more {
                return Ok(Self { data_dir, queue, clock, revision: revision + 1, mark, shown, timeline });
            }
        }
    }
}

/// Takes a view over, and shows it if it is the last one for now.
fn take(
    mut view: QueueView<KnownHosts>,
    mut timeline: TimelineTally,
    data_dir: &DataDir,
    revision: u64,
) -> Result<(ViewMark, KnownHosts, TimelineTally), ShowError> {
    let tally = &mut view.hosts.tally;
    let sessions = Sessions::in_turn(std::mem::take(&mut view.sessions));
    timeline.grow(sessions.clone());
    tally.set_sessions(sessions);
    for fetch in &view.fetches {
        tally.add_fetch(fetch);
        // Nobody knows yet which hosts will be the slowest: those that are asked first have been at it for longest.
        timeline.add_lane(fetch.task.host, || tally.origin(fetch.task.host));
        timeline.add_fetch(fetch);
    }
    if !view.has_more {
        let outputs = outputs(&view, &timeline, data_dir)?;
        let (segments, origins) = (view.segments, std::mem::take(&mut view.hosts.origins));
        data_dir.show(&Live { pid: std::process::id(), revision, segments, origins, outputs })?;
    }
    Ok((view.mark, view.hosts, timeline))
}

/// What commands write that want no entries, by command and format.
fn outputs(
    view: &QueueView<KnownHosts>,
    timeline: &TimelineTally,
    data_dir: &DataDir,
) -> Result<BTreeMap<String, String>, ShowError> {
    let status = view.hosts.status.clone().finish(&view.counts, true, RESUME);
    let settings = reports::settings(data_dir.settings()?.as_deref());
    let report = view.hosts.tally.finish(settings, true).with_slowest_hosts(HOSTS_SHOWN_MAX);
    let mut outputs = BTreeMap::new();
    outputs.insert("status.text".to_owned(), render::status_text(&status));
    outputs.insert("status.json".to_owned(), text(|out| render::status_json(&status, out))?);
    outputs.insert("report.text".to_owned(), render::report_text(&report));
    outputs.insert("report.json".to_owned(), text(|out| render::report_json(&report, out))?);
    let page = text(|out| render::report_html(&report, &timeline.finish(), out))?;
    outputs.insert("report.html".to_owned(), page);
    Ok(outputs)
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}
