//! The records of a robots.txt, one per line: a key, a colon and a value (RFC 9309 section 2.2).

use std::borrow::Cow;

/// Maximum number of octets of a line that are read. The rest is dropped.
///
/// This is Google's limit, eight times the longest URL that it accepts. A rule cut here still matches by its beginning.
pub(super) const LINE_BYTES_MAX: usize = 16_664;

/// A line with a key that we know. Values are trimmed and may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// The name of a crawler, or `*` for every crawler.
    UserAgent(&'a [u8]),
    /// A path pattern that may be fetched.
    Allow(&'a [u8]),
    /// A path pattern that may not be fetched.
    Disallow(&'a [u8]),
    /// The address of a sitemap.
    Sitemap(&'a [u8]),
    /// Seconds between two requests.
    CrawlDelay(&'a [u8]),
}

/// The first `bytes_max` octets, without a line that the limit cuts in two.
pub(super) fn within(bytes: &[u8], bytes_max: usize) -> &[u8] {
    let Some((head, [next, ..])) = bytes.split_at_checked(bytes_max) else {
        return bytes;
    };
    if is_line_end(*next) {
        return head;
    }
    let end = head.iter().rposition(|octet| is_line_end(*octet)).unwrap_or(0);
    head.split_at(end).0
}

/// The text without its byte order mark. UTF-16 is converted to UTF-8 if the mark says so. No other encoding is
/// decoded, since rules are compared by octets.
pub(super) fn to_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16_to_utf8(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16_to_utf8(rest, u16::from_be_bytes)),
        _ => Cow::Borrowed(without_mark(bytes)),
    }
}

fn utf16_to_utf8(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let text: String = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.into_bytes()
}

/// Removes a UTF-8 byte order mark, or the beginning of one, as some editors leave it.
fn without_mark(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    for octet in [0xef, 0xbb, 0xbf] {
        rest = rest.strip_prefix(&[octet]).unwrap_or(rest);
    }
    rest
}

/// The records in file order. Lines end at CR, LF or both. A NUL also ends a line, so that the text on both sides of
/// it can be read. Comments and lines that are not records are skipped.
pub(super) fn records(text: &[u8]) -> impl Iterator<Item = Record<'_>> {
    text.split(|octet| is_line_end(*octet)).filter_map(Record::read)
}

fn is_line_end(octet: u8) -> bool {
    matches!(octet, b'\n' | b'\r' | 0)
}

impl<'a> Record<'a> {
    fn read(line: &'a [u8]) -> Option<Record<'a>> {
        let line = line.get(..LINE_BYTES_MAX).unwrap_or(line);
        let line = line.split(|octet| *octet == b'#').next().unwrap_or_default().trim_ascii();
        split_at(line, |octet| octet == b':')
            .and_then(|(key, value)| Record::with_key(key.trim_ascii_end(), value.trim_ascii_start()))
            .or_else(|| Record::without_colon(line))
            .or_else(|| is_bare_sitemap(line).then_some(Record::Sitemap(line)))
    }

    /// Reads `Disallow /path`, two words without a colon, as some sites write it (RFC 9309 section 2.2.4 permits
    /// leniency).
    fn without_colon(line: &'a [u8]) -> Option<Record<'a>> {
        let (key, value) = split_at(line, |octet| octet.is_ascii_whitespace())?;
        let value = value.trim_ascii_start();
        let is_one_word = !value.iter().any(u8::is_ascii_whitespace);
        if is_one_word { Record::with_key(key, value) } else { None }
    }

    /// The record for `key`, in any case and with common misspellings.
    fn with_key(key: &[u8], value: &'a [u8]) -> Option<Record<'a>> {
        let record: fn(&'a [u8]) -> Record<'a> = match key.to_ascii_lowercase().as_slice() {
            b"user-agent" | b"useragent" | b"user agent" | b"useg-agent" => Record::UserAgent,
            b"allow" => Record::Allow,
            b"disallow" | b"dissallow" | b"dissalow" | b"disalow" | b"diasllow" | b"disallaw"
            | b"desallow" => Record::Disallow,
            b"sitemap" | b"site-map" | b"site map" => Record::Sitemap,
            b"crawl-delay" | b"crawldelay" | b"crawl delay" => Record::CrawlDelay,
            _ => return None,
        };
        Some(record(value))
    }
}

fn split_at(line: &[u8], is_separator: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|octet| is_separator(*octet))?;
    let (before, after) = line.split_at(at);
    Some((before, after.get(1..)?))
}

/// Whether a line is a sitemap URL without a key: a single http or https URL that contains `sitemap`.
fn is_bare_sitemap(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    let is_web_address = lower.starts_with(b"http://") || lower.starts_with(b"https://");
    is_web_address
        && !lower.iter().any(u8::is_ascii_whitespace)
        && lower.windows(b"sitemap".len()).any(|window| window == b"sitemap")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records_of(text: &[u8]) -> Vec<Record<'_>> {
        records(text).collect()
    }

    #[test]
    fn lines_end_at_cr_lf_both_or_nul() {
        let expected =
            [Record::Allow(b"/a"), Record::Allow(b"/b"), Record::Allow(b"/c"), Record::Allow(b"/d")];
        assert_eq!(records_of(b"\0Allow: /a\0\nAllow: /b\r\r\nAllow: /c\rAllow: /d"), expected);
    }

    #[test]
    fn keys_are_read_in_any_case_with_space_around_the_colon_or_without_it() {
        for line in
            ["DISALLOW:/a", " disallow : /a ", "\tDisallow\t:\t/a\t", "disallow /a", "Disallow: /a # not b"]
        {
            assert_eq!(records_of(line.as_bytes()), [Record::Disallow(b"/a")], "{line:?}");
        }
        assert_eq!(records_of(b"disallow /a:b"), [Record::Disallow(b"/a:b")]);
        assert_eq!(records_of(b"Disallow:"), [Record::Disallow(b"")]);
        assert_eq!(records_of(b"Disallow: #/a"), [Record::Disallow(b"")]);
    }

    #[test]
    fn common_misspellings_are_understood() {
        for key in ["dissallow", "dissalow", "disalow", "diasllow", "disallaw", "desallow"] {
            assert_eq!(records_of(format!("{key}: /a").as_bytes()), [Record::Disallow(b"/a")], "{key}");
        }
        for key in ["useragent", "user agent", "useg-agent"] {
            assert_eq!(records_of(format!("{key}: a").as_bytes()), [Record::UserAgent(b"a")], "{key}");
        }
        for key in ["Site-map", "site map", "SITEMAP"] {
            assert_eq!(
                records_of(format!("{key}: /A.xml").as_bytes()),
                [Record::Sitemap(b"/A.xml")],
                "{key}"
            );
        }
        for key in ["crawldelay", "crawl delay"] {
            assert_eq!(records_of(format!("{key}: 1").as_bytes()), [Record::CrawlDelay(b"1")], "{key}");
        }
    }

    #[test]
    fn lines_that_are_not_records_are_skipped() {
        for line in
            ["", "# Disallow: /", "Disallow", "dissallow/b", "Allow us to say", "<p>Host: a.example</p>", ":"]
        {
            assert_eq!(records_of(line.as_bytes()), [], "{line:?}");
        }
    }

    #[test]
    fn an_address_alone_on_its_line_is_a_sitemap_if_it_says_so() {
        let bare = b"https://a.example/news-Sitemap.xml";
        assert_eq!(records_of(bare), [Record::Sitemap(bare)]);
        assert_eq!(records_of(b"https://a.example/robots.html"), []);
        assert_eq!(records_of(b"see https://a.example/sitemap.xml"), []);
        assert_eq!(records_of(b"https://a.example/sitemap.xml is ours"), []);
    }

    #[test]
    fn a_line_too_long_is_cut_and_the_next_is_whole() {
        let text = format!("Disallow: /{}\nAllow: /b", "a".repeat(LINE_BYTES_MAX));
        let [Record::Disallow(cut), Record::Allow(b"/b")] = records_of(text.as_bytes())[..] else {
            panic!("two records");
        };
        assert_eq!(cut.len(), LINE_BYTES_MAX - "Disallow: ".len());
    }

    #[test]
    fn the_line_that_the_size_limit_cuts_is_dropped() {
        assert_eq!(within(b"Allow: /a\nAllow: /b", 100), b"Allow: /a\nAllow: /b");
        assert_eq!(within(b"Allow: /a\nAllow: /b", 18), b"Allow: /a");
        assert_eq!(within(b"Allow: /a\nAllow: /b\n", 19), b"Allow: /a\nAllow: /b");
        assert_eq!(within(b"Allow: /a\nAllow: /b", 19), b"Allow: /a\nAllow: /b");
        assert_eq!(within(b"one endless line", 5), b"");
    }

    #[test]
    fn byte_order_marks_are_taken_off() {
        assert_eq!(to_utf8(b"\xef\xbb\xbfAllow: /").as_ref(), b"Allow: /");
        assert_eq!(to_utf8(b"\xef\xbbAllow: /").as_ref(), b"Allow: /");
        assert_eq!(to_utf8(b"\xff\xfe/\0\xfc\0\n\0").as_ref(), "/\u{fc}\n".as_bytes());
        assert_eq!(to_utf8(b"\xfe\xff\0/\0\xfc\0\n").as_ref(), "/\u{fc}\n".as_bytes());
    }
}
