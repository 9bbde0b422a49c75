//! Bounds what a host may send on a TLS connection while it has no request in flight.
//!
//! The HTTP client reads and answers PING frames of an idle HTTP/2 connection, and skips frames of unknown types, without
//! end. It gives no access to its connections, so the bytes are counted where TLS decrypts them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, Error, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};

/// Maximum bytes that a host may send between two of its requests. A connection that carries more is closed. Well-behaved
/// servers send a few hundred, and after an aborted request what was on its way.
const IDLE_BYTES_MAX: u64 = 64 << 10;

tokio::task_local! {
    /// The traffic of the host that the current task connects to. The cipher suites read it here, because they cannot be
    /// given an argument.
    static TRAFFIC: Arc<Traffic>;
}

/// The requests of a host that are in flight, and the bytes received without any.
#[derive(Default)]
pub struct Traffic {
    in_flight: AtomicUsize,
    idle_bytes: AtomicU64,
}

impl Traffic {
    /// A request begins.
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.idle_bytes.store(0, Ordering::Relaxed);
    }

    /// A request has ended, its body included.
    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Number of requests that have begun and not ended.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Runs `connecting`, which makes a connection. What the connection receives is counted.
    pub async fn count<F: Future>(self: Arc<Self>, connecting: F) -> F::Output {
        TRAFFIC.scope(self, connecting).await
    }

    /// Counts `bytes` received. Fails if they are too many for an idle connection.
    fn receive(&self, bytes: usize) -> Result<(), Error> {
        if self.in_flight() > 0 {
            return Ok(());
        }
        let bytes = bytes as u64;
        if self.idle_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > IDLE_BYTES_MAX {
            return Err(Error::General(format!("over {IDLE_BYTES_MAX} bytes on an idle connection")));
        }
        Ok(())
    }
}

/// The cryptography of all connections: that of ring, and what is received is counted.
pub fn provider() -> CryptoProvider {
    /// Suites are `'static` in rustls, so they are made once and never freed.
    static SUITES: LazyLock<Vec<SupportedCipherSuite>> =
        LazyLock::new(|| rustls::crypto::ring::DEFAULT_CIPHER_SUITES.iter().copied().map(counting).collect());
    CryptoProvider { cipher_suites: SUITES.clone(), ..rustls::crypto::ring::default_provider() }
}

fn counting(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            let counting = Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: Box::leak(Box::new(Counting(suite.aead_alg))),
            };
            SupportedCipherSuite::Tls12(Box::leak(Box::new(counting)))
        }
        SupportedCipherSuite::Tls13(suite) => {
            let counting = Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: Box::leak(Box::new(Counting(suite.aead_alg))),
                quic: None,
            };
            SupportedCipherSuite::Tls13(Box::leak(Box::new(counting)))
        }
    }
}

fn common(common: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: common.confidentiality_limit,
    }
}

/// A cipher whose decrypters count.
struct Counting<A: ?Sized + 'static>(&'static A);

impl Tls12AeadAlgorithm for Counting<dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv, extra)
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(CountingDecrypter::new(self.0.decrypter(key, iv)))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}

impl Tls13AeadAlgorithm for Counting<dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(CountingDecrypter::new(self.0.decrypter(key, iv)))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

struct CountingDecrypter {
    inner: Box<dyn MessageDecrypter>,
    /// `None` if the server changes its keys after the handshake, outside of the task that connects.
    traffic: Option<Arc<Traffic>>,
}

impl CountingDecrypter {
    fn new(inner: Box<dyn MessageDecrypter>) -> Self {
        Self { inner, traffic: TRAFFIC.try_with(Arc::clone).ok() }
    }
}

impl MessageDecrypter for CountingDecrypter {
    fn decrypt<'a>(
        &mut self,
        message: InboundOpaqueMessage<'a>,
        number: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let Some(traffic) = &self.traffic else {
            // Servers do so after hundreds of gigabytes, and what comes then could not be counted.
            return Err(Error::General("the server changed its keys on an open connection".to_owned()));
        };
        traffic.receive(message.payload.len())?;
        self.inner.decrypt(message, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_while_no_request_is_in_flight_and_anew_after_each() {
        let traffic = Traffic::default();
        let most = usize::try_from(IDLE_BYTES_MAX).unwrap();
        for _ in 0..3 {
            traffic.begin();
            assert_eq!(traffic.receive(most * 2), Ok(()));
            traffic.end();
            assert_eq!(traffic.receive(most), Ok(()));
            assert!(traffic.receive(1).is_err());
        }
    }
}
