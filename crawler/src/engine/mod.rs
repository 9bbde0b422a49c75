//! The main loop of a crawl: lease hosts, start due requests, draw conclusions from answers, settle durable results.

mod addresses;
mod attempt;
pub mod body;
mod collect;
mod conclude;
pub mod environment;
pub mod error;
mod hosts;
pub mod jitter;
pub mod lease_deadline;
mod memory;
pub mod observers;
mod parts;
pub mod progress;
pub mod read;
pub mod record;
mod refill;
pub mod seeding;
mod segment_in_progress;
pub mod session;
pub mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use frontier::conclude::conclude_known;
use frontier::schedule::{Next, Request, Schedule};
use frontier::work_queue::{RedirectChange, RedirectUpdate};
use frontier::{Clock, ErrorKind, HostId, Outcome, SkipReason, TaskId, TaskKind, TaskOutcome, Timestamp};
use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use attempt::{Attempt, Durable, DurableCommit};
use body::Body;
use environment::Environment;
use jitter::Jitter;
use observers::Observers;
use progress::ProgressState;
use record::Recording;
use seeding::Seeding;
use worker::{Sending, Worker, Workers};

use crate::clock::sleep_until;
use crate::fetch::Fetch;

pub use error::EngineError;
pub use refill::Refill;

/// Time that requests in flight have to finish after the first signal.
const WIND_DOWN: Duration = Duration::from_secs(8);
/// Maximum number of outcomes whose slot is free while their entries are not durable. Bounds how much a crash loses, and how
/// much waits on disk while the place for segments fails.
const AHEAD_MAX: usize = 10_000;
/// How often the progress is published.
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
pub struct Engine<E: Environment> {
    queue: Arc<E::Queue>,
    workers: Workers<E>,
    schedule: Schedule,
    recording: Recording,
    seeding: Seeding,
    earlier: EarlierAttempts,
    refill: Refill,
    observers: Observers,
    jitter: Jitter,
}

/// What later attempts need of earlier ones.
#[derive(Default)]
struct EarlierAttempts {
    /// Leased hosts that we refuse to connect to, and why.
    blocked: HashMap<HostId, ErrorKind>,
    /// The best partial readings of documents that will be tried again.
    held: HashMap<TaskId, Body>,
    /// Number of errors, for the progress.
    errors: u64,
}

impl<E: Environment> Engine<E> {
    /// Creates the engine of a session that has leased no host yet. It tells `observers` its state while anyone looks.
    pub fn new(
        queue: Arc<E::Queue>,
        workers: Workers<E>,
        (recording, seeding): (Recording, Seeding),
        observers: Observers,
        jitter: Jitter,
    ) -> Self {
        let Worker { settings, session, .. } = workers.shared.as_ref();
        Self {
            queue,
            schedule: Schedule::new(settings.pace(), session.started_at),
            workers,
            recording,
            seeding,
            earlier: EarlierAttempts::default(),
            refill: Refill::new(),
            observers,
            jitter,
        }
    }

    /// Crawls until nothing is left to do or `shutdown` is cancelled.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<Ended, EngineError> {
        let mut publish_at = self.now();
        loop {
            // Not only in `select!`, which is biased: its last branch is never polled while the others are always ready.
            let (now, is_watched) = (self.now(), !self.observers.progress.is_closed());
            if is_watched && now >= publish_at {
                self.publish_progress(now);
                publish_at = now + PROGRESS_EVERY;
            }
            let permitted_at = self.start()?;
            self.evict_rules();
            self.refill();
            let wake_at = self.wake_at(permitted_at);
            if self.is_done() {
                self.publish_progress(now);
                return Ok(Ended::Complete);
            }
            if self.recording.ahead > 0 && permitted_at.is_none() && self.schedule.in_flight() == 0 {
                // No request can be sent in the meantime.
                self.recording.roll_now.notify_one();
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return self.wind_down().await,
                durable = self.recording.durable.recv() => self.settle(durable.ok_or(EngineError::Part("the recorder"))?),
                Some(finished) = self.workers.running.join_next() => self.conclude(finished)?,
                refilled = self.refill.finished() => self.admit(refilled?),
                added = self.seeding.progress() => {
                    added?;
                    self.refill.wants_hosts = true;
                }
                () = sleep_until(self.workers.shared.clock.as_ref(), wake_at) => {}
                () = self.workers.shared.clock.sleep_until(publish_at), if is_watched => {}
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.workers.shared.clock.now()
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
        while self.schedule.in_flight() < self.workers.shared.settings.concurrency
            && self.workers.shared.lease_deadline.holds(self.now())
        {
            match self.schedule.next(self.now()) {
                Next::Start(request) => self.fetch(request)?,
                Next::Skip(request, reason) => self.skip(request, reason)?,
                Next::Wait(at) => return Ok(at),
            }
        }
        Ok(None)
    }

    fn fetch(&mut self, request: Request) -> Result<(), EngineError> {
        let mut attempt = Attempt::new(request, self.now());
        let request = &attempt.request;
        if request.is_known
            && let Some(conclusion) = conclude_known(&self.context(request, self.now(), 0.0))
        {
            attempt.result.conclusion = conclusion;
            self.cool_down(&attempt);
            return self.record(attempt);
        }
        // The robots.txt of another host may redirect to a seed. The user's headers are not for that.
        let kind = request.step.task.kind;
        let is_own = request.is_seed && kind != TaskKind::RobotsHop;
        let rules = self.schedule.robots(request.host_id());
        let rules = rules.filter(|rules| kind == TaskKind::Robots && rules.rules.is_some());
        let validator = rules.map(|rules| rules.validator.clone()).filter(|validator| !validator.is_empty());
        let sending = Sending {
            client: self.workers.fetch.client(&request.step.host)?,
            headers: if is_own { self.workers.shared.settings.headers.clone() } else { HeaderMap::new() },
            validator,
            is_any_port_allowed: request.is_seed,
        };
        self.workers.running.spawn(self.workers.shared.clone().run(attempt, sending));
        Ok(())
    }

    /// Ends a task without a request, because a rule forbids it.
    fn skip(&mut self, request: Request, reason: SkipReason) -> Result<(), EngineError> {
        self.earlier.errors += u64::from(reason.error().is_some());
        // If robots.txt is blocked, so is the whole host. That reason is more precise than an unreachable robots.txt.
        let blocked = self.earlier.blocked.get(&request.host_id());
        let blocked = blocked.filter(|_| reason == SkipReason::RobotsUnreachable);
        let outcome = blocked.map_or(Outcome::Skipped(reason), |error| Outcome::Failed(*error));
        let outcome = TaskOutcome::new(request.step.task.id, outcome, request.step.task.attempts);
        let mut attempt = Attempt::new(request, self.now());
        attempt.result.conclusion.outcome = Some(outcome);
        self.record(attempt)
    }

    fn record(&mut self, mut attempt: Attempt) -> Result<(), EngineError> {
        if self.recording.gathers
            && attempt.has_rows()
            && attempt.is_last()
            && self.recording.ahead < AHEAD_MAX
        {
            let now = self.now();
            attempt.timing.settled_at = Some(now);
            self.schedule.settle_ahead(&attempt.request, now);
            self.recording.ahead += 1;
        }
        self.recording.attempts.send(attempt).map_err(|_| EngineError::Part("the recorder"))
    }

    /// Applies durable attempts to the schedule: first their effects on hosts, then the slot of the request is freed.
    fn settle(&mut self, DurableCommit { attempts, woken }: DurableCommit) {
        let now = self.now();
        for (host, has_hop) in woken {
            if self.schedule.contains(host) {
                self.schedule.woken(host, has_hop, now);
            } else {
                self.refill.wants_hosts = true;
            }
        }
        for Durable { attempt, read_as } in attempts {
            let Attempt { request, timing, result } = attempt;
            let (id, conclusion) = (request.host_id(), result.conclusion);
            self.recording.ahead -= usize::from(timing.settled_at.is_some());
            if let Some(robots) = conclusion.robots.filter(|_| request.step.task.waiting().is_none()) {
                self.schedule.set_robots(id, robots, now);
            }
            if let Some(RedirectUpdate { change: RedirectChange::Wait(redirect), .. }) = conclusion.redirect {
                self.schedule.set_redirect(id, redirect, now);
            }
            if let Some(read_as) = read_as {
                self.schedule.forget(read_as, now);
            }
            self.schedule.settle(&request, conclusion.next, now);
        }
    }

    /// Whether nothing is left to do, now or later.
    fn is_done(&self) -> bool {
        self.schedule.is_empty()
            && self.schedule.in_flight() == 0
            && self.seeding.is_over()
            && !self.refill.is_running()
            && !self.refill.wants_hosts
            && self.refill.next_due_at.is_none()
            && self.refill.poll_at.is_none()
    }

    /// Starts no new requests. Waits some time for those in flight, then drops them; they are sent again when the crawl is
    /// resumed.
    async fn wind_down(&mut self) -> Result<Ended, EngineError> {
        let limit = self.now() + WIND_DOWN;
        while !self.workers.running.is_empty() {
            tokio::select! {
                Some(finished) = self.workers.running.join_next() => self.conclude(finished)?,
                // Drains the channel so that it stays bounded.
                Some(durable) = self.recording.durable.recv() => self.settle(durable),
                () = self.workers.shared.clock.sleep_until(limit) => self.workers.running.abort_all(),
            }
            if self.now() >= limit {
                self.workers.running.abort_all();
                break;
            }
        }
        Ok(Ended::Interrupted)
    }

    fn publish_progress(&self, now: Timestamp) {
        self.observers.progress.send_replace(ProgressState {
            counts: self.refill.counts.clone(),
            in_flight: self.schedule.in_flight(),
            errors: self.earlier.errors,
            waiting_for: self.schedule.waiting_for(now),
        });
    }
}
