//! The line on one screen: lend hosts, start what is due, conclude what came back, settle what is durable.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use frontier::conclude::conclude_known;
use frontier::schedule::{Next, Request, Schedule};
use frontier::task::REFRESH_DEPTH;
use frontier::work_queue::{
    Counts, HostRest, LeasedHost, Loaded, QueueError, Release, RobotsRecord, Session,
};
use frontier::{
    Answer, Clock, Conclusion, Context, ErrorKind, FetchRecord, HostId, Outcome, Rows, Scope, SkipReason,
    TaskId, TaskKind, TaskOutcome, Then, Timestamp, WorkQueue, conclude,
};
use reqwest::header::HeaderMap;
use storage::{FinishedRows, SegmentError};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::fetch::Clients;
use crate::progress::{Progress, Shown};
use crate::random::Jitter;
use crate::record::{Durable, Item, RecordError};
use crate::rests::Rests;
use crate::settings::Settings;
use crate::tenure::Tenure;
use crate::worker::{Finished, Job, Made, Worker};

/// Hosts held per request in flight: enough that one is due whenever a slot is free, and a bound for memory.
const HOSTS_PER_SLOT: usize = 8;
/// Hosts lent at once: they may bring the largest rules there can be.
const LEASES_MAX: usize = 64;
/// Hosts lent at once where the rules of those lent take much already, and workers are free.
const LEASES_LADEN_MAX: usize = 4;
/// Hosts whose tasks are loaded at once.
const LOADS_MAX: usize = 256;
/// Tasks loaded of a host when it is lent.
const TASKS_FIRST: usize = 16;
/// After the first signal, what is in flight may take this long to come to its end.
const WIND_DOWN: Duration = Duration::from_secs(8);
/// Outcomes that may wait for their entries to be rolled while their hosts are asked on: bounds what a crash costs, and
/// what waits on the disk while the place of the segments fails.
const AHEAD_MAX: usize = 10_000;
/// A worker with nothing to do looks for hosts that others made due, at first and at last so often.
const POLL_FIRST: Duration = Duration::from_millis(100);
const POLL_LAST: Duration = Duration::from_secs(5);
/// A due host that nobody has taken for so long is wanted by nobody else.
const LEFT_AFTER: Duration = Duration::from_secs(2);
/// How old the totals that are shown may be.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
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
    pub(crate) tenure: Tenure,
    /// Hosts to be left in peace.
    pub(crate) rests: Arc<Rests>,
    /// Whether entries gather before they are durable. Then a lane does not wait for them.
    pub(crate) gathers: bool,
    /// Items whose lanes were freed before they are durable.
    pub(crate) ahead: usize,
    /// Has what gathered made durable at once.
    pub(crate) roll_now: Arc<Notify>,
    /// The hosts in work whose robots.txt is at a private address.
    pub(crate) blocked: HashSet<HostId>,
    /// The best partial readings of documents that are still to be tried again.
    pub(crate) held: HashMap<TaskId, Held>,
    pub(crate) workers: JoinSet<Finished>,
    pub(crate) items: mpsc::UnboundedSender<Item>,
    pub(crate) durable: mpsc::UnboundedReceiver<Vec<Durable>>,
    pub(crate) refill: Refill,
    pub(crate) progress: Progress,
    pub(crate) errors: u64,
    pub(crate) jitter: Jitter,
}

/// A partial reading with its rows.
pub(crate) struct Held {
    answer: Answer,
    rows: Option<FinishedRows>,
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
            self.refill();
            let permitted_at = self.start()?;
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

    /// Hosts that may be lent besides those that are.
    fn room(&self) -> usize {
        let has_slot = self.schedule.in_flight() < self.settings.concurrency;
        let most = match self.schedule.has_room_for_rules() {
            true => LEASES_MAX,
            false if has_slot => LEASES_LADEN_MAX,
            false => 0,
        };
        let share = if self.refill.is_left { usize::MAX } else { self.refill.share };
        (self.settings.concurrency * HOSTS_PER_SLOT)
            .min(share)
            .saturating_sub(self.schedule.hosts())
            .min(most)
    }

    /// Starts every request that may leave now; gives the moment when the next one may.
    fn start(&mut self) -> Result<Option<Timestamp>, EngineError> {
        while self.schedule.in_flight() < self.settings.concurrency && self.tenure.holds(self.clock.now()) {
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

    /// What came back goes on to be recorded with what it means.
    fn conclude(&mut self, finished: Result<Finished, tokio::task::JoinError>) -> Result<(), EngineError> {
        let finished = finished.map_err(|_| EngineError::Part("a worker"))?;
        let Finished { request, result, lane } = finished;
        let Made { answer, mut record, rows, left_at, read_at, failure } = result;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        if let Some(left_at) = left_at {
            self.schedule.started(&request, left_at);
        }
        let conclusion = self.conclusion(&request, &answer, read_at);
        match &mut record {
            Some(record) => self.tell(&request, &answer, conclusion.error, record),
            None => tracing::debug!(url = request.url(), "not asked: its host rests"),
        }
        if request.task.kind == TaskKind::Robots && conclusion.error == Some(ErrorKind::BlockedAddress) {
            self.blocked.insert(request.task.id.host);
        }
        let rests = self.rest(&request, &conclusion, read_at);
        drop(lane);
        let rows = self.keep_rows(&request, conclusion.rows, answer, rows, &conclusion.next);
        let item = Item {
            record,
            read_at,
            settled_at: None,
            // A robots.txt asked for anew is a task of no queue; a seed's task of the same URL may still be pending.
            outcome: conclusion.outcome.filter(|_| request.task.depth != REFRESH_DEPTH),
            found: conclusion.found,
            robots: conclusion.robots,
            rests,
            rows,
            then: conclusion.next,
            request,
        };
        self.record(item)
    }

    /// Completes the record of a request by what was wrong with it.
    fn tell(
        &mut self,
        request: &Request,
        answer: &Answer,
        error: Option<ErrorKind>,
        record: &mut FetchRecord,
    ) {
        record.error = error;
        let Some(error) = error else {
            record.detail.clear();
            return;
        };
        self.errors += 1;
        record.detail = detail(request, answer, error.as_str(), &record.detail);
        let (url, detail) = (request.url(), &record.detail);
        tracing::debug!(url, error = error.as_str(), detail, "request failed");
    }

    /// The task's host rests or is put aside as the conclusion says, and so is the host that was asked, should a robots.txt
    /// have led to another one.
    fn rest(&mut self, request: &Request, conclusion: &Conclusion, now: Timestamp) -> Vec<HostRest> {
        let host = request.task.id.host;
        let asked = request.asked().map_or(host, |asked| asked.id());
        let both = if asked == host { vec![host] } else { vec![host, asked] };
        let mut rests = Vec::new();
        for host in both {
            if let Some(until) = conclusion.rest_until {
                self.schedule.rest(host, until, now);
                rests.push(HostRest { host, until });
            }
            if let Some(until) = conclusion.park_until {
                self.schedule.park(host, until, now);
                rests.push(HostRest { host, until });
            }
        }
        if let Some(until) = conclusion.park_until {
            tracing::warn!(host = %request.host, %until, "host asked for a long rest and is put aside");
        }
        for rest in &rests {
            self.rests.add(rest.host, rest.until, now);
        }
        rests
    }

    fn conclusion(&mut self, request: &Request, answer: &Answer, read_at: Timestamp) -> Conclusion {
        let jitter = self.jitter.next();
        conclude(&self.context(request, read_at, jitter), answer)
    }

    fn context<'a>(&'a self, request: &'a Request, now: Timestamp, jitter: f64) -> Context<'a> {
        let id = request.task.id;
        Context {
            host: &request.host,
            task: &request.task,
            url: request.url(),
            hop: request.hop,
            attempt: request.attempt,
            scope: &self.scope,
            cached_rules: self.schedule.robots(id.host),
            best: self.held.get(&id).map(|held| &held.answer),
            now,
            jitter,
        }
    }

    /// Holds, drops or gives back rows as the conclusion says.
    fn keep_rows(
        &mut self,
        request: &Request,
        keep: Rows,
        answer: Answer,
        rows: Option<FinishedRows>,
        then: &Then,
    ) -> Option<FinishedRows> {
        let id = request.task.id;
        match keep {
            Rows::HoldAsBest => {
                self.held.insert(id, Held { answer, rows });
                None
            }
            Rows::Commit => {
                self.held.remove(&id);
                rows.filter(|rows| !rows.is_empty())
            }
            Rows::CommitHeld => {
                self.held.remove(&id).and_then(|held| held.rows).filter(|rows| !rows.is_empty())
            }
            Rows::Drop => {
                if *then == Then::Done {
                    self.held.remove(&id);
                }
                None
            }
        }
    }

    fn record(&mut self, mut item: Item) -> Result<(), EngineError> {
        if self.gathers && item.rows.is_some() && item.then == Then::Done && self.ahead < AHEAD_MAX {
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

    /// Gives back hosts with nothing to do, lends others, and loads tasks, all beside the crawl.
    fn refill(&mut self) {
        let now = self.clock.now();
        if self.refill.is_running() {
            return;
        }
        let excess = self.schedule.hosts().saturating_sub(self.refill.share);
        let is_full = self.schedule.in_flight() >= self.settings.concurrency;
        if excess > 0 && !self.refill.is_left && self.schedule.spare(excess, is_full, now) > 0 {
            self.roll_now.notify_one();
        }
        if self.schedule.lighten(now) > 0 {
            self.roll_now.notify_one();
        }
        let releases = self.schedule.idle();
        let hungry = self.schedule.hungry(LOADS_MAX);
        let is_due = |moment: Option<Timestamp>| moment.is_some_and(|due| due <= now);
        let is_time =
            self.refill.wants_hosts || is_due(self.refill.next_due_at) || is_due(self.refill.poll_at);
        let hosts = if is_time || !releases.is_empty() { self.room() } else { 0 };
        let is_outdated = now.since(self.refill.counted_at) >= COUNTS_EVERY;
        if releases.is_empty() && hungry.is_empty() && hosts == 0 && !is_outdated {
            return;
        }
        self.refill.wants_hosts &= hosts == 0;
        self.refill.next_due_at = None;
        self.refill.poll_at = None;
        let wanted = Wanted { releases, hungry, hosts };
        self.refill.running = Some(tokio::spawn(refilled(self.queue.clone(), self.session.clone(), wanted)));
    }

    fn admit(&mut self, refilled: Refilled) {
        let now = self.clock.now();
        self.schedule.released(&refilled.offered, &refilled.stay, now);
        for release in refilled.offered.iter().filter(|release| !refilled.stay.contains(&release.host)) {
            self.blocked.remove(&release.host);
        }
        let has_found_nothing = refilled.leased.is_empty();
        for mut leased in refilled.leased {
            let product_token = &self.settings.identity.product_token;
            leased.robots.take_if(|known| !known.speaks_to(product_token));
            self.schedule.admit(leased, now);
        }
        for loaded in refilled.loaded {
            self.schedule.load(loaded, now);
        }
        if refilled.is_full {
            self.refill.wants_hosts = true;
        }
        let counts = refilled.counts;
        self.refill.next_due_at = counts.next_due_at;
        self.refill.is_left = counts.next_due_at.is_some_and(|due| now.since(due) > LEFT_AFTER);
        self.refill.share = share(&counts, refilled.workers);
        let others_have_hosts = counts.hosts_leased > self.schedule.hosts() as u64;
        self.refill.poll_every =
            if has_found_nothing { (self.refill.poll_every * 2).min(POLL_LAST) } else { POLL_FIRST };
        let jittered = self.refill.poll_every.mul_f64(0.5 + self.jitter.next() / 2.0);
        self.refill.poll_at = others_have_hosts.then(|| now + jittered);
        self.refill.counts = counts;
        self.refill.counted_at = now;
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

/// An error for people: what was asked, what came.
fn detail(request: &Request, answer: &Answer, kind: &str, detail: &str) -> String {
    let what = match (detail, answer.status) {
        ("", Some(status)) => format!("answered with status {status}"),
        ("", None) => kind.to_owned(),
        (detail, _) => detail.to_owned(),
    };
    format!("{}: {what}", request.url())
}

/// Releasing, leasing and loading, done beside everything else; at most one at a time.
pub(crate) struct Refill {
    running: Option<JoinHandle<Result<Refilled, QueueError>>>,
    /// There may be hosts to lend.
    wants_hosts: bool,
    /// When a host comes due that is neither lent nor parked.
    next_due_at: Option<Timestamp>,
    /// When to look for hosts that other workers made due or let go; `None` while they have none.
    poll_at: Option<Timestamp>,
    poll_every: Duration,
    /// The hosts that fall to this worker.
    share: usize,
    /// Due hosts lie about that nobody takes.
    is_left: bool,
    /// The queue's totals, as of the last time.
    counts: Counts,
    counted_at: Timestamp,
}

struct Wanted {
    releases: Vec<Release>,
    hungry: Vec<(HostId, usize)>,
    hosts: usize,
}

struct Refilled {
    offered: Vec<Release>,
    /// Of those, the ones that stay lent because they have new tasks.
    stay: Vec<HostId>,
    leased: Vec<LeasedHost>,
    loaded: Vec<Loaded>,
    /// As many hosts as there was room for: there may be more.
    is_full: bool,
    counts: Counts,
    workers: u64,
}

impl Refill {
    /// Nothing is lent yet.
    pub(crate) fn new() -> Self {
        Self {
            running: None,
            wants_hosts: true,
            next_due_at: None,
            poll_at: None,
            poll_every: POLL_FIRST,
            share: usize::MAX,
            is_left: false,
            counts: Counts::default(),
            counted_at: Timestamp::default(),
        }
    }

    fn is_running(&self) -> bool {
        self.running.is_some()
    }

    async fn finished(&mut self) -> Result<Refilled, EngineError> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let refilled = running.await.map_err(|_| EngineError::Part("the refill"));
        self.running = None;
        Ok(refilled??)
    }
}

async fn refilled<Q: WorkQueue>(
    queue: Arc<Q>,
    session: Session,
    wanted: Wanted,
) -> Result<Refilled, QueueError> {
    let Wanted { releases, hungry, hosts } = wanted;
    let stay = if releases.is_empty() { Vec::new() } else { queue.release(&session, &releases).await? };
    let leased = if hosts > 0 { queue.lease(&session, hosts).await? } else { Vec::new() };
    let is_full = hosts > 0 && leased.len() == hosts;
    let mut loaded = Vec::new();
    // Hosts that want the same number are asked about together.
    let mut by_number: HashMap<usize, Vec<HostId>> = HashMap::new();
    let fresh = leased.iter().map(|leased| (leased.host.id(), TASKS_FIRST));
    for (host, n) in hungry.into_iter().chain(fresh) {
        by_number.entry(n).or_default().push(host);
    }
    for (n, hosts) in by_number {
        loaded.extend(queue.load(&session, &hosts, n).await?);
    }
    let (counts, workers) = (queue.counts().await?, queue.workers().await?);
    Ok(Refilled { offered: releases, stay, leased, loaded, is_full, counts, workers })
}

/// The hosts that fall to one of so many workers.
fn share(counts: &Counts, workers: u64) -> usize {
    let busy = counts.hosts.saturating_sub(counts.hosts_done + counts.hosts_parked);
    let share = if workers > 1 { busy.div_ceil(workers).max(1) } else { u64::MAX };
    usize::try_from(share).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_something_to_do_are_shared_out_among_many_workers_only() {
        let counts = Counts { hosts: 13, hosts_done: 2, hosts_parked: 1, ..Counts::default() };
        assert_eq!(share(&counts, 1), usize::MAX);
        assert_eq!(share(&counts, 3), 4);
        assert_eq!(share(&Counts::default(), 3), 1, "whoever finds the first one takes it");
    }
}
