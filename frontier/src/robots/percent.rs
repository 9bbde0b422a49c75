//! Normalises the paths of rules and URLs, so that they can be compared by octets (RFC 9309 section 2.2.2).
//!
//! A percent-encoded unreserved octet (RFC 3986 section 2.3) is decoded. Other escapes stay, in upper case. An octet
//! that may not occur in a URL is encoded. Reserved octets stay as written, since `/` and `%2F` differ (RFC 3986
//! section 6.2.2). A `%` that begins no escape stays too, so that a rule `/*%` still matches every escape.

use std::fmt::Write as _;

use url::{Position, Url};

/// The path and query of `url`. `*` and `$` are encoded, since a rule writes those octets as `%2A` and `%24`.
pub(super) fn target(url: &Url) -> String {
    let written = &url[Position::BeforePath..Position::AfterQuery];
    let mut target = String::with_capacity(written.len() + 1);
    if !written.starts_with('/') {
        target.push('/'); // a URL such as mailto: has no path; only a rule for everything matches it
    }
    for octet in octets(written.as_bytes()) {
        octet.write(&mut target);
    }
    target
}

/// The path pattern of a rule. `*` stays, and so does `$` as the last octet. Elsewhere `$` stands for itself and is
/// encoded.
pub(super) fn pattern(written: &[u8]) -> String {
    let (body, end) = match written.strip_suffix(b"$") {
        Some(body) => (body, "$"),
        None => (written, ""),
    };
    let mut pattern = String::with_capacity(written.len());
    for octet in octets(body) {
        match octet {
            Octet::Plain(b'*') => pattern.push('*'),
            octet => octet.write(&mut pattern),
        }
    }
    pattern + end
}

/// An octet as written, or decoded from an escape.
enum Octet {
    Plain(u8),
    Escaped(u8),
}

impl Octet {
    fn write(&self, text: &mut String) {
        match *self {
            Octet::Plain(octet) if is_kept(octet) => text.push(char::from(octet)),
            Octet::Escaped(octet) if is_unreserved(octet) => text.push(char::from(octet)),
            Octet::Plain(octet) | Octet::Escaped(octet) => {
                let _ = write!(text, "%{octet:02X}"); // writing to a String cannot fail
            }
        }
    }
}

fn octets(written: &[u8]) -> impl Iterator<Item = Octet> {
    let mut rest = written;
    std::iter::from_fn(move || {
        if let [b'%', high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low))
        {
            rest = tail;
            return Some(Octet::Escaped(high * 16 + low));
        }
        let (first, tail) = rest.split_first()?;
        rest = tail;
        Some(Octet::Plain(*first))
    })
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)
}

/// Whether an octet stays as written: it is unreserved, or reserved except for `*` and `$`, which are special in
/// rules, and `'`, which the URL parser encodes in a query.
fn is_kept(octet: u8) -> bool {
    is_unreserved(octet) || b":/?#[]@!&()+,;=%".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern_of(written: &str) -> String {
        pattern(written.as_bytes())
    }

    fn target_of(url: &str) -> String {
        target(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_escaped_unreserved_octet_is_decoded_and_other_escapes_are_upper_case() {
        assert_eq!(pattern_of("/%62%61%7A/%7ejim"), "/baz/~jim");
        assert_eq!(pattern_of("/9%2f11%e3%83%84"), "/9%2F11%E3%83%84");
    }

    #[test]
    fn octets_outside_ascii_and_those_no_url_may_hold_are_encoded() {
        assert_eq!(pattern_of("/b\u{fc}cher/ツ"), "/b%C3%BCcher/%E3%83%84");
        assert_eq!(pattern(b"/b\xfccher"), "/b%FCcher");
        assert_eq!(pattern_of("/a b\"<{|}>^`\\"), "/a%20b%22%3C%7B%7C%7D%3E%5E%60%5C");
    }

    #[test]
    fn only_a_star_and_a_last_dollar_keep_their_meaning() {
        assert_eq!(pattern_of("/a*b$"), "/a*b$");
        assert_eq!(pattern_of("/a$b"), "/a%24b");
        assert_eq!(pattern_of("/a$$"), "/a%24$");
        assert_eq!(pattern_of("/%2a%24"), "/%2A%24");
        assert_eq!(target_of("https://a.example/*/$?*$"), "/%2A/%24?%2A%24");
    }

    #[test]
    fn a_percent_sign_that_begins_no_escape_stays() {
        assert_eq!(pattern_of("/100%"), "/100%");
        assert_eq!(pattern_of("/a%3Mb%"), "/a%3Mb%");
    }

    #[test]
    fn urls_and_rules_have_the_same_normal_form() {
        for path in
            ["/a'b?q='x'", "/[x]|^{y}", "/p;a=b,c?d=e&f=g+h", "/caf\u{e9}?\u{e9}", "/%zz%41", "//x//y"]
        {
            assert_eq!(pattern_of(path), target_of(&format!("https://a.example{path}")), "{path}");
        }
    }

    #[test]
    fn a_target_is_path_and_query_without_fragment() {
        assert_eq!(target_of("https://user@a.example:81/p;x?q#f"), "/p;x?q");
        assert_eq!(target_of("https://a.example?q"), "/?q");
        assert_eq!(target_of("https://a.example"), "/");
        assert_eq!(target_of("mailto:a@b.example"), "/a@b.example");
    }
}
