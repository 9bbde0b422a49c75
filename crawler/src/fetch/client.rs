//! HTTP clients: one per host that is being crawled, with one shared TLS configuration.

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
use super::interface::{Fetch, SetupError};
use super::resolver::{HostResolver, Resolver};
use super::stopwatch;
use super::timeouts::Timeouts;
use super::tls::{self, TlsError};
use crate::settings::{Proxy, Settings};

/// An idle connection is closed after this time.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Settings that all clients share.
struct ClientSettings {
    /// The `User-Agent`.
    user_agent: HeaderValue,
    /// TLS configuration. It is shared, so that root certificates and TLS sessions exist once.
    tls: ClientConfig,
    /// Resolves names to addresses.
    resolver: Resolver,
    /// `--connect-to`. The first matching rule applies.
    connect_to: Vec<ConnectTo>,
    /// The proxy for all requests.
    proxy: Proxy,
    /// `--allow-private`.
    allow_private: bool,
    /// The time limits of a request.
    timeouts: Timeouts,
    /// Maximum number of idle connections per host.
    host_concurrency: usize,
    /// Maximum number of connections over all hosts, including idle ones.
    connections_max: usize,
}

/// The web over HTTP, with a client for each of the hosts that are being crawled.
///
/// If there are too many connections, the least recently used clients are dropped, which closes their idle connections. A
/// client in use is never dropped, so its connections stay counted.
pub struct HttpFetch {
    settings: ClientSettings,
    pool: HashMap<HostId, PooledClient>,
    /// Sum over `pool`.
    connections: usize,
    uses: u64,
}

struct PooledClient {
    client: HostClient,
    last_use: u64,
    /// The largest number of requests it had at the same time. It may have as many connections, in use or idle.
    connections: usize,
}

impl PooledClient {
    /// Requests in flight. Each holds a clone of the client.
    fn in_use(&self) -> usize {
        Arc::strong_count(&self.client.uses) - 1
    }
}

/// The HTTP client of one host.
#[derive(Clone)]
pub struct HostClient {
    pub(super) http: reqwest::Client,
    /// Set if `--connect-to` applies to URLs with an explicit port or a literal address. The HTTP client would connect to
    /// those, so it gets a URL without them, and the real authority in the Host header.
    pub(super) rewrite: Option<UrlRewrite>,
    /// Whether a literal address in the URL may be private.
    pub(super) allow_private: bool,
    /// Whether a rule of `--connect-to` says where connections go.
    pub(super) has_target: bool,
    pub(super) timeouts: Timeouts,
    /// Looks up its address. `None` if there is a proxy, which does that.
    pub(super) resolver: Option<Arc<HostResolver>>,
    /// Counts the clones.
    uses: Arc<()>,
}

#[derive(Clone)]
pub(super) struct UrlRewrite {
    pub(super) name: String,
    pub(super) port: Option<u16>,
    pub(super) authority: HeaderValue,
}

impl Fetch for HttpFetch {
    type Client = HostClient;

    fn client(&mut self, host: &Host) -> Result<HostClient, SetupError> {
        self.of(host).map_err(|error| SetupError(error.to_string()))
    }
}

impl HttpFetch {
    /// Creates an empty pool for `settings`. Fails if TLS cannot be set up.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        let network = &settings.network;
        let settings = ClientSettings {
            user_agent: settings.identity.user_agent.clone(),
            tls: tls::config(network.ca_cert.as_deref())?,
            resolver: Resolver::new(network.resolver),
            connect_to: network.connect_to.clone(),
            proxy: network.proxy.clone(),
            allow_private: network.allow_private,
            timeouts: Timeouts::new(settings.timeout),
            host_concurrency: settings.host_concurrency,
            connections_max: settings.connections_max,
        };
        Ok(Self { settings, pool: HashMap::new(), connections: 0, uses: 0 })
    }

    fn of(&mut self, host: &Host) -> Result<HostClient, reqwest::Error> {
        self.uses += 1;
        let id = host.id();
        if !self.pool.contains_key(&id) {
            let client = self.settings.build(host)?;
            self.pool.insert(id, PooledClient { client, last_use: self.uses, connections: 0 });
        }
        let Some(pooled) = self.pool.get_mut(&id) else { return self.settings.build(host) };
        pooled.last_use = self.uses;
        let client = pooled.client.clone();
        if pooled.in_use() > pooled.connections {
            pooled.connections += 1;
            self.connections += 1;
        }
        self.make_room();
        Ok(client)
    }

    fn make_room(&mut self) {
        while self.connections > self.settings.connections_max {
            let idle = self.pool.iter().filter(|(_, pooled)| pooled.in_use() == 0);
            let Some(oldest) = idle.min_by_key(|(_, pooled)| pooled.last_use).map(|(id, _)| *id) else {
                return;
            };
            self.connections -= self.pool.remove(&oldest).map_or(0, |pooled| pooled.connections);
        }
    }
}

impl ClientSettings {
    fn build(&self, host: &Host) -> Result<HostClient, reqwest::Error> {
        let target = self.connect_to.iter().find_map(|rule| rule.target(host));
        let rewrite = target.as_ref().and_then(|target| url_rewrite(host, target));
        let has_target = target.is_some();
        let resolver = Arc::new(HostResolver {
            resolver: self.resolver.clone(),
            host: host.clone(),
            target,
            allow_private: self.allow_private,
        });
        let mut tls = self.tls.clone();
        if rewrite.is_some() {
            // HTTP/1.1 only: in HTTP/2 the authority cannot differ from that of the URL.
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(self.user_agent.clone())
            .default_headers(headers())
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver.clone())
            .connector_layer(TimedConnections)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_max_idle_per_host(self.host_concurrency)
            .pool_idle_timeout(IDLE_MAX);
        builder = match &self.proxy {
            Proxy::None => builder.no_proxy(),
            // The HTTP client reads the environment by default.
            Proxy::System => builder,
            Proxy::Url(proxy) => builder.proxy((**proxy).clone()),
        };
        let (allow_private, timeouts, uses) = (self.allow_private, self.timeouts, Arc::default());
        let http = builder.build()?;
        let is_proxied = match &self.proxy {
            Proxy::None => false,
            Proxy::System => names_proxy(),
            Proxy::Url(_) => true,
        };
        let resolver = (!is_proxied).then_some(resolver);
        Ok(HostClient { http, rewrite, allow_private, has_target, timeouts, resolver, uses })
    }
}

/// Whether the environment names a proxy.
fn names_proxy() -> bool {
    let names = ["http_proxy", "https_proxy", "all_proxy"];
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    names.iter().any(|name| is_set(name) || is_set(&name.to_uppercase()))
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/xml,text/xml,text/plain,*/*;q=0.5"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers
}

fn url_rewrite(host: &Host, target: &Target) -> Option<UrlRewrite> {
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
        // The URL has no port, so the resolver sets it.
        _ => (host.name().to_owned(), None),
    };
    Some(UrlRewrite { name, port, authority: HeaderValue::from_str(authority).ok()? })
}

/// Tells the stopwatch of a request when its connection is begun and when it is ready.
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
        // The pool may finish a connection in another task if an older connection became free, so the stopwatch is passed on.
        Box::pin(async move {
            let Some(watch) = watch else { return connecting.await };
            let connection = stopwatch::STOPWATCH.scope(watch.clone(), connecting).await?;
            watch.connected();
            Ok(connection)
        })
    }
}
