//! The TLS configuration that all connections share.

use std::path::Path;
use std::sync::Arc;

use frontier::Stage;
use rustls::client::Tls13ClientSessionValue;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};

use super::{idle_traffic, stopwatch};

/// Number of TLS sessions kept for resumption, over all hosts.
const TLS_SESSIONS_MAX: usize = 1024;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// `--ca-cert` could not be read.
    #[error("failed to read certificates from {path}: {reason}")]
    CaCert {
        /// The file.
        path: String,
        /// Why it could not be read.
        reason: String,
    },
    /// rustls refused the configuration.
    #[error("failed to set up TLS: {0}")]
    Config(#[from] rustls::Error),
}

/// Creates a configuration that offers HTTP/2 and HTTP/1.1, with the system's root certificates and those of `ca_cert` (PEM).
pub fn config(ca_cert: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!(%error, "failed to read a system certificate");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_cert {
        add_pem(&mut roots, path)?;
    }
    if roots.is_empty() {
        tracing::warn!(
            "no root certificates found: every https site will fail; install ca-certificates or use --ca-cert"
        );
    }
    let provider = Arc::new(idle_traffic::provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // The HTTP client does not set the protocols of a preconfigured backend.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption =
        Resumption::store(Arc::new(TimedSessions(ClientSessionMemoryCache::new(TLS_SESSIONS_MAX))));
    Ok(config)
}

fn add_pem(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let failed = |reason: String| TlsError::CaCert { path: path.display().to_string(), reason };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let before = roots.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.len() == before { Err(failed("it contains no certificate".to_owned())) } else { Ok(()) }
}

/// A session store that detects the beginning of a handshake. Before rustls sends the first byte, it asks the store which
/// key exchange the server accepted last time.
#[derive(Debug)]
struct TimedSessions(ClientSessionMemoryCache);

impl ClientSessionStore for TimedSessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        stopwatch::mark(Stage::Tls);
        self.0.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.0.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(server_name)
    }
}
