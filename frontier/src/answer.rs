//! The answer to one request, as the fetcher reports it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use crate::outcome::{DocumentKind, ErrorKind, SkipReason};
use crate::robots::RobotsRules;
use crate::timestamp::Timestamp;
use crate::validator::Validator;

/// The result of one request, which is one hop of one attempt.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// The error of the connection, of the body or of parsing it.
    pub error: Option<ErrorKind>,
    /// The end of the cooldown that the server asks for, see [`retry_after`].
    pub retry_after: Option<Timestamp>,
    /// The Location header as received.
    pub location: Option<String>,
    /// The robots rules, if the body is a robots.txt.
    pub robots: Option<RobotsRules>,
    /// Summary of the sitemap, as far as it was read. `None` if there was no body or it is not a sitemap.
    pub document: Option<DocumentSummary>,
    /// Number of children of an index that were kept, at most `--max-children`. They are stored in place of entries,
    /// and are followed ([`FoundLinks::add_child`](crate::discovery::FoundLinks::add_child)) when entries would be
    /// committed.
    pub children: u64,
    /// Number of children that were not kept, by reason: beyond `--max-children`, or without a URL that can be fetched.
    pub children_refused: BTreeMap<SkipReason, u64>,
    /// Validator for the next conditional request.
    pub validator: Validator,
}

/// Summary of a sitemap, without its entries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DocumentSummary {
    /// See [`crate::outcome::FetchedDocument::document`].
    pub kind: DocumentKind,
    /// Number of entries kept.
    pub entries: u64,
    /// Number of entries dropped, by reason.
    pub dropped: BTreeMap<Cow<'static, str>, u64>,
    /// Number of problems found while reading.
    pub problems: u64,
    /// Why it was not read to the end. `None` if it was.
    pub truncated: Option<ErrorKind>,
}

/// The time that a Retry-After header names: a number of seconds after `now`, when the response ended, or an HTTP
/// date, which may be in the past (RFC 9110 section 10.2.3). `None` for anything else, including negative numbers.
///
/// ```
/// use std::time::Duration;
///
/// use frontier::Timestamp;
/// use frontier::answer::retry_after;
///
/// let now = Timestamp::from_micros(1_700_000_000_000_000);
/// assert_eq!(retry_after("120", now), Some(now + Duration::from_secs(120)));
/// assert_eq!(retry_after("soon", now), None);
/// ```
pub fn retry_after(header: &str, now: Timestamp) -> Option<Timestamp> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for a u64 still means a very long time.
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
    fn junk_and_negative_numbers_ask_for_no_cooldown() {
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
