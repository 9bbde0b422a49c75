//! Makes text from remote servers safe to print.
//!
//! A control character can clear a terminal. A bidirectional character can make `fdp.exe` look like `exe.pdf`. Both
//! are shown by their code point.

use std::fmt::{self, Write};

/// Whether a character can deceive a reader: it controls the terminal, changes the direction of text, breaks the line
/// or is invisible.
pub fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}')
}

/// Displays a text with deceptive characters escaped, such as `\u{202e}`.
///
/// ```
/// use reports::escape::Printable;
///
/// assert_eq!(Printable("exe\u{202e}fdp").to_string(), r"exe\u{202e}fdp");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_deceptive(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_or_turns_the_text_is_shown_by_its_code_point() {
        let text = Printable("a\u{1b}[2Jb\u{202e}c\r\nd\u{9b}e\u{feff}").to_string();
        assert_eq!(text, "a\\u{1b}[2Jb\\u{202e}c\\u{d}\\u{a}d\\u{9b}e\\u{feff}");
    }

    #[test]
    fn letters_of_every_script_stay() {
        assert_eq!(Printable("größe 東京 עברית 🦀").to_string(), "größe 東京 עברית 🦀");
    }
}
