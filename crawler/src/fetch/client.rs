//! HTTP clients: one per host in work, over one shared TLS configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use frontier::{Host, HostId, Stage};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use tower::{Layer, Service};

use super::connect_to::{ConnectTo, Target, unbracketed};
use super::resolver::{HostResolver, Resolver};
use super::stopwatch;

/// An idle connection is closed after this.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// What all clients have in common.
pub struct ClientSettings {
    /// The `User-Agent`.
    pub user_agent: HeaderValue,
    /// TLS, shared so that roots and sessions exist once.
    pub tls: ClientConfig,
    /// Names to addresses.
    pub resolver: Resolver,
    /// `--connect-to`, the first that fits wins.
    pub connect_to: Vec<ConnectTo>,
    /// `--proxy`; without it the environment's proxies hold.
    pub proxy: Option<reqwest::Proxy>,
    /// `--allow-private`.
    pub allow_private: bool,
    /// Idle connections kept per host.
    pub host_concurrency: usize,
    /// Connections of all hosts, idle ones included.
    pub connections_max: usize,
}

/// The clients of the hosts in work. Where their connections would become too many, those unused longest make room:
/// idle connections are closed with their client. A client in use stays, so that its connection is known and counted.
pub struct Clients {
    settings: ClientSettings,
    open: HashMap<HostId, Open>,
    /// Sum over `open`.
    connections: usize,
    uses: u64,
}

struct Open {
    client: HostClient,
    last_use: u64,
    /// The most requests it had at once: it may have as many connections, in use or idle.
    connections: usize,
}

impl Open {
    /// Requests under way: each holds a clone of the client.
    fn in_use(&self) -> usize {
        Arc::strong_count(&self.client.uses) - 1
    }
}

/// What one host is asked with.
#[derive(Clone)]
pub struct HostClient {
    pub(super) http: reqwest::Client,
    /// Where `--connect-to` redirects a URL with a port of its own or a literal address: the HTTP client would keep
    /// to those, so it is given a URL without them, and the true authority as Host header.
    pub(super) disguise: Option<Disguise>,
    /// Whether the URL's own literal address is exempt from the private-address rule.
    pub(super) allow_private: bool,
    /// Counts the clones.
    uses: Arc<()>,
}

#[derive(Clone)]
pub(super) struct Disguise {
    pub(super) name: String,
    pub(super) port: Option<u16>,
    pub(super) authority: HeaderValue,
}

impl Clients {
    /// None yet.
    pub fn new(settings: ClientSettings) -> Self {
        Self { settings, open: HashMap::new(), connections: 0, uses: 0 }
    }

    /// The client of `host` for one request, made when there is none. It counts as in use until it is dropped.
    pub fn of(&mut self, host: &Host) -> Result<HostClient, reqwest::Error> {
        self.uses += 1;
        let id = host.id();
        if !self.open.contains_key(&id) {
            let client = self.settings.build(host)?;
            self.open.insert(id, Open { client, last_use: self.uses, connections: 0 });
        }
        let Some(open) = self.open.get_mut(&id) else { return self.settings.build(host) };
        open.last_use = self.uses;
        let client = open.client.clone();
        if open.in_use() > open.connections {
            open.connections += 1;
            self.connections += 1;
        }
        self.make_room();
        Ok(client)
    }

    fn make_room(&mut self) {
        while self.connections > self.settings.connections_max {
            let idle = self.open.iter().filter(|(_, open)| open.in_use() == 0);
            let Some(oldest) = idle.min_by_key(|(_, open)| open.last_use).map(|(id, _)| *id) else { return };
            self.connections -= self.open.remove(&oldest).map_or(0, |open| open.connections);
        }
    }
}

impl ClientSettings {
    fn build(&self, host: &Host) -> Result<HostClient, reqwest::Error> {
        let target = self.connect_to.iter().find_map(|rule| rule.target(host));
        let disguise = target.as_ref().and_then(|target| disguise(host, target));
        let resolver = HostResolver {
            resolver: self.resolver.clone(),
            host: host.clone(),
            target,
            allow_private: self.allow_private,
        };
        let mut tls = self.tls.clone();
        if disguise.is_some() {
            // HTTP/2 has no Host header that could differ from the URL.
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(self.user_agent.clone())
            .default_headers(headers())
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(resolver))
            .connector_layer(TimedConnections)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_max_idle_per_host(self.host_concurrency)
            .pool_idle_timeout(IDLE_MAX);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        let (allow_private, uses) = (self.allow_private, Arc::default());
        Ok(HostClient { http: builder.build()?, disguise, allow_private, uses })
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/xml,text/xml,text/plain,*/*;q=0.5"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers
}

fn disguise(host: &Host, target: &Target) -> Option<Disguise> {
    let is_literal = unbracketed(host.name()).parse::<std::net::IpAddr>().is_ok();
    let is_default_port = host.port() == host.scheme().default_port();
    if !is_literal && is_default_port {
        return None;
    }
    let origin = host.to_string();
    let authority = origin.split_once("://").map_or(origin.as_str(), |(_, authority)| authority);
    let (name, port) = match target.address() {
        Some(std::net::IpAddr::V6(v6)) if is_literal => (format!("[{v6}]"), Some(target.port)),
        _ if is_literal => (target.name.clone(), Some(target.port)),
        // The port comes from the resolver, since the URL names none.
        _ => (host.name().to_owned(), None),
    };
    Some(Disguise { name, port, authority: HeaderValue::from_str(authority).ok()? })
}

/// Tells the stopwatch of the request that wants a connection when it is begun and when it is ready.
#[derive(Clone, Copy)]
struct TimedConnections;

#[derive(Clone)]
struct TimedConnector<S>(S);

impl<S> Layer<S> for TimedConnections {
    type Service = TimedConnector<S>;

    fn layer(&self, inner: S) -> TimedConnector<S> {
        TimedConnector(inner)
    }
}

impl<S, R> Service<R> for TimedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        stopwatch::mark(Stage::Connect);
        let connecting = self.0.call(request);
        let watch = stopwatch::STOPWATCH.try_with(Arc::clone).ok();
        // The pool may finish a connection in a task of its own when an older one came free: it keeps the stopwatch.
        Box::pin(async move {
            let Some(watch) = watch else { return connecting.await };
            let connection = stopwatch::STOPWATCH.scope(watch.clone(), connecting).await?;
            watch.connected();
            Ok(connection)
        })
    }
}
