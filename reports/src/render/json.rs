//! Reports and statuses as JSON: one object each.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

use crate::escape::is_deceptive;
use crate::report::Report;
use crate::status::Status;

/// Writes a report as one indented JSON object and a line feed.
pub fn report_json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write_object(report, out)
}

/// Writes a status as one indented JSON object and a line feed.
pub fn status_json(status: &Status, out: &mut impl Write) -> io::Result<()> {
    write_object(status, out)
}

fn write_object(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    // Written straight to the output, because the JSON text of a large crawl takes more memory than the report.
    let mut buffered = io::BufWriter::new(out);
    value.serialize(&mut Serializer::with_formatter(&mut buffered, Printable(PrettyFormatter::new())))?;
    buffered.write_all(b"\n")?;
    buffered.flush()
}

/// Formats indented JSON and escapes deceptive characters in strings.
struct Printable(PrettyFormatter<'static>);

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, deceptive)) = rest.char_indices().find(|(_, character)| is_deceptive(*character))
        {
            // All deceptive characters lie below U+10000, so one escape is enough.
            write!(out, "{}\\u{:04x}", &rest[..at], u32::from(deceptive))?;
            rest = &rest[at + deceptive.len_utf8()..];
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
    use crate::fixture::records::{at, json};
    use crate::fixture::small_crawl::{counts, hosts};

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

    #[test]
    fn json_has_hosts_tasks_and_entries() {
        let status = Status::new(&counts(), &hosts(), false);
        let json = json(|out| status_json(&status, out));
        assert_eq!(json["state"], "interrupted");
        assert_eq!(json["hosts"]["known"], 3);
        assert_eq!(json["tasks"], serde_json::json!({"known": 14, "done": 7, "pending": 7}));
        assert_eq!(json["entries"]["kept"], 1_200);
        assert_eq!(json["next_due_at"], at(1_000).to_string());
    }
}
