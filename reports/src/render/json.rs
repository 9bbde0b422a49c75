//! For programs: one JSON object.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

use crate::escape::is_deceptive;
use crate::{Report, Status};

/// Writes a report as one JSON object, indented, with a line feed at its end.
pub fn report_json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write_object(report, out)
}

/// Writes a status as one JSON object, indented, with a line feed at its end.
pub fn status_json(status: &Status, out: &mut impl Write) -> io::Result<()> {
    write_object(status, out)
}

fn write_object(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    // Straight to the output: of a large crawl the text takes more memory than the report.
    let mut buffered = io::BufWriter::new(out);
    value.serialize(&mut Serializer::with_formatter(&mut buffered, Printable(PrettyFormatter::new())))?;
    buffered.write_all(b"\n")?;
    buffered.flush()
}

/// Indents, and escapes within strings what may deceive who reads them.
struct Printable(PrettyFormatter<'static>);

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((place, deceptive)) =
            rest.char_indices().find(|(_, character)| is_deceptive(*character))
        {
            // All of them lie below U+10000, so that one escape is enough.
            write!(out, "{}\\u{:04x}", &rest[..place], u32::from(deceptive))?;
            rest = &rest[place + deceptive.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_escaped_and_mean_the_same() {
        let value =
            serde_json::json!({"a\u{202e}": "b\u{2028}c\x7f\u{85}", "größe": [1, "\n", {}], "empty": []});
        let mut out = Vec::new();
        write_object(&value, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|character| character == '\n' || !is_deceptive(character)), "{text}");
        assert!(text.contains("\\u202e") && text.ends_with("}\n"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
