//! Makes results durable: writes entries to disk first, and then commits the outcomes in one transaction.
//!
//! Commits are grouped: whenever no commit is running, all finished outcomes go into the next one. Outcomes with entries wait
//! until the entries are written, which happens in another thread if it may block. Outcomes without entries never wait for
//! that. If the writer gathers entries for a while, their outcomes wait until the segment is complete.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use frontier::discovery::FoundLinks;
use frontier::schedule::Request;
use frontier::work_queue::{Commit, HostCooldown, HostUpdate, RobotsRecord, SegmentRef, Session, Usage};
use frontier::{
    Clock, FetchRecord, HostId, NewTask, NextStep, Outcome, Scope, Stage, TaskId, TaskOutcome, Timestamp,
    WorkQueue,
};
use storage::{EntryWriter, FinishedChildren, FinishedRows, SegmentError};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::body::Contents;
use super::environment::Environment;
use super::error::RecordError;
use crate::clock::sleep_until;
use crate::cpu_meter::{CpuMeter, CpuWork, thread_cpu};
use crate::event::Event;

/// Maximum number of outcomes per commit. Bounds the size of a transaction.
const COMMIT_ITEMS_MAX: usize = 1_000;

/// Maximum number of new tasks per commit, unless a single document names more. The children of an index are kept in files
/// until they are committed, and take memory only then.
const COMMIT_TASKS_MAX: u64 = 20_000;

/// Maximum bytes of robots.txt rules per commit, unless a single file has more. A commit makes several copies of them.
const COMMIT_RULES_BYTES_MAX: usize = 2 << 20;

/// How often the resource usage is measured at most. Measuring reads two files.
const USAGE_EVERY: Duration = Duration::from_millis(100);

/// The result of one request, which is not durable yet.
pub struct Item {
    /// The request. It occupies its slot until this item is durable.
    pub request: Request,
    /// Where its time went. `None` if no request was sent.
    pub record: Option<FetchRecord>,
    /// When the response had been read. From then on, time counts as stage `record`.
    pub read_at: Timestamp,
    /// When its slot was freed, if that was before the item is durable. The time of the request ends there.
    pub settled_at: Option<Timestamp>,
    /// How the task ended. `None` while a redirect is followed.
    pub outcome: Option<TaskOutcome>,
    /// The new tasks, except for the children of an index.
    pub found: Vec<NewTask>,
    /// The robots.txt rules that were fetched.
    pub robots: Option<RobotsRecord>,
    /// The permit of a large robots.txt, held until the rules are durable.
    pub permit: Option<OwnedSemaphorePermit>,
    /// The cooldowns that hosts asked for.
    pub cooldowns: Vec<HostCooldown>,
    /// The contents of the document.
    pub contents: Contents,
    /// The entries once they are stored, for the event of the document.
    pub stored: Option<FinishedRows>,
    /// What the schedule does next.
    pub next: NextStep,
}

impl Item {
    /// The item of a task that ends without a request. The caller adds the outcome.
    pub fn without_request(request: Request, now: Timestamp) -> Self {
        Self {
            request,
            record: None,
            read_at: now,
            settled_at: None,
            outcome: None,
            found: Vec::new(),
            robots: None,
            permit: None,
            cooldowns: Vec::new(),
            contents: Contents::default(),
            stored: None,
            next: NextStep::Done,
        }
    }

    /// The number of new tasks.
    fn tasks(&self) -> u64 {
        self.found.len() as u64 + self.contents.children.as_ref().map_or(0, FinishedChildren::len)
    }

    /// Size of the robots.txt rules.
    fn rules_bytes(&self) -> usize {
        self.robots.as_ref().and_then(|robots| robots.rules.as_ref()).map_or(0, String::len)
    }
}

/// A durable item.
pub struct Durable {
    /// Whether its slot was freed before.
    pub was_settled: bool,
    /// The request.
    pub request: Request,
    /// What the schedule does next.
    pub next: NextStep,
    /// The robots.txt rules that were fetched.
    pub robots: Option<RobotsRecord>,
    /// The URL that also counts as read.
    pub read_as: Option<TaskId>,
    /// Hosts that may have new tasks because of this item.
    pub woken: Vec<HostId>,
}

/// The engine's end of a recorder, which ends when this is dropped and all items are durable.
pub struct Recording {
    /// Takes the items to make durable.
    pub items: mpsc::UnboundedSender<Item>,
    /// Gives back the durable items.
    pub durable: mpsc::UnboundedReceiver<Vec<Durable>>,
    /// Makes the recorder complete the segment of the gathered entries at once.
    pub roll_now: Arc<Notify>,
    /// Whether the writer gathers entries before they become durable. Then a slot is freed before that.
    pub gathers: bool,
}

/// Receives items and sends them back when they are durable.
pub struct Recorder<E: Environment> {
    queue: Arc<E::Queue>,
    session: Session,
    clock: Arc<E::Clock>,
    meter: Arc<CpuMeter>,
    scope: Scope,
    writer: Option<E::Writer>,
    /// The segment being written, with the items that wait for it.
    appending: Option<Appending<E::Writer>>,
    /// Items whose entries the writer has gathered.
    gathered: Vec<Item>,
    /// When the writer must complete the segment.
    roll_at: Option<Timestamp>,
    roll_now: Arc<Notify>,
    durable: mpsc::UnboundedSender<Vec<Durable>>,
    /// To the caller of the crawl, as long as it reads.
    events: mpsc::Sender<Event>,
    seq: u64,
    previous_commit: Duration,
    usage: (Timestamp, Usage),
}

/// A segment that is being written, or has been.
enum Appending<W> {
    InThread(JoinHandle<Appended<W>>),
    Done(Appended<W>),
}

struct Appended<W> {
    writer: W,
    items: Vec<Item>,
    segment: Result<Option<SegmentRef>, SegmentError>,
}

/// Where a recorder writes to.
pub struct Destinations<E: Environment> {
    /// The queue of tasks.
    pub queue: Arc<E::Queue>,
    /// Writes entries.
    pub writer: E::Writer,
    /// To the caller of the crawl.
    pub events: mpsc::Sender<Event>,
}

impl<E: Environment> Recorder<E> {
    /// Starts a recorder in a task of its own. Its first commit of `session` follows commit `seq`. The task ends with an error
    /// if results can no longer be made durable.
    pub fn start(
        destinations: Destinations<E>,
        session: Session,
        seq: u64,
        clock: Arc<E::Clock>,
        meter: Arc<CpuMeter>,
        scope: Scope,
    ) -> (Recording, JoinHandle<Result<(), RecordError>>) {
        let Destinations { queue, writer, events } = destinations;
        let (items, to_record) = mpsc::unbounded_channel();
        let (durable, made_durable) = mpsc::unbounded_channel();
        let roll_now = Arc::<Notify>::default();
        let recorder = Self {
            usage: (clock.now(), meter.read()),
            queue,
            session,
            clock,
            meter,
            scope,
            writer: Some(writer),
            appending: None,
            gathered: Vec::new(),
            roll_at: None,
            roll_now: roll_now.clone(),
            durable,
            events,
            seq,
            previous_commit: Duration::ZERO,
        };
        let gathers = !E::Writer::GATHERS_FOR.is_zero();
        let recording = Recording { items, durable: made_durable, roll_now, gathers };
        (recording, tokio::spawn(recorder.run(to_record)))
    }

    /// Runs until `items` is closed and all items are durable.
    async fn run(mut self, mut items: mpsc::UnboundedReceiver<Item>) -> Result<(), RecordError> {
        let (mut plain, mut with_rows) = (VecDeque::new(), Vec::new());
        let mut is_open = true;
        while is_open || self.is_writing() || !plain.is_empty() || !with_rows.is_empty() {
            let mut appended = None;
            tokio::select! {
                // In this order, so that a simulation can be repeated. New items come last but one, because there may always be
                // more of them.
                biased;
                done = written(&mut self.appending), if self.appending.is_some() => appended = Some(done?),
                () = self.roll_now.notified(), if self.roll_at.is_some() => self.roll_at = Some(self.clock.now()),
                () = sleep_until(self.clock.as_ref(), self.roll_at), if self.appending.is_none() => {}
                item = items.recv(), if is_open && plain.is_empty() => match item {
                    Some(item) => enqueue(item, &mut plain, &mut with_rows),
                    None => is_open = false,
                },
                // There are more outcomes than fit into one commit, so continue at once.
                () = std::future::ready(()), if !plain.is_empty() => {}
            }
            while let Ok(item) = items.try_recv() {
                enqueue(item, &mut plain, &mut with_rows);
            }
            if let Some(appended) = appended {
                self.appending = None;
                self.writer = Some(appended.writer);
                self.gathered.extend(appended.items);
                if let Some(segment) = appended.segment? {
                    self.roll_at = None;
                    let items = std::mem::take(&mut self.gathered);
                    self.commit(items, Some(segment)).await?;
                }
            }
            if self.appending.is_none() && !with_rows.is_empty() {
                self.append(std::mem::take(&mut with_rows), &mut plain).await?;
            }
            if self.appending.is_none() && (!is_open || self.is_time_to_roll()) {
                self.roll();
            }
            let batch: Vec<Item> = plain.drain(..commit_size(&plain)).collect();
            if !batch.is_empty() {
                self.commit(batch, None).await?;
            }
        }
        // The last commit records how long the previous commit took, and the final resource usage.
        self.commit(Vec::new(), None).await
    }

    /// Begins to write the entries of `items`. Other items may be committed in the meantime.
    async fn append(&mut self, items: Vec<Item>, plain: &mut VecDeque<Item>) -> Result<(), RecordError> {
        let mut items = self.without_repeats(items).await?;
        let mut rows = Vec::with_capacity(items.len());
        for item in &mut items {
            let stored = item.contents.rows.take();
            if !self.events.is_closed() {
                item.stored.clone_from(&stored);
            }
            rows.extend(stored);
        }
        if rows.is_empty() {
            plain.extend(items);
            return Ok(());
        }
        if self.writer.is_none() {
            return Err(RecordError::Writer);
        }
        self.roll_at = self.roll_at.or_else(|| Some(self.clock.now() + E::Writer::GATHERS_FOR));
        self.write(items, |writer| writer.append(rows));
        Ok(())
    }

    fn is_time_to_roll(&self) -> bool {
        self.roll_at.is_some_and(|at| at <= self.clock.now())
    }

    /// Begins to complete the segment of the gathered entries.
    fn roll(&mut self) {
        self.roll_at = None;
        if !self.gathered.is_empty() {
            self.write(Vec::new(), E::Writer::roll);
        }
    }

    fn write(
        &mut self,
        items: Vec<Item>,
        write: impl FnOnce(&mut E::Writer) -> Result<Option<SegmentRef>, SegmentError> + Send + 'static,
    ) {
        let Some(mut writer) = self.writer.take() else { return };
        let meter = self.meter.clone();
        let write = move || {
            let before = thread_cpu();
            let segment = write(&mut writer);
            meter.add(CpuWork::Record, thread_cpu().saturating_sub(before));
            Appended { writer, items, segment }
        };
        self.appending = Some(if E::Writer::BLOCKS {
            Appending::InThread(tokio::task::spawn_blocking(write))
        } else {
            Appending::Done(write())
        });
    }

    fn is_writing(&self) -> bool {
        self.appending.is_some() || !self.gathered.is_empty()
    }

    /// Drops the entries of duplicates: documents whose URL, or the URL they were redirected to, was read before. The result
    /// stays correct until the commit, because only this process commits outcomes of the hosts that it has leased.
    async fn without_repeats(&self, mut items: Vec<Item>) -> Result<Vec<Item>, RecordError> {
        let ids: Vec<TaskId> = items.iter().flat_map(document_ids).collect();
        let mut done = self.queue.are_done(&self.session, &ids).await?.into_iter();
        let mut claimed: HashSet<TaskId> = self.gathered.iter().flat_map(document_ids).collect();
        for item in &mut items {
            let mut is_repeat = false;
            for id in document_ids(item) {
                is_repeat |= done.next().unwrap_or(false) || !claimed.insert(id);
            }
            if is_repeat {
                item.contents = Contents::default();
                item.found.clear();
                if let Some(outcome) = &mut item.outcome {
                    outcome.outcome = Outcome::Duplicate;
                    outcome.refused.clear();
                    outcome.read_as = None;
                }
            }
        }
        Ok(items)
    }

    async fn commit(&mut self, items: Vec<Item>, segment: Option<SegmentRef>) -> Result<(), RecordError> {
        let items = if segment.is_none() { self.check_redirected(items).await? } else { items };
        self.seq += 1;
        let is_last = items.is_empty();
        let usage = self.usage(is_last);
        let mut commit = Commit {
            seq: self.seq,
            segment,
            usage,
            previous_commit_us: u64::try_from(self.previous_commit.as_micros()).unwrap_or(u64::MAX),
            ..Commit::default()
        };
        let now = self.clock.now();
        let (mut durable, mut permits) = (Vec::with_capacity(items.len()), Vec::new());
        let mut events = Vec::new();
        for mut item in items {
            permits.extend(item.permit.take());
            if !self.events.is_closed() {
                events.extend(event(&mut item));
            }
            durable.push(self.add(item, now, &mut commit)?);
        }
        self.queue.commit(&self.session, commit).await?;
        drop(permits);
        self.previous_commit = self.clock.now().since(now);
        for event in events {
            // Waits while the caller is slow. It fails when the caller reads no further events.
            let _ = self.events.send(event).await;
        }
        // The engine may have ended already, for example after another failure. The commit is durable anyway.
        let _ = self.durable.send(durable);
        Ok(())
    }

    fn usage(&mut self, must_be_fresh: bool) -> Usage {
        let now = self.clock.now();
        if must_be_fresh || now.since(self.usage.0) >= USAGE_EVERY {
            self.usage = (now, self.meter.read());
        }
        self.usage.1
    }

    async fn check_redirected(&self, items: Vec<Item>) -> Result<Vec<Item>, RecordError> {
        let is_redirected =
            |item: &Item| item.outcome.as_ref().is_some_and(|outcome| outcome.read_as.is_some());
        if items.iter().any(is_redirected) { self.without_repeats(items).await } else { Ok(items) }
    }

    fn add(&self, mut item: Item, now: Timestamp, commit: &mut Commit) -> Result<Durable, RecordError> {
        self.add_children(&mut item)?;
        if let Some(mut record) = item.record {
            record.stages.add(Stage::Record, item.settled_at.unwrap_or(now).since(item.read_at));
            commit.fetches.push(record);
        }
        let host = item.request.task.id.host;
        let read_as = item.outcome.as_ref().and_then(|outcome| outcome.read_as);
        commit.outcomes.extend(item.outcome);
        commit.cooldowns.extend(item.cooldowns);
        commit.hosts.extend(item.robots.clone().map(|robots| HostUpdate { host, robots }));
        let was_settled = item.settled_at.is_some();
        let mut woken: Vec<HostId> = item.found.iter().map(|found| found.task.id.host).collect();
        woken.sort_unstable();
        woken.dedup();
        commit.found.extend(item.found);
        Ok(Durable {
            was_settled,
            request: item.request,
            next: item.next,
            robots: item.robots,
            read_as,
            woken,
        })
    }

    /// Turns the children of an index into new tasks.
    fn add_children(&self, item: &mut Item) -> Result<(), SegmentError> {
        let Some(children) = item.contents.children.take() else { return Ok(()) };
        let mut links = FoundLinks::default();
        children.each(|child| links.add_child(&item.request.task, child, &self.scope))?;
        item.found.extend(links.found);
        if let Some(outcome) = &mut item.outcome {
            for (reason, count) in links.refused {
                *outcome.refused.entry(reason).or_default() += count;
            }
        }
        Ok(())
    }
}

/// The event of an item that is about to be committed.
fn event(item: &mut Item) -> Option<Event> {
    let outcome = item.outcome.as_ref()?;
    let rows = item.stored.take();
    Event::of(&item.request, outcome, item.record.as_ref(), rows, item.read_at)
}

fn enqueue(item: Item, plain: &mut VecDeque<Item>, with_rows: &mut Vec<Item>) {
    if item.contents.rows.is_some() { with_rows.push(item) } else { plain.push_back(item) }
}

/// The number of items in the next commit.
fn commit_size(items: &VecDeque<Item>) -> usize {
    let (mut tasks, mut rules_bytes) = (0, 0);
    let fits = |item: &&Item| {
        tasks += item.tasks();
        rules_bytes += item.rules_bytes();
        tasks <= COMMIT_TASKS_MAX && rules_bytes <= COMMIT_RULES_BYTES_MAX
    };
    let number = items.iter().take(COMMIT_ITEMS_MAX).take_while(fits).count();
    number.max(1).min(items.len())
}

/// The URLs that count as read because of a document: that of its task, and the one it was redirected to.
fn document_ids(item: &Item) -> impl Iterator<Item = TaskId> + use<> {
    let fetched = item.outcome.as_ref().filter(|outcome| matches!(outcome.outcome, Outcome::Fetched(_)));
    let ids = fetched.map(|outcome| [Some(outcome.task), outcome.read_as]);
    ids.into_iter().flatten().flatten()
}

/// Waits until the segment is written. Can be dropped and called again before that.
async fn written<W>(appending: &mut Option<Appending<W>>) -> Result<Appended<W>, RecordError> {
    if let Some(Appending::InThread(handle)) = appending {
        return handle.await.map_err(|_| RecordError::Writer);
    }
    match appending.take() {
        Some(Appending::Done(appended)) => Ok(appended),
        _ => std::future::pending().await,
    }
}
