//! Formats numbers with their units for people.

/// Formats microseconds: `0.4 ms`, `340 ms`, `12.3 s`, `14 min 05 s`, `3 h 12 min`, `4 d 04 h`.
pub(crate) fn span(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        1..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..999_500 => format!("{:.0} ms", us as f64 / 1e3),
        999_500..119_950_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => minutes((us + 500_000) / 1_000_000),
    }
}

/// Formats seconds as text for people, as [`span`] does.
pub(crate) fn span_s(seconds: f64) -> String {
    span((seconds * 1e6).round() as u64)
}

fn minutes(seconds: u64) -> String {
    match seconds {
        ..7200 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        7200..360_000 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Formats a size in decimal units: `512 B`, `3.2 kB`, `45.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 999.95 {
            break;
        }
        value /= 1e3;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// Formats a count with thousands separators: `650,000`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its noun: `1 host`, `2 hosts`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Formats a share in whole per cent. Only a share of exactly 1 gives `100 %`, and only exactly 0 gives `0 %`.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        exact if exact > 0.0 && exact < 0.5 => "< 1 %".to_owned(),
        exact if (99.5..100.0).contains(&exact) => "> 99 %".to_owned(),
        exact => format!("{exact:.0} %"),
    }
}

/// Formats `number` per second: with one decimal below 100, without above.
pub(crate) fn per_second(number: u64, wall_s: f64) -> String {
    if wall_s <= 0.0 {
        return "-".to_owned();
    }
    match number as f64 / wall_s {
        rate if rate < 100.0 => format!("{rate:.1}"),
        rate => count(rate.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_grow_into_larger_units() {
        let shown = [
            0,
            400,
            9_900,
            340_000,
            999_400,
            999_600,
            12_340_000,
            119_900_000,
            845_000_000,
            11_520_000_000,
            360_000_000_000,
        ]
        .map(span);
        let expected = [
            "0",
            "0.4 ms",
            "9.9 ms",
            "340 ms",
            "999 ms",
            "1.0 s",
            "12.3 s",
            "119.9 s",
            "14 min 05 s",
            "3 h 12 min",
            "4 d 04 h",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn sizes_are_decimal() {
        assert_eq!(
            [0, 999, 1_000, 45_249_000, 999_960, u64::MAX].map(size),
            ["0 B", "999 B", "1.0 kB", "45.2 MB", "1.0 MB", "18446744.1 TB"]
        );
    }

    #[test]
    fn counts_have_thousands_separators() {
        assert_eq!(
            [0, 999, 1_000, 650_000, 1_234_567].map(count),
            ["0", "999", "1,000", "650,000", "1,234,567"]
        );
    }

    #[test]
    fn nearly_all_is_not_shown_as_all() {
        assert_eq!([0.0, 0.001, 0.36, 0.999, 1.0].map(percent), ["0 %", "< 1 %", "36 %", "> 99 %", "100 %"]);
    }

    #[test]
    fn a_rate_over_no_time_is_a_dash() {
        assert_eq!(per_second(5, 0.0), "-");
        assert_eq!(per_second(5, 2.0), "2.5");
        assert_eq!(per_second(10_000, 2.0), "5,000");
    }
}
