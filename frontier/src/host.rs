//! A host: the unit of robots.txt, of pace and of leasing.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

/// `http` or `https`; nothing else is crawled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL of this scheme leaves out.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, name and port of a server: what RFC 9309 section 2.3 gives one robots.txt, and what we pace and lease.
///
/// `Display` gives the origin without a default port, `https://www.example.com`: the key of a host in every
/// output.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Host {
    scheme: Scheme,
    name: String,
    port: u16,
}

impl Host {
    /// The host of an absolute http or https URL; `None` for any other.
    pub fn of(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let name = url.host_str().filter(|name| !name.is_empty())?;
        Some(Self { scheme, name: name.to_owned(), port: url.port().unwrap_or(scheme.default_port()) })
    }

    /// Identifies the host in the work queue.
    pub fn id(&self) -> HostId {
        let digest = Sha256::digest(self.to_string());
        HostId(u64::from_be_bytes(std::array::from_fn(|i| digest[i])))
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name in lower case, or a literal address (IPv6 in brackets), as it stands in a URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, the scheme's default one included.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `path` (which begins with `/`) on this host.
    pub fn url(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.name)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// The first 64 bits of the SHA-256 of a host's origin.
///
/// Two origins with one id are possible in principle; a queue that meets them fails loudly and never merges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct HostId(pub u64);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> String {
        Host::of(&Url::parse(url).unwrap()).unwrap().to_string()
    }

    #[test]
    fn an_origin_leaves_the_default_port_out_and_keeps_any_other() {
        assert_eq!(origin("https://WWW.Example.com:443/a"), "https://www.example.com");
        assert_eq!(origin("http://www.example.com:443/a"), "http://www.example.com:443");
        assert_eq!(origin("http://[::1]:8080/"), "http://[::1]:8080");
    }

    #[test]
    fn only_http_and_https_have_a_host() {
        for url in ["ftp://example.com/", "file:///etc/passwd", "data:,x", "mailto:a@example.com"] {
            assert_eq!(Host::of(&Url::parse(url).unwrap()), None, "{url}");
        }
    }
}
