//! Makes results durable: writes entries to disk first, and then commits the outcomes in one transaction.
//!
//! Commits are grouped: whenever no commit is running, all finished outcomes go into the next one. Outcomes with entries wait
//! until the entries are written, which happens in another thread if it may block. Outcomes without entries never wait for
//! that. If the writer gathers entries for a while, their outcomes wait until the segment is complete.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use frontier::discovery::FoundLinks;
use frontier::work_queue::{Commit, Part, SegmentRef, Session, Usage};
use frontier::{Clock, NewTask, Scope, TaskId, Timestamp, WorkQueue};
use storage::{EntryWriter, SegmentError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::attempt::{Attempt, DurableCommit};
use super::environment::Environment;
use super::error::RecordError;
use super::parts::LargeAttempts;
use super::seeding::SeedBatch;
use super::segment_in_progress::{SegmentInProgress, Written};
use crate::cpu_meter::CpuMeter;
use crate::event::Event;

/// Maximum number of outcomes per commit. Bounds the size of a transaction.
const COMMIT_ATTEMPTS_MAX: usize = 1_000;

/// Maximum number of new tasks per commit, besides those of a part ([`super::parts::PART_TASKS_MAX`]). The children of an index are kept
/// in files until they are committed, and take memory only then.
const COMMIT_TASKS_MAX: u64 = 2_000;

/// Maximum bytes of robots.txt rules per commit, unless a single file has more. A commit makes several copies of them.
const COMMIT_RULES_BYTES_MAX: usize = 2 << 20;

/// How often the resource usage is measured at most. Measuring reads two files.
const USAGE_EVERY: Duration = Duration::from_millis(100);

/// The engine's end of a recorder, which ends when this is dropped and all attempts are durable.
pub struct Recording {
    /// Takes the attempts to make durable.
    pub attempts: mpsc::UnboundedSender<Attempt>,
    /// Gives them back once they are durable.
    pub durable: mpsc::UnboundedReceiver<DurableCommit>,
    /// Makes the recorder complete the segment of the gathered entries at once.
    pub roll_now: Arc<Notify>,
    /// Takes seeds to commit.
    pub seeds: mpsc::Sender<SeedBatch>,
    /// Whether the writer gathers entries before they become durable. Then a slot is freed before that.
    pub gathers: bool,
    /// Number of attempts whose slot was freed and that are not durable yet.
    pub ahead: usize,
}

/// Receives attempts and sends them back when they are durable.
pub struct Recorder<E: Environment> {
    queue: Arc<E::Queue>,
    session: Session,
    clock: Arc<E::Clock>,
    meter: Arc<CpuMeter>,
    scope: Scope,
    segment: SegmentInProgress<E::Writer>,
    large: LargeAttempts,
    commits: Commits,
    listeners: Listeners,
}

/// Who is told of commits.
struct Listeners {
    /// To the engine.
    durable: mpsc::UnboundedSender<DurableCommit>,
    /// To the caller of the crawl, as long as it reads.
    events: mpsc::Sender<Event>,
}

/// What the next commit of a session needs to know of the last one.
struct Commits {
    /// Its number.
    seq: u64,
    /// How long it took.
    took: Duration,
    /// The last usage that was measured, and when.
    usage: (Timestamp, Usage),
}

/// Attempts that are to be made durable next.
#[derive(Default)]
struct Ready {
    /// Those without entries.
    plain: VecDeque<Attempt>,
    /// Those with entries, which are written first.
    with_rows: Vec<Attempt>,
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
        let (attempts, to_record) = mpsc::unbounded_channel();
        let (durable, made_durable) = mpsc::unbounded_channel();
        let (seeds, seeds_to_add) = mpsc::channel(1);
        let roll_now = Arc::<Notify>::default();
        let segment = SegmentInProgress::new(writer, roll_now.clone(), meter.clone());
        let commits = Commits { seq, took: Duration::ZERO, usage: (clock.now(), meter.read()) };
        let large = LargeAttempts::default();
        let listeners = Listeners { durable, events };
        let recorder = Self { queue, session, clock, meter, scope, segment, large, commits, listeners };
        let gathers = !E::Writer::GATHERS_FOR.is_zero();
        let recording = Recording { attempts, durable: made_durable, roll_now, seeds, gathers, ahead: 0 };
        (recording, tokio::spawn(recorder.run(to_record, seeds_to_add)))
    }

    /// Runs until `attempts` is closed and all of them are durable, or until something fails. No write is running after that.
    async fn run(
        mut self,
        attempts: mpsc::UnboundedReceiver<Attempt>,
        seeds: mpsc::Receiver<SeedBatch>,
    ) -> Result<(), RecordError> {
        let recorded = self.record_all(attempts, seeds).await;
        self.segment.abandon().await;
        recorded
    }

    async fn record_all(
        &mut self,
        mut attempts: mpsc::UnboundedReceiver<Attempt>,
        mut seeds: mpsc::Receiver<SeedBatch>,
    ) -> Result<(), RecordError> {
        let mut ready = Ready::default();
        let mut is_open = true;
        while is_open || !self.segment.is_done() || !ready.is_empty() || !self.large.is_empty() {
            let (mut written, mut found) = (None, None);
            let has_more = !ready.plain.is_empty() || !self.large.is_empty();
            tokio::select! {
                // In this order, so that a simulation can be repeated. New attempts come last but one, because there may always be
                // more of them.
                biased;
                next = self.segment.next(self.clock.as_ref()) => written = next?,
                // The next ones come only when these are in the queue, so attempts have their turn in between.
                Some(batch) = seeds.recv(), if is_open => found = Some(batch),
                attempt = attempts.recv(), if is_open && !has_more => match attempt {
                    Some(attempt) => self.enqueue(attempt, &mut ready),
                    None => is_open = false,
                },
                // There is more than fits into one commit, so continue at once.
                () = std::future::ready(()), if has_more => {}
            }
            while let Ok(attempt) = attempts.try_recv() {
                self.enqueue(attempt, &mut ready);
            }
            if let Some(batch) = found {
                self.commit_seeds(batch).await?;
            }
            if let Some(Written { segment, attempts }) = written {
                self.commit(attempts, Some(segment), None).await?;
            }
            if self.segment.is_free() && !ready.with_rows.is_empty() {
                self.append(&mut ready).await?;
            }
            self.segment.roll_if_due(!is_open, self.clock.now());
            self.begin_large(&mut ready).await?;
            let part = self.large.next_part(&self.scope)?;
            let batch: Vec<Attempt> = ready.plain.drain(..commit_size(&ready.plain)).collect();
            if !batch.is_empty() || part.is_some() {
                self.commit(batch, None, part).await?;
            }
            ready.extend(self.large.finished());
        }
        // The last commit records how long the previous commit took, and the final resource usage.
        self.commit(Vec::new(), None, None).await
    }

    fn enqueue(&mut self, attempt: Attempt, ready: &mut Ready) {
        if LargeAttempts::is_large(&attempt) { self.large.push(attempt) } else { ready.push(attempt) }
    }

    /// Begins to commit the next large document in parts, unless one is in work.
    async fn begin_large(&mut self, ready: &mut Ready) -> Result<(), RecordError> {
        while let Some(attempt) = self.large.next() {
            for attempt in self.without_repeats(vec![attempt]).await? {
                if LargeAttempts::is_large(&attempt) {
                    self.large.begin(attempt)?;
                } else {
                    ready.push(attempt);
                }
            }
        }
        Ok(())
    }

    /// Begins to write the entries that are ready. Other attempts may be committed in the meantime.
    async fn append(&mut self, ready: &mut Ready) -> Result<(), RecordError> {
        let mut attempts = self.without_repeats(std::mem::take(&mut ready.with_rows)).await?;
        let mut rows = Vec::with_capacity(attempts.len());
        for Attempt { result, .. } in &mut attempts {
            let stored = result.body.contents.rows.take();
            if !self.listeners.events.is_closed() {
                result.stored.clone_from(&stored);
            }
            rows.extend(stored);
        }
        if rows.is_empty() {
            ready.plain.extend(attempts);
            return Ok(());
        }
        self.segment.append(attempts, rows, self.clock.now())
    }

    /// Drops the entries of duplicates: documents whose URL, or the URL they were redirected to, was read before. The result
    /// stays correct until the commit, because only this process commits outcomes of the hosts that it has leased.
    async fn without_repeats(&self, mut attempts: Vec<Attempt>) -> Result<Vec<Attempt>, RecordError> {
        let ids: Vec<TaskId> = attempts.iter().flat_map(Attempt::document_ids).collect();
        let mut done = self.queue.are_done(&self.session, &ids).await?.into_iter();
        let in_work = self.segment.gathered().iter().flat_map(Attempt::document_ids);
        let mut claimed: HashSet<TaskId> = in_work.chain(self.large.document_ids()).collect();
        for attempt in &mut attempts {
            let mut is_repeat = false;
            for id in attempt.document_ids() {
                is_repeat |= done.next().unwrap_or(false) || !claimed.insert(id);
            }
            if is_repeat {
                attempt.become_duplicate();
            }
        }
        Ok(attempts)
    }

    async fn commit_seeds(&mut self, batch: SeedBatch) -> Result<(), RecordError> {
        let commit = Commit { found: batch.tasks, ..self.next_commit(false) };
        let begun_at = self.clock.now();
        self.queue.commit(&self.session, commit).await?;
        self.commits.took = self.clock.now().since(begun_at);
        // The engine may have ended already. The seeds are in the queue anyway.
        let _ = batch.committed.send(self.commits.seq);
        Ok(())
    }

    /// The next commit, without any changes.
    fn next_commit(&mut self, is_last: bool) -> Commit {
        let usage = self.usage(is_last);
        self.commits.seq += 1;
        Commit {
            seq: self.commits.seq,
            usage,
            previous_commit_us: u64::try_from(self.commits.took.as_micros()).unwrap_or(u64::MAX),
            ..Commit::default()
        }
    }

    async fn commit(
        &mut self,
        attempts: Vec<Attempt>,
        segment: Option<SegmentRef>,
        part: Option<(Part, Vec<NewTask>)>,
    ) -> Result<(), RecordError> {
        let attempts =
            if segment.is_none() { self.without_repeated_indexes(attempts).await? } else { attempts };
        let is_last = attempts.is_empty() && part.is_none();
        let (part, found) = part.map_or_else(Default::default, |(part, tasks)| (Some(part), tasks));
        let mut commit = Commit { found, segment, part, ..self.next_commit(is_last) };
        let mut durable = DurableCommit::default();
        durable.wake(&commit.found);
        let now = self.clock.now();
        let (mut permits, mut events) = (Vec::new(), Vec::new());
        for mut attempt in attempts {
            permits.extend(attempt.result.body.permit.take());
            if !self.listeners.events.is_closed() {
                events.extend(attempt.event());
            }
            self.add_children(&mut attempt)?;
            attempt.store(now, &mut commit, &mut durable);
        }
        self.queue.commit(&self.session, commit).await?;
        drop(permits);
        self.commits.took = self.clock.now().since(now);
        for event in events {
            // Waits while the caller is slow. It fails when the caller reads no further events.
            let _ = self.listeners.events.send(event).await;
        }
        // The engine may have ended already, for example after another failure. The commit is durable anyway.
        let _ = self.listeners.durable.send(durable);
        Ok(())
    }

    fn usage(&mut self, must_be_fresh: bool) -> Usage {
        let now = self.clock.now();
        if must_be_fresh || now.since(self.commits.usage.0) >= USAGE_EVERY {
            self.commits.usage = (now, self.meter.read());
        }
        self.commits.usage.1
    }

    /// Drops the children of duplicates, which are indexes. While the request for one was in flight, a redirect may have led to
    /// the same URL.
    async fn without_repeated_indexes(&self, attempts: Vec<Attempt>) -> Result<Vec<Attempt>, RecordError> {
        let may_repeat = |attempt: &Attempt| attempt.has_children() || attempt.is_redirected();
        if attempts.iter().any(may_repeat) { self.without_repeats(attempts).await } else { Ok(attempts) }
    }

    /// Turns the children of an index, and the entries that look like sitemaps, into new tasks.
    fn add_children(&self, attempt: &mut Attempt) -> Result<(), SegmentError> {
        let Attempt { request, result, .. } = attempt;
        let mut links = FoundLinks::default();
        if let Some(children) = result.body.contents.children.take() {
            for child in children.reader()? {
                links.add_child(&request.step.task, &child?, &self.scope);
            }
        }
        for entry in std::mem::take(&mut result.body.contents.listed) {
            links.add_listed(&request.step.task, &entry, &self.scope);
        }
        result.conclusion.add_links(links);
        Ok(())
    }
}

impl Ready {
    fn push(&mut self, attempt: Attempt) {
        if attempt.has_rows() { self.with_rows.push(attempt) } else { self.plain.push_back(attempt) }
    }

    fn extend(&mut self, attempts: impl IntoIterator<Item = Attempt>) {
        attempts.into_iter().for_each(|attempt| self.push(attempt));
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.with_rows.is_empty()
    }
}

/// The number of attempts in the next commit.
fn commit_size(attempts: &VecDeque<Attempt>) -> usize {
    let (mut tasks, mut rules_bytes) = (0, 0);
    let fits = |attempt: &&Attempt| {
        tasks += attempt.new_tasks();
        rules_bytes += attempt.rules_bytes();
        tasks <= COMMIT_TASKS_MAX && rules_bytes <= COMMIT_RULES_BYTES_MAX
    };
    let number = attempts.iter().take(COMMIT_ATTEMPTS_MAX).take_while(fits).count();
    number.max(1).min(attempts.len())
}
