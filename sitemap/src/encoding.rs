//! Decodes the bytes of a document to text. The encoding is that of the byte order mark, else of the XML declaration,
//! else UTF-8.

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::buffer::make_room;
use crate::limits::DECLARATION_BYTES_MAX;

/// Decodes one document to text, piece by piece. Invalid bytes become U+FFFD.
///
/// A byte order mark stays in the text as U+FEFF, so that offsets in the text are offsets in the document.
pub(crate) struct TextDecoder {
    state: State,
    /// The declared encoding, if it is unknown.
    unknown: Option<String>,
}

enum State {
    /// The first bytes, collected until they show the encoding.
    Sniffing(Vec<u8>),
    /// UTF-8, with the bytes of a character that the end of the last piece cut in two.
    Utf8(Vec<u8>),
    Other(Box<encoding_rs::Decoder>),
}

impl TextDecoder {
    pub(crate) fn new() -> Self {
        Self { state: State::Sniffing(Vec::new()), unknown: None }
    }

    /// The declared encoding, if it is unknown. Returned once.
    pub(crate) fn take_unknown(&mut self) -> Option<String> {
        self.unknown.take()
    }

    /// Bytes of memory that grow with the input. The state of a decoder is small.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Sniffing(bytes) | State::Utf8(bytes) => bytes.capacity(),
            State::Other(_) => size_of::<encoding_rs::Decoder>(),
        }
    }

    /// Decodes `bytes` and appends the result to `text`. `last` means that no more bytes follow.
    ///
    /// `report` is called for each sequence of invalid bytes with the offset in `text` and the number of bytes.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        last: bool,
        text: &mut String,
        report: &mut dyn FnMut(usize, u8),
    ) {
        if let State::Sniffing(head) = &mut self.state {
            head.extend_from_slice(bytes);
            let Some(choice) = choose(head, last) else { return };
            let head = std::mem::take(head);
            self.state = match choice {
                Choice::Known(encoding) if encoding != UTF_8 => {
                    State::Other(Box::new(encoding.new_decoder_without_bom_handling()))
                }
                Choice::Known(_) => State::Utf8(Vec::new()),
                Choice::Unknown(label) => {
                    self.unknown = Some(label);
                    State::Utf8(Vec::new())
                }
            };
            self.decode(&head, last, text, report);
        } else {
            self.decode(bytes, last, text, report);
        }
    }

    fn decode(&mut self, bytes: &[u8], last: bool, text: &mut String, report: &mut dyn FnMut(usize, u8)) {
        match &mut self.state {
            State::Sniffing(_) => {}
            State::Utf8(cut) => {
                if !cut.is_empty() {
                    let bytes = [cut.as_slice(), bytes].concat();
                    cut.clear();
                    decode_utf8(&bytes, last, cut, text, report);
                } else {
                    decode_utf8(bytes, last, cut, text, report);
                }
            }
            State::Other(decoder) => decode_other(decoder, bytes, last, text, report),
        }
    }
}

fn decode_utf8(
    mut bytes: &[u8],
    last: bool,
    cut: &mut Vec<u8>,
    text: &mut String,
    report: &mut dyn FnMut(usize, u8),
) {
    make_room(text, bytes.len());
    loop {
        let error = match simdutf8::compat::from_utf8(bytes) {
            Ok(valid) => return text.push_str(valid),
            Err(error) => error,
        };
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        // Validates this part a second time. In documents without invalid bytes that happens at most once a piece.
        text.push_str(simdutf8::compat::from_utf8(valid).unwrap_or_default());
        let bad = match error.error_len() {
            Some(length) => length,
            None if last => rest.len(),
            None => return cut.extend_from_slice(rest),
        };
        report_bad_bytes(bad, text, report);
        bytes = &rest[bad..];
    }
}

fn decode_other(
    decoder: &mut encoding_rs::Decoder,
    mut bytes: &[u8],
    last: bool,
    text: &mut String,
    report: &mut dyn FnMut(usize, u8),
) {
    loop {
        let length = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
        make_room(text, length.unwrap_or(bytes.len()).max(16));
        let (result, read) = decoder.decode_to_string_without_replacement(bytes, text, last);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            // Some of these bytes may be from the last piece.
            DecoderResult::Malformed(count, _) => report_bad_bytes(usize::from(count), text, report),
        }
    }
}

fn report_bad_bytes(count: usize, text: &mut String, report: &mut dyn FnMut(usize, u8)) {
    let at = text.len();
    make_room(text, char::REPLACEMENT_CHARACTER.len_utf8());
    text.push(char::REPLACEMENT_CHARACTER);
    report(at, u8::try_from(count).unwrap_or(u8::MAX));
}

enum Choice {
    Known(&'static Encoding),
    Unknown(String),
}

/// The encoding that the first bytes of a document show; `None` while more bytes are needed.
fn choose(head: &[u8], last: bool) -> Option<Choice> {
    const MARKS: [(&[u8], &Encoding); 5] = [
        (b"\xef\xbb\xbf", UTF_8),
        (b"\xff\xfe", UTF_16LE),
        (b"\xfe\xff", UTF_16BE),
        // UTF-16 without a mark, detected by its first `<`.
        (b"<\0", UTF_16LE),
        (b"\0<", UTF_16BE),
    ];
    if let Some((_, encoding)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
        return Some(Choice::Known(encoding));
    }
    if !last && MARKS.iter().any(|(mark, _)| mark.starts_with(head)) {
        return None;
    }
    declared(head, last)
}

/// The encoding that an XML declaration names, or UTF-8 if there is none; `None` while more bytes are needed.
fn declared(head: &[u8], last: bool) -> Option<Choice> {
    let is_complete = last || head.len() >= DECLARATION_BYTES_MAX;
    let head = &head[..head.len().min(DECLARATION_BYTES_MAX)];
    let start = head.trim_ascii_start();
    let utf8 = Some(Choice::Known(UTF_8));
    let may_be_declaration = !is_complete && b"<?xml".starts_with(start);
    if !start.starts_with(b"<?xml") && !may_be_declaration {
        return utf8;
    }
    let Some(end) = memchr::memmem::find(start, b"?>") else {
        return if is_complete { utf8 } else { None };
    };
    let Some(label) = encoding_label(&start[..end]) else { return utf8 };
    Some(match Encoding::for_label(label) {
        // A declaration that is readable as ASCII is not in UTF-16, even if it says so.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Choice::Known(UTF_8),
        Some(encoding) if encoding == encoding_rs::REPLACEMENT => Choice::Unknown(lossy(label)),
        Some(encoding) => Choice::Known(encoding),
        None => Choice::Unknown(lossy(label)),
    })
}

fn lossy(label: &[u8]) -> String {
    String::from_utf8_lossy(label).into_owned()
}

/// The value of the `encoding` attribute of an XML declaration.
fn encoding_label(declaration: &[u8]) -> Option<&[u8]> {
    let start = memchr::memmem::find(declaration, b"encoding")? + b"encoding".len();
    let rest = declaration[start..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (&quote, rest) = rest.split_first()?;
    let end = rest.iter().position(|&byte| byte == quote)?;
    matches!(quote, b'"' | b'\'').then_some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], chunk: usize) -> (String, Vec<(usize, u8)>) {
        let mut decoder = TextDecoder::new();
        let mut text = String::new();
        let mut invalid = Vec::new();
        for piece in bytes.chunks(chunk) {
            decoder.push(piece, false, &mut text, &mut |at, count| invalid.push((at, count)));
        }
        decoder.push(b"", true, &mut text, &mut |at, count| invalid.push((at, count)));
        (text, invalid)
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &str, expected_invalid: &[(usize, u8)]) {
        for chunk in [1, 2, 3, 7, 4096] {
            let (text, invalid) = decode(bytes, chunk);
            assert_eq!(text, expected, "chunks of {chunk}");
            assert_eq!(invalid, expected_invalid, "chunks of {chunk}");
        }
    }

    #[test]
    fn utf8_is_kept_and_bad_bytes_are_marked() {
        check("<a>ä</a>".as_bytes(), "<a>ä</a>", &[]);
        check(b"\xef\xbb\xbf<a/>", "\u{feff}<a/>", &[]);
        check(b"a\xffb\xc3", "a\u{fffd}b\u{fffd}", &[(1, 1), (5, 1)]);
        check(b"", "", &[]);
        check(b"<", "<", &[]);
    }

    #[test]
    fn utf16_is_read_with_and_without_a_mark() {
        let utf16le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let utf16be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        check(&utf16le("\u{feff}<ä/>"), "\u{feff}<ä/>", &[]);
        check(&utf16be("\u{feff}<ä/>"), "\u{feff}<ä/>", &[]);
        check(&utf16le("<ä/>"), "<ä/>", &[]);
        check(&utf16be("<ä/>"), "<ä/>", &[]);
    }

    #[test]
    fn half_a_surrogate_pair_is_invalid_wherever_a_piece_ends() {
        check(b"<\0\xdd\xddb\0", "<\u{fffd}b", &[(1, 2)]);
    }

    #[test]
    fn a_declared_charset_is_used() {
        check(
            b"<?xml version='1.0' encoding='ISO-8859-1'?>\xe4",
            "<?xml version='1.0' encoding='ISO-8859-1'?>ä",
            &[],
        );
        check(b"\n<?xml encoding = \"windows-1251\" ?>\xe4", "\n<?xml encoding = \"windows-1251\" ?>д", &[]);
        check(b"<?xml encoding='utf-16'?>a", "<?xml encoding='utf-16'?>a", &[]);
    }

    #[test]
    fn an_unknown_charset_is_named() {
        let mut decoder = TextDecoder::new();
        decoder.push(b"<?xml encoding='klingon'?>", false, &mut String::new(), &mut |_, _| {});
        assert_eq!(decoder.take_unknown().as_deref(), Some("klingon"));
        assert_eq!(decoder.take_unknown(), None);
    }
}
