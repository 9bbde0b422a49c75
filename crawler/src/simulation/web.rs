//! A made-up web: answers requests from data, in virtual time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use frontier::{Clock, Connection, ErrorKind, Host, HostId, Stage, Timestamp};
use http::HeaderMap;

use super::clock::VirtualClock;
use crate::fetch::{Client, Fetch, FetchError, GetRequest, Response, ResponseBody, SetupError, Stopwatch};

/// An idle connection is closed after this time.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The whole fetch may take so many times as long as a stage.
const WHOLE_STAGES: u32 = 5;

/// What a made-up web consists of.
pub trait Sites: Send + Sync + 'static {
    /// The answer to the request number `number` for `request.url`, from 0.
    fn reply(&self, request: &GetRequest<'_>, number: u32) -> Reply;
}

/// An answer, and how long its parts take.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Time to resolve the name, to connect and to shake hands, each a third. A reused connection takes none of it.
    pub connecting: Duration,
    /// Time from the request to the head of the response.
    pub thinking: Duration,
    /// Time from the head of the response to its last byte.
    pub sending: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// What goes wrong with a request, besides parts of the reply that take too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The name has no address.
    NoAddress,
    /// No connection is made.
    NoConnection,
    /// The TLS handshake fails.
    NoTls,
    /// The connection closes after half of the body.
    CutShort,
}

/// One request as the web saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The URL.
    pub url: String,
    /// Number of earlier requests for this URL.
    pub number: u32,
    /// When it was sent, before a connection was made for it.
    pub sent_at: Timestamp,
    /// When it arrived, after a connection was made for it. `None` if it did not.
    pub arrived_at: Option<Timestamp>,
    /// The status code, once the head of the response was read.
    pub status: Option<u16>,
    /// When it ended. `None` if it has not.
    pub ended_at: Option<Timestamp>,
    /// Whether the body was read to its end.
    pub is_whole: bool,
}

/// The way to a made-up web. Clones share it.
pub struct SimulatedWeb<S> {
    sites: Arc<S>,
    clock: Arc<VirtualClock>,
    timeout: Duration,
    // One lock, because it is held only for one access. Simulations use one thread, so it is always free.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    log: Vec<Exchange>,
    /// Number of requests for each URL.
    requests: HashMap<String, u32>,
    /// The idle connections of each host, with the moment since when.
    idle: HashMap<HostId, Vec<Timestamp>>,
}

impl<S> Clone for SimulatedWeb<S> {
    fn clone(&self) -> Self {
        let Self { sites, clock, timeout, state } = self;
        Self { sites: sites.clone(), clock: clock.clone(), timeout: *timeout, state: state.clone() }
    }
}

impl<S: Sites> SimulatedWeb<S> {
    /// Creates a web of `sites`. `timeout` is the limit for each stage of a request, and five times as much for all of them.
    pub fn new(sites: S, clock: Arc<VirtualClock>, timeout: Duration) -> Self {
        Self { sites: Arc::new(sites), clock, timeout, state: Arc::default() }
    }

    /// The clock of this web.
    pub fn clock(&self) -> Arc<VirtualClock> {
        self.clock.clone()
    }

    /// Takes out all requests, in the order in which they were sent. Call it between two runs, when none is in flight.
    pub fn take_log(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.state().log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is safe to use: at worst a request is missing from the log.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request that is sent now. Returns its number, its place in the log, and whether a connection is idle, which is then
    /// in use.
    fn begin(&self, host: HostId, url: &str) -> (u32, usize, bool) {
        let now = self.clock.now();
        let mut state = self.state();
        let requests = match state.requests.get_mut(url) {
            Some(requests) => requests,
            None => state.requests.entry(url.to_owned()).or_default(),
        };
        let number = *requests;
        *requests += 1;
        let idle = state.idle.entry(host).or_default();
        idle.retain(|since| now.since(*since) < IDLE_MAX);
        let has_idle = idle.pop().is_some();
        let url = url.to_owned();
        let (arrived_at, status, ended_at, is_whole) = (None, None, None, false);
        state.log.push(Exchange { url, number, sent_at: now, arrived_at, status, ended_at, is_whole });
        (number, state.log.len() - 1, has_idle)
    }
}

impl<S: Sites> Fetch for SimulatedWeb<S> {
    type Client = SimulatedClient<S>;

    fn client(&mut self, host: &Host) -> Result<SimulatedClient<S>, SetupError> {
        Ok(SimulatedClient { web: self.clone(), host: host.id() })
    }
}

/// Sends requests to one host of a made-up web.
pub struct SimulatedClient<S> {
    web: SimulatedWeb<S>,
    host: HostId,
}

impl<S: Sites> Client for SimulatedClient<S> {
    type Body = SimulatedBody<S>;

    async fn get(
        &self,
        request: &GetRequest<'_>,
        watch: &Arc<Stopwatch>,
    ) -> Result<Response<SimulatedBody<S>>, FetchError> {
        let (number, place, has_idle) = self.web.begin(self.host, request.url.as_str());
        let reply = self.web.sites.reply(request, number);
        // A host that cannot be reached has closed its connections too.
        let is_reused = has_idle && reply.fault.is_none_or(|fault| fault == Fault::CutShort);
        let connection = if is_reused { Connection::Reused } else { Connection::New };
        let deadline = self.web.clock.now() + self.web.timeout * WHOLE_STAGES;
        let exchange = InFlight { web: self.web.clone(), host: self.host, place, deadline };
        if connection == Connection::New {
            exchange.connect(&reply, watch).await?;
        }
        exchange.note(|exchange, now| exchange.arrived_at = Some(now));
        exchange.wait(reply.thinking, "the first byte of the response").await?;
        exchange.note(|exchange, _| exchange.status = Some(reply.status));
        watch.answered();
        let Reply { status, headers, body, sending, fault, .. } = reply;
        let is_cut = fault == Some(Fault::CutShort);
        Ok(Response::new(status, headers, connection, SimulatedBody { exchange, body, sending, is_cut }))
    }
}

/// The body of a made-up response. It arrives in one piece.
pub struct SimulatedBody<S: Sites> {
    exchange: InFlight<S>,
    body: Bytes,
    sending: Duration,
    is_cut: bool,
}

impl<S: Sites> ResponseBody for SimulatedBody<S> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        if !self.body.is_empty() {
            let sending = std::mem::take(&mut self.sending);
            self.exchange.wait(sending, "more of the body").await?;
            let half = self.body.len() / 2;
            let body = std::mem::take(&mut self.body);
            return Ok(Some(if self.is_cut { body.slice(..half) } else { body }));
        }
        if self.is_cut {
            let detail = "the body ended early: the connection was closed".to_owned();
            return Err(FetchError { kind: ErrorKind::Incomplete, detail });
        }
        self.exchange.note(|exchange, _| exchange.is_whole = true);
        Ok(None)
    }
}

/// A request in flight. It ends when this is dropped.
struct InFlight<S: Sites> {
    web: SimulatedWeb<S>,
    host: HostId,
    /// Its place in the log.
    place: usize,
    /// When the whole fetch times out.
    deadline: Timestamp,
}

impl<S: Sites> InFlight<S> {
    async fn connect(&self, reply: &Reply, watch: &Stopwatch) -> Result<(), FetchError> {
        let stages = [
            (Stage::Dns, Fault::NoAddress, ErrorKind::Dns, "the address of the host"),
            (Stage::Connect, Fault::NoConnection, ErrorKind::Connect, "a connection"),
            (Stage::Tls, Fault::NoTls, ErrorKind::Tls, "the TLS handshake"),
        ];
        for (stage, fault, kind, awaited) in stages {
            watch.enter(stage);
            self.wait(reply.connecting / 3, awaited).await?;
            if reply.fault == Some(fault) {
                return Err(FetchError { kind, detail: format!("failed while waiting for {awaited}") });
            }
        }
        watch.connected();
        Ok(())
    }

    /// Waits for `span`, or until the time of a stage or of the whole fetch is over.
    async fn wait(&self, span: Duration, awaited: &str) -> Result<(), FetchError> {
        let SimulatedWeb { clock, timeout, .. } = &self.web;
        let ready_at = clock.now() + span;
        let limit = self.deadline.min(clock.now() + *timeout);
        clock.sleep_until(ready_at.min(limit)).await;
        if ready_at <= limit {
            return Ok(());
        }
        Err(FetchError { kind: ErrorKind::Timeout, detail: format!("timed out waiting for {awaited}") })
    }

    fn note(&self, change: impl FnOnce(&mut Exchange, Timestamp)) {
        let now = self.web.clock.now();
        if let Some(exchange) = self.web.state().log.get_mut(self.place) {
            change(exchange, now);
        }
    }
}

impl<S: Sites> Drop for InFlight<S> {
    fn drop(&mut self) {
        let now = self.web.clock.now();
        let mut state = self.web.state();
        let Some(exchange) = state.log.get_mut(self.place) else { return };
        exchange.ended_at = Some(now);
        if exchange.is_whole {
            // The connection can be used again.
            state.idle.entry(self.host).or_default().push(now);
        }
    }
}
