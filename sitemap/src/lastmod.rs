//! Dates of sitemaps and feeds: W3C datetimes of any precision, and RFC 2822 dates.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::Offset;

/// Parses a `lastmod`; `None` if the text is not a date.
///
/// The accepted W3C datetimes (a profile of ISO 8601) are `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, and a date with a time and
/// a zone, where the time is precise to the minute, the second or a fraction of a second. Omitted parts get their
/// smallest value: `2005` is the first instant of 2005.
///
/// Also accepted: a missing zone (read as UTC), a space or lower-case `t` before the time, white space before the
/// zone, `+0100` and `+01` for `+01:00`, a comma before the fraction, second 60, and months and days of one digit.
///
/// RFC 2822 dates, which feeds use, are accepted too, also with two-digit years. They must have a zone.
///
/// ```
/// use sitemap::lastmod;
///
/// let instant = lastmod::parse("2024-05-01T12:00+02:00");
/// assert_eq!(instant.map(|at| at.to_string()).as_deref(), Some("2024-05-01T10:00:00Z"));
/// assert_eq!(instant, lastmod::parse("Wed, 01 May 2024 10:00:00 GMT"));
/// assert_eq!(lastmod::parse("yesterday"), None);
/// ```
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    w3c(text.as_bytes()).or_else(|| rfc2822(text))
}

/// A parser for the parts of a W3C datetime, from left to right.
struct Parts<'a> {
    rest: &'a [u8],
}

impl Parts<'_> {
    /// Parses a number of `min` to `max` digits.
    fn number(&mut self, min: usize, max: usize) -> Option<i32> {
        let digits = self.rest.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
        if digits < min {
            return None;
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        Some(number.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0')))
    }

    /// Consumes the next byte if it is one of `wanted`; returns whether it was.
    fn take(&mut self, wanted: &[u8]) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if wanted.contains(first) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

fn w3c(text: &[u8]) -> Option<Timestamp> {
    let mut parts = Parts { rest: text };
    let year = parts.number(4, 4)?;
    let mut month = 1;
    let mut day = 1;
    let mut time = Time::default();
    let mut offset = 0;
    if parts.take(b"-") {
        month = parts.number(1, 2)?;
        if parts.take(b"-") {
            day = parts.number(1, 2)?;
            if parts.take(b"Tt ") {
                time = time_of_day(&mut parts)?;
                offset = zone(&mut parts)?;
            }
        }
    }
    if !parts.rest.is_empty() {
        return None;
    }
    let date = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        time.hour,
        time.minute,
        time.second,
        time.nanosecond,
    );
    Offset::from_seconds(offset).ok()?.to_timestamp(date.ok()?).ok()
}

#[derive(Default)]
struct Time {
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
}

/// `hh:mm[:ss[.fraction]]`.
fn time_of_day(parts: &mut Parts<'_>) -> Option<Time> {
    while parts.take(b" ") {}
    let mut time = Time { hour: i8::try_from(parts.number(1, 2)?).ok()?, ..Time::default() };
    if !parts.take(b":") {
        return None;
    }
    time.minute = i8::try_from(parts.number(2, 2)?).ok()?;
    if parts.take(b":") {
        // Unix time has no separate instant for a leap second.
        time.second = i8::try_from(parts.number(2, 2)?.min(60)).ok()?.min(59);
        if parts.take(b".,") {
            time.nanosecond = fraction(parts)?;
        }
    }
    Some(time)
}

/// Nanoseconds of a fraction; digits after the ninth are ignored.
fn fraction(parts: &mut Parts<'_>) -> Option<i32> {
    let before = parts.rest.len();
    let value = parts.number(1, 9)?;
    let digits = before - parts.rest.len();
    while parts.number(1, 9).is_some() {}
    Some((digits..9).fold(value, |value, _| value * 10))
}

/// Offset from UTC in seconds, positive to the east: `Z`, `±hh:mm`, `±hhmm` or `±hh`. A missing zone is UTC.
fn zone(parts: &mut Parts<'_>) -> Option<i32> {
    while parts.take(b" ") {}
    if parts.rest.is_empty() || parts.take(b"Zz") || parts.rest.eq_ignore_ascii_case(b"utc") {
        if parts.rest.eq_ignore_ascii_case(b"utc") {
            parts.rest = &[];
        }
        return Some(0);
    }
    let sign = if parts.take(b"+") {
        1
    } else if parts.take(b"-") {
        -1
    } else {
        return None;
    };
    let hours = parts.number(2, 2)?;
    parts.take(b":");
    let minutes = if parts.rest.is_empty() { 0 } else { parts.number(2, 2)? };
    (minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn rfc2822(text: &str) -> Option<Timestamp> {
    // The day of the week is often wrong, so only the date counts.
    static PARSER: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    PARSER.parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Option<String> {
        parse(text).map(|instant| instant.to_string())
    }

    #[test]
    fn a_date_is_as_precise_as_written() {
        for (text, expected) in [
            ("2005", "2005-01-01T00:00:00Z"),
            ("2005-03", "2005-03-01T00:00:00Z"),
            ("2005-03-04", "2005-03-04T00:00:00Z"),
            ("2005-03-04T05:06Z", "2005-03-04T05:06:00Z"),
            ("2005-03-04T05:06:07+01:30", "2005-03-04T03:36:07Z"),
            ("2005-03-04T05:06:07.25-08:00", "2005-03-04T13:06:07.25Z"),
        ] {
            assert_eq!(instant(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn common_mistakes_are_accepted() {
        for (text, expected) in [
            ("2005-03-04T05:06:07", "2005-03-04T05:06:07Z"),
            ("2005-03-04 05:06:07", "2005-03-04T05:06:07Z"),
            ("2005-03-04 05:06:07 UTC", "2005-03-04T05:06:07Z"),
            ("2005-03-04 05:06:07 +0100", "2005-03-04T04:06:07Z"),
            ("2005-03-04T05:06:07+01", "2005-03-04T04:06:07Z"),
            ("2005-03-04t05:06:07.1234567891z", "2005-03-04T05:06:07.123456789Z"),
            ("2005-3-4", "2005-03-04T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            (" 2005-03-04\n", "2005-03-04T00:00:00Z"),
        ] {
            assert_eq!(instant(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn dates_of_feeds_are_read_and_need_a_zone() {
        for (text, expected) in [
            ("Thu, 05 Jan 2017 12:34:50 GMT", Some("2017-01-05T12:34:50Z")),
            ("Mon, 05 Jan 2017 12:34:50 GMT", Some("2017-01-05T12:34:50Z")),
            ("05 Jan 17 11:34 -0100", Some("2017-01-05T12:34:00Z")),
            ("05 Jan 17 13:34:55", None),
        ] {
            assert_eq!(instant(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn invalid_dates_have_no_instant() {
        for text in [
            "",
            "blah",
            "20050304",
            "2005-13-01",
            "2005-02-30",
            "2005-03-04T25:00Z",
            "2005-03-04T05:06:07X",
            "2005-03-04T05:06:07+99:00",
            "2005-",
            "2005-03-04T",
            "99999-01-01",
            "2005-03-04T05:06:07Z2",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
