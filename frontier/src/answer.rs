//! What came of one request, as the one who made it tells.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use crate::outcome::ErrorKind;
use crate::robots::RobotsRules;
use crate::timestamp::Timestamp;
use crate::validator::Validator;

/// What came of one request: of one try, of one hop.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status; `None` where no answer came.
    pub status: Option<u16>,
    /// What went wrong with the connection, the body or its reading.
    pub error: Option<ErrorKind>,
    /// The end of the rest that the server asks for, see [`retry_after`].
    pub retry_after: Option<Timestamp>,
    /// The Location header as it came.
    pub location: Option<String>,
    /// The rules, where the body is that of a robots.txt.
    pub robots: Option<RobotsRules>,
    /// What a sitemap held, as far as it was read; `None` where the body is none or there was none.
    pub document: Option<DocumentSummary>,
    /// How many URLs of an index were kept, at most `--max-children`. They lie where its entries would, and are followed
    /// ([`FoundLinks::add_child`](crate::discovery::FoundLinks::add_child)) where those would be committed.
    pub children: u64,
    /// Further URLs of the index, beyond `--max-children`.
    pub children_over: u64,
    /// Children without a URL that could be fetched.
    pub children_bad: u64,
    /// For the next conditional request.
    pub validator: Validator,
}

impl Answer {
    /// That of a host which asked to be left in peace until then, and is not asked: it would only say so again.
    pub fn resting(until: Timestamp) -> Self {
        Self { status: Some(429), retry_after: Some(until), ..Self::default() }
    }
}

/// What a sitemap held, without its entries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DocumentSummary {
    /// See [`crate::outcome::FetchedDocument::document`].
    pub kind: Cow<'static, str>,
    /// Entries kept.
    pub entries: u64,
    /// Entries dropped, by reason.
    pub dropped: BTreeMap<Cow<'static, str>, u64>,
    /// Problems met while reading.
    pub problems: u64,
    /// Why it was not read to its end, where it was not.
    pub truncated: Option<ErrorKind>,
    /// Whether it lists sitemaps: only then do its children count.
    pub is_index: bool,
}

/// The moment that a Retry-After header names: seconds from `now`, when the response ended, or an HTTP date
/// (RFC 9110 section 10.2.3), which may have passed. `None` for anything else, negative numbers too.
pub fn retry_after(header: &str, now: Timestamp) -> Option<Timestamp> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds still mean: not for a very long time.
        return Some(now + Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::default() + since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(784_111_777_000_000); // 1994-11-06 08:49:37 UTC

    #[test]
    fn retry_after_is_seconds_or_any_of_the_three_http_dates() {
        for (header, seconds) in [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
            ("Sun Nov  6 08:50:37 1994", 60),
        ] {
            assert_eq!(retry_after(header, NOW), Some(NOW + Duration::from_secs(seconds)), "{header}");
        }
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:00:00 GMT", NOW).map(|date| NOW.since(date).as_secs()),
            Some(2977)
        );
    }

    #[test]
    fn junk_and_negative_numbers_ask_for_no_rest() {
        for header in ["", " ", "-1", "+5", "1.5", "soon", "1 2", "Sun, 06 Nov 1994", "٣"] {
            assert_eq!(retry_after(header, NOW), None, "{header}");
        }
    }

    #[test]
    fn an_absurd_number_of_seconds_is_a_very_late_moment() {
        let late = retry_after(&"9".repeat(60), NOW).unwrap();
        assert_eq!(late, Timestamp::from_micros(i64::MAX));
    }
}
