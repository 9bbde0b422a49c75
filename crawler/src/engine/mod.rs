//! The line on one screen: lend hosts, start what is due, conclude what came back, settle what is durable.

mod conclude;
pub mod jitter;
pub mod lease_deadline;
pub mod live;
pub mod read;
pub mod record;
mod refill;
pub mod session;
pub mod worker;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use frontier::conclude::conclude_known;
use frontier::schedule::{Next, Request, Schedule};
use frontier::work_queue::{QueueError, RobotsRecord, Session};
use frontier::{
    Clock, ErrorKind, HostId, NextStep, Outcome, Scope, SkipReason, TaskId, TaskKind, TaskOutcome, Timestamp,
    WorkQueue,
};
use reqwest::header::HeaderMap;
use storage::SegmentError;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::progress::{Progress, Shown};
use crate::clock::SystemClock;
use crate::engine::jitter::Jitter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::record::{Durable, Item, RecordError};
use crate::engine::worker::{Finished, Job, Worker};
use crate::fetch::Clients;
use crate::fetch::cooldowns::Cooldowns;
use crate::settings::Settings;

use conclude::PartialReading;
pub use refill::Refill;

/// After the first signal, what is in flight may take this long to come to its end.
const WIND_DOWN: Duration = Duration::from_secs(8);
/// Outcomes that may wait for their entries to be rolled while their hosts are asked on: bounds what a crash costs, and
/// what waits on the disk while the place of the segments fails.
const AHEAD_MAX: usize = 10_000;
/// How often the progress is drawn.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How a crawl ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Nothing is left to do but for hosts that asked for a long rest.
    Complete,
    /// A signal stopped it.
    Interrupted,
}

/// Why a crawl cannot go on. What was committed is safe.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Outcomes cannot be made durable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A client could not be made.
    #[error("failed to set up an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The rows of a document could not be kept.
    #[error("failed to keep entries: {0}")]
    Rows(#[from] SegmentError),
    /// A part of the engine ended before its time: a defect.
    #[error("{0} ended unexpectedly")]
    Part(&'static str),
}

/// All that moves in one session.
pub struct Engine<Q> {
    pub(crate) queue: Arc<Q>,
    pub(crate) session: Session,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) scope: Scope,
    pub(crate) clients: Clients,
    pub(crate) worker: Arc<Worker>,
    pub(crate) schedule: Schedule,
    /// Up to when requests may leave: the session's hosts may be another's after that.
    pub(crate) lease_deadline: LeaseDeadline,
    /// Hosts to be left in peace.
    pub(crate) cooldowns: Arc<Cooldowns>,
    /// Whether entries gather before they are durable. Then a lane does not wait for them.
    pub(crate) gathers: bool,
    /// Items whose lanes were freed before they are durable.
    pub(crate) ahead: usize,
    /// Has what gathered made durable at once.
    pub(crate) roll_now: Arc<Notify>,
    /// The hosts in work whose robots.txt is at a private address.
    pub(crate) blocked: HashSet<HostId>,
    /// The best partial readings of documents that are still to be tried again.
    pub(crate) held: HashMap<TaskId, PartialReading>,
    pub(crate) workers: JoinSet<Finished>,
    pub(crate) items: mpsc::UnboundedSender<Item>,
    pub(crate) durable: mpsc::UnboundedReceiver<Vec<Durable>>,
    pub(crate) refill: Refill,
    pub(crate) progress: Progress,
    pub(crate) errors: u64,
    pub(crate) jitter: Jitter,
}

impl<Q: WorkQueue> Engine<Q> {
    /// Crawls until nothing is left to do or `shutdown` is asked for.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<Ended, EngineError> {
        let ended = self.crawl(&shutdown).await;
        self.progress.finish();
        ended
    }

    async fn crawl(&mut self, shutdown: &CancellationToken) -> Result<Ended, EngineError> {
        let mut tick = tokio::time::interval(PROGRESS_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let permitted_at = self.start()?;
            self.evict_rules();
            self.refill();
            let wake_at = self.wake_at(permitted_at);
            if self.is_done() {
                return Ok(Ended::Complete);
            }
            if self.ahead > 0 && permitted_at.is_none() && self.schedule.in_flight() == 0 {
                // There is nothing to ask meanwhile.
                self.roll_now.notify_one();
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return self.wind_down().await,
                durable = self.durable.recv() => self.settle(durable.ok_or(EngineError::Part("the recorder"))?),
                Some(finished) = self.workers.join_next() => self.conclude(finished)?,
                refilled = self.refill.finished() => self.admit(refilled?),
                () = sleep_until(&self.clock, wake_at) => {}
                _ = tick.tick() => self.show(),
            }
        }
    }

    /// The next request may leave at `permitted_at`, or before that a host may come due that is not lent yet.
    fn wake_at(&self, permitted_at: Option<Timestamp>) -> Option<Timestamp> {
        let has_room = self.room() > 0;
        let due_at = self.refill.next_due_at.filter(|_| has_room);
        let poll_at = self.refill.poll_at.filter(|_| has_room);
        permitted_at.into_iter().chain(due_at).chain(poll_at).min()
    }

    /// Starts every request that may leave now; gives the moment when the next one may.
    fn start(&mut self) -> Result<Option<Timestamp>, EngineError> {
        while self.schedule.in_flight() < self.settings.concurrency
            && self.lease_deadline.holds(self.clock.now())
        {
            match self.schedule.next(self.clock.now()) {
                Next::Start(request) => self.fetch(request)?,
                Next::Skip(request, reason) => self.skip(request, reason)?,
                Next::Wait(at) => return Ok(at),
            }
        }
        Ok(None)
    }

    fn fetch(&mut self, request: Request) -> Result<(), EngineError> {
        if let Some(conclusion) = conclude_known(&self.context(&request, self.clock.now(), 0.0)) {
            return self.record(Item {
                outcome: conclusion.outcome,
                found: conclusion.found,
                ..Item::without_request(request, self.clock.now())
            });
        }
        // A robots.txt may redirect to another host: it is asked by its own client, and without our headers.
        let asked = request.asked();
        let asked = asked.as_ref().unwrap_or(&request.host);
        let is_own = request.is_seed && *asked == *request.host;
        let is_robots = request.task.kind == TaskKind::Robots;
        let rules = self.rules_of(&request).filter(|rules| is_robots && rules.rules.is_some());
        let validator = rules.map(|rules| rules.validator.clone()).filter(|validator| !validator.is_empty());
        let job = Job {
            client: self.clients.of(asked)?,
            headers: if is_own { self.settings.headers.clone() } else { HeaderMap::new() },
            validator,
            request,
        };
        self.workers.spawn(self.worker.clone().run(job));
        Ok(())
    }

    fn rules_of(&self, request: &Request) -> Option<&RobotsRecord> {
        self.schedule.robots(request.task.id.host)
    }

    /// A task that a rule forbids ends without a request.
    fn skip(&mut self, request: Request, reason: SkipReason) -> Result<(), EngineError> {
        self.errors += u64::from(reason.error().is_some());
        // What keeps us from the host's rules keeps us from all of it, and says more than that there are none.
        let is_blocked =
            reason == SkipReason::RobotsUnreachable && self.blocked.contains(&request.task.id.host);
        let outcome = TaskOutcome {
            task: request.task.id,
            outcome: if is_blocked {
                Outcome::Failed(ErrorKind::BlockedAddress)
            } else {
                Outcome::Skipped(reason)
            },
            attempts: request.task.attempts,
            read_as: None,
            refused: Default::default(),
        };
        let now = self.clock.now();
        self.record(Item { outcome: Some(outcome), ..Item::without_request(request, now) })
    }

    fn record(&mut self, mut item: Item) -> Result<(), EngineError> {
        if self.gathers
            && item.contents.rows.is_some()
            && item.then == NextStep::Done
            && self.ahead < AHEAD_MAX
        {
            let now = self.clock.now();
            item.settled_at = Some(now);
            self.schedule.settle_ahead(&item.request, now);
            self.ahead += 1;
        }
        self.items.send(item).map_err(|_| EngineError::Part("the recorder"))
    }

    /// What is durable goes on: first what it means for its host, then its place is free.
    fn settle(&mut self, durable: Vec<Durable>) {
        let now = self.clock.now();
        for Durable { was_settled, request, then, robots, read_as, woken } in durable {
            let id = request.task.id.host;
            self.ahead -= usize::from(was_settled);
            if let Some(robots) = robots {
                self.schedule.rules(id, robots, now);
            }
            if let Some(read_as) = read_as {
                self.schedule.forget(read_as, now);
            }
            for host in woken {
                if self.schedule.has(host) {
                    self.schedule.woken(host, now);
                } else {
                    self.refill.wants_hosts = true;
                }
            }
            self.schedule.settle(&request, then, now);
        }
    }

    /// Whether nothing is left that would come due by itself.
    fn is_done(&self) -> bool {
        self.schedule.is_empty()
            && self.schedule.in_flight() == 0
            && !self.refill.is_running()
            && !self.refill.wants_hosts
            && self.refill.next_due_at.is_none()
            && self.refill.poll_at.is_none()
    }

    /// Takes no new work; gives what is in flight some time, then drops it: it will be asked again.
    async fn wind_down(&mut self) -> Result<Ended, EngineError> {
        let limit = tokio::time::Instant::now() + WIND_DOWN;
        while !self.workers.is_empty() {
            tokio::select! {
                Some(finished) = self.workers.join_next() => self.conclude(finished)?,
                // Read, lest it grow; nothing new is started by it.
                Some(durable) = self.durable.recv() => self.settle(durable),
                () = tokio::time::sleep_until(limit) => self.workers.abort_all(),
            }
            if tokio::time::Instant::now() >= limit {
                self.workers.abort_all();
                break;
            }
        }
        Ok(Ended::Interrupted)
    }

    fn show(&mut self) {
        let waiting_for = self.schedule.waiting_for(self.clock.now());
        let in_flight = self.schedule.in_flight();
        let shown = Shown { counts: &self.refill.counts, in_flight, errors: self.errors, waiting_for };
        self.progress.show(&shown);
    }
}

async fn sleep_until(clock: &SystemClock, moment: Option<Timestamp>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(clock.instant(moment)).await,
        None => std::future::pending().await,
    }
}
