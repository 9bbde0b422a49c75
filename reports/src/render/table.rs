//! Formats text in lines of at most 80 columns.

use crate::escape::Printable;

/// Longest line, in columns.
pub(crate) const COLUMNS: usize = 80;

/// Wraps `text` at spaces into lines of at most [`COLUMNS`]. The first line starts with `head`, and the others are
/// indented by its width. A word longer than a line is split, so nothing is left out.
pub(crate) fn paragraph(head: &str, text: &str) -> String {
    let indent = head.chars().count();
    let room = COLUMNS.saturating_sub(indent).max(1);
    let mut lines = String::from(head);
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let gap = usize::from(used > 0);
            if used > 0 && used + gap + rest.len() > room {
                lines.push('\n');
                lines.extend(std::iter::repeat_n(' ', indent));
                used = 0;
                continue;
            }
            lines.extend(std::iter::repeat_n(' ', gap));
            let fits = rest.len().min(room);
            lines.extend(rest.drain(..fits));
            used += gap + fits;
        }
    }
    let mut lines = lines.trim_end().to_owned();
    lines.push('\n');
    lines
}

/// Makes `text` safe to print and shortens it to `width` characters. The middle is left out, because host names and
/// URLs differ at their ends.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    let text = Printable(text).to_string();
    let length = text.chars().count();
    if length <= width {
        return text;
    }
    let tail = width.saturating_sub(1) / 2;
    let head = width.saturating_sub(1) - tail;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

/// A bar of at most `width` characters for `share` (0 to 1). A share above 0 gives at least one character.
pub(crate) fn bar(share: f64, width: usize) -> String {
    let filled = (share * width as f64).round() as usize;
    let filled = if share > 0.0 { filled.clamp(1, width) } else { 0 };
    "#".repeat(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_keeps_to_its_columns_and_leaves_nothing_out() {
        let url = format!("https://www.example.com/{}", "a".repeat(200));
        let text = paragraph("timeout  ", &format!("{} {url} end", "word ".repeat(20)));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(lines.iter().skip(1).all(|line| line.starts_with("         ")), "{text}");
        let joined: String = lines.iter().map(|line| line[9..].trim_end()).collect();
        assert!(joined.ends_with(&format!("word{url} end")), "{text}");
        let exact = "b".repeat(COLUMNS);
        assert_eq!(paragraph("", &format!("a {exact} c")), format!("a\n{exact}\nc\n"));
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        assert_eq!(fitted("https://a-very-long-name.example.com", 20), "https://a-…ample.com");
        assert_eq!(fitted("short", 20), "short");
        assert_eq!(fitted("a\u{202e}b", 20), "a\\u{202e}b");
        assert_eq!(fitted("abc", 1), "…");
    }

    #[test]
    fn a_bar_shows_the_least_share() {
        assert_eq!([0.0, 0.001, 0.5, 1.0, 1.5].map(|share| bar(share, 4)), ["", "#", "##", "####", "####"]);
    }
}
