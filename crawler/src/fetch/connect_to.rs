//! `--connect-to`: connects to another address for chosen hosts.

use std::net::IpAddr;
use std::str::FromStr;

use frontier::Host;

/// A rule `HOST1:PORT1:HOST2:PORT2`: requests for the first host are sent to the second, as with curl's option of that name.
///
/// An empty HOST1 or PORT1 matches every host or port. An empty HOST2 or PORT2 means that of the request. IPv6 addresses are
/// written in brackets. Host header, certificate and robots.txt are still those of the URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectTo {
    from_name: Option<String>,
    from_port: Option<u16>,
    to_name: Option<String>,
    to_port: Option<u16>,
}

/// The host and port to connect to instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// A name or a literal address, without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// The address, if the name is a literal address.
    pub fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }
}

/// Why a `--connect-to` value is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConnectToError {
    /// Not four parts.
    #[error("expected HOST1:PORT1:HOST2:PORT2 (parts may be empty), found {0:?}")]
    Parts(String),
    /// An invalid port.
    #[error("{0:?} is not a valid port")]
    Port(String),
}

impl FromStr for ConnectTo {
    type Err = ConnectToError;

    fn from_str(text: &str) -> Result<Self, ConnectToError> {
        let parts = split_outside_brackets(text);
        let [from_name, from_port, to_name, to_port] = parts.as_slice() else {
            return Err(ConnectToError::Parts(text.to_owned()));
        };
        Ok(Self {
            from_name: name(from_name),
            from_port: port(from_port)?,
            to_name: name(to_name),
            to_port: port(to_port)?,
        })
    }
}

impl ConnectTo {
    /// The target for connections to `host`. `None` if the rule does not match.
    pub fn target(&self, host: &Host) -> Option<Target> {
        let host_name = unbracketed(host.name());
        let name_fits = self.from_name.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(host_name));
        let port_fits = self.from_port.is_none_or(|port| port == host.port());
        (name_fits && port_fits).then(|| Target {
            name: self.to_name.clone().unwrap_or_else(|| host_name.to_owned()),
            port: self.to_port.unwrap_or(host.port()),
        })
    }
}

/// `name` without the brackets of a literal IPv6 address.
pub fn unbracketed(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name)
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut in_brackets) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => in_brackets = true,
            b']' => in_brackets = false,
            b':' if !in_brackets => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn name(part: &str) -> Option<String> {
    (!part.is_empty()).then(|| unbracketed(part).to_owned())
}

fn port(part: &str) -> Result<Option<u16>, ConnectToError> {
    if part.is_empty() {
        return Ok(None);
    }
    part.parse().map(Some).map_err(|_| ConnectToError::Port(part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(rule: &str, url: &str) -> Option<String> {
        let host = Host::of(&url::Url::parse(url).unwrap()).unwrap();
        let target = rule.parse::<ConnectTo>().unwrap().target(&host)?;
        Some(format!("{} {}", target.name, target.port))
    }

    #[test]
    fn empty_parts_stand_for_any_and_for_the_same() {
        assert_eq!(target("::127.0.0.1:8080", "https://a.example/").as_deref(), Some("127.0.0.1 8080"));
        assert_eq!(target("::127.0.0.1:", "https://a.example/").as_deref(), Some("127.0.0.1 443"));
        assert_eq!(target(":80::8080", "http://a.example/").as_deref(), Some("a.example 8080"));
        assert_eq!(target(":80::8080", "https://a.example/"), None);
        assert_eq!(target("B.example::127.0.0.1:1", "http://a.example/"), None);
        assert_eq!(target("A.example::127.0.0.1:1", "http://a.example/").as_deref(), Some("127.0.0.1 1"));
    }

    #[test]
    fn literal_ipv6_addresses_stand_in_brackets_on_both_sides() {
        assert_eq!(
            target("[2001:db8::1]:443:[::1]:8443", "https://[2001:db8::1]/").as_deref(),
            Some("::1 8443")
        );
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        let message = "a:b".parse::<ConnectTo>().unwrap_err().to_string();
        assert!(message.contains("HOST1:PORT1:HOST2:PORT2"), "{message}");
        assert!("a:x:b:1".parse::<ConnectTo>().unwrap_err().to_string().contains("\"x\""));
    }
}
