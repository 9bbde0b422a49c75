//! A site: all hosts of one owner.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::host::Host;

/// The registrable domain of a host: a public suffix and one label more, such as `example.co.uk`.
///
/// It comes from the Public Suffix List with its private part, so that two customers of one hosting company are two
/// sites. A host without a registrable domain, for instance an address, is a site of its own. Scheme and port do not
/// matter.
///
/// ```
/// use frontier::{Host, Site};
///
/// let site = |url: &str| Some(Site::of(&Host::of(&url.parse().ok()?)?).to_string());
/// assert_eq!(site("https://www.news.example.co.uk:8443"), Some("example.co.uk".to_owned()));
/// assert_eq!(site("http://alice.github.io"), Some("alice.github.io".to_owned()));
/// assert_eq!(site("http://192.0.2.1:8080"), Some("192.0.2.1".to_owned()));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Site(String);

impl Site {
    /// The site of `host`.
    pub fn of(host: &Host) -> Self {
        let name = host.name().trim_end_matches('.');
        let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
        let domain = if is_address { None } else { psl::domain_str(name) };
        Self(domain.unwrap_or(name).to_owned())
    }

    /// The first 128 bits of the SHA-256 of the registrable domain, for keys of one length.
    pub fn id(&self) -> u128 {
        let digest = Sha256::digest(&self.0);
        u128::from_be_bytes(std::array::from_fn(|i| digest[i]))
    }

    /// The registrable domain.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_owner_are_one_site() {
        let site = |url: &str| Site::of(&Host::of(&url.parse().unwrap()).unwrap()).to_string();
        for (url, expected) in [
            ("https://example.com", "example.com"),
            ("http://a.b.c.example.com:8080", "example.com"),
            ("https://www.example.com.", "example.com"),
            ("https://a.example.co.uk", "example.co.uk"),
            ("https://shop.bücher.example", "xn--bcher-kva.example"),
            ("https://a.b.s3.amazonaws.com", "b.s3.amazonaws.com"),
            ("https://co.uk", "co.uk"),
            ("http://localhost:8080", "localhost"),
            ("http://a.unknown-suffix", "a.unknown-suffix"),
            ("http://10.1.2.3", "10.1.2.3"),
            ("http://[2001:db8::1]:80", "[2001:db8::1]"),
        ] {
            assert_eq!(site(url), expected, "{url}");
        }
    }
}
