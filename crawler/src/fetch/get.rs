//! One GET request and its response. Each stage has a time limit.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frontier::{ErrorKind, Stage};
use reqwest::header::{HOST, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use tokio::time::Instant;
use url::{Host as UrlHost, Url};

use super::address;
use super::client::{HostClient, HostConnections};
use super::interface::{Client, FetchError, GetRequest, Response, ResponseBody};
use super::ports;
use super::resolver::ResolveError;
use super::stopwatch::{STOPWATCH, Stopwatch};
use super::timeouts::Timeouts;

/// The body of an HTTP response.
pub struct HttpBody {
    response: reqwest::Response,
    timeouts: Timeouts,
    deadline: Instant,
}

impl ResponseBody for HttpBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        let limit = self.deadline.min(Instant::now() + self.timeouts.stage);
        match tokio::time::timeout_at(limit, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(body_error(&error)),
            Err(_) if Instant::now() >= self.deadline => {
                Err(timed_out("the whole fetch", self.timeouts.whole))
            }
            Err(_) => Err(timed_out("more of the body", self.timeouts.stage)),
        }
    }
}

impl Client for HostClient {
    type Body = HttpBody;

    async fn address(&self) -> Option<IpAddr> {
        self.connections.resolver.as_ref()?.address().await
    }

    async fn get(
        &self,
        request: &GetRequest<'_>,
        watch: &Arc<Stopwatch>,
    ) -> Result<Response<HttpBody>, FetchError> {
        let connections = &*self.connections;
        let timeouts = connections.timeouts;
        if !connections.allow_private {
            check_literal(request.url)?;
        }
        if !connections.has_target && !request.is_any_port_allowed {
            check_port(request.url)?;
        }
        let deadline = Instant::now() + timeouts.whole;
        let sending = builder(connections, request).send();
        let mut sending = std::pin::pin!(STOPWATCH.scope(watch.clone(), sending));
        let sent = loop {
            let (stage, elapsed) = watch.running();
            let limit = deadline.min(Instant::now() + timeouts.stage.saturating_sub(elapsed));
            tokio::select! {
                biased;
                sent = &mut sending => break sent,
                () = tokio::time::sleep_until(limit) => check_time(stage, watch, timeouts, deadline)?,
            }
        };
        let response = sent.map_err(|error| send_error(&error, watch.running().0))?;
        connections.answered(response.version());
        let connection = watch.answered();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = HttpBody { response, timeouts, deadline };
        Ok(Response::new(status, headers, connection, body))
    }
}

fn builder(client: &HostConnections, request: &GetRequest<'_>) -> reqwest::RequestBuilder {
    let mut target = request.url.clone();
    let mut headers = request.headers.clone();
    if let Some(rewrite) = &client.rewrite {
        // Both fail only for URLs without a host, and this one has a host.
        let _ = target.set_host(Some(&rewrite.name));
        let _ = target.set_port(rewrite.port);
        headers.insert(HOST, rewrite.authority.clone());
    }
    if let Some(validator) = request.validator {
        insert(&mut headers, IF_NONE_MATCH, validator.etag.as_deref());
        insert(&mut headers, IF_MODIFIED_SINCE, validator.last_modified.as_deref());
    }
    client.http.get(target).headers(headers)
}

fn insert(headers: &mut HeaderMap, name: reqwest::header::HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// Checks a literal address in a URL, which is never passed to the resolver.
fn check_literal(url: &Url) -> Result<(), FetchError> {
    let literal = match url.host() {
        Some(UrlHost::Ipv4(v4)) => v4.into(),
        Some(UrlHost::Ipv6(v6)) => v6.into(),
        _ => return Ok(()),
    };
    if address::is_public(literal) {
        return Ok(());
    }
    Err(FetchError { kind: ErrorKind::BlockedAddress, detail: format!("{literal} is a private address") })
}

/// Checks that the port of a URL does not belong to another protocol.
fn check_port(url: &Url) -> Result<(), FetchError> {
    let Some(port) = url.port().filter(|port| ports::is_of_another_protocol(*port)) else { return Ok(()) };
    let detail = format!("port {port} belongs to another protocol");
    Err(FetchError { kind: ErrorKind::BlockedPort, detail })
}

fn check_time(
    stage: Stage,
    watch: &Stopwatch,
    timeouts: Timeouts,
    deadline: Instant,
) -> Result<(), FetchError> {
    let (running, elapsed) = watch.running();
    if Instant::now() >= deadline {
        return Err(timed_out("the whole fetch", timeouts.whole));
    }
    // Another stage has begun, which has a limit of its own.
    if running != stage || elapsed < timeouts.stage {
        return Ok(());
    }
    let awaited = match running {
        Stage::Dns => "the address of the host",
        Stage::Connect => "a connection",
        Stage::Tls => "the TLS handshake",
        _ => "the first byte of the response",
    };
    Err(timed_out(awaited, timeouts.stage))
}

fn timed_out(awaited: &str, limit: Duration) -> FetchError {
    let detail = format!("timed out after {} s waiting for {awaited}", limit.as_secs_f64());
    FetchError { kind: ErrorKind::Timeout, detail }
}

fn send_error(error: &reqwest::Error, stage: Stage) -> FetchError {
    let kind = match cause::<ResolveError>(error) {
        Some(ResolveError::Blocked { .. }) => ErrorKind::BlockedAddress,
        Some(ResolveError::Lookup { .. }) => ErrorKind::Dns,
        None if cause::<rustls::Error>(error).is_some() => ErrorKind::Tls,
        None => match stage {
            Stage::Dns => ErrorKind::Dns,
            Stage::Connect => ErrorKind::Connect,
            Stage::Tls => ErrorKind::Tls,
            _ => http_error(error),
        },
    };
    FetchError { kind, detail: innermost(error) }
}

fn http_error(error: &reqwest::Error) -> ErrorKind {
    let hyper = cause::<hyper::Error>(error);
    match hyper {
        Some(hyper) if hyper.is_parse() || hyper.is_user() => ErrorKind::Protocol,
        Some(hyper) if hyper.is_incomplete_message() => ErrorKind::Incomplete,
        _ if cause::<io::Error>(error).is_some() => ErrorKind::Connect,
        _ => ErrorKind::Protocol,
    }
}

fn body_error(error: &reqwest::Error) -> FetchError {
    // hyper reports an invalid chunk size as invalid input, and a connection that ended early as an unexpected end.
    let is_bad_input = |kind| matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
    let is_malformed = cause::<io::Error>(error).is_some_and(|error| is_bad_input(error.kind()));
    let kind = if is_malformed { ErrorKind::Protocol } else { ErrorKind::Incomplete };
    FetchError { kind, detail: format!("the body ended early: {}", innermost(error)) }
}

/// The first error of type `E` among `error` and its causes, including those inside an I/O error.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The text of the innermost cause. The outer errors only say that a request failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
