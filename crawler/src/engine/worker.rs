//! A worker: sends one request, reads the response, and returns the result.

use std::sync::Arc;
use std::time::Duration;

use frontier::answer::{Answer, retry_after};
use frontier::rate_limiter::RateLimiter;
use frontier::schedule::Request;
use frontier::work_queue::Session;
use frontier::{
    Clock, Connection, DocumentKind, ErrorKind, FetchRecord, HostId, RequestKind, Scope, Stage, TaskKind,
    Timestamp, Validator,
};
use http::HeaderMap;
use storage::{DocumentHead, SegmentError};
use tokio::task::JoinSet;
use url::Url;

use super::addresses::{AddressSlot, AddressSlots};
use super::attempt::Attempt;
use super::body::{Body, DocumentContext};
use super::environment::Environment;
use super::lease_deadline::LeaseDeadline;
use super::read::{self, BodyReader};
use crate::fetch::{Client, FetchError, GetRequest, Response, ResponseBody, Stopwatch};
use crate::settings::Settings;

/// The parts that all workers of a session share.
pub struct Worker<E: Environment> {
    /// The session, which is written to each record.
    pub session: Session,
    /// The time.
    pub clock: Arc<E::Clock>,
    /// How to crawl.
    pub settings: Arc<Settings>,
    /// What to crawl.
    pub scope: Scope,
    /// Until when requests may be sent. After that, the hosts may be leased to another session.
    pub lease_deadline: LeaseDeadline,
    /// Limits the rate per host, directly before a request is sent.
    pub rate_limiter: RateLimiter,
    /// The slots of the addresses that requests are sent to.
    pub addresses: AddressSlots,
    /// Reads bodies.
    pub reader: BodyReader,
}

/// The workers of a session.
pub struct Workers<E: Environment> {
    /// The way to the web.
    pub fetch: E::Fetch,
    /// What all of them share.
    pub shared: Arc<Worker<E>>,
    /// Those that run.
    pub running: JoinSet<Finished>,
}

impl<E: Environment> Workers<E> {
    /// The workers of a session that has sent no request yet.
    pub fn new(fetch: E::Fetch, shared: Worker<E>) -> Self {
        Self { fetch, shared: Arc::new(shared), running: JoinSet::new() }
    }
}

/// What a worker needs to send a request, besides the request.
pub struct Sending<C> {
    /// The client of its host.
    pub client: C,
    /// Extra header fields.
    pub headers: HeaderMap,
    /// Makes the request conditional.
    pub validator: Option<Validator>,
    /// Whether a port of another protocol is allowed, because a seed names it.
    pub is_any_port_allowed: bool,
}

/// An attempt with its answer. Fails if entries could not be stored: then nothing of the attempt is recorded.
pub type Finished = Result<Attempt, SegmentError>;

impl<E: Environment> Worker<E> {
    /// Waits until the request may be sent, sends it, and reads the response.
    pub async fn run(self: Arc<Self>, mut attempt: Attempt, sending: Sending<impl Client>) -> Finished {
        let (host, arrived_at) = (attempt.request.host_id(), self.clock.now());
        loop {
            let started_at = self.wait_until_allowed(host).await;
            let waited = started_at.since(arrived_at);
            // It may have one already, if the lease deadline passed before the request was sent.
            if attempt.result.address == AddressSlot::NotNeeded {
                attempt.result.address = self.take_address(&sending.client).await;
            }
            if let AddressSlot::Full(_) = attempt.result.address {
                return Ok(attempt);
            }
            if self.fetch(&mut attempt, &sending, started_at, waited).await? {
                break;
            }
        }
        attempt.timing.read_at = self.clock.now();
        Ok(attempt)
    }

    /// Takes a slot of the address that a request will be sent to, if addresses have a limit.
    async fn take_address(&self, client: &impl Client) -> AddressSlot {
        if !self.addresses.is_limited() {
            return AddressSlot::NotNeeded;
        }
        let address = client.address().await;
        address.map_or(AddressSlot::NotNeeded, |address| self.addresses.take(address))
    }

    /// Sends a request that may be sent at `started_at`, and reads the response. Returns false if the session's lease deadline
    /// passed before the request was sent.
    async fn fetch(
        &self,
        attempt: &mut Attempt,
        sending: &Sending<impl Client>,
        started_at: Timestamp,
        rate_limiter_wait: Duration,
    ) -> Result<bool, SegmentError> {
        let mut record = self.record(&attempt.request, started_at, rate_limiter_wait);
        let watch = Stopwatch::start(self.clock.clone());
        let Some(mut body) = self.send(&attempt.request, sending, &watch, &mut record).await? else {
            return Ok(false);
        };
        let measured = watch.stop();
        let connecting_us = measured[Stage::Dns] + measured[Stage::Connect] + measured[Stage::Tls];
        let has_waited = !rate_limiter_wait.is_zero();
        attempt.timing.left(started_at, has_waited, Duration::from_micros(connecting_us));
        for (stage, us) in measured.iter() {
            record.stages.add(stage, Duration::from_micros(us));
        }
        record.bytes_decoded = body.bytes_decoded;
        record.detail = std::mem::take(&mut body.detail);
        (attempt.result.record, attempt.result.body) = (Some(record), body);
        Ok(true)
    }

    /// Waits until the lease deadline and the rate limit of `host` allow a request, and returns that time. It nearly always
    /// returns at once, because the schedule keeps the rate too.
    async fn wait_until_allowed(&self, host: HostId) -> Timestamp {
        loop {
            self.lease_deadline.held(&*self.clock).await;
            let now = self.clock.now();
            match self.rate_limiter.wait(host, now) {
                None => return now,
                Some(wait) => self.clock.sleep_until(now + wait).await,
            }
        }
    }

    /// Sends the request and reads the response. `None` if the session's lease deadline passed before the request was sent.
    async fn send(
        &self,
        request: &Request,
        sending: &Sending<impl Client>,
        watch: &Arc<Stopwatch>,
        record: &mut FetchRecord,
    ) -> Result<Option<Body>, SegmentError> {
        let Sending { client, headers, validator, is_any_port_allowed, .. } = sending;
        let Some(url) = request.step.url.as_deref() else {
            let detail = "the URL cannot be parsed".to_owned();
            return Ok(Some(failed(&FetchError { kind: ErrorKind::BadUrl, detail })));
        };
        let is_any_port_allowed = *is_any_port_allowed;
        let get = GetRequest { url, headers, validator: validator.as_ref(), is_any_port_allowed };
        let sending = client.get(&get, watch);
        let is_unsent = || matches!(watch.running().0, Stage::Dns | Stage::Connect | Stage::Tls);
        match self.lease_deadline.within(&*self.clock, is_unsent, sending).await {
            None => Ok(None),
            Some(Ok(response)) => self.read(request, url, response, watch, record).await.map(Some),
            Some(Err(error)) => Ok(Some(failed(&error))),
        }
    }

    fn record(&self, request: &Request, started_at: Timestamp, rate_limiter_wait: Duration) -> FetchRecord {
        let mut record = FetchRecord {
            session: self.session.id,
            task: request.step.task.id,
            parent: request.step.task.parent,
            kind: match request.step.task.kind {
                TaskKind::Robots | TaskKind::RobotsHop => RequestKind::Robots,
                TaskKind::Sitemap => RequestKind::Sitemap,
                TaskKind::Probe(_) | TaskKind::LastProbe => RequestKind::Probe,
            },
            attempt: request.step.attempt,
            hop: request.step.hop,
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
        mut response: Response<impl ResponseBody>,
        watch: &Stopwatch,
        record: &mut FetchRecord,
    ) -> Result<Body, SegmentError> {
        record.status = Some(response.status);
        record.connection = response.connection;
        let mut body = match (response.status, request.step.task.kind) {
            (200..=299, TaskKind::Robots | TaskKind::RobotsHop) => {
                let product_token = &self.settings.identity.product_token;
                self.reader.robots(&mut response, product_token, watch).await
            }
            (200..=203 | 207..=299, _) => {
                let context = DocumentContext {
                    base: url,
                    head: self.head(request, url),
                    named_by: &request.step.task.named_by,
                    children_max: self.scope.max_children,
                };
                self.reader.document(&mut response, context, watch).await?
            }
            // The body is not needed. Dropping it would close the connection, unless it has been read to its end.
            _ => {
                read::discard(&mut response).await;
                Body::default()
            }
        };
        record.bytes_wire = response.bytes_wire();
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
            record.document = Some(document.kind);
            record.entries = document.entries;
        } else if body.answer.robots.is_some() {
            record.document = Some(DocumentKind::Robots);
        }
        Ok(body)
    }

    fn head(&self, request: &Request, url: &Url) -> DocumentHead {
        DocumentHead {
            task: request.step.task.id,
            attempt: request.step.attempt,
            host: request.step.host.to_string(),
            sitemap: url.to_string(),
            fetched_at: self.clock.now(),
        }
    }
}

fn failed(error: &FetchError) -> Body {
    let answer = Answer { error: Some(error.kind), ..Answer::default() };
    Body { answer, detail: error.detail.clone(), ..Body::default() }
}
