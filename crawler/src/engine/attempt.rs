//! A request on its way through the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use frontier::schedule::Request;
use frontier::work_queue::{Commit, HostCooldown, HostUpdate, RedirectChange, RedirectUpdate};
use frontier::{
    Conclusion, FetchRecord, HostId, NewTask, NextStep, Outcome, Stage, TaskId, TaskKind, Timestamp,
};
use storage::{FinishedChildren, FinishedRows};

use super::addresses::AddressSlot;
use super::body::Body;
use crate::event::Event;

/// One request, from the moment at which the schedule starts it until its effects are durable.
///
/// The worker sends it and reads the answer, the engine draws the conclusion, and the recorder stores what follows from
/// it. A task that ends without a request is an attempt too.
pub struct Attempt {
    /// The request. It occupies its slot until this is durable, or was settled ahead.
    pub request: Request,
    /// When it was on its way.
    pub timing: Timing,
    /// What came of it.
    pub result: AttemptResult,
}

/// The moments of an attempt that its record does not have.
pub struct Timing {
    /// When the request was sent, if that was later than scheduled. It may have waited for the rate limit or for a connection.
    pub left_at: Option<Timestamp>,
    /// When the response had been read. From then on, time counts as stage `record`.
    pub read_at: Timestamp,
    /// When its slot was freed, if that was before it is durable. The time of the request ends there.
    pub settled_at: Option<Timestamp>,
}

/// What came of an attempt. It is completed step by step.
pub struct AttemptResult {
    /// Where the time went. `None` if no request was sent.
    pub record: Option<FetchRecord>,
    /// What was read.
    pub body: Body,
    /// What follows from the answer.
    pub conclusion: Conclusion,
    /// The entries once they are stored, for the event of the document.
    pub stored: Option<FinishedRows>,
    /// The slot of the address that it was sent to.
    pub address: AddressSlot,
}

/// An attempt whose effects are durable, and what the engine needs to know of them besides.
pub struct Durable {
    /// The attempt. What was stored is gone from it.
    pub attempt: Attempt,
    /// The URL that also counts as read.
    pub read_as: Option<TaskId>,
}

/// A commit that is durable.
#[derive(Default)]
pub struct DurableCommit {
    /// Its attempts.
    pub attempts: Vec<Durable>,
    /// Hosts that may have new tasks because of it, each with whether it has a request for another host.
    pub woken: BTreeMap<HostId, bool>,
}

impl DurableCommit {
    /// Notes that a commit adds these tasks.
    pub fn wake(&mut self, found: &[NewTask]) {
        for new in found {
            *self.woken.entry(new.task.id.host).or_default() |= new.task.kind == TaskKind::RobotsHop;
        }
    }
}

impl Attempt {
    /// The attempt of a request that was not sent yet, and perhaps never is.
    pub fn new(request: Request, now: Timestamp) -> Self {
        Self {
            request,
            timing: Timing { left_at: None, read_at: now, settled_at: None },
            result: AttemptResult {
                record: None,
                body: Body::default(),
                conclusion: Conclusion::default(),
                stored: None,
                address: AddressSlot::default(),
            },
        }
    }

    /// The cooldowns that it brings to its host.
    pub fn cooldowns(&self) -> impl Iterator<Item = HostCooldown> + use<> {
        let Conclusion { cooldown_until, park_until, .. } = self.result.conclusion;
        let host = self.request.host_id();
        [cooldown_until, park_until].into_iter().flatten().map(move |until| HostCooldown { host, until })
    }

    /// Whether it has entries that are not stored yet.
    pub fn has_rows(&self) -> bool {
        self.result.body.contents.rows.is_some()
    }

    /// Whether it has children that are no tasks yet.
    pub fn has_children(&self) -> bool {
        let contents = &self.result.body.contents;
        contents.children.is_some() || !contents.listed.is_empty()
    }

    /// Whether its task has ended with it.
    pub fn is_last(&self) -> bool {
        self.result.conclusion.next == NextStep::Done
    }

    /// The number of new tasks that it leads to.
    pub fn new_tasks(&self) -> u64 {
        let AttemptResult { conclusion, body, .. } = &self.result;
        let children = body.contents.children.as_ref().map_or(0, FinishedChildren::len);
        (conclusion.found.len() + body.contents.listed.len()) as u64 + children
    }

    /// Size of the robots.txt rules that were fetched.
    pub fn rules_bytes(&self) -> usize {
        let robots = self.result.conclusion.robots.as_ref();
        robots.and_then(|robots| robots.rules.as_ref()).map_or(0, String::len)
    }

    /// The URLs that count as read because of its document: that of its task, and the one it was redirected to.
    pub fn document_ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        let outcome = self.result.conclusion.outcome.as_ref();
        let fetched = outcome.filter(|outcome| matches!(outcome.outcome, Outcome::Fetched(_)));
        let ids = fetched.map(|outcome| [Some(outcome.task), outcome.read_as]);
        ids.into_iter().flatten().flatten()
    }

    /// Whether a redirect has led its document to another URL.
    pub fn is_redirected(&self) -> bool {
        self.result.conclusion.outcome.as_ref().is_some_and(|outcome| outcome.read_as.is_some())
    }

    /// Makes it a repeat of a document that was read before.
    pub fn become_duplicate(&mut self) {
        self.result.body.contents = Default::default();
        self.result.conclusion.found.clear();
        if let Some(outcome) = &mut self.result.conclusion.outcome {
            outcome.outcome = Outcome::Duplicate;
            outcome.refused.clear();
            (outcome.repeats, outcome.parts) = (0, 0);
            outcome.read_as = None;
        }
    }

    /// The event of its task, if the task has ended with something that a caller needs to know.
    pub fn event(&mut self) -> Option<Event> {
        let AttemptResult { record, conclusion, stored, .. } = &mut self.result;
        let outcome = conclusion.outcome.as_ref()?;
        Event::of(&self.request, outcome, record.as_ref(), stored.take(), self.timing.read_at)
    }

    /// Moves what is stored of it to `commit`, which is made at `now`, and the rest to `durable`.
    pub fn store(mut self, now: Timestamp, commit: &mut Commit, durable: &mut DurableCommit) {
        commit.cooldowns.extend(self.cooldowns());
        let Self { request, timing, result } = &mut self;
        if let Some(mut record) = result.record.take() {
            let recorded_at = timing.settled_at.unwrap_or(now);
            record.stages.add(Stage::Record, recorded_at.since(timing.read_at));
            commit.fetches.push(record);
            // The wait for another host begins where the time of the request ends.
            if let Some(RedirectUpdate { change: RedirectChange::Wait(redirect), .. }) =
                &mut result.conclusion.redirect
            {
                redirect.since = recorded_at;
            }
        }
        let conclusion = &mut result.conclusion;
        let host = request.step.task.waiting().unwrap_or(request.host_id());
        commit.hosts.extend(conclusion.robots.clone().map(|robots| HostUpdate { host, robots }));
        let (found, host_id) = (std::mem::take(&mut conclusion.found), request.host_id());
        durable.wake(&found);
        if let Some(update) = conclusion.redirect.as_ref().filter(|update| update.host != host_id) {
            durable.woken.entry(update.host).or_insert(false);
        }
        commit.found.extend(found);
        commit.redirects.extend(conclusion.redirect.clone());
        let outcome = conclusion.outcome.take();
        let read_as = outcome.as_ref().and_then(|outcome| outcome.read_as);
        commit.outcomes.extend(outcome);
        durable.attempts.push(Durable { attempt: self, read_as });
    }
}

impl Timing {
    /// Notes when a request left that was scheduled for `started_at`. The server measures the rate between requests, and the
    /// handshake comes before the request.
    pub fn left(&mut self, started_at: Timestamp, has_waited: bool, connecting: Duration) {
        let is_late = has_waited || !connecting.is_zero();
        self.left_at = is_late.then(|| started_at + connecting);
    }
}
