//! Applies the conclusion from an answer: updates the schedule and passes the result on to the recorder.

use frontier::schedule::Request;
use frontier::work_queue::HostCooldown;
use frontier::{
    Answer, Conclusion, Context, ErrorKind, FetchRecord, NextStep, Purpose, Rows, TaskKind, Timestamp,
    conclude,
};

use super::Engine;
use super::body::{Contents, PartialReading};
use super::environment::Environment;
use super::error::EngineError;
use super::record::Item;
use super::worker::{Fetched, Finished};

impl<E: Environment> Engine<E> {
    /// Draws the conclusion from a finished request and passes the result on to the recorder.
    pub(super) fn conclude(
        &mut self,
        finished: Result<Finished, tokio::task::JoinError>,
    ) -> Result<(), EngineError> {
        let finished = finished.map_err(|_| EngineError::Part("a worker"))?;
        let Finished { request, result, slot } = finished;
        let Fetched { answer, mut record, contents, permit, left_at, read_at, failure } = result;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        if let Some(left_at) = left_at {
            self.schedule.started(&request, left_at);
        }
        let conclusion = self.conclusion(&request, &answer, read_at);
        match &mut record {
            Some(record) => self.set_error(&request, &answer, conclusion.error, record),
            None => tracing::debug!(url = request.url(), "not requested: its host is in a cooldown"),
        }
        if request.task.kind == TaskKind::Robots && conclusion.error == Some(ErrorKind::BlockedAddress) {
            self.blocked.insert(request.task.id.host);
        }
        let cooldowns = self.cool_down(&request, &conclusion, read_at);
        drop(slot);
        let contents = self.contents_to_record(&request, conclusion.rows, answer, contents, &conclusion.next);
        let item = Item {
            record,
            read_at,
            settled_at: None,
            // A refresh of robots.txt is not a task of the queue. A task with the same URL, from a seed, may be pending there.
            outcome: conclusion.outcome.filter(|_| request.purpose == Purpose::Task),
            found: conclusion.found,
            robots: conclusion.robots,
            permit,
            cooldowns,
            contents,
            stored: None,
            next: conclusion.next,
            request,
        };
        self.record(item)
    }

    /// Sets or clears the error in the record of a request, and logs it.
    fn set_error(
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

    /// Applies the cooldown or parking of a conclusion to the task's host, and also to the target host if a robots.txt
    /// redirected to another host. Returns the cooldowns.
    fn cool_down(&mut self, request: &Request, conclusion: &Conclusion, now: Timestamp) -> Vec<HostCooldown> {
        let host = request.task.id.host;
        let target = request.target_host().map_or(host, |target| target.id());
        let hosts = if target == host { vec![host] } else { vec![host, target] };
        let mut cooldowns = Vec::new();
        for host in hosts {
            if let Some(until) = conclusion.cooldown_until {
                self.schedule.cool_down(host, until, now);
                cooldowns.push(HostCooldown { host, until });
            }
            if let Some(until) = conclusion.park_until {
                self.schedule.park(host, until, now);
                cooldowns.push(HostCooldown { host, until });
            }
        }
        if let Some(until) = conclusion.park_until {
            tracing::warn!(host = %request.host, %until, "host asked for a long cooldown and is parked");
        }
        for cooldown in &cooldowns {
            self.worker.cooldowns.add(cooldown.host, cooldown.until, now);
        }
        cooldowns
    }

    fn conclusion(&mut self, request: &Request, answer: &Answer, read_at: Timestamp) -> Conclusion {
        let jitter = self.jitter.next();
        conclude(&self.context(request, read_at, jitter), answer)
    }

    pub(super) fn context<'a>(&'a self, request: &'a Request, now: Timestamp, jitter: f64) -> Context<'a> {
        let id = request.task.id;
        Context {
            host: &request.host,
            task: &request.task,
            purpose: request.purpose,
            url: request.url(),
            hop: request.hop,
            attempt: request.attempt,
            scope: &self.worker.scope,
            cached_rules: self.schedule.robots(id.host),
            best: self.held.get(&id).map(|held| &held.answer),
            now,
            jitter,
        }
    }

    /// The contents to record. The conclusion decides whether they are recorded, held for a later attempt, or dropped.
    fn contents_to_record(
        &mut self,
        request: &Request,
        rows: Rows,
        answer: Answer,
        contents: Contents,
        next: &NextStep,
    ) -> Contents {
        let id = request.task.id;
        match rows {
            Rows::HoldAsBest => {
                self.held.insert(id, PartialReading { answer, contents });
                Contents::default()
            }
            Rows::Commit => {
                self.held.remove(&id);
                contents
            }
            Rows::CommitHeld => self.held.remove(&id).map(|held| held.contents).unwrap_or_default(),
            Rows::Drop => {
                if *next == NextStep::Done {
                    self.held.remove(&id);
                }
                Contents::default()
            }
        }
    }
}

/// The description of an error for people: the URL, and what was wrong with the answer.
fn detail(request: &Request, answer: &Answer, kind: &str, detail: &str) -> String {
    let reason = match (detail, answer.status) {
        ("", Some(status)) => format!("answered with status {status}"),
        ("", None) => kind.to_owned(),
        (detail, _) => detail.to_owned(),
    };
    format!("{}: {reason}", request.url())
}
