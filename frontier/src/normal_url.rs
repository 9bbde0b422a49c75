//! The normal form of a URL, which identifies it so that it is fetched once per crawl.

use std::borrow::Cow;

use url::Url;

use crate::bounds::{HOST_NAME_BYTES_MAX, URL_BYTES_MAX};
use crate::host::Host;

/// The absolute URL `text` in its normal form, see [`normalise`]. `None` if it is not a URL that can be fetched.
///
/// ```
/// use frontier::normal_url;
///
/// let url = normal_url("HTTPS://Example.com:443/%7Eme/./a%2fb#top").map(String::from);
/// assert_eq!(url.as_deref(), Some("https://example.com/~me/a%2Fb"));
/// assert_eq!(normal_url("ftp://example.com/"), None);
/// ```
pub fn normal_url(text: &str) -> Option<Url> {
    normalise(Url::parse(text).ok()?)
}

/// `url` in the normal form of RFC 3986 sections 6.2.2 and 6.2.3, without fragment and userinfo.
///
/// Scheme and host are in lower case and percent-encodings in upper case. Unreserved octets are decoded, dot
/// segments and default ports are removed, and an empty path becomes `/`. The order of query parameters and repeated
/// slashes are kept, since they may matter to the server.
///
/// `None` if the scheme is neither http nor https, if the URL has no host, if the host name is longer than
/// [`HOST_NAME_BYTES_MAX`] bytes, or if the URL is longer than [`URL_BYTES_MAX`] bytes.
pub fn normalise(mut url: Url) -> Option<Url> {
    let host = Host::of(&url)?;
    // A URL that has a host but refuses these calls is not worth fetching.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_fragment(None);
    if let Cow::Owned(path) = normal_escapes(url.path()) {
        url.set_path(&path);
    }
    if let Some(Cow::Owned(query)) = url.query().map(normal_escapes) {
        url.set_query(Some(&query));
    }
    let fits = url.as_str().len() <= URL_BYTES_MAX && host.name().len() <= HOST_NAME_BYTES_MAX;
    fits.then_some(url)
}

/// `text` with unreserved octets decoded and all other percent-encodings in upper case (RFC 3986 section 6.2.2).
/// Returned unchanged if it is in that form already, or if it has a `%` that begins no encoding: decoding next to
/// such a `%` could turn it into one.
fn normal_escapes(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('%');
    let mut normal = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some(octet) = octet(part) else { return Cow::Borrowed(text) };
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            normal.push(char::from(octet));
        } else {
            normal.push_str(&format!("%{octet:02X}"));
        }
        normal.push_str(&part[2..]);
    }
    if normal == text { Cow::Borrowed(text) } else { Cow::Owned(normal) }
}

/// The octet whose two hexadecimal digits `text` begins with.
fn octet(text: &str) -> Option<u8> {
    let digit = |i: usize| char::from(*text.as_bytes().get(i)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> Option<String> {
        normal_url(text).map(String::from)
    }

    #[test]
    fn spellings_of_one_resource_become_one_url() {
        for (text, url) in [
            ("HTTPS://WWW.Example.COM", "https://www.example.com/"),
            ("https://www.example.com:443/", "https://www.example.com/"),
            ("http://www.example.com:443/", "http://www.example.com:443/"),
            ("https://example.com/a/./b/../c%2fd%c3%a9", "https://example.com/a/c%2Fd%C3%A9"),
            ("https://example.com/%7euser/%41-%5F%2e", "https://example.com/~user/A-_."),
            ("https://example.com/a/%2E%2e/b", "https://example.com/b"),
            ("https://example.com/é?q=é", "https://example.com/%C3%A9?q=%C3%A9"),
            ("https://example.com/?q=%7e%2b", "https://example.com/?q=~%2B"),
            ("https://example.com/a#part", "https://example.com/a"),
            ("https://user:secret@example.com/a", "https://example.com/a"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(url), "{text}");
        }
    }

    #[test]
    fn differences_that_may_matter_to_a_server_are_kept() {
        for url in [
            "https://example.com/a//b///c",
            "https://example.com//",
            "https://example.com/?b=2&a=1&b=2",
            "https://example.com/?",
            "https://example.com/a%2Fb",
            "https://example.com/100%",
            "https://example.com/%zz%4",
            "https://example.com/%%34%31",
            "https://example.com/%252e%252e/",
            "https://example.com/a/",
        ] {
            assert_eq!(normal(url).as_deref(), Some(url));
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_of_a_normal_form_is_itself(rest in "[a/.%0-9EFef~?#@:\\\\é é-]{0,24}") {
            if let Some(once) = normal(&format!("http://a.example/{rest}")) {
                prop_assert_eq!(normal(&once), Some(once));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = normal(&text);
            let _ = normal(&format!("http://{text}"));
        }
    }

    #[test]
    fn only_fetchable_urls_have_a_normal_form() {
        for text in [
            "",
            "/a",
            "example.com",
            "ftp://example.com/",
            "javascript:alert(1)",
            "data:,x",
            "https://",
            "https://a b/",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn a_url_over_the_ceiling_has_no_normal_form() {
        let stem = "https://example.com/";
        let longest = format!("{stem}{}", "a".repeat(URL_BYTES_MAX - stem.len()));
        assert_eq!(normal(&longest).as_deref(), Some(longest.as_str()));
        assert_eq!(normal(&format!("{longest}a")), None);
        assert_eq!(normal(&format!("{longest}#fragments do not count")).as_deref(), Some(longest.as_str()));
        assert_eq!(normal(&format!("https://{}.example/", "a.".repeat(130))), None);
    }
}
