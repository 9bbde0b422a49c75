//! Names to addresses: checked before anything is contacted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use frontier::{Host, Stage};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::connect_to::Target;
use super::{address, stopwatch};

/// Why a name gave no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The resolver has no answer.
    #[error("failed to resolve {name}: {reason}")]
    Lookup {
        /// The name asked for.
        name: String,
        /// What the resolver says.
        reason: String,
    },
    /// The name leads to an address that is not public.
    #[error("{name} resolves to the private address {address}")]
    Blocked {
        /// The name asked for.
        name: String,
        /// The first of its addresses that is private.
        address: IpAddr,
    },
}

/// The resolver of all clients: the system's name servers, or the one of `--resolver`.
///
/// A system without a usable resolver configuration is no failure until a name is looked up: a crawl through
/// `--connect-to`, a proxy or of literal addresses needs none.
#[derive(Clone)]
pub struct Resolver(Result<TokioResolver, Arc<str>>);

impl Resolver {
    /// Asks `server`, or the servers and the hosts file of the system.
    pub fn new(server: Option<SocketAddr>) -> Self {
        let built = match server {
            None => TokioResolver::builder_tokio(),
            Some(server) => {
                Ok(TokioResolver::builder_with_config(only(server), TokioRuntimeProvider::default()))
            }
        };
        Self(built.and_then(|builder| builder.build()).map_err(|error| error.to_string().into()))
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let failed = |reason: String| ResolveError::Lookup { name: name.to_owned(), reason };
        let resolver = self.0.as_ref().map_err(|error| failed(error.to_string()))?;
        // The name of a URL is absolute: without the final dot the system's search domains would be tried too.
        let absolute =
            if name.contains('.') { format!("{}.", name.trim_end_matches('.')) } else { name.to_owned() };
        let answer = resolver.lookup_ip(absolute).await.map_err(|error| failed(error.to_string()))?;
        let addresses: Vec<IpAddr> = answer.iter().collect();
        if addresses.is_empty() { Err(failed("no address".to_owned())) } else { Ok(addresses) }
    }
}

fn only(server: SocketAddr) -> ResolverConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    ResolverConfig::from_name_servers(vec![config])
}

/// What a host's client resolves with.
///
/// Every answer is checked, and the connection goes to a checked address: a name that resolves anew to another one
/// (DNS rebinding) gains nothing. A `--connect-to` target and a proxy are the user's own choice and exempt.
pub struct HostResolver {
    pub(super) resolver: Resolver,
    pub(super) host: Host,
    pub(super) target: Option<Target>,
    pub(super) allow_private: bool,
}

impl Resolve for HostResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_host = name.as_str().eq_ignore_ascii_case(self.host.name());
        let target = self.target.clone().filter(|_| is_host);
        let asked = target.as_ref().map_or_else(|| name.as_str().to_owned(), |target| target.name.clone());
        let port = target.as_ref().map_or(0, |target| target.port);
        let must_be_public = is_host && target.is_none() && !self.allow_private;
        let literal = target.as_ref().and_then(Target::address);
        let resolver = self.resolver.clone();
        Box::pin(async move {
            if let Some(address) = literal {
                return Ok(addresses(vec![address], port));
            }
            stopwatch::mark(Stage::Dns);
            let found = resolver.lookup(&asked).await?;
            stopwatch::mark(Stage::Connect);
            if let Some(&address) =
                found.iter().find(|address| must_be_public && !address::is_public(**address))
            {
                return Err(ResolveError::Blocked { name: asked, address }.into());
            }
            Ok(addresses(found, port))
        })
    }
}

/// Port 0 leaves the port to the URL.
fn addresses(found: Vec<IpAddr>, port: u16) -> Addrs {
    Box::new(found.into_iter().map(move |address| SocketAddr::new(address, port)))
}
