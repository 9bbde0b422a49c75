//! The main loop of a crawl: lease hosts, start due requests, draw conclusions from answers, settle durable results.

pub mod body;
mod conclude;
pub mod error;
mod hosts;
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
use frontier::work_queue::{RobotsRecord, Session};
use frontier::{
    Clock, ErrorKind, HostId, NextStep, Outcome, Scope, SkipReason, TaskId, TaskKind, TaskOutcome, Timestamp,
    WorkQueue,
};
use reqwest::header::HeaderMap;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use body::PartialReading;
use jitter::Jitter;
use lease_deadline::LeaseDeadline;
use record::{Durable, Item};
use worker::{Finished, Job, Worker};

use crate::cli::progress::{Progress, ProgressState};
use crate::clock::SystemClock;
use crate::fetch::Clients;
use crate::fetch::cooldowns::Cooldowns;
use crate::settings::Settings;

pub use error::EngineError;
pub use refill::Refill;

/// Time that requests in flight have to finish after the first signal.
const WIND_DOWN: Duration = Duration::from_secs(8);
/// Maximum number of outcomes whose slot is free while their entries are not durable. Bounds how much a crash loses, and how
/// much waits on disk while the place for segments fails.
const AHEAD_MAX: usize = 10_000;
/// How often the progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How a crawl ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Nothing is left to do, except for hosts that asked for a long cooldown.
    Complete,
    /// A signal stopped it.
    Interrupted,
}

/// The state of the main loop in one session.
pub struct Engine<Q> {
    pub(crate) queue: Arc<Q>,
    pub(crate) session: Session,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) scope: Scope,
    pub(crate) clients: Clients,
    pub(crate) worker: Arc<Worker>,
    pub(crate) schedule: Schedule,
    /// Until when requests may be sent. After that, the hosts may be leased to another session.
    pub(crate) lease_deadline: LeaseDeadline,
    /// Hosts that must not be requested for some time.
    pub(crate) cooldowns: Arc<Cooldowns>,
    /// Whether the writer gathers entries before they become durable. Then a slot is freed before that.
    pub(crate) gathers: bool,
    /// Number of items whose slot was freed and that are not durable yet.
    pub(crate) ahead: usize,
    /// Makes the recorder complete the segment of the gathered entries at once.
    pub(crate) roll_now: Arc<Notify>,
    /// Leased hosts whose robots.txt is at a private address.
    pub(crate) blocked: HashSet<HostId>,
    /// The best partial readings of documents that will be tried again.
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
    /// Crawls until nothing is left to do or `shutdown` is cancelled.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<Ended, EngineError> {
        let ended = self.crawl(&shutdown).await;
        self.progress.finish();
        ended
    }

    async fn crawl(&mut self, shutdown: &CancellationToken) -> Result<Ended, EngineError> {
        let mut show_at = Instant::now();
        loop {
            // Not only in `select!`, which is biased: its last branch is never polled while the others are always ready.
            if Instant::now() >= show_at {
                self.show();
                show_at = Instant::now() + PROGRESS_EVERY;
            }
            let permitted_at = self.start()?;
            self.evict_rules();
            self.refill();
            let wake_at = self.wake_at(permitted_at);
            if self.is_done() {
                return Ok(Ended::Complete);
            }
            if self.ahead > 0 && permitted_at.is_none() && self.schedule.in_flight() == 0 {
                // No request can be sent in the meantime.
                self.roll_now.notify_one();
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return self.wind_down().await,
                durable = self.durable.recv() => self.settle(durable.ok_or(EngineError::Part("the recorder"))?),
                Some(finished) = self.workers.join_next() => self.conclude(finished)?,
                refilled = self.refill.finished() => self.admit(refilled?),
                () = sleep_until(&self.clock, wake_at) => {}
                () = tokio::time::sleep_until(show_at) => {}
            }
        }
    }

    /// When to continue if nothing else happens: at `permitted_at`, when the next request may be sent, or earlier if a host
    /// becomes due that is not leased.
    fn wake_at(&self, permitted_at: Option<Timestamp>) -> Option<Timestamp> {
        let has_room = self.room() > 0;
        let due_at = self.refill.next_due_at.filter(|_| has_room);
        let poll_at = self.refill.poll_at.filter(|_| has_room);
        permitted_at.into_iter().chain(due_at).chain(poll_at).min()
    }

    /// Starts every request that may be sent now. Returns when the next one may be sent.
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
        // A robots.txt may redirect to another host. That host has its own client, and does not get the user's headers.
        let target = request.target_host();
        let target = target.as_ref().unwrap_or(&request.host);
        let is_own = request.is_seed && *target == *request.host;
        let is_robots = request.task.kind == TaskKind::Robots;
        let rules = self.rules_of(&request).filter(|rules| is_robots && rules.rules.is_some());
        let validator = rules.map(|rules| rules.validator.clone()).filter(|validator| !validator.is_empty());
        let job = Job {
            client: self.clients.of(target)?,
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

    /// Ends a task without a request, because a rule forbids it.
    fn skip(&mut self, request: Request, reason: SkipReason) -> Result<(), EngineError> {
        self.errors += u64::from(reason.error().is_some());
        // If robots.txt is at a private address, so is the whole host. That reason is more precise than an unreachable
        // robots.txt.
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
            && item.next == NextStep::Done
            && self.ahead < AHEAD_MAX
        {
            let now = self.clock.now();
            item.settled_at = Some(now);
            self.schedule.settle_ahead(&item.request, now);
            self.ahead += 1;
        }
        self.items.send(item).map_err(|_| EngineError::Part("the recorder"))
    }

    /// Applies durable items to the schedule: first their effects on hosts, then the slot of the request is freed.
    fn settle(&mut self, durable: Vec<Durable>) {
        let now = self.clock.now();
        for Durable { was_settled, request, next, robots, read_as, woken } in durable {
            let id = request.task.id.host;
            self.ahead -= usize::from(was_settled);
            if let Some(robots) = robots {
                self.schedule.set_robots(id, robots, now);
            }
            if let Some(read_as) = read_as {
                self.schedule.forget(read_as, now);
            }
            for host in woken {
                if self.schedule.contains(host) {
                    self.schedule.woken(host, now);
                } else {
                    self.refill.wants_hosts = true;
                }
            }
            self.schedule.settle(&request, next, now);
        }
    }

    /// Whether nothing is left to do, now or later.
    fn is_done(&self) -> bool {
        self.schedule.is_empty()
            && self.schedule.in_flight() == 0
            && !self.refill.is_running()
            && !self.refill.wants_hosts
            && self.refill.next_due_at.is_none()
            && self.refill.poll_at.is_none()
    }

    /// Starts no new requests. Waits some time for those in flight, then drops them; they are sent again when the crawl is
    /// resumed.
    async fn wind_down(&mut self) -> Result<Ended, EngineError> {
        let limit = Instant::now() + WIND_DOWN;
        while !self.workers.is_empty() {
            tokio::select! {
                Some(finished) = self.workers.join_next() => self.conclude(finished)?,
                // Drains the channel so that it stays bounded.
                Some(durable) = self.durable.recv() => self.settle(durable),
                () = tokio::time::sleep_until(limit) => self.workers.abort_all(),
            }
            if Instant::now() >= limit {
                self.workers.abort_all();
                break;
            }
        }
        Ok(Ended::Interrupted)
    }

    fn show(&mut self) {
        let waiting_for = self.schedule.waiting_for(self.clock.now());
        let in_flight = self.schedule.in_flight();
        let errors = self.errors;
        self.progress.show(&ProgressState { counts: &self.refill.counts, in_flight, errors, waiting_for });
    }
}

async fn sleep_until(clock: &SystemClock, moment: Option<Timestamp>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(clock.instant(moment)).await,
        None => std::future::pending().await,
    }
}
