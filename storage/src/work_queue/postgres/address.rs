//! The address of a store: `postgres://user:password@host:port,host:port/database?sslmode=verify-full`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::error::StoreError;

/// Connect timeout, unless the address sets one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sent bytes may stay unacknowledged, and when an idle connection is probed. A server that vanished must be
/// detected well within the life of a session.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVES_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);

/// Default of the client library, which means that the address does not set it.
const KEEPALIVES_IDLE_UNSET: Duration = Duration::from_secs(2 * 60 * 60);

/// How a server's certificate is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CertificateCheck {
    /// Not at all. The connection is encrypted, but only against passive eavesdropping.
    Skip,
    /// A trusted authority must have issued it.
    Authority,
    /// A trusted authority must have issued it for the name of the host.
    Name,
}

/// The parsed address of a store.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) check: CertificateCheck,
    /// File with root certificates; `None` means those of the system.
    pub(super) roots: Option<PathBuf>,
    /// The server and database for messages, without the password.
    pub(super) place: String,
}

impl FromStr for Address {
    type Err = StoreError;

    /// Parses an address as libpq does, including `sslmode` and `sslrootcert`.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(StoreError::Address(
                "it does not begin with postgres:// or postgresql://".to_owned(),
            ));
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(percent_decode_str(value).decode_utf8_lossy()),
                _ => rest.push(pair),
            }
        }
        let roots = roots.filter(|file| file != "system").map(|file| PathBuf::from(file.as_ref()));
        let (mode, check) = match (mode.unwrap_or("prefer"), &roots) {
            ("disable", _) => (SslMode::Disable, CertificateCheck::Skip),
            ("prefer", _) => (SslMode::Prefer, CertificateCheck::Skip),
            ("require", None) => (SslMode::Require, CertificateCheck::Skip),
            // Like libpq, which checks the issuer if root certificates are given.
            ("require", Some(_)) | ("verify-ca", _) => (SslMode::Require, CertificateCheck::Authority),
            ("verify-full", _) => (SslMode::Require, CertificateCheck::Name),
            (other, _) => {
                let modes = "disable, prefer, require, verify-ca or verify-full";
                return Err(StoreError::Address(format!("sslmode must be {modes}, not {other:?}")));
            }
        };
        let mut config: Config =
            format!("{base}?{}", rest.join("&")).parse().map_err(|error| address(&error))?;
        config.ssl_mode(mode);
        complete(&mut config);
        let place = place(&config);
        Ok(Self { config, check, roots, place })
    }
}

fn address(error: &tokio_postgres::Error) -> StoreError {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    StoreError::Address(cause)
}

/// Sets the options that the address does not set.
fn complete(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    if config.get_keepalives_idle() == KEEPALIVES_IDLE_UNSET {
        config.keepalives_idle(KEEPALIVES_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVES_INTERVAL);
    }
    if config.get_application_name().is_none() {
        config.application_name("sitemap-crawler");
    }
    // Of several servers, use the one that accepts writes.
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

fn place(config: &Config) -> String {
    let mut place = String::from("postgres://");
    let hosts = config.get_hosts();
    for (n, host) in hosts.iter().enumerate() {
        if n > 0 {
            place.push(',');
        }
        match host {
            Host::Tcp(name) => place.push_str(name),
            Host::Unix(path) => place.push_str(&path.to_string_lossy()),
        }
        let ports = config.get_ports();
        if let Some(port) = ports.get(n).or(ports.first()) {
            let _ = write!(place, ":{port}");
        }
    }
    place.push('/');
    place.push_str(config.get_dbname().or(config.get_user()).unwrap_or_default());
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn the_modes_of_tls_are_those_of_libpq() {
        for (query, mode, check) in [
            ("", SslMode::Prefer, CertificateCheck::Skip),
            ("?sslmode=disable", SslMode::Disable, CertificateCheck::Skip),
            ("?sslmode=require", SslMode::Require, CertificateCheck::Skip),
            ("?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, CertificateCheck::Authority),
            ("?sslmode=verify-ca", SslMode::Require, CertificateCheck::Authority),
            (
                "?connect_timeout=3&sslmode=verify-full&sslrootcert=system",
                SslMode::Require,
                CertificateCheck::Name,
            ),
        ] {
            let address = address(&format!("postgres://u@h/d{query}"));
            assert_eq!((address.config.get_ssl_mode(), address.check), (mode, check), "{query}");
        }
        let refused = Address::from_str("postgres://h/d?sslmode=allow").unwrap_err().to_string();
        assert!(refused.contains("verify-full, not \"allow\""), "{refused}");
    }

    #[test]
    fn a_root_certificate_may_be_at_any_path() {
        let address = address("postgres://h/d?sslmode=verify-ca&sslrootcert=/a%20b/ca.pem");
        assert_eq!(address.roots.unwrap().to_str(), Some("/a b/ca.pem"));
    }

    #[test]
    fn messages_name_all_servers_and_no_password() {
        let address = address("postgresql://u:secret@one:5433,two:5434/crawls");
        assert_eq!(address.place, "postgres://one:5433,two:5434/crawls");
        assert_eq!(address.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn an_invalid_address_is_reported() {
        for text in ["mysql://h/d", "postgres://h:port/d", "postgres://h/d?colour=red"] {
            let error = Address::from_str(text).unwrap_err().to_string();
            assert!(error.starts_with("invalid store address: "), "{error}");
        }
    }
}
