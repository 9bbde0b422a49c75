//! The one commit point: entries reach the disk, then one transaction makes the outcomes true.
//!
//! Group commit clocks itself: whenever the committer is idle it takes all that is finished. Outcomes with entries
//! wait for the segment to be written, which runs beside; outcomes without never wait for entries of others. Where a
//! writer gathers entries for a while, their outcomes wait for the segment to be rolled.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use frontier::discovery::FoundLinks;
use frontier::schedule::Request;
use frontier::work_queue::{
    Commit, HostCooldown, HostUpdate, QueueError, RobotsRecord, SegmentRef, Session, Usage,
};
use frontier::{
    Clock, FetchRecord, HostId, NewTask, NextStep, Outcome, Scope, Stage, TaskId, TaskOutcome, Timestamp,
    WorkQueue,
};
use storage::{EntryWriter, FinishedChildren, FinishedRows, SegmentError};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::SystemClock;
use crate::cpu_meter::{CpuMeter, CpuWork, thread_cpu};
use crate::engine::read::Contents;

/// Outcomes made durable at once: bounds the size of a transaction.
const COMMIT_ITEMS_MAX: usize = 1_000;

/// Tasks found that are made durable at once, unless a single document names more: the children of an index wait in files
/// and take memory from here on.
const COMMIT_TASKS_MAX: u64 = 20_000;

/// Bytes of rules that are made durable at once, unless a single file has more: on their way to the disk there are several
/// copies of each.
const COMMIT_RULES_BYTES_MAX: usize = 2 << 20;

/// What the session used is read anew no more often than this: it costs a look at two files.
const USAGE_EVERY: Duration = Duration::from_millis(100);

/// One request's result on its way to the disk.
pub struct Item {
    /// The request; its lane stays taken until this is durable.
    pub request: Request,
    /// Where its time went; `None` where no request was made.
    pub record: Option<FetchRecord>,
    /// When it was read, from where on its time goes into `record`.
    pub read_at: Timestamp,
    /// When its lane was freed, if that was before it is durable: its time ends there.
    pub settled_at: Option<Timestamp>,
    /// How the task ended; `None` while a redirect is followed.
    pub outcome: Option<TaskOutcome>,
    /// What it leads to, but for the children of an index.
    pub found: Vec<NewTask>,
    /// The rules it brought.
    pub robots: Option<RobotsRecord>,
    /// Where they are large, held until they are durable.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Hosts that asked for a rest by it.
    pub cooldowns: Vec<HostCooldown>,
    /// What its document held.
    pub contents: Contents,
    /// What the schedule does next.
    pub then: NextStep,
}

impl Item {
    /// Of a task that ends without a request; its outcome is to be added.
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
            then: NextStep::Done,
        }
    }

    /// How many tasks it leads to.
    fn tasks(&self) -> u64 {
        self.found.len() as u64 + self.contents.children.as_ref().map_or(0, FinishedChildren::len)
    }

    /// Bytes of the rules that it brought.
    fn rules_bytes(&self) -> usize {
        self.robots.as_ref().and_then(|robots| robots.rules.as_ref()).map_or(0, String::len)
    }
}

/// An item that is durable.
pub struct Durable {
    /// Whether its lane was freed before.
    pub was_settled: bool,
    /// Its request.
    pub request: Request,
    /// What the schedule does next.
    pub then: NextStep,
    /// The rules it brought.
    pub robots: Option<RobotsRecord>,
    /// The URL that counts as read too.
    pub read_as: Option<TaskId>,
    /// Hosts that may have new tasks by it.
    pub woken: Vec<HostId>,
}

/// Why nothing can be made durable any more.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Entries could not be written.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The writing thread is gone.
    #[error("the segment writer stopped")]
    Writer,
}

/// Takes items, gives back those that are durable.
pub struct Recorder<Q, W> {
    queue: Arc<Q>,
    session: Session,
    clock: Arc<SystemClock>,
    meter: Arc<CpuMeter>,
    scope: Scope,
    writer: Option<W>,
    /// The segment being written and what waits for it.
    appending: Option<JoinHandle<Appended<W>>>,
    /// Items whose entries the writer gathers, and when it is to roll them.
    gathered: Vec<Item>,
    roll_at: Option<Instant>,
    roll_now: Arc<Notify>,
    durable: mpsc::UnboundedSender<Vec<Durable>>,
    seq: u64,
    previous_commit: Duration,
    usage: (Timestamp, Usage),
}

struct Appended<W> {
    writer: W,
    items: Vec<Item>,
    segment: Result<Option<SegmentRef>, SegmentError>,
}

impl<Q: WorkQueue, W: EntryWriter + Sync> Recorder<Q, W> {
    /// A recorder that carries on after commit `seq` of `session`, and what tells of items that are durable.
    pub fn new(
        queue: Arc<Q>,
        session: Session,
        seq: u64,
        writer: W,
        clock: Arc<SystemClock>,
        meter: Arc<CpuMeter>,
        scope: Scope,
    ) -> (Self, mpsc::UnboundedReceiver<Vec<Durable>>) {
        let (durable, made_durable) = mpsc::unbounded_channel();
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
            roll_now: Arc::default(),
            durable,
            seq,
            previous_commit: Duration::ZERO,
        };
        (recorder, made_durable)
    }

    /// Notified, it has what gathered made durable at once.
    pub fn roll_now(&self) -> Arc<Notify> {
        self.roll_now.clone()
    }

    /// Runs until `items` is closed and everything is durable.
    pub async fn run(mut self, mut items: mpsc::UnboundedReceiver<Item>) -> Result<(), RecordError> {
        let (mut plain, mut with_rows) = (VecDeque::new(), Vec::new());
        let mut is_open = true;
        while is_open || self.is_writing() || !plain.is_empty() || !with_rows.is_empty() {
            let mut appended = None;
            tokio::select! {
                item = items.recv(), if is_open && plain.is_empty() => match item {
                    Some(item) => sort(item, &mut plain, &mut with_rows),
                    None => is_open = false,
                },
                done = written(&mut self.appending), if self.appending.is_some() => appended = Some(done?),
                // More is finished than one transaction takes: go on at once.
                () = std::future::ready(()), if !plain.is_empty() => {}
                () = at(self.roll_at), if self.appending.is_none() => {}
                () = self.roll_now.notified(), if self.roll_at.is_some() => self.roll_at = Some(Instant::now()),
            }
            while let Ok(item) = items.try_recv() {
                sort(item, &mut plain, &mut with_rows);
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
            if self.appending.is_none() && (!is_open || self.roll_at.is_some_and(|at| at <= Instant::now())) {
                self.roll();
            }
            let batch: Vec<Item> = plain.drain(..fitting(&plain)).collect();
            if !batch.is_empty() {
                self.commit(batch, None).await?;
            }
        }
        // Tells how long the last commit took, and what the session used in all.
        self.commit(Vec::new(), None).await
    }

    /// Begins to write the entries of `items` beside the commits of others.
    async fn append(&mut self, items: Vec<Item>, plain: &mut VecDeque<Item>) -> Result<(), RecordError> {
        let mut items = self.without_repeats(items).await?;
        let rows = items.iter_mut().filter_map(|item| item.contents.rows.take());
        let rows: Vec<FinishedRows> = rows.collect();
        if rows.is_empty() {
            plain.extend(items);
            return Ok(());
        }
        if self.writer.is_none() {
            return Err(RecordError::Writer);
        }
        self.roll_at = self.roll_at.or_else(|| Some(Instant::now() + W::GATHERS_FOR));
        self.write(items, |writer| writer.append(rows));
        Ok(())
    }

    /// Begins to write the segment of what was gathered.
    fn roll(&mut self) {
        self.roll_at = None;
        if !self.gathered.is_empty() {
            self.write(Vec::new(), W::roll);
        }
    }

    fn write(
        &mut self,
        items: Vec<Item>,
        write: impl FnOnce(&mut W) -> Result<Option<SegmentRef>, SegmentError> + Send + 'static,
    ) {
        let Some(mut writer) = self.writer.take() else { return };
        let meter = self.meter.clone();
        self.appending = Some(tokio::task::spawn_blocking(move || {
            let before = thread_cpu();
            let segment = write(&mut writer);
            meter.add(CpuWork::Record, thread_cpu().saturating_sub(before));
            Appended { writer, items, segment }
        }));
    }

    fn is_writing(&self) -> bool {
        self.appending.is_some() || !self.gathered.is_empty()
    }

    /// A document whose URL, or the URL it was redirected to, was read already is a duplicate: its entries are
    /// dropped. Only this process commits outcomes of a host it was lent, so what is true here stays true.
    async fn without_repeats(&self, mut items: Vec<Item>) -> Result<Vec<Item>, RecordError> {
        let asked: Vec<TaskId> = items.iter().flat_map(identities).collect();
        let mut done = self.queue.are_done(&self.session, &asked).await?.into_iter();
        let mut claimed: HashSet<TaskId> = self.gathered.iter().flat_map(identities).collect();
        for item in &mut items {
            let mut is_repeat = false;
            for id in identities(item) {
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
        for mut item in items {
            permits.extend(item.permit.take());
            durable.push(self.add(item, now, &mut commit)?);
        }
        self.queue.commit(&self.session, commit).await?;
        drop(permits);
        self.previous_commit = self.clock.now().since(now);
        // The engine may have gone already, as after a second failure; what is durable stays so.
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
        self.follow(&mut item)?;
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
            then: item.then,
            robots: item.robots,
            read_as,
            woken,
        })
    }

    /// The children of an index become tasks that it leads to.
    fn follow(&self, item: &mut Item) -> Result<(), SegmentError> {
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

fn sort(item: Item, plain: &mut VecDeque<Item>, with_rows: &mut Vec<Item>) {
    if item.contents.rows.is_some() { with_rows.push(item) } else { plain.push_back(item) }
}

/// How many of the items are made durable at once.
fn fitting(items: &VecDeque<Item>) -> usize {
    let (mut tasks, mut rules_bytes) = (0, 0);
    let fits = |item: &&Item| {
        tasks += item.tasks();
        rules_bytes += item.rules_bytes();
        tasks <= COMMIT_TASKS_MAX && rules_bytes <= COMMIT_RULES_BYTES_MAX
    };
    let number = items.iter().take(COMMIT_ITEMS_MAX).take_while(fits).count();
    number.max(1).min(items.len())
}

/// The URLs that a read document counts for: its task's, and the one it was redirected to.
fn identities(item: &Item) -> impl Iterator<Item = TaskId> + use<> {
    let fetched = item.outcome.as_ref().filter(|outcome| matches!(outcome.outcome, Outcome::Fetched(_)));
    let ids = fetched.map(|outcome| [Some(outcome.task), outcome.read_as]);
    ids.into_iter().flatten().flatten()
}

async fn written<W>(appending: &mut Option<JoinHandle<Appended<W>>>) -> Result<Appended<W>, RecordError> {
    match appending {
        Some(handle) => handle.await.map_err(|_| RecordError::Writer),
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
