//! A host: the unit to which a robots.txt applies, and which is paced and leased as one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

/// The scheme of a host: `http` or `https`. Other schemes are not crawled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme as written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL of this scheme that names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, name and port of a server. Each host has one robots.txt (RFC 9309 section 2.3), one pace and one lease.
///
/// `Display` gives the origin without a default port, such as `https://www.example.com`. Every output uses it as the
/// key of the host.
///
/// ```
/// use frontier::Host;
///
/// let host = Host::of(&"https://www.example.com:443/news?page=2".parse()?).ok_or("it has no host")?;
/// assert_eq!(host.to_string(), "https://www.example.com");
/// assert_eq!(host.port(), 443);
/// assert_eq!(host.url("/robots.txt"), "https://www.example.com/robots.txt");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// The id of the host in the work queue.
    pub fn id(&self) -> HostId {
        let digest = Sha256::digest(self.to_string());
        HostId(u128::from_be_bytes(std::array::from_fn(|i| digest[i])))
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name in lower case, or a literal address (IPv6 in brackets), as in a URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, also if it is the default of the scheme.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of `path`, which must begin with `/`, on this host.
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

/// The first 128 bits of the SHA-256 of a host's origin.
///
/// A pair of origins with the same id takes some 2^64 hashes to find. A work queue that meets one anyway refuses the
/// task of the later origin ([`crate::outcome::SkipReason::HostCollision`]) and never merges the two hosts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct HostId(pub u128);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The text is not the id of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a host id has 32 hexadecimal digits")]
pub struct HostIdError;

/// Reads what [`Display`](fmt::Display) writes, and nothing else: shorter ids are those of an older format.
impl FromStr for HostId {
    type Err = HostIdError;

    fn from_str(text: &str) -> Result<Self, HostIdError> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = is_id.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        id.map(Self).ok_or(HostIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_its_32_digits_and_from_no_others() {
        for id in [HostId(0), HostId(7 << 64), HostId(u128::MAX)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "0123456789abcdef", "+123456789abcdef0123456789abcdef", &"0".repeat(33)] {
            assert_eq!(text.parse::<HostId>(), Err(HostIdError), "{text}");
        }
    }

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
