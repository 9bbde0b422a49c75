//! What came back: what it means, and what goes on to be recorded.

use frontier::schedule::Request;
use frontier::task::REFRESH_DEPTH;
use frontier::work_queue::HostCooldown;
use frontier::{
    Answer, Conclusion, Context, ErrorKind, FetchRecord, NextStep, Rows, TaskKind, Timestamp, WorkQueue,
    conclude,
};

use super::{Engine, EngineError};
use crate::engine::read::Contents;
use crate::engine::record::Item;
use crate::engine::worker::{Fetched, Finished};

/// A partial reading with what it held.
pub struct PartialReading {
    answer: Answer,
    contents: Contents,
}

impl<Q: WorkQueue> Engine<Q> {
    /// What came back goes on to be recorded with what it means.
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
            Some(record) => self.tell(&request, &answer, conclusion.error, record),
            None => tracing::debug!(url = request.url(), "not asked: its host cooldowns"),
        }
        if request.task.kind == TaskKind::Robots && conclusion.error == Some(ErrorKind::BlockedAddress) {
            self.blocked.insert(request.task.id.host);
        }
        let cooldowns = self.cool_down(&request, &conclusion, read_at);
        drop(slot);
        let contents = self.keep(&request, conclusion.rows, answer, contents, &conclusion.next);
        let item = Item {
            record,
            read_at,
            settled_at: None,
            // A robots.txt asked for anew is a task of no queue; a seed's task of the same URL may still be pending.
            outcome: conclusion.outcome.filter(|_| request.task.depth != REFRESH_DEPTH),
            found: conclusion.found,
            robots: conclusion.robots,
            permit,
            cooldowns,
            contents,
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
    fn cool_down(&mut self, request: &Request, conclusion: &Conclusion, now: Timestamp) -> Vec<HostCooldown> {
        let host = request.task.id.host;
        let asked = request.asked().map_or(host, |asked| asked.id());
        let both = if asked == host { vec![host] } else { vec![host, asked] };
        let mut cooldowns = Vec::new();
        for host in both {
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
            tracing::warn!(host = %request.host, %until, "host asked for a long rest and is put aside");
        }
        for cooldown in &cooldowns {
            self.cooldowns.add(cooldown.host, cooldown.until, now);
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

    /// Holds, drops or gives back what a document held as the conclusion says.
    fn keep(
        &mut self,
        request: &Request,
        keep: Rows,
        answer: Answer,
        contents: Contents,
        then: &NextStep,
    ) -> Contents {
        let id = request.task.id;
        match keep {
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
                if *then == NextStep::Done {
                    self.held.remove(&id);
                }
                Contents::default()
            }
        }
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
