//! Applies the conclusion from an answer: updates the schedule and passes the attempt on to the recorder.

use std::mem;
use std::net::IpAddr;

use frontier::schedule::Request;
use frontier::{Context, Purpose, Rows, TaskKind, Timestamp, conclude};

use super::Engine;
use super::addresses::AddressSlot;
use super::attempt::{Attempt, AttemptResult};
use super::body::Contents;
use super::environment::Environment;
use super::error::EngineError;
use super::worker::Finished;

impl<E: Environment> Engine<E> {
    /// Draws the conclusion from a finished request and passes the attempt on to the recorder.
    pub(super) fn conclude(
        &mut self,
        finished: Result<Finished, tokio::task::JoinError>,
    ) -> Result<(), EngineError> {
        let mut attempt = finished.map_err(|_| EngineError::Part("a worker"))??;
        match attempt.result.address {
            AddressSlot::NotNeeded => {}
            AddressSlot::Taken(address) => self.free_address(address),
            AddressSlot::Full(address) => {
                self.wait_for_address(&attempt, address);
                return Ok(());
            }
        }
        if let Some(left_at) = attempt.timing.left_at {
            self.schedule.started(&attempt.request, left_at);
        }
        let jitter = self.jitter.next();
        let context = self.context(&attempt.request, attempt.timing.read_at, jitter);
        attempt.result.conclusion = conclude(&context, &attempt.result.body.answer);
        if attempt.request.step.purpose == Purpose::RobotsRefresh {
            // It is not a task of the queue. A task with the same URL, from a seed, may be pending there.
            attempt.result.conclusion.outcome = None;
        }
        self.set_error(&mut attempt);
        let request = &attempt.request;
        if request.step.task.kind == TaskKind::Robots
            && let Some(error) = attempt.result.conclusion.error.filter(|error| error.is_blocked())
        {
            self.earlier.blocked.insert(request.step.task.id.host, error);
        }
        self.cool_down(&attempt);
        self.keep_contents(&mut attempt);
        self.record(attempt)
    }

    fn free_address(&mut self, address: IpAddr) {
        let now = self.now();
        let Self { workers, schedule, .. } = self;
        workers.shared.addresses.free(address, |host| schedule.resume(host, now));
    }

    /// Takes back a request whose address has no slot to spare. Its host waits for one, without a place.
    fn wait_for_address(&mut self, attempt: &Attempt, address: IpAddr) {
        let (now, host) = (self.now(), attempt.request.host_id());
        self.schedule.withdraw(&attempt.request, now);
        if !self.workers.shared.addresses.wait(address, host) {
            self.schedule.resume(host, now);
        }
    }

    /// Sets or clears the error in the record of a request, and logs it.
    fn set_error(&mut self, attempt: &mut Attempt) {
        let Attempt { request, result: AttemptResult { record, body, conclusion, .. }, .. } = attempt;
        let Some(record) = record else { return };
        record.error = conclusion.error;
        let Some(error) = conclusion.error else {
            record.detail.clear();
            return;
        };
        self.earlier.errors += 1;
        let reason = match (record.detail.as_str(), body.answer.status) {
            ("", Some(status)) => format!("answered with status {status}"),
            ("", None) => error.as_str().to_owned(),
            (detail, _) => detail.to_owned(),
        };
        record.detail = format!("{}: {reason}", request.url());
        let (url, detail) = (request.url(), &record.detail);
        tracing::debug!(url, error = error.as_str(), detail, "request failed");
    }

    /// Applies the cooldowns of an attempt, and parks its host if it asked for a long one.
    pub(super) fn cool_down(&mut self, attempt: &Attempt) {
        let (now, park_until) = (attempt.timing.read_at, attempt.result.conclusion.park_until);
        for cooldown in attempt.cooldowns() {
            if Some(cooldown.until) == park_until {
                self.schedule.park(cooldown.host, cooldown.until, now);
            } else {
                self.schedule.cool_down(cooldown.host, cooldown.until, now);
            }
        }
        if let Some(until) = park_until {
            let host = &attempt.request.step.host;
            tracing::warn!(%host, %until, "host asked for a long cooldown and is parked");
        }
    }

    pub(super) fn context<'a>(&'a self, request: &'a Request, now: Timestamp, jitter: f64) -> Context<'a> {
        let id = request.step.task.id;
        Context {
            step: &request.step,
            scope: &self.workers.shared.scope,
            cached_rules: self.schedule.robots(id.host),
            redirect: self.schedule.redirect(id.host),
            parked_until: self.schedule.parked_until(id.host),
            best: self.earlier.held.get(&id).map(|held| &held.answer),
            now,
            jitter,
        }
    }

    /// Leaves the contents to record in the attempt. The conclusion decides whether they are recorded, held for a later
    /// attempt, or dropped.
    fn keep_contents(&mut self, attempt: &mut Attempt) {
        let (id, is_last) = (attempt.request.step.task.id, attempt.is_last());
        let body = &mut attempt.result.body;
        match attempt.result.conclusion.rows {
            Rows::HoldAsBest => {
                self.earlier.held.insert(id, mem::take(body));
            }
            Rows::Commit => {
                self.earlier.held.remove(&id);
            }
            Rows::CommitHeld => body.contents = self.earlier.held.remove(&id).unwrap_or_default().contents,
            Rows::Drop => {
                if is_last {
                    self.earlier.held.remove(&id);
                }
                body.contents = Contents::default();
            }
        }
    }
}
