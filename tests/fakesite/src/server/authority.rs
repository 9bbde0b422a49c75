//! A certificate authority that issues certificates for any server name on demand.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{default_provider, sign};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::error::ServeError;

/// The name for clients that send none because they connect to an address.
const NAME_WITHOUT_SNI: &str = "127.0.0.1";

/// The flaw of a certificate, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flaw {
    None,
    WrongName,
    Expired,
    SelfSigned,
}

/// The authority and the certificates it has issued.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// The key of all certificates. Clients do not notice that it is the same, and generating keys takes time.
    key: KeyPair,
    signing_key: Arc<dyn SigningKey>,
    provider: Arc<CryptoProvider>,
    issued: Mutex<HashMap<(String, Flaw), Arc<CertifiedKey>>>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, ServeError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "fakesite test authority");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let pem = params.self_signed(&ca_key)?.pem();
        let key = KeyPair::generate()?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self {
            pem,
            issuer: Issuer::new(params, ca_key),
            key,
            signing_key: sign::any_supported_type(&der)?,
            provider: Arc::new(default_provider()),
            issued: Mutex::default(),
        })
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// TLS settings for one connection.
    pub(crate) fn config(self: &Arc<Self>, flaw: Flaw, h2: bool) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Issuing { authority: Arc::clone(self), flaw }));
        if h2 {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        config.alpn_protocols.push(b"http/1.1".to_vec());
        // No session resumption, so that every handshake costs the same and measurements do not depend on the order.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn certificate(&self, name: &str, flaw: Flaw) -> Option<Arc<CertifiedKey>> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = issued.get(&(name.to_owned(), flaw)) {
            return Some(Arc::clone(known));
        }
        let fresh = Arc::new(self.issue(name, flaw).ok()?);
        issued.insert((name.to_owned(), flaw), Arc::clone(&fresh));
        Some(fresh)
    }

    fn issue(&self, name: &str, flaw: Flaw) -> Result<CertifiedKey, rcgen::Error> {
        let name = if flaw == Flaw::WrongName { "other.invalid" } else { name };
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "fakesite");
        params.use_authority_key_identifier_extension = flaw != Flaw::SelfSigned;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        if flaw == Flaw::Expired {
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let certificate = match flaw {
            Flaw::SelfSigned => params.self_signed(&self.key)?,
            _ => params.signed_by(&self.key, &self.issuer)?,
        };
        Ok(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&self.signing_key)))
    }
}

/// Gives rustls the certificate for the name in the ClientHello.
struct Issuing {
    authority: Arc<Authority>,
    flaw: Flaw,
}

impl ResolvesServerCert for Issuing {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.authority.certificate(hello.server_name().unwrap_or(NAME_WITHOUT_SNI), self.flaw)
    }
}

impl fmt::Debug for Issuing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuing").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}
