//! The value of a Crawl-delay line.

use std::time::Duration;

/// Parses a number of seconds as sites write them: digits with an optional fraction. The rest of the value is
/// ignored, so `10 seconds` and `10<br>` are ten.
///
/// Returns `None` if the value does not begin with a number, for instance if it is negative or infinite. Fraction
/// digits beyond the ninth are dropped. Too large a number of seconds becomes the largest possible one: a host that
/// asks for an absurd delay must not be treated as one that asks for none.
pub(super) fn parse(value: &[u8]) -> Option<Duration> {
    let (whole, rest) = split_digits(value);
    let fraction = rest.strip_prefix(b".").map_or(&[][..], |rest| split_digits(rest).0);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let seconds =
        whole.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(value_of(digit)));
    let nanos = (0..9).fold(0, |sum, place| sum * 10 + fraction.get(place).map_or(0, value_of::<u32>));
    Some(Duration::new(seconds, nanos))
}

/// Formats a delay so that [`parse`] reads the same value back.
pub(super) fn format(delay: Duration) -> String {
    format!("{}.{:09}", delay.as_secs(), delay.subsec_nanos())
}

fn split_digits(value: &[u8]) -> (&[u8], &[u8]) {
    let digits = value.iter().take_while(|octet| octet.is_ascii_digit()).count();
    value.split_at(digits)
}

fn value_of<N: From<u8>>(digit: &u8) -> N {
    N::from(digit - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction_and_a_unit() {
        assert_eq!(parse(b"10"), Some(Duration::from_secs(10)));
        assert_eq!(parse(b"0.5"), Some(Duration::from_millis(500)));
        assert_eq!(parse(b".25"), Some(Duration::from_millis(250)));
        assert_eq!(parse(b"2."), Some(Duration::from_secs(2)));
        assert_eq!(parse(b"10 seconds"), Some(Duration::from_secs(10)));
        assert_eq!(parse(b"10<BR>"), Some(Duration::from_secs(10)));
        assert_eq!(parse(b"0"), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_number_of_seconds_is_ignored() {
        for junk in ["", "-1.25", "NaN", "inf", "infinity", "ten", ".", "A\u{c3}"] {
            assert_eq!(parse(junk.as_bytes()), None, "{junk:?}");
        }
    }

    #[test]
    fn an_absurd_delay_stays_absurd() {
        assert_eq!(parse(b"99999999999999999999999999").map(|delay| delay.as_secs()), Some(u64::MAX));
    }

    #[test]
    fn a_delay_written_down_reads_the_same() {
        for delay in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(1500), Duration::MAX] {
            assert_eq!(parse(format(delay).as_bytes()), Some(delay));
        }
    }
}
