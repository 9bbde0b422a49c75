//! A request and answers to it, for the tests of this module.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Answer, Conclusion, Context, conclude, conclude_known};
use crate::answer::DocumentSummary;
use crate::host::Host;
use crate::outcome::{DocumentKind, ErrorKind, Outcome};
use crate::request::{NextStep, Step};
use crate::robots::RobotsRules;
use crate::scope::Scope;
use crate::task::{Task, TaskKind};
use crate::timestamp::Timestamp;
use crate::validator::Validator;
use crate::work_queue::{RobotsRecord, RobotsRedirect};

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

pub(super) fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

pub(super) fn days_ago(days: u64) -> Timestamp {
    NOW - Duration::from_secs(days * 24 * 3600)
}

/// A request that awaits its answer. It owns the values that a [`Context`] refers to.
#[derive(Debug)]
pub(super) struct TestRequest {
    pub(super) step: Step,
    pub(super) scope: Scope,
    pub(super) cached: Option<RobotsRecord>,
    pub(super) redirect: Option<RobotsRedirect>,
    pub(super) parked_until: Option<Timestamp>,
    pub(super) best: Option<Answer>,
}

impl TestRequest {
    /// The first request of the task at `url`.
    pub(super) fn new(url: &str, kind: TaskKind) -> Self {
        let host = Host::of(&Url::parse(url).unwrap()).unwrap();
        Self::of(Task::new(&host, url, kind))
    }

    /// The first request of `task`.
    pub(super) fn of(task: Task) -> Self {
        let host = Host::of(&Url::parse(&task.url).unwrap()).unwrap();
        Self {
            step: Step::new(&Arc::new(host), task),
            scope: Scope::default(),
            cached: None,
            redirect: None,
            parked_until: None,
            best: None,
        }
    }

    /// The same in another attempt.
    pub(super) fn attempt(mut self, attempt: u8) -> Self {
        self.step.attempt = attempt;
        self
    }

    /// The same after so many redirects within the attempt.
    pub(super) fn hop(mut self, hop: u8) -> Self {
        self.step.hop = hop;
        self
    }

    /// The same at the URL that `hop` redirects within the attempt led to.
    pub(super) fn at(mut self, url: &str, hop: u8) -> Self {
        self.step.url = Some(Arc::new(Url::parse(url).unwrap()));
        self.hop(hop)
    }

    pub(super) fn sitemap() -> Self {
        Self::new("https://a.example/sitemap.xml", TaskKind::Sitemap)
    }

    pub(super) fn probe(nth: u8, path: &str) -> Self {
        Self::new(&format!("https://a.example{path}"), TaskKind::Probe(nth))
    }

    pub(super) fn robots() -> Self {
        Self::new("https://a.example/robots.txt", TaskKind::Robots)
    }

    pub(super) fn conclude(&self, answer: &Answer) -> Conclusion {
        conclude(&self.context(), answer)
    }

    /// The conclusion without a request, if there is one.
    pub(super) fn conclude_known(&self) -> Option<Conclusion> {
        conclude_known(&self.context())
    }

    /// The host of its task.
    pub(super) fn host(&self) -> &Host {
        &self.step.host
    }

    fn context(&self) -> Context<'_> {
        Context {
            step: &self.step,
            scope: &self.scope,
            cached_rules: self.cached.as_ref(),
            redirect: self.redirect.as_ref(),
            parked_until: self.parked_until,
            best: self.best.as_ref(),
            now: NOW,
            jitter: 0.0,
        }
    }
}

impl Conclusion {
    /// How the task ended. Panics if it continues.
    pub(super) fn ended(&self) -> &Outcome {
        &self.outcome.as_ref().unwrap().outcome
    }

    /// The found URLs with their kinds.
    pub(super) fn links(&self) -> Vec<(&str, TaskKind)> {
        self.found.iter().map(|new| (new.task.url.as_str(), new.task.kind)).collect()
    }
}

/// The next step that follows a redirect to `url`.
pub(super) fn follow(url: &str, hop: u8) -> NextStep {
    NextStep::Follow(Arc::new(Url::parse(url).unwrap()), hop)
}

pub(super) fn status(status: u16) -> Answer {
    Answer { status: Some(status), ..Answer::default() }
}

pub(super) fn no_answer(error: ErrorKind) -> Answer {
    Answer { error: Some(error), ..Answer::default() }
}

pub(super) fn redirect(location: &str) -> Answer {
    Answer { location: Some(location.to_owned()), ..status(301) }
}

pub(super) fn retry_later(code: u16, seconds: u64) -> Answer {
    Answer { retry_after: Some(after(seconds)), ..status(code) }
}

pub(super) fn urlset(entries: u64) -> Answer {
    let document = DocumentSummary { kind: DocumentKind::Urlset, entries, ..DocumentSummary::default() };
    Answer { document: Some(document), ..status(200) }
}

/// A urlset with `entries` that were read before `error` ended it.
pub(super) fn part(entries: u64, error: ErrorKind) -> Answer {
    let mut answer = urlset(entries);
    if let Some(document) = &mut answer.document {
        document.truncated = Some(error);
    }
    Answer { error: Some(error), ..answer }
}

pub(super) fn index(children: u64) -> Answer {
    let document = DocumentSummary { kind: DocumentKind::Index, ..DocumentSummary::default() };
    Answer { document: Some(document), children, ..status(200) }
}

pub(super) fn rules(text: &str) -> Answer {
    Answer { robots: Some(RobotsRules::parse(text.as_bytes(), "bot")), ..status(200) }
}

pub(super) fn cached(text: &str, fetched_at: Timestamp) -> RobotsRecord {
    let validator = Validator { etag: Some("\"1\"".to_owned()), last_modified: None };
    RobotsRecord { fetched_at, rules: Some(RobotsRules::parse(text.as_bytes(), "bot").to_text()), validator }
}
