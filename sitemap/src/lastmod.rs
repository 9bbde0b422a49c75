//! Dates of sitemaps and feeds: W3C datetimes of any precision, dates of XML Schema, and dates of RFC 822 and its
//! successors.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::zone;

/// Parses a `lastmod`; `None` if the text is not a date.
///
/// The accepted W3C datetimes (a profile of ISO 8601) are `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, and a date with a time and
/// a zone, where the time is precise to the minute, the second or a fraction of a second. Omitted parts get their
/// smallest value: `2005` is the first instant of 2005. As in XML Schema, whose `xsd:date` and `xsd:dateTime`
/// sitemap.xsd names, a date without a time may have a zone (`2005-03-04Z`), a year may have a sign, and `24:00:00` is
/// the end of a day.
///
/// Also accepted: a missing zone (read as UTC), a space or lower-case `t` before the time, white space before the
/// zone, `+0100` and `+01` for `+01:00`, a comma before the fraction, second 60, and months and days of one digit.
///
/// RFC 822 dates and their successors (RFC 2822, RFC 850), which feeds use, are accepted too. They must have a zone.
/// Months and days of the week may be longer than three letters (`Sept`, `September`), and years may have two digits.
///
/// A zone is an offset or a common abbreviation such as `CEST`. A text with any other zone is not a date.
///
/// ```
/// use sitemap::lastmod;
///
/// let instant = lastmod::parse("2024-05-01T12:00+02:00");
/// assert_eq!(instant.map(|at| at.to_string()).as_deref(), Some("2024-05-01T10:00:00Z"));
/// assert_eq!(instant, lastmod::parse("Wed, 01 May 2024 10:00:00 GMT"));
/// assert_eq!(instant, lastmod::parse("Wed, 01 May 2024 12:00:00 CEST"));
/// assert_eq!(lastmod::parse("yesterday"), None);
/// ```
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    w3c(text.as_bytes()).or_else(|| rfc822(text))
}

/// A parser for the parts of a date, from left to right.
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

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

fn w3c(text: &[u8]) -> Option<Timestamp> {
    let mut parts = Parts { rest: text };
    let is_negative = parts.take(b"-");
    let year = parts.number(4, 4)?;
    let mut date = Date { year: if is_negative { -year } else { year }, month: 1, day: 1 };
    let mut time = Time::default();
    let mut offset = 0;
    if parts.take(b"-") {
        date.month = parts.number(1, 2)?;
        if parts.take(b"-") {
            date.day = parts.number(1, 2)?;
            let is_digit_next =
                |parts: &Parts<'_>| parts.rest.trim_ascii_start().first().is_some_and(u8::is_ascii_digit);
            if parts.take(b"Tt") || is_digit_next(&parts) && parts.take(b" ") {
                time = time_of_day(&mut parts)?;
            }
            offset = zone::offset_or_utc(parts.rest)?;
            parts.rest = &[];
        }
    }
    if parts.rest.is_empty() { instant(&date, &time, offset) } else { None }
}

struct Date {
    year: i32,
    month: i32,
    day: i32,
}

#[derive(Default)]
struct Time {
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
}

/// The moment of a date and a time at an offset from UTC in seconds.
fn instant(date: &Date, time: &Time, offset: i32) -> Option<Timestamp> {
    // xsd:dateTime names the end of a day like this.
    let is_end_of_day = time.hour == 24 && time.minute == 0 && time.second == 0 && time.nanosecond == 0;
    let date_time = DateTime::new(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
        if is_end_of_day { 0 } else { time.hour },
        time.minute,
        time.second,
        time.nanosecond,
    );
    let mut date_time = date_time.ok()?;
    if is_end_of_day {
        date_time = date_time.tomorrow().ok()?;
    }
    Offset::from_seconds(offset).ok()?.to_timestamp(date_time).ok()
}

/// `hh:mm[:ss[.fraction]]`.
fn time_of_day(parts: &mut Parts<'_>) -> Option<Time> {
    parts.skip_spaces();
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

/// `[Wed, ]01 May 2024 12:00[:00] ZONE`. The day of the week is often wrong, so only the date counts. As in RFC 850,
/// the parts of the date may be joined by `-`; the month may come before the day.
fn rfc822(text: &str) -> Option<Timestamp> {
    let mut parts = Parts { rest: text.as_bytes() };
    if let Some(weekday) = word(&mut parts).filter(|word| month(word).is_none()) {
        is_start_of(weekday, &WEEKDAYS).then_some(())?;
    } else {
        parts.rest = text.as_bytes();
    }
    let first = date_part(&mut parts)?;
    let second = date_part(&mut parts)?;
    let ((DatePart::Number(day), DatePart::Month(month)) | (DatePart::Month(month), DatePart::Number(day))) =
        (first, second)
    else {
        return None;
    };
    let year = year(&mut parts)?;
    separator(&mut parts);
    let time = time_of_day(&mut parts)?;
    let zone = std::str::from_utf8(parts.rest).ok()?.trim();
    // A comment in parentheses names the zone once more.
    let zone = zone.split_once('(').map_or(zone, |(zone, _)| zone.trim_end());
    instant(&Date { year, month, day }, &time, zone::offset(zone.as_bytes())?)
}

enum DatePart {
    Number(i32),
    Month(i32),
}

fn date_part(parts: &mut Parts<'_>) -> Option<DatePart> {
    separator(parts);
    match parts.number(1, 2) {
        Some(day) => Some(DatePart::Number(day)),
        None => month(word(parts)?).map(DatePart::Month),
    }
}

/// A year of four digits, or of two or three (RFC 2822 section 4.3).
fn year(parts: &mut Parts<'_>) -> Option<i32> {
    separator(parts);
    let before = parts.rest.len();
    let year = parts.number(2, 4)?;
    Some(match before - parts.rest.len() {
        2 if year < 50 => 2_000 + year,
        2 | 3 => 1_900 + year,
        _ => year,
    })
}

/// The letters that come next. A full stop after them is skipped.
fn word<'a>(parts: &mut Parts<'a>) -> Option<&'a [u8]> {
    let length = parts.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, rest) = parts.rest.split_at(length);
    parts.rest = rest;
    parts.take(b".");
    (!word.is_empty()).then_some(word)
}

/// Skips what may be between the parts of a date.
fn separator(parts: &mut Parts<'_>) {
    parts.skip_spaces();
    if parts.take(b",-") {
        parts.skip_spaces();
    }
}

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Whether `word` is one of `names` or its start, of three letters or more, in any case.
fn is_start_of(word: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| starts(name, word))
}

fn starts(name: &str, word: &[u8]) -> bool {
    word.len() >= 3 && name.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The number of a month, from 1.
fn month(word: &[u8]) -> Option<i32> {
    (1..).zip(MONTHS).find_map(|(number, name)| starts(name, word).then_some(number))
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
    fn dates_of_xml_schema_are_read() {
        for (text, expected) in [
            ("2015-12-22Z", "2015-12-22T00:00:00Z"),
            ("2015-12-22z", "2015-12-22T00:00:00Z"),
            ("2015-12-22+01:00", "2015-12-21T23:00:00Z"),
            ("2015-12-22-05:00", "2015-12-22T05:00:00Z"),
            ("2015-12-22 +01:00", "2015-12-21T23:00:00Z"),
            ("2015-12-22 UTC", "2015-12-22T00:00:00Z"),
            ("2015-12-22T24:00:00", "2015-12-23T00:00:00Z"),
            ("2015-12-31T24:00:00.000-01:00", "2016-01-01T01:00:00Z"),
            ("-0044-03-15", "-000044-03-15T00:00:00Z"),
            ("2015-12-22T10:00:00-14:00", "2015-12-23T00:00:00Z"),
            ("2015-12-22T10:00:00 CEST", "2015-12-22T08:00:00Z"),
            ("2015-12-22T10:00:00GMT", "2015-12-22T10:00:00Z"),
            ("2015-12-22T10:00:00 GMT+1", "2015-12-22T09:00:00Z"),
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
            ("Tue, 22 Sept 2015 10:00:00 CEST", Some("2015-09-22T08:00:00Z")),
            ("Tuesday, 22-September-15 10:00 +02:00", Some("2015-09-22T08:00:00Z")),
            ("Tues., 22 sep. 2015 10:00:00 cest", Some("2015-09-22T08:00:00Z")),
            ("Tue, 22 Sep 2015 10:00:00 +0200 (CEST)", Some("2015-09-22T08:00:00Z")),
            (
                "Tue Sep 22 2015 10:00:00 GMT+0200 (Central European Summer Time)",
                Some("2015-09-22T08:00:00Z"),
            ),
            ("22 June 2015 10:00:00.5 Z", Some("2015-06-22T10:00:00.5Z")),
            ("22 May 115 10:00 UT", Some("2015-05-22T10:00:00Z")),
            ("Tue, 22 Sep 2015 10:00:00 EST", Some("2015-09-22T15:00:00Z")),
            ("Tue, 22 Sep 2015 10:00:00 IST", Some("2015-09-22T04:30:00Z")),
            ("Tue, 22 Sep 2015 10:00:00 XYZT", None),
            ("Tue, 22 Sep 2015 10:00:00 A", None),
            ("Tue, 22 Sep 2015 10:00:00 Europe/Berlin", None),
            ("Tue, 22 Sep 2015", None),
            ("Foo, 22 Sep 2015 10:00:00 GMT", None),
            ("Tue, 22 Septembre 2015 10:00:00 GMT", None),
            ("22 09 2015 10:00:00 GMT", None),
            ("22 Sep 2015 25:00:00 GMT", None),
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
            "2005-03-04T05:06:07 XYZT",
            "2015-12-22T",
            "2015-12-22X",
            "2015-12-22+01:0",
            "2015-12-22T24:00:01",
            "2015-12-22T25:00:00",
            "2015-12Z",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
