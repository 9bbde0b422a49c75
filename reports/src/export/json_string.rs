//! Writes JSON strings fast.

use std::io::Write;

use crate::escape::is_deceptive;

/// Number of bytes checked together, so that the compiler emits vector instructions for the loop.
const CHUNK: usize = 16;

/// Appends `text` as a JSON string (RFC 8259 section 7).
///
/// Deceptive characters (see [`is_deceptive`]) are escaped too. A parser reads the same text, and a person is not
/// deceived.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = plain_bytes(rest.as_bytes());
        out.extend_from_slice(&rest.as_bytes()[..plain]);
        rest = &rest[plain..];
        let Some(character) = rest.chars().next() else { break };
        let length = character.len_utf8();
        write_character(out, character, &rest.as_bytes()[..length]);
        rest = &rest[length..];
    }
    out.push(b'"');
}

/// Number of bytes at the start that need no escape and are ASCII.
fn plain_bytes(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<CHUNK>();
    let is_plain = |chunk: &&[u8; CHUNK]| !chunk.iter().fold(false, |any, byte| any | is_special(*byte));
    let plain = chunks.iter().take_while(is_plain).count() * CHUNK;
    let rest = &bytes[plain..];
    plain + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x7f
}

fn write_character(out: &mut Vec<u8>, character: char, bytes: &[u8]) {
    match character {
        '"' => out.extend_from_slice(br#"\""#),
        '\\' => out.extend_from_slice(br"\\"),
        '\n' => out.extend_from_slice(br"\n"),
        '\r' => out.extend_from_slice(br"\r"),
        '\t' => out.extend_from_slice(br"\t"),
        deceptive if is_deceptive(deceptive) => {
            // All deceptive characters lie below U+10000. Writing to memory cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(deceptive));
        }
        _ => out.extend_from_slice(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_bidi_and_line_separators_are_escaped() {
        let text = "a\"b\\c\nd\te\u{0}f\u{7f}g\u{85}h\u{2028}i\u{2029}j\u{202e}k\u{feff}l";
        let expected = r#""a\"b\\c\nd\te\u0000f\u007fg\u0085h\u2028i\u2029j\u202ek\ufeffl""#;
        assert_eq!(written(text), expected);
    }

    #[test]
    fn an_escape_is_found_at_every_position() {
        for at in 0..40 {
            let text = format!("{}\"{}", "x".repeat(at), "y".repeat(40 - at));
            assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was(text in any::<String>()) {
            let json = written(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            prop_assert!(!json.chars().any(is_deceptive));
        }
    }
}
