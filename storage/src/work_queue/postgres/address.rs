//! The address of a store: `postgres://user:password@host:port,host:port/database?sslmode=verify-full`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::error::StoreError;

/// How long a connection may take, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sent bytes may stay unanswered, and how soon a silent connection is probed: a server that vanished must be
/// missed well within the life of a session.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVES_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);

/// The client's own, which no address asks for.
const KEEPALIVES_IDLE_UNSET: Duration = Duration::from_secs(2 * 60 * 60);

/// What a server's certificate must prove.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proof {
    /// Nothing: the connection is only kept from being read in passing.
    Nothing,
    /// That an authority we trust made it out.
    Authority,
    /// The same, and for the name of the host.
    Name,
}

/// Where a store is and how to reach it.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) proof: Proof,
    /// A file with root certificates; `None`: the system's.
    pub(super) roots: Option<PathBuf>,
    /// For messages: without the password.
    pub(super) place: String,
}

impl FromStr for Address {
    type Err = StoreError;

    /// Understands what libpq does in such an address, `sslmode` and `sslrootcert` included.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(StoreError::Address(
                "it begins with neither postgres:// nor postgresql://".to_owned(),
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
        let (mode, proof) = match (mode.unwrap_or("prefer"), &roots) {
            ("disable", _) => (SslMode::Disable, Proof::Nothing),
            ("prefer", _) => (SslMode::Prefer, Proof::Nothing),
            ("require", None) => (SslMode::Require, Proof::Nothing),
            // As libpq does: who names an authority wants it asked.
            ("require", Some(_)) | ("verify-ca", _) => (SslMode::Require, Proof::Authority),
            ("verify-full", _) => (SslMode::Require, Proof::Name),
            (other, _) => {
                let modes = "disable, prefer, require, verify-ca or verify-full";
                return Err(StoreError::Address(format!("sslmode is {modes}, not {other:?}")));
            }
        };
        let mut config: Config =
            format!("{base}?{}", rest.join("&")).parse().map_err(|error| address(&error))?;
        config.ssl_mode(mode);
        complete(&mut config);
        let place = place(&config);
        Ok(Self { config, proof, roots, place })
    }
}

fn address(error: &tokio_postgres::Error) -> StoreError {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    StoreError::Address(cause)
}

/// Sets what the address leaves open.
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
    // Of several servers the one that takes writes is meant.
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
        for (query, mode, proof) in [
            ("", SslMode::Prefer, Proof::Nothing),
            ("?sslmode=disable", SslMode::Disable, Proof::Nothing),
            ("?sslmode=require", SslMode::Require, Proof::Nothing),
            ("?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, Proof::Authority),
            ("?sslmode=verify-ca", SslMode::Require, Proof::Authority),
            ("?connect_timeout=3&sslmode=verify-full&sslrootcert=system", SslMode::Require, Proof::Name),
        ] {
            let address = address(&format!("postgres://u@h/d{query}"));
            assert_eq!((address.config.get_ssl_mode(), address.proof), (mode, proof), "{query}");
        }
        let refused = Address::from_str("postgres://h/d?sslmode=allow").unwrap_err().to_string();
        assert!(refused.contains("verify-full, not \"allow\""), "{refused}");
    }

    #[test]
    fn a_root_certificate_may_lie_anywhere() {
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
    fn what_is_no_address_is_told_so() {
        for text in ["mysql://h/d", "postgres://h:port/d", "postgres://h/d?colour=red"] {
            let error = Address::from_str(text).unwrap_err().to_string();
            assert!(error.starts_with("the store's address is wrong: "), "{error}");
        }
    }
}
