//! Resolves names to addresses, and checks these before a connection is made.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use frontier::{Host, Stage};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::connect_to::{Target, unbracketed};
use super::{address, stopwatch};

/// Why a name could not be resolved to an allowed address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The lookup failed.
    #[error("failed to resolve {name}: {reason}")]
    Lookup {
        /// The name.
        name: String,
        /// The error of the resolver.
        reason: String,
    },
    /// The name resolves to an address that is not public.
    #[error("{name} resolves to the private address {address}")]
    Blocked {
        /// The name.
        name: String,
        /// The first address that is not public.
        address: IpAddr,
    },
}

/// The resolver of all clients: it queries the system's name servers, or the one given with `--resolver`.
///
/// If the system has no usable resolver configuration, this fails only when a name is looked up. A crawl of literal addresses,
/// or through a proxy or `--connect-to`, needs no resolver.
#[derive(Clone)]
pub struct Resolver(Result<TokioResolver, Arc<str>>);

impl Resolver {
    /// Uses `server`, or else the name servers and the hosts file of the system.
    pub fn new(server: Option<SocketAddr>) -> Self {
        let built = match server {
            None => TokioResolver::builder_tokio(),
            Some(server) => {
                Ok(TokioResolver::builder_with_config(config_of(server), TokioRuntimeProvider::default()))
            }
        };
        Self(built.and_then(|builder| builder.build()).map_err(|error| error.to_string().into()))
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let failed = |reason: String| ResolveError::Lookup { name: name.to_owned(), reason };
        let resolver = self.0.as_ref().map_err(|error| failed(error.to_string()))?;
        // Names in URLs are absolute. Without the final dot, the system's search domains would be tried too.
        let absolute =
            if name.contains('.') { format!("{}.", name.trim_end_matches('.')) } else { name.to_owned() };
        let answer = resolver.lookup_ip(absolute).await.map_err(|error| failed(error.to_string()))?;
        let addresses: Vec<IpAddr> = answer.iter().collect();
        if addresses.is_empty() { Err(failed("no address".to_owned())) } else { Ok(addresses) }
    }
}

fn config_of(server: SocketAddr) -> ResolverConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    ResolverConfig::from_name_servers(vec![config])
}

/// The resolver of one host's client.
///
/// Every address is checked, and the connection is made to a checked address, so DNS rebinding has no effect. The target of
/// `--connect-to` and a proxy are not checked, because the user chose them.
pub struct HostResolver {
    pub(super) resolver: Resolver,
    pub(super) host: Host,
    pub(super) target: Option<Target>,
    pub(super) allow_private: bool,
}

impl HostResolver {
    /// The first address of the host, or of the target of `--connect-to`. `None` if it cannot be looked up.
    pub(super) async fn address(&self) -> Option<IpAddr> {
        let name = self.target.as_ref().map_or(self.host.name(), |target| &target.name);
        match unbracketed(name).parse() {
            Ok(address) => Some(address),
            Err(_) => self.resolver.lookup(name).await.ok()?.first().copied(),
        }
    }
}

impl Resolve for HostResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_host = name.as_str().eq_ignore_ascii_case(self.host.name());
        let target = self.target.clone().filter(|_| is_host);
        let name = target.as_ref().map_or_else(|| name.as_str().to_owned(), |target| target.name.clone());
        let port = target.as_ref().map_or(0, |target| target.port);
        let must_be_public = is_host && target.is_none() && !self.allow_private;
        let literal = target.as_ref().and_then(Target::address);
        let resolver = self.resolver.clone();
        Box::pin(async move {
            if let Some(address) = literal {
                return Ok(addresses(vec![address], port));
            }
            stopwatch::mark(Stage::Dns);
            let found = resolver.lookup(&name).await?;
            stopwatch::mark(Stage::Connect);
            if let Some(&address) =
                found.iter().find(|address| must_be_public && !address::is_public(**address))
            {
                return Err(ResolveError::Blocked { name, address }.into());
            }
            Ok(addresses(found, port))
        })
    }
}

/// Socket addresses with `port`. Port 0 means the port of the URL.
fn addresses(found: Vec<IpAddr>, port: u16) -> Addrs {
    Box::new(found.into_iter().map(move |address| SocketAddr::new(address, port)))
}
