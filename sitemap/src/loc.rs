//! The URL of an entry or child: absolute, http or https, of limited length, safe to print.

use std::borrow::Cow;

use url::{Host, Url};

use crate::limits::HOST_BYTES_MAX;
use crate::problem::is_unsafe_to_print;

/// A valid loc.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loc<'a> {
    /// The published text, unchanged.
    AsPublished(&'a str),
    /// The URL as rewritten by the rules of the URL standard.
    Rewritten {
        url: String,
        /// The text was relative to the document's URL.
        was_relative: bool,
        /// The text contained white space, unprintable characters or the delimiters of a CDATA section.
        was_repaired: bool,
    },
}

/// Why a text is not a valid loc.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LocError {
    #[error("is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("is not an http or https URL")]
    NotHttp,
    #[error("is not a valid URL: {0}")]
    Malformed(#[from] url::ParseError),
    #[error("has no valid host")]
    BadHost,
    #[error("has no host after exactly two slashes")]
    NoAuthority,
}

/// The absolute URL of a published text, resolved against `base` if it is relative.
///
/// A clean URL (see [`is_clean`]) is returned unchanged. Almost all are clean, and parsing each of them would cost
/// more than all other reading. Other texts are rewritten by the rules of the URL standard, which percent-encode
/// everything but printable ASCII.
pub(crate) fn absolute<'a>(text: &'a str, base: &Url, bytes_max: usize) -> Result<Loc<'a>, LocError> {
    if text.len() > bytes_max {
        return Err(LocError::TooLong { limit: bytes_max });
    }
    if is_clean(text) {
        return Ok(Loc::AsPublished(text));
    }
    // A CDATA section that was escaped, or nested in another, arrives as text.
    let inner = text.strip_prefix("<![CDATA[").and_then(|inner| inner.strip_suffix("]]>"));
    let was_cdata = inner.is_some();
    let text = inner.map_or(text, str::trim);
    // An entity that was not expanded stands for an unknown address.
    if text.starts_with('&') {
        return Err(LocError::NotHttp);
    }
    let joined = without_line_breaks(text);
    check_slashes(&joined)?;
    let was_repaired =
        was_cdata || text.chars().any(|character| character == ' ' || is_unsafe_to_print(character));
    let (url, was_relative) = match Url::parse(&joined) {
        Ok(url) => (url, false),
        Err(url::ParseError::RelativeUrlWithoutBase) => (base.join(&joined)?, true),
        Err(error) => return Err(error.into()),
    };
    check(&url, bytes_max)?;
    if url.as_str() == text && !was_cdata {
        return Ok(Loc::AsPublished(text));
    }
    Ok(Loc::Rewritten { url: url.into(), was_relative, was_repaired })
}

/// Whether a text is a URL of an app, with the scheme `android-app` or `ios-app`.
pub(crate) fn is_of_app(text: &str) -> bool {
    ["android-app:", "ios-app:"].iter().any(|scheme| begins_with(text, scheme))
}

/// The URL of an app. It is unchanged if it is printable ASCII; the rest is percent-encoded.
pub(crate) fn of_app(text: &str, bytes_max: usize) -> Result<Loc<'_>, LocError> {
    if text.len() > bytes_max {
        return Err(LocError::TooLong { limit: bytes_max });
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Loc::AsPublished(text));
    }
    let url = String::from(Url::parse(&without_line_breaks(text))?).replace(' ', "%20");
    match url.bytes().all(|byte| byte.is_ascii_graphic()) {
        true if url.len() > bytes_max => Err(LocError::TooLong { limit: bytes_max }),
        true => Ok(Loc::Rewritten { url, was_relative: false, was_repaired: true }),
        false => Err(LocError::BadHost),
    }
}

/// The URL of an `xml:base`, resolved against `outer`; `None` if it is not a valid http or https URL.
pub(crate) fn base(text: &str, outer: &Url, bytes_max: usize) -> Option<Url> {
    let text = text.trim();
    check_slashes(text).ok()?;
    let base = outer.join(text).ok().filter(|_| text.len() <= bytes_max)?;
    check(&base, bytes_max).is_ok().then_some(base)
}

/// Refuses a reference whose host does not follow exactly two slashes, such as `https:///blog`: the URL standard would
/// take `blog` as its host. A reference without a host, such as `/blog`, passes.
fn check_slashes(text: &str) -> Result<(), LocError> {
    let is_slash = |byte: u8| matches!(byte, b'/' | b'\\');
    let text = text.trim_start_matches(|character: char| character <= ' ');
    let scheme_end =
        ["https:", "http:"].iter().find(|scheme| begins_with(text, scheme)).map(|scheme| scheme.len());
    let after_scheme = &text.as_bytes()[scheme_end.unwrap_or(0)..];
    let slashes = after_scheme.iter().take_while(|&&byte| is_slash(byte)).count();
    let has_authority = slashes == 2 && after_scheme.starts_with(b"//");
    let is_path = scheme_end.is_none() && slashes < 2;
    if has_authority || is_path { Ok(()) } else { Err(LocError::NoAuthority) }
}

/// Whether a text begins with `http://` or `https://`, in any case.
pub(crate) fn begins_with_http(text: &str) -> bool {
    begins_with(text, "http://") || begins_with(text, "https://")
}

/// Whether a text begins with `start`, in any case.
fn begins_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

/// Whether a host is the name of a scheme: `https://http://example.com/` has the host `http`.
fn is_scheme(host: &[u8]) -> bool {
    host == b"https" || host == b"http"
}

/// Whether the path of a URL without fragment ends like that of a sitemap: in `.xml`, `.xml.gz` or `.txt.gz`, in any case.
pub(crate) fn is_of_sitemap(url: &str) -> bool {
    let bytes = url.as_bytes();
    let path_end = memchr::memchr(b'?', bytes).unwrap_or(bytes.len());
    let path = &bytes[..path_end];
    let ends_in =
        |end: &[u8]| path.len() > end.len() && path[path.len() - end.len()..].eq_ignore_ascii_case(end);
    match path.last() {
        Some(b'l' | b'L') => ends_in(b".xml"),
        Some(b'z' | b'Z') => ends_in(b".xml.gz") || ends_in(b".txt.gz"),
        _ => false,
    }
}

/// Whether a text is a URL that needs no rewriting: a lower-case scheme, a plain host (see [`is_plain_host`]), no
/// port or user, and otherwise printable ASCII without backslashes.
pub(crate) fn is_clean(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let rest = rest.as_bytes();
    let host_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (host, tail) = rest.split_at(host_end);
    // Some readers treat a backslash as a slash, others do not.
    let is_printable =
        tail.iter().fold(true, |good, byte| good & (b'!'..=b'~').contains(byte) & (*byte != b'\\'));
    is_printable && is_plain_host(host) && !is_scheme(host)
}

/// Whether every reader understands a host in the same way: lower-case letters, digits, `-`, `_` and `.`, but no
/// number such as `0x7f.1`, no punycode and no empty label.
fn is_plain_host(host: &[u8]) -> bool {
    let mut is_plain = true;
    let mut before = b'.';
    for &byte in host {
        is_plain &= byte.is_ascii_lowercase() | byte.is_ascii_digit() | matches!(byte, b'-' | b'_' | b'.');
        // Refuses an empty label, and the `--` of punycode.
        is_plain &= before != byte || !matches!(byte, b'.' | b'-');
        before = byte;
    }
    let last_label = host.iter().rposition(|&byte| byte == b'.').map_or(0, |dot| dot + 1);
    is_plain && host.get(last_label).is_some_and(u8::is_ascii_lowercase) && host.len() <= HOST_BYTES_MAX
}

/// Removes line breaks and tabs inside a text, and the white space around them.
fn without_line_breaks(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r', '\t']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split(['\n', '\r', '\t']).map(str::trim).collect())
}

fn check(url: &Url, bytes_max: usize) -> Result<(), LocError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(LocError::NotHttp);
    }
    if url.as_str().len() > bytes_max {
        return Err(LocError::TooLong { limit: bytes_max });
    }
    match url.host() {
        Some(Host::Domain(name)) if is_scheme(name.as_bytes()) || name.bytes().all(|byte| byte == b'.') => {
            Err(LocError::BadHost)
        }
        Some(Host::Domain(name)) if name.len() <= HOST_BYTES_MAX && name.bytes().all(is_host_byte) => Ok(()),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Ok(()),
        _ => Err(LocError::BadHost),
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOC_BYTES_MAX;

    fn read(text: &str) -> Result<Loc<'_>, LocError> {
        let base = Url::parse("https://example.com/maps/sitemap.xml").unwrap();
        absolute(text, &base, LOC_BYTES_MAX)
    }

    fn rewritten(text: &str) -> String {
        match read(text) {
            Ok(Loc::Rewritten { url, .. }) => url,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn clean_urls_are_kept_unchanged() {
        for text in [
            "http://a.example",
            "https://a.example/x?y=1&z={}|\"#f",
            "http://1.example/%7E/../b",
            "http://a-b_c.example/'",
            "http://127.0.0.1/",
            "https://a.example:8443/x",
        ] {
            assert_eq!(read(text), Ok(Loc::AsPublished(text)));
        }
    }

    #[test]
    fn other_spellings_become_printable_urls() {
        for (text, expected) in [
            ("HTTP://Example.COM/A", "http://example.com/A"),
            ("http://example.com/ä b", "http://example.com/%C3%A4%20b"),
            ("http://example.com/\u{202e}\u{7}x", "http://example.com/%E2%80%AE%07x"),
            ("http://bücher.example/", "http://xn--bcher-kva.example/"),
            ("http://example.com/a\n    b", "http://example.com/ab"),
            ("http://example.com\\@evil.example/", "http://example.com/@evil.example/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }

    #[test]
    fn relative_references_are_resolved() {
        for (text, expected) in [
            ("/a", "https://example.com/a"),
            ("b.xml", "https://example.com/maps/b.xml"),
            ("//cdn.example/c", "https://cdn.example/c"),
            ("?page=2", "https://example.com/maps/sitemap.xml?page=2"),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }

    #[test]
    fn other_schemes_and_bad_hosts_are_refused() {
        for text in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "ftp://example.com/",
            "data:,x",
            "mailto:a@b.example",
            "http://",
            "http://&host;/",
            "http://a b/",
            "&entity;",
            "http://[::1",
            "http://exa%00mple/",
            "https:///blog/p",
            "HTTPS:////blog/p",
            "https:/blog/p",
            "https:blog/p",
            "https:\\\\example.com/p",
            "https:/\n//blog/p",
            "///blog/p",
            "/\\blog/p",
            "http://http://example.com/",
            "https://HTTPS:/example.com/",
            "https://http//example.com/",
            "https://https/",
            "//https://example.com/",
            "https://./p",
            "<![CDATA[https:///blog/p]]>",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
        let long_host = format!("http://{}.example/", "a.".repeat(130));
        assert!(read(&long_host).is_err());
        let long = format!("http://example.com/{}", "a".repeat(LOC_BYTES_MAX));
        assert_eq!(read(&long), Err(LocError::TooLong { limit: LOC_BYTES_MAX }));
        let grows = format!("http://example.com/{}", "ä".repeat(LOC_BYTES_MAX / 3));
        assert_eq!(read(&grows), Err(LocError::TooLong { limit: LOC_BYTES_MAX }));
    }
}
