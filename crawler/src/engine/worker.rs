//! A worker: makes one request, reads what comes, and tells.

use std::sync::Arc;
use std::time::Duration;

use frontier::answer::{Answer, retry_after};
use frontier::rate_limiter::RateLimiter;
use frontier::schedule::Request;
use frontier::work_queue::Session;
use frontier::{
    Clock, Connection, ErrorKind, FetchRecord, HostId, RequestKind, Stage, TaskKind, Timestamp, Validator,
};
use reqwest::header::HeaderMap;
use storage::{DocumentHead, Scratch, SegmentError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::clock::SystemClock;
use crate::cpu_meter::CpuMeter;
use crate::engine::lease_deadline::LeaseDeadline;
use crate::engine::read::{self, Contents, Reading};
use crate::fetch::client::HostClient;
use crate::fetch::cooldowns::Cooldowns;
use crate::fetch::get::Timeouts;
use crate::fetch::host_slots::{HostSlot, HostSlots};
use crate::fetch::{FetchError, Response, Stopwatch, get};

/// A robots.txt with more bytes waits for its turn before it is understood: of 512,000, rules and the tasks of its Sitemap
/// lines take up to forty times as much until they are durable, and a hundred may come at once.
pub const LARGE_ROBOTS_BYTES: usize = 32 << 10;

/// Large robots.txt files that are understood and not durable at any time.
pub const LARGE_ROBOTS_AT_ONCE: usize = 4;

/// What all workers of a session share.
pub struct Worker {
    /// The session, for the records.
    pub session: Session,
    /// The time.
    pub clock: Arc<SystemClock>,
    /// Up to when requests may leave: the session's hosts may be another's after that.
    pub lease_deadline: LeaseDeadline,
    /// Hosts to be left in peace.
    pub cooldowns: Arc<Cooldowns>,
    /// The last gate for the rate.
    pub rate_limiter: RateLimiter,
    /// The requests in flight of each host.
    pub slots: Arc<HostSlots>,
    /// How long a request may take.
    pub timeouts: Timeouts,
    /// What CPU time was spent on.
    pub meter: Arc<CpuMeter>,
    /// Where the rows of a document wait.
    pub scratch: Scratch,
    /// Turns of large robots.txt files: see [`LARGE_ROBOTS_BYTES`].
    pub large_robots: Arc<Semaphore>,
    /// `--max-children`.
    pub children_max: u64,
    /// What robots.txt files know us by.
    pub product_token: String,
}

/// One request to make.
pub struct Job {
    /// What the schedule wants asked.
    pub request: Request,
    /// With what.
    pub client: HostClient,
    /// Extra header fields.
    pub headers: HeaderMap,
    /// Makes it conditional.
    pub validator: Option<Validator>,
}

/// A request that a worker is done with.
pub struct Finished {
    /// The request.
    pub request: Request,
    /// What came of it.
    pub result: Fetched,
    /// It is in flight until it is known what the answer means for its host.
    pub slot: HostSlot,
}

/// What came of a request that was made, or withheld since the host that is asked rests.
pub struct Fetched {
    /// What was answered, or would be.
    pub answer: Answer,
    /// Where its time went, but for the stage `record`; `None` where it was withheld.
    pub record: Option<FetchRecord>,
    /// What it held.
    pub contents: Contents,
    /// Of a large robots.txt, its turn.
    pub permit: Option<OwnedSemaphorePermit>,
    /// When it left, where that was later than it was let go: it may have waited for its turn or for a connection.
    pub left_at: Option<Timestamp>,
    /// When it was read.
    pub read_at: Timestamp,
    /// Why entries could not be kept: nothing of this request is recorded then.
    pub failure: Option<SegmentError>,
}

/// What a body brought besides the head of its answer.
#[derive(Default)]
pub struct Body {
    /// What came of it.
    pub answer: Answer,
    /// What it held.
    pub contents: Contents,
    /// Of a large robots.txt, its turn.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Bytes after inflating.
    pub bytes_decoded: u64,
    /// What went wrong, for people.
    pub detail: String,
    /// Why entries could not be kept.
    pub failure: Option<SegmentError>,
}

impl Worker {
    /// Waits until it may leave, asks, reads.
    pub async fn run(self: Arc<Self>, job: Job) -> Finished {
        let asked = job.request.asked().map_or(job.request.task.id.host, |asked| asked.id());
        let came_at = self.clock.now();
        let slot = self.slots.enter(asked).await;
        let result = loop {
            let started_at = match self.pass(asked).await {
                Ok(started_at) => started_at,
                Err(rests_until) => break self.withheld(rests_until),
            };
            if let Some(made) = self.make(&job, started_at, started_at.since(came_at)).await {
                break made;
            }
        };
        Finished { request: job.request, result, slot }
    }

    /// Makes the request that may leave at `started_at`; `None` where the session's tenure ended before it could.
    async fn make(&self, job: &Job, started_at: Timestamp, rate_limiter_wait: Duration) -> Option<Fetched> {
        let mut record = self.record(&job.request, started_at, rate_limiter_wait);
        let watch = Stopwatch::start();
        let body = self.ask(job, &watch, &mut record).await?;
        let (measured, read_at) = (watch.stop(), self.clock.now());
        // The server counts from the request, not from the handshake before it.
        let connecting_us = measured[Stage::Dns] + measured[Stage::Connect] + measured[Stage::Tls];
        let is_late = !rate_limiter_wait.is_zero() || connecting_us > 0;
        let left_at = is_late.then(|| started_at + Duration::from_micros(connecting_us));
        for (stage, us) in measured.iter() {
            record.stages.add(stage, Duration::from_micros(us));
        }
        record.bytes_decoded = body.bytes_decoded;
        record.detail = body.detail;
        let Body { answer, contents, permit, failure, .. } = body;
        Some(Fetched { answer, record: Some(record), contents, permit, left_at, read_at, failure })
    }

    /// Waits until a request may leave: the session has its hosts, and the rate of the host that is asked lets it pass. Gives
    /// the moment, which is the present nearly always, since the schedule keeps the rate already; redirects of a robots.txt
    /// to another host are the exception. Fails with the end of the rest where that host rests.
    async fn pass(&self, asked: HostId) -> Result<Timestamp, Timestamp> {
        loop {
            self.lease_deadline.held(&*self.clock).await;
            let now = self.clock.now();
            if let Some(until) = self.cooldowns.of(asked, now) {
                return Err(until);
            }
            match self.rate_limiter.wait(asked, now) {
                None => return Ok(now),
                Some(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn withheld(&self, rests_until: Timestamp) -> Fetched {
        let (answer, read_at) = (Answer::resting(rests_until), self.clock.now());
        Fetched {
            answer,
            record: None,
            contents: Contents::default(),
            permit: None,
            left_at: None,
            read_at,
            failure: None,
        }
    }

    /// `None` where the session's tenure ended before the request could leave.
    async fn ask(&self, job: &Job, watch: &Arc<Stopwatch>, record: &mut FetchRecord) -> Option<Body> {
        let Job { request, client, headers, validator } = job;
        let url = match Url::parse(request.url()) {
            Ok(url) => url,
            Err(error) => {
                return Some(failed(&FetchError { kind: ErrorKind::BadUrl, detail: error.to_string() }));
            }
        };
        let asking = get(client, &url, headers, validator.as_ref(), self.timeouts, watch);
        let is_here = || matches!(watch.running().0, Stage::Dns | Stage::Connect | Stage::Tls);
        Some(match self.lease_deadline.within(&*self.clock, is_here, asking).await? {
            Ok(response) => self.read(request, &url, response, watch, record).await,
            Err(error) => failed(&error),
        })
    }

    fn record(&self, request: &Request, started_at: Timestamp, rate_limiter_wait: Duration) -> FetchRecord {
        let mut record = FetchRecord {
            session: self.session.id,
            task: request.task.id,
            parent: request.task.parent,
            kind: match request.task.kind {
                TaskKind::Robots => RequestKind::Robots,
                TaskKind::Sitemap => RequestKind::Sitemap,
                TaskKind::Probe(_) => RequestKind::Probe,
            },
            attempt: request.attempt,
            hop: request.hop,
            begun_at: request.begun_at,
            stages: frontier::Stages::default(),
            bytes_wire: 0,
            bytes_decoded: 0,
            status: None,
            connection: Connection::None,
            document: None,
            entries: 0,
            error: None,
            detail: String::new(),
        };
        let permitted_at = request.permitted_at.max(request.begun_at);
        let slot = started_at.since(permitted_at).saturating_sub(rate_limiter_wait);
        record.stages.add(Stage::Politeness, permitted_at.since(request.begun_at) + rate_limiter_wait);
        record.stages.add(Stage::Slot, slot);
        record
    }

    async fn read(
        &self,
        request: &Request,
        url: &Url,
        mut response: Response,
        watch: &Stopwatch,
        record: &mut FetchRecord,
    ) -> Body {
        record.status = Some(response.status);
        record.connection = response.connection;
        let mut body = match (response.status, request.task.kind) {
            (200..=299, TaskKind::Robots) => {
                let permits = &self.large_robots;
                read::robots(&mut response, &self.product_token, permits, watch, &self.meter).await
            }
            (200..=203 | 207..=299, _) => {
                let reading = Reading {
                    base: url,
                    head: self.head(request, url),
                    named_by: &request.task.named_by,
                    children_max: self.children_max,
                };
                read::document(&mut response, reading, &self.scratch, watch, &self.meter).await
            }
            // Nothing of it is wanted; dropping it closes the connection unless its end has come already.
            _ => {
                read::discard(&mut response).await;
                Body::default()
            }
        };
        record.bytes_wire = response.bytes_wire;
        let ended_at = self.clock.now();
        let answer = &mut body.answer;
        answer.status = Some(response.status);
        answer.location = response.header("location").map(str::to_owned);
        answer.retry_after = response.header("retry-after").and_then(|header| retry_after(header, ended_at));
        answer.validator = Validator {
            etag: response.header("etag").map(str::to_owned),
            last_modified: response.header("last-modified").map(str::to_owned),
        };
        if let Some(document) = &body.answer.document {
            record.document = Some(document.kind.clone());
            record.entries = document.entries;
        } else if body.answer.robots.is_some() {
            record.document = Some("robots".into());
        }
        body
    }

    fn head(&self, request: &Request, url: &Url) -> DocumentHead {
        DocumentHead {
            task: request.task.id,
            attempt: request.attempt,
            host: request.host.to_string(),
            sitemap: url.to_string(),
            fetched_at: self.clock.now(),
        }
    }
}

fn failed(error: &FetchError) -> Body {
    let answer = Answer { error: Some(error.kind), ..Answer::default() };
    Body { answer, detail: error.detail.clone(), ..Body::default() }
}
