//! The zone of a date: an offset from UTC, or a common abbreviation.

/// Abbreviations and their offsets from UTC in minutes, positive to the east. Those of RFC 822 mean what it says; of
/// others with several meanings the one that is most common in feeds is meant.
const NAMES: [(&str, i32); 66] = [
    ("ACDT", 630),
    ("ACST", 570),
    ("ADT", -180),
    ("AEDT", 660),
    ("AEST", 600),
    ("AKDT", -480),
    ("AKST", -540),
    ("ART", -180),
    ("AST", -240),
    ("AWST", 480),
    ("BRST", -120),
    ("BRT", -180),
    ("BST", 60),
    ("CAT", 120),
    ("CDT", -300),
    ("CEST", 120),
    ("CET", 60),
    ("CLST", -180),
    ("CLT", -240),
    ("COT", -300),
    ("CST", -360),
    ("EAT", 180),
    ("EDT", -240),
    ("EEST", 180),
    ("EET", 120),
    ("EST", -300),
    ("GMT", 0),
    ("GST", 240),
    ("HKT", 480),
    ("HST", -600),
    ("ICT", 420),
    ("IDT", 180),
    ("IRST", 210),
    ("IST", 330),
    ("JST", 540),
    ("KST", 540),
    ("MDT", -360),
    ("MEST", 120),
    ("MESZ", 120),
    ("MET", 60),
    ("MEZ", 60),
    ("MSD", 240),
    ("MSK", 180),
    ("MST", -420),
    ("NDT", -150),
    ("NPT", 345),
    ("NST", -210),
    ("NZDT", 780),
    ("NZST", 720),
    ("PDT", -420),
    ("PET", -300),
    ("PHT", 480),
    ("PKT", 300),
    ("PST", -480),
    ("SAST", 120),
    ("SGT", 480),
    ("TRT", 180),
    ("UT", 0),
    ("UTC", 0),
    ("WAT", 60),
    ("WEST", 60),
    ("WET", 0),
    ("WIB", 420),
    ("WIT", 540),
    ("WITA", 480),
    ("Z", 0),
];

/// Offset from UTC in seconds, positive to the east: `Z`, `±hh:mm`, `±hhmm`, `±hh`, an abbreviation, or `GMT` or `UTC`
/// with an offset. `None` if it is none of these.
pub(crate) fn offset(text: &[u8]) -> Option<i32> {
    let name_length = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (name, number) = text.split_at(name_length);
    if name.is_empty() {
        return signed(number, 2);
    }
    let minutes = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?.1;
    match number {
        [] => Some(minutes * 60),
        _ if ["GMT", "UTC"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) => {
            signed(number, 1)
        }
        _ => None,
    }
}

/// Like [`offset`], after white space. A missing zone is UTC.
pub(crate) fn offset_or_utc(text: &[u8]) -> Option<i32> {
    // Nearly all zones look like one of these.
    match text {
        [] | b"Z" => return Some(0),
        [sign @ (b'+' | b'-'), h, o, b':', m, i]
            if [h, o, m, i].iter().all(|byte| byte.is_ascii_digit()) && *m < b'6' =>
        {
            let digit = |byte: &u8| i32::from(byte - b'0');
            let minutes = (digit(h) * 10 + digit(o)) * 60 + digit(m) * 10 + digit(i);
            return Some(if *sign == b'-' { -minutes * 60 } else { minutes * 60 });
        }
        _ => {}
    }
    let text = text.trim_ascii_start();
    if text.is_empty() { Some(0) } else { offset(text) }
}

/// An offset in digits, with `hour_digits` to two of them for the hours.
fn signed(text: &[u8], hour_digits: usize) -> Option<i32> {
    let (sign, digits) = match text.split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        _ => return None,
    };
    let hours_length = digits.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let (hours, minutes) = digits.split_at(hours_length);
    let minutes = minutes.strip_prefix(b":").unwrap_or(minutes);
    if hours_length < hour_digits
        || !matches!(minutes.len(), 0 | 2)
        || !minutes.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    let minutes = number(minutes);
    (minutes < 60).then_some(sign * (number(hours) * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_so_that_each_is_there_once() {
        assert!(NAMES.is_sorted_by(|one, next| one.0 < next.0));
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for text in [
            "", "+", "+1", "+1:00", "+01:", "+01:0", "+01:60", "+010", "X", "EST5", "Z1", "GMT+", "CET+1",
            "+0100x",
        ] {
            assert_eq!(offset(text.as_bytes()), if text == "+01:" { Some(3_600) } else { None }, "{text}");
        }
        assert_eq!(offset(b"GMT+1"), Some(3_600));
        assert_eq!(offset(b"utc-03:30"), Some(-12_600));
    }
}
