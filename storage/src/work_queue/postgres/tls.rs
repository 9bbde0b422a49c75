//! TLS to the server of the store, with the certificate check that its address requests.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, CertificateCheck};
use super::error::StoreError;

/// The TLS connector for the connections to `address`.
pub(super) fn connector(address: &Address) -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(ring::default_provider());
    let roots = || Ok::<_, StoreError>(Arc::new(roots(address.roots.as_deref())?));
    let verifier: Arc<dyn ServerCertVerifier> = match address.check {
        CertificateCheck::Skip => Arc::new(LenientVerifier { provider: provider.clone(), roots: None }),
        CertificateCheck::Authority => {
            Arc::new(LenientVerifier { provider: provider.clone(), roots: Some(roots()?) })
        }
        CertificateCheck::Name => WebPkiServerVerifier::builder_with_provider(roots()?, provider.clone())
            .build()
            .map_err(|error| refused(address.roots.as_deref(), error.to_string()))?,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Address(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    match file {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path);
            for certificate in certificates.map_err(|error| refused(file, error.to_string()))? {
                let certificate = certificate.map_err(|error| refused(file, error.to_string()))?;
                roots.add(certificate).map_err(|error| refused(file, error.to_string()))?;
            }
        }
    }
    if roots.is_empty() { Err(refused(file, "it contains no certificate".to_owned())) } else { Ok(roots) }
}

fn refused(file: Option<&Path>, reason: String) -> StoreError {
    let path = file.map_or_else(|| "the system".to_owned(), |path| path.display().to_string());
    StoreError::RootCertificates { path, reason }
}

/// A weaker certificate check than that of the web: one of `roots` must have issued the certificate, or nothing is
/// checked. The server must always prove that it has the certificate's key.
#[derive(Debug)]
struct LenientVerifier {
    provider: Arc<CryptoProvider>,
    roots: Option<Arc<RootCertStore>>,
}

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
