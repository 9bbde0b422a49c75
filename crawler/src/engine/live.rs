//! Publishes the state of a running crawl about once a second, for commands that read it at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frontier::work_queue::{HostRecord, QueueError};
use frontier::{Clock, HostId};
use reports::{RESUME, Sessions, StatusTally, Tally, TimelineTally, render};
use storage::{DataDir, Live, LocalWorkQueue, OpenError, QueueView, ViewMark};
use tokio_util::sync::CancellationToken;

/// How often the state is published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// The pause after publishing is this many times as long as publishing took, so that it costs a few per cent of a core.
const PAUSE_FACTOR: u32 = 20;

/// Requests read from the queue at a time.
const FETCHES_MAX: usize = 20_000;

/// Hosts in the report of a running crawl: the slowest ones. Each takes kilobytes every time the report is written. The totals
/// cover all hosts, and so does the report of a stopped crawl.
const REPORT_HOSTS_MAX: usize = 1_000;

/// Why the state could not be published.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] OpenError),
    /// An output could not be rendered.
    #[error("failed to render a report: {0}")]
    Render(#[from] std::io::Error),
    /// The thread that renders reports has ended.
    #[error("the thread that renders reports ended unexpectedly")]
    Thread,
}

/// Publishes the state of a crawl.
pub struct LivePublisher<Q, C> {
    data_dir: Arc<DataDir>,
    queue: Arc<Q>,
    clock: Arc<C>,
    revision: u64,
    mark: ViewMark,
    hosts: KnownHosts,
    timeline: TimelineTally,
}

/// The hosts and their requests.
struct KnownHosts {
    tally: Tally,
    /// Counts the hosts of the current view.
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

impl<Q: LocalWorkQueue, C: Clock> LivePublisher<Q, C> {
    /// Creates a publisher that has not published anything yet.
    pub fn new(data_dir: Arc<DataDir>, queue: Arc<Q>, clock: Arc<C>) -> Self {
        let (revision, mark) = (0, ViewMark::default());
        let (hosts, timeline) = (KnownHosts::new(Tally::new(Sessions::default())), TimelineTally::growing());
        Self { data_dir, queue, clock, revision, mark, hosts, timeline }
    }

    /// Publishes the state until `over` is cancelled, and once more after that.
    pub async fn run(mut self, over: CancellationToken) -> Result<(), LiveError> {
        loop {
            let is_over = over.is_cancelled();
            let begun_at = self.clock.now();
            self = self.publish().await?;
            if is_over {
                return Ok(());
            }
            let pause = PUBLISH_EVERY.max(self.clock.now().since(begun_at) * PAUSE_FACTOR);
            tokio::select! {
                () = over.cancelled() => {}
                () = self.clock.sleep_until(self.clock.now() + pause) => {}
            }
        }
    }

    async fn publish(self) -> Result<Self, LiveError> {
        let Self { data_dir, queue, clock, revision, mut mark, mut hosts, mut timeline } = self;
        loop {
            hosts = KnownHosts::new(hosts.tally);
            let view = queue.view(mark, FETCHES_MAX, hosts).await?;
            let (has_more, dir) = (view.has_more, data_dir.clone());
            let taken = tokio::task::spawn_blocking(move || take(view, timeline, &dir, revision + 1));
            (mark, hosts, timeline) = taken.await.map_err(|_| LiveError::Thread)??;
            if !has_more {
                return Ok(Self { data_dir, queue, clock, revision: revision + 1, mark, hosts, timeline });
            }
        }
    }
}

/// Adds a view to the tallies, and publishes the state if there are no more views for now.
fn take(
    mut view: QueueView<KnownHosts>,
    mut timeline: TimelineTally,
    data_dir: &DataDir,
    revision: u64,
) -> Result<(ViewMark, KnownHosts, TimelineTally), LiveError> {
    let tally = &mut view.hosts.tally;
    let sessions = Sessions::consecutive(std::mem::take(&mut view.sessions));
    timeline.grow(sessions.clone());
    tally.set_sessions(sessions);
    for fetch in &view.fetches {
        tally.add_fetch(fetch);
        // Which hosts will be the slowest is not known yet. Those that were requested first have taken the longest so far.
        timeline.add_row(fetch.task.host, || tally.origin(fetch.task.host));
        timeline.add_fetch(fetch);
    }
    if !view.has_more {
        let outputs = outputs(&view, &timeline, data_dir)?;
        let (segments, origins) = (view.segments, std::mem::take(&mut view.hosts.origins));
        data_dir.show(&Live { pid: std::process::id(), revision, segments, origins, outputs })?;
    }
    Ok((view.mark, view.hosts, timeline))
}

/// The outputs of the commands that need no entries, by command and format.
fn outputs(
    view: &QueueView<KnownHosts>,
    timeline: &TimelineTally,
    data_dir: &DataDir,
) -> Result<BTreeMap<String, String>, LiveError> {
    let status = view.hosts.status.clone().finish(&view.counts, true, RESUME);
    let settings = reports::settings(data_dir.settings()?.as_deref());
    let report = view.hosts.tally.finish(settings, true).with_slowest_hosts(REPORT_HOSTS_MAX);
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
