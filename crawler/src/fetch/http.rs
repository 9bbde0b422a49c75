//! The web over HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client::{ClientSettings, Clients};
use super::get::{HttpBody, Timeouts, get};
use super::interface::{Fetch, GetError, GetRequest, Response, SetupError};
use super::resolver::Resolver;
use super::stopwatch::Stopwatch;
use super::tls::{self, TlsError};
use crate::settings::Settings;

/// Sends requests over HTTP, with a client for each host.
pub struct HttpFetch {
    // One lock for all hosts, because it is held only while a client is looked up or created.
    clients: Mutex<Clients>,
    timeouts: Timeouts,
}

impl HttpFetch {
    /// Creates a pool of clients for `settings`. Fails if TLS cannot be set up.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        let clients = Clients::new(ClientSettings {
            user_agent: settings.identity.user_agent.clone(),
            tls: tls::config(settings.ca_cert.as_deref())?,
            resolver: Resolver::new(settings.resolver),
            connect_to: settings.connect_to.clone(),
            proxy: settings.proxy.clone(),
            allow_private: settings.allow_private,
            host_concurrency: settings.host_concurrency,
            connections_max: settings.connections_max,
        });
        Ok(Self { clients: Mutex::new(clients), timeouts: Timeouts::new(settings.timeout) })
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // A poisoned lock is safe to use: at worst a connection is counted that does not exist.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch for HttpFetch {
    type Body = HttpBody;

    async fn get(
        &self,
        request: &GetRequest<'_>,
        watch: &Arc<Stopwatch>,
    ) -> Result<Response<HttpBody>, GetError> {
        let client = self.clients().of(request.host);
        let client = client.map_err(|error| SetupError(error.to_string()))?;
        Ok(get(client, request, self.timeouts, watch).await?)
    }
}
