//! Writes moments in RFC 3339 fast.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::Offset;

/// Appends a moment in RFC 3339, UTC, with as many decimals of the second as it needs.
///
/// Whole seconds have a fast path. Nearly all dates in sitemaps are whole seconds, and formatting them was the most
/// expensive part of a line.
pub(super) fn write_moment(out: &mut Vec<u8>, moment: Timestamp) {
    let date = Offset::UTC.to_datetime(moment);
    let Ok(year @ 0..=9999) = u16::try_from(date.year()) else { return write_any(out, moment) };
    if moment.subsec_nanosecond() != 0 {
        return write_any(out, moment);
    }
    let digit = |number: u16| b'0' + (number % 10) as u8;
    let tens = |number: i8| b'0' + number.unsigned_abs() / 10;
    let ones = |number: i8| b'0' + number.unsigned_abs() % 10;
    let (month, day) = (date.month(), date.day());
    let (hour, minute, second) = (date.hour(), date.minute(), date.second());
    out.extend_from_slice(&[
        digit(year / 1000),
        digit(year / 100),
        digit(year / 10),
        digit(year),
        b'-',
        tens(month),
        ones(month),
        b'-',
        tens(day),
        ones(day),
        b'T',
        tens(hour),
        ones(hour),
        b':',
        tens(minute),
        ones(minute),
        b':',
        tens(second),
        ones(second),
        b'Z',
    ]);
}

fn write_any(out: &mut Vec<u8>, moment: Timestamp) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{moment}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(moment: Timestamp) -> String {
        let mut out = Vec::new();
        write_moment(&mut out, moment);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_ends_of_time_and_fractions_are_written_as_by_jiff() {
        for moment in [
            Timestamp::MIN,
            Timestamp::MAX,
            Timestamp::UNIX_EPOCH,
            "2026-01-02T03:04:05.25Z".parse().unwrap(),
        ] {
            assert_eq!(written(moment), moment.to_string());
        }
    }

    proptest! {
        #[test]
        fn any_second_is_written_as_by_jiff(second in -377_000_000_000..253_000_000_000_i64) {
            let moment = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(written(moment), moment.to_string());
        }
    }
}
