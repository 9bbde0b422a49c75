//! The log of all connections and requests of a server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::request::{Request, Scheme};

/// One request and its answer. Times are microseconds since the server started, on the monotonic clock.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// When its head had been received.
    pub at_us: u64,
    /// When its answer had been sent or aborted; `None` while the request is in progress.
    pub ended_us: Option<u64>,
    /// Whether it came through TLS.
    pub scheme: Scheme,
    /// `h2` or `http/1.1`.
    pub protocol: &'static str,
    /// The Host header or `:authority`, in lower case.
    pub host: String,
    /// `GET`, `HEAD`, or another method.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// The status of the answer; 0 if there was none, or none yet.
    pub status: u16,
    /// Bytes of the body written to the socket, before TLS. For misbehaviours such as endless headers, the repeated
    /// bytes.
    pub body_bytes: u64,
    /// The connection that carried it.
    pub connection_id: u64,
    /// Number of this request among those for the same URL, from 1.
    pub nth: u32,
    /// Requests of this host in progress when it arrived, itself included.
    pub in_flight: u32,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl LoggedRequest {
    /// The value of the first header called `name`, which must be lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The requested URL.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }
}

/// One connection. Times are microseconds since the server started, on the monotonic clock.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LoggedConnection {
    /// Its number, from 0.
    pub id: u64,
    /// When it was accepted.
    pub at_us: u64,
    /// When it was closed; `None` while it is open.
    pub closed_us: Option<u64>,
    /// The scheme, known from its first byte; after a CONNECT, that of the connection inside the tunnel.
    pub scheme: Option<Scheme>,
    /// The server name in the TLS ClientHello.
    pub server_name: Option<String>,
    /// `h2` or `http/1.1`, once known.
    pub protocol: Option<&'static str>,
    /// Target of a CONNECT request, `host:port`, if the server was used as a proxy.
    pub tunnel: Option<String>,
    /// Bytes of frames that no request asked for, written to the socket, before TLS.
    pub flood_bytes: u64,
}

/// The log. Its clock starts when it is created.
pub(crate) struct Log {
    started: Instant,
    // One lock is enough: it is held for a few instructions, and one thread does nearly all the work.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: Vec<LoggedRequest>,
    connections: Vec<LoggedConnection>,
    in_flight: HashMap<String, u32>,
    requests_by_url: HashMap<String, u32>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), state: Mutex::default() }
    }

    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        self.state().requests.clone()
    }

    pub(crate) fn connections(&self) -> Vec<LoggedConnection> {
        self.state().connections.clone()
    }

    pub(crate) fn open_connection(self: &Arc<Self>) -> OpenConnection {
        let at_us = self.now_us();
        let mut state = self.state();
        let id = state.connections.len() as u64;
        state.connections.push(LoggedConnection {
            id,
            at_us,
            closed_us: None,
            scheme: None,
            server_name: None,
            protocol: None,
            tunnel: None,
            flood_bytes: 0,
        });
        OpenConnection { log: Arc::clone(self), id }
    }

    /// Adds a request to the log and sets its `nth`.
    pub(crate) fn open_request(
        self: &Arc<Self>,
        request: &mut Request,
        protocol: &'static str,
    ) -> OpenRequest {
        let at_us = self.now_us();
        let mut state = self.state();
        let nth = state.requests_by_url.entry(request.url()).or_default();
        *nth += 1;
        request.nth = *nth;
        let in_flight = state.in_flight.entry(request.host.clone()).or_default();
        *in_flight += 1;
        let in_flight = *in_flight;
        let index = state.requests.len();
        state.requests.push(LoggedRequest {
            at_us,
            ended_us: None,
            scheme: request.scheme,
            protocol,
            host: request.host.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
            status: 0,
            body_bytes: 0,
            connection_id: request.connection_id,
            nth: request.nth,
            in_flight,
            headers: request.headers.clone(),
        });
        OpenRequest { log: Arc::clone(self), index }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of another thread cannot leave the log in a state that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection. Dropping it logs its end.
pub(crate) struct OpenConnection {
    log: Arc<Log>,
    id: u64,
}

impl OpenConnection {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut LoggedConnection)) {
        let mut state = self.log.state();
        if let Some(connection) = usize::try_from(self.id).ok().and_then(|id| state.connections.get_mut(id)) {
            change(connection);
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let now = self.log.now_us();
        self.update(|connection| connection.closed_us = Some(now));
    }
}

/// A request in progress. Dropping it logs its end.
pub(crate) struct OpenRequest {
    log: Arc<Log>,
    index: usize,
}

impl OpenRequest {
    pub(crate) fn status(&self, status: u16) {
        self.update(|request| request.status = status);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.update(|request| request.body_bytes += bytes as u64);
    }

    fn update(&self, change: impl FnOnce(&mut LoggedRequest)) {
        if let Some(request) = self.log.state().requests.get_mut(self.index) {
            change(request);
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let now = self.log.now_us();
        let mut state = self.log.state();
        let Some(request) = state.requests.get_mut(self.index) else { return };
        request.ended_us = Some(now);
        let host = request.host.clone();
        if let Some(count) = state.in_flight.get_mut(&host) {
            *count = count.saturating_sub(1);
        }
    }
}
