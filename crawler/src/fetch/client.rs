//! HTTP clients: one per host that is being crawled, with one shared TLS configuration.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use frontier::{Host, HostId, Stage};
use reqwest::Version;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tower::{Layer, Service};

use super::connect_to::{ConnectTo, Target, unbracketed};
use super::idle_traffic::Traffic;
use super::interface::{Fetch, SetupError};
use super::resolver::{HostResolver, Resolver};
use super::stopwatch;
use super::timeouts::Timeouts;
use super::tls::{self, TlsError};
use crate::settings::{Proxy, Settings};

/// An idle HTTP/1.1 connection is closed after this time.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// An idle HTTP/2 connection is closed after this time. It is shorter, because a server may send frames on such a connection
/// at any time, and each costs us CPU time.
const HTTP2_IDLE_MAX: Duration = Duration::from_secs(2);

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
}

/// The web over HTTP, with a client for each of the hosts that are being crawled.
///
/// If there are too many connections, the least recently used clients are dropped, which closes their idle connections. A
/// client in use is never dropped, so its connections stay counted.
pub struct HttpFetch {
    settings: ClientSettings,
    /// A lock, because requests return their clients from tasks of their own. It is held only for what [`Pool`] does.
    pool: Arc<Mutex<Pool>>,
}

struct Pool {
    clients: HashMap<HostId, PooledClient>,
    /// Sum over `clients`.
    connections: usize,
    connections_max: usize,
    /// How often a client was taken or returned.
    uses: u64,
}

struct PooledClient {
    connections_of_host: Arc<HostConnections>,
    /// The value of `uses` when it was last taken or returned.
    last_use: u64,
    /// The largest number of requests it had at the same time. It may have as many connections, in use or idle.
    connections: usize,
}

/// The connections to one host, and the settings for its requests.
pub(super) struct HostConnections {
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
    traffic: Arc<Traffic>,
    /// Whether the last response came over HTTP/1. If there was none, the connection may be HTTP/2.
    is_http1: AtomicBool,
}

/// The connections to one host, for one request. Dropping it ends the request.
pub struct HostClient {
    pub(super) connections: Arc<HostConnections>,
    host: HostId,
    pool: Weak<Mutex<Pool>>,
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
        let connections_max = settings.connections_max;
        let settings = ClientSettings {
            user_agent: settings.identity.user_agent.clone(),
            tls: tls::config(network.ca_cert.as_deref())?,
            resolver: Resolver::new(network.resolver),
            connect_to: network.connect_to.clone(),
            proxy: network.proxy.clone(),
            allow_private: network.allow_private,
            timeouts: Timeouts::new(settings.timeout),
            host_concurrency: settings.host_concurrency,
        };
        let pool = Pool { clients: HashMap::new(), connections: 0, connections_max, uses: 0 };
        Ok(Self { settings, pool: Arc::new(Mutex::new(pool)) })
    }

    fn of(&self, host: &Host) -> Result<HostClient, reqwest::Error> {
        let id = host.id();
        let taken = lock(&self.pool).take(id);
        let connections = match taken {
            Some(connections) => connections,
            None => {
                let connections = Arc::new(self.settings.build(host)?);
                lock(&self.pool).add(id, Arc::clone(&connections));
                connections
            }
        };
        Ok(HostClient { connections, host: id, pool: Arc::downgrade(&self.pool) })
    }
}

impl Drop for HostClient {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let returned = lock(&pool).put_back(self.host, &self.connections);
        if self.connections.is_http1.load(Ordering::Relaxed) {
            return;
        }
        let (Some(last_use), Ok(runtime)) = (returned, Handle::try_current()) else { return };
        runtime.spawn(close_idle(self.pool.clone(), self.host, last_use));
    }
}

/// Drops the client of `host` if it is not used for [`HTTP2_IDLE_MAX`].
async fn close_idle(pool: Weak<Mutex<Pool>>, host: HostId, last_use: u64) {
    tokio::time::sleep(HTTP2_IDLE_MAX).await;
    if let Some(pool) = pool.upgrade() {
        lock(&pool).remove_unused(host, last_use);
    }
}

fn lock(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// The connections to `host` for one more request, if it has a client.
    fn take(&mut self, host: HostId) -> Option<Arc<HostConnections>> {
        self.uses += 1;
        let pooled = self.clients.get_mut(&host)?;
        pooled.last_use = self.uses;
        let connections = Arc::clone(&pooled.connections_of_host);
        connections.traffic.begin();
        if connections.traffic.in_flight() > pooled.connections {
            pooled.connections += 1;
            self.connections += 1;
        }
        self.make_room();
        Some(connections)
    }

    /// Adds a client with its first request.
    fn add(&mut self, host: HostId, connections_of_host: Arc<HostConnections>) {
        connections_of_host.traffic.begin();
        self.clients.insert(host, PooledClient { connections_of_host, last_use: self.uses, connections: 1 });
        self.connections += 1;
        self.make_room();
    }

    /// Ends a request. Returns the number of this use if no other request of `host` is in flight.
    fn put_back(&mut self, host: HostId, connections: &HostConnections) -> Option<u64> {
        connections.traffic.end();
        self.uses += 1;
        let pooled = self.clients.get_mut(&host)?;
        pooled.last_use = self.uses;
        (pooled.in_flight() == 0).then_some(self.uses)
    }

    /// Removes the client of `host` if `last_use` was its last use.
    fn remove_unused(&mut self, host: HostId, last_use: u64) {
        if self.clients.get(&host).is_some_and(|pooled| pooled.last_use == last_use) {
            self.remove(host);
        }
    }

    fn make_room(&mut self) {
        while self.connections > self.connections_max {
            let idle = self.clients.iter().filter(|(_, pooled)| pooled.in_flight() == 0);
            let Some(oldest) = idle.min_by_key(|(_, pooled)| pooled.last_use).map(|(id, _)| *id) else {
                return;
            };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, host: HostId) {
        self.connections -= self.clients.remove(&host).map_or(0, |pooled| pooled.connections);
    }
}

impl PooledClient {
    fn in_flight(&self) -> usize {
        self.connections_of_host.traffic.in_flight()
    }
}

impl HostConnections {
    /// Notes over which version of HTTP a response came.
    pub(super) fn answered(&self, version: Version) {
        self.is_http1.store(version < Version::HTTP_2, Ordering::Relaxed);
    }
}

impl ClientSettings {
    fn build(&self, host: &Host) -> Result<HostConnections, reqwest::Error> {
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
        let traffic = Arc::new(Traffic::default());
        let mut builder = reqwest::Client::builder()
            .user_agent(self.user_agent.clone())
            .default_headers(headers())
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver.clone())
            .connector_layer(WatchedConnections(Arc::clone(&traffic)))
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
        let is_proxied = match &self.proxy {
            Proxy::None => false,
            Proxy::System => names_proxy(),
            Proxy::Url(_) => true,
        };
        Ok(HostConnections {
            http: builder.build()?,
            rewrite,
            allow_private: self.allow_private,
            has_target,
            timeouts: self.timeouts,
            resolver: (!is_proxied).then_some(resolver),
            traffic,
            is_http1: AtomicBool::new(false),
        })
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

/// Tells the stopwatch of a request when its connection is begun and when it is ready, and counts what the host sends.
#[derive(Clone)]
struct WatchedConnections(Arc<Traffic>);

#[derive(Clone)]
struct WatchedConnector<S>(S, Arc<Traffic>);

impl<S> Layer<S> for WatchedConnections {
    type Service = WatchedConnector<S>;

    fn layer(&self, inner: S) -> WatchedConnector<S> {
        WatchedConnector(inner, Arc::clone(&self.0))
    }
}

impl<S, R> Service<R> for WatchedConnector<S>
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
        let connecting = Arc::clone(&self.1).count(self.0.call(request));
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
