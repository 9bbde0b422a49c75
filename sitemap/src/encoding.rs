//! Decodes the bytes of a document to text.
//!
//! The encoding is that of the byte order mark, else the charset of the Content-Type (RFC 7303 section 3.2), else that of
//! the XML declaration, else UTF-8. No label is believed against the bytes: ASCII is passed on as it is, and the first
//! [`DECIDING_BYTES`] from the first byte beyond ASCII decide whether the document is UTF-8, whatever its labels say.

use std::collections::VecDeque;

use encoding_rs::{DecoderResult, Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::buffer::make_room;
use crate::limits::{DECIDING_BYTES, DECLARATION_BYTES_MAX};
use crate::problem::quote;

/// A document is UTF-8 if at most one of so many sequences beyond ASCII is malformed.
const MALFORMED_SHARE: usize = 50;
/// UTF-16 shows a zero byte within this many.
const UTF_16_BYTES: usize = 4;

/// Decodes one document to text, piece by piece. Invalid bytes become U+FFFD.
///
/// A byte order mark stays in the text as U+FEFF, so that offsets in the text are offsets in the document.
pub(crate) struct TextDecoder {
    state: State,
    labels: Labels,
    /// Labels that are unknown.
    unknown: Vec<String>,
    /// What to say about labels that were not believed, in the order in which they were reported.
    notes: VecDeque<String>,
}

enum State {
    /// The first bytes, collected until they show the encoding.
    Sniffing(Vec<u8>),
    /// ASCII so far, in any of the encodings that are possible.
    Ascii,
    /// The bytes from the first one beyond ASCII, collected until they decide.
    Deciding(Vec<u8>),
    /// UTF-8, with the bytes of a character that the end of the last piece cut in two.
    Utf8(Vec<u8>),
    Other(Box<encoding_rs::Decoder>),
}

/// The encodings that a document is said to have.
#[derive(Default)]
struct Labels {
    has_mark: bool,
    charset: Option<&'static Encoding>,
    declared: Option<&'static Encoding>,
}

impl Labels {
    /// Each label with where it is from, the most trusted first.
    fn all(&self) -> impl Iterator<Item = (&'static Encoding, &'static str)> {
        let mark = self.has_mark.then_some((UTF_8, "the byte order mark"));
        let charset = self.charset.map(|encoding| (encoding, "the Content-Type"));
        let declared = self.declared.map(|encoding| (encoding, "the XML declaration"));
        [mark, charset, declared].into_iter().flatten()
    }

    /// The encoding of bytes that are not UTF-8.
    fn other_than_utf8(&self) -> &'static Encoding {
        self.all().map(|(encoding, _)| encoding).find(|encoding| *encoding != UTF_8).unwrap_or(WINDOWS_1252)
    }

    /// What to say if `chosen` is not the encoding of every label, or if none allows it.
    fn note(&self, chosen: &'static Encoding) -> Option<String> {
        let wrong: Vec<String> = (self.all().filter(|(encoding, _)| *encoding != chosen))
            .map(|(encoding, place)| format!("{} of {place}", encoding.name()))
            .collect();
        match self.all().next() {
            None if chosen == UTF_8 => None,
            None => {
                Some(format!("no encoding is named and the bytes are not UTF-8, read as {}", chosen.name()))
            }
            Some(_) if wrong.is_empty() => None,
            Some(_) => Some(format!(
                "the bytes are not in the encoding {}, read as {}",
                wrong.join(" and "),
                chosen.name()
            )),
        }
    }
}

impl TextDecoder {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Sniffing(Vec::new()),
            labels: Labels::default(),
            unknown: Vec::new(),
            notes: VecDeque::new(),
        }
    }

    /// Sets the charset of the Content-Type. Call it before the first bytes.
    pub(crate) fn set_charset(&mut self, label: &str) {
        match known(label.trim().as_bytes()) {
            Some(encoding) => self.labels.charset = Some(encoding),
            None => self.unknown.push(quote(label.trim())),
        }
    }

    /// An unknown label, quoted. Each is returned once.
    pub(crate) fn take_unknown(&mut self) -> Option<String> {
        if matches!(self.state, State::Sniffing(_)) {
            return None;
        }
        self.unknown.pop()
    }

    /// What to say about the next position that was reported with a count of 0.
    pub(crate) fn take_note(&mut self) -> Option<String> {
        self.notes.pop_front()
    }

    /// Bytes of memory that grow with the input. The state of a decoder is small.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Sniffing(bytes) | State::Deciding(bytes) | State::Utf8(bytes) => bytes.capacity(),
            State::Ascii => 0,
            State::Other(_) => size_of::<encoding_rs::Decoder>(),
        }
    }

    /// Decodes `bytes` and appends the result to `text`. `last` means that no more bytes follow.
    ///
    /// `report` is called for each sequence of invalid bytes with the offset in `text` and the number of bytes, and with
    /// the number 0 where a label turns out to be wrong.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        last: bool,
        text: &mut String,
        report: &mut dyn FnMut(usize, u8),
    ) {
        if let State::Sniffing(head) = &mut self.state {
            head.extend_from_slice(bytes);
            if !last && !shows_encoding(head, self.labels.charset.is_some_and(is_utf16)) {
                return;
            }
            let head = std::mem::take(head);
            let mark = self.begin(&head, text, report);
            self.decode(&head[mark..], last, text, report);
        } else {
            self.decode(bytes, last, text, report);
        }
    }

    /// Chooses how to read a document that begins with `head`. Returns the length of a byte order mark that is passed on
    /// already.
    fn begin(&mut self, head: &[u8], text: &mut String, report: &mut dyn FnMut(usize, u8)) -> usize {
        let mark = if head.starts_with(UTF_8_MARK) { UTF_8_MARK.len() } else { 0 };
        self.labels.has_mark = mark > 0;
        if mark > 0 {
            text.push('\u{feff}');
        }
        if let Some(label) = declared_label(&head[mark..]) {
            match known(label) {
                Some(encoding) => self.labels.declared = Some(encoding),
                None => self.unknown.push(quote(&String::from_utf8_lossy(label))),
            }
        }
        let is_labelled_utf16 = self.labels.all().any(|(encoding, _)| is_utf16(encoding));
        if let Some(encoding) = utf16_of(head, is_labelled_utf16) {
            if self.labels.charset.is_some_and(|charset| !is_utf16(charset)) {
                self.note(encoding, text, report);
            }
            self.state = other(encoding);
            return mark;
        }
        if is_labelled_utf16 {
            self.note(UTF_8, text, report);
            let is_possible = |encoding: &&Encoding| !is_utf16(encoding);
            self.labels.charset = self.labels.charset.filter(is_possible);
            self.labels.declared = self.labels.declared.filter(is_possible);
        }
        // Its bytes are ASCII, so they cannot speak against it.
        let is_iso_2022 = self.labels.all().next().is_some_and(|(encoding, _)| encoding == ISO_2022_JP);
        self.state = if is_iso_2022 { other(ISO_2022_JP) } else { State::Ascii };
        mark
    }

    fn note(&mut self, chosen: &'static Encoding, text: &str, report: &mut dyn FnMut(usize, u8)) {
        if let Some(note) = self.labels.note(chosen) {
            self.notes.push_back(note);
            report(text.len(), 0);
        }
    }

    fn decode(&mut self, bytes: &[u8], last: bool, text: &mut String, report: &mut dyn FnMut(usize, u8)) {
        match &mut self.state {
            State::Sniffing(_) => {}
            State::Ascii => {
                let length = if is_ascii(bytes) { bytes.len() } else { Encoding::ascii_valid_up_to(bytes) };
                let (ascii, rest) = bytes.split_at(length);
                make_room(text, ascii.len());
                text.push_str(simdutf8::basic::from_utf8(ascii).unwrap_or_default());
                if !rest.is_empty() {
                    self.state = State::Deciding(Vec::new());
                    self.decode(rest, last, text, report);
                }
            }
            State::Deciding(held) => {
                let needed = DECIDING_BYTES - held.len();
                if bytes.len() < needed && !last {
                    return held.extend_from_slice(bytes);
                }
                let held = std::mem::take(held);
                let start = &bytes[..bytes.len().min(needed)];
                let is_end = last && start.len() == bytes.len();
                let is_utf8 = match held.is_empty() {
                    true => is_utf8(start, is_end),
                    false => is_utf8(&[held.as_slice(), start].concat(), is_end),
                };
                let encoding = if is_utf8 { UTF_8 } else { self.labels.other_than_utf8() };
                self.note(encoding, text, report);
                self.state = if is_utf8 { State::Utf8(Vec::new()) } else { other(encoding) };
                self.decode(&held, false, text, report);
                self.decode(bytes, last, text, report);
            }
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

fn other(encoding: &'static Encoding) -> State {
    State::Other(Box::new(encoding.new_decoder_without_bom_handling()))
}

/// Like `<[u8]>::is_ascii`, in a third of the instructions.
fn is_ascii(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<256>();
    chunks.iter().all(|chunk| chunk.iter().fold(0, |all, byte| all | byte).is_ascii()) && rest.is_ascii()
}

fn is_utf16(encoding: &Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// Whether bytes from the first one beyond ASCII are UTF-8, but for a few sequences. `is_end` means that the document ends
/// with them; otherwise a sequence may be cut at their end.
fn is_utf8(mut bytes: &[u8], is_end: bool) -> bool {
    let (mut sequences, mut malformed) = (0, 0);
    loop {
        let (valid, bad) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes.len(), 0),
            Err(error) => {
                (error.valid_up_to(), error.error_len().unwrap_or(bytes.len() - error.valid_up_to()))
            }
        };
        // Every character beyond ASCII has one byte that begins it.
        sequences += bytes[..valid].iter().filter(|&&byte| byte >= 0xc0).count();
        let rest = &bytes[valid + bad..];
        let is_cut = rest.is_empty() && !is_end && is_start_of_character(&bytes[valid..]);
        malformed += usize::from(bad > 0 && !is_cut);
        if rest.is_empty() {
            return malformed * MALFORMED_SHARE <= sequences + malformed;
        }
        bytes = rest;
    }
}

/// Whether more bytes could make these a character of UTF-8.
fn is_start_of_character(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
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

const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The starts of UTF-16: byte order marks, and the first character of markup or of a URL without a mark.
const UTF_16_STARTS: [(&[u8], &Encoding); 6] = [
    (b"\xff\xfe", UTF_16LE),
    (b"\xfe\xff", UTF_16BE),
    (b"<\0", UTF_16LE),
    (b"\0<", UTF_16BE),
    (b"h\0t\0", UTF_16LE),
    (b"\0h\0t", UTF_16BE),
];

/// Whether `head` is long enough for [`TextDecoder::begin`].
fn shows_encoding(head: &[u8], is_labelled_utf16: bool) -> bool {
    let may_start = |start: &[u8]| start.len() > head.len() && start.starts_with(head);
    if head.is_empty() || may_start(UTF_8_MARK) || is_labelled_utf16 && head.len() < UTF_16_BYTES {
        return false;
    }
    if UTF_16_STARTS.iter().any(|(start, _)| head.starts_with(start)) {
        return true;
    }
    if UTF_16_STARTS.iter().any(|(start, _)| may_start(start)) {
        return false;
    }
    let head = head.strip_prefix(UTF_8_MARK).unwrap_or(head);
    if head.len() >= DECLARATION_BYTES_MAX {
        return true;
    }
    let start = head.trim_ascii_start();
    if b"<?xml".starts_with(start) {
        return false;
    }
    !start.starts_with(b"<?xml") || memchr::memmem::find(start, b"?>").is_some()
}

/// The UTF-16 that `head` shows. Text that is labelled as UTF-16 may begin with any character of ASCII.
fn utf16_of(head: &[u8], is_labelled: bool) -> Option<&'static Encoding> {
    if let Some((_, encoding)) = UTF_16_STARTS.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(encoding);
    }
    let zero = head.iter().take(UTF_16_BYTES).position(|&byte| byte == 0).filter(|_| is_labelled)?;
    Some(if zero % 2 == 0 { UTF_16BE } else { UTF_16LE })
}

/// The encoding of a label (WHATWG Encoding Standard); `None` if it is unknown or never decoded.
fn known(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(label).filter(|encoding| *encoding != encoding_rs::REPLACEMENT)
}

/// The encoding that the XML declaration at the start of `head` names.
fn declared_label(head: &[u8]) -> Option<&[u8]> {
    let start = head[..head.len().min(DECLARATION_BYTES_MAX)].trim_ascii_start();
    if !start.starts_with(b"<?xml") {
        return None;
    }
    encoding_label(&start[..memchr::memmem::find(start, b"?>")?])
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

    /// Decodes in pieces. A count of 0 stands for a note.
    fn decode(bytes: &[u8], charset: Option<&str>, chunk: usize) -> (String, Vec<(usize, u8)>, Vec<String>) {
        let mut decoder = TextDecoder::new();
        if let Some(charset) = charset {
            decoder.set_charset(charset);
        }
        let mut text = String::new();
        let mut invalid = Vec::new();
        for piece in bytes.chunks(chunk) {
            decoder.push(piece, false, &mut text, &mut |at, count| invalid.push((at, count)));
            assert!(decoder.held_bytes() <= 2 * DECIDING_BYTES);
        }
        decoder.push(b"", true, &mut text, &mut |at, count| invalid.push((at, count)));
        (text, invalid, std::iter::from_fn(|| decoder.take_note()).collect())
    }

    #[track_caller]
    fn check_with(charset: Option<&str>, bytes: &[u8], expected: &str, expected_invalid: &[(usize, u8)]) {
        for chunk in [1, 2, 3, 7, 4096, 1 << 20] {
            let (text, invalid, notes) = decode(bytes, charset, chunk);
            assert!(text == expected, "chunks of {chunk}: {:.200} instead of {expected:.200}", text);
            assert_eq!(invalid, expected_invalid, "chunks of {chunk}");
            let noted = invalid.iter().filter(|(_, count)| *count == 0).count();
            assert_eq!(notes.len(), noted, "chunks of {chunk}: {notes:?}");
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &str, expected_invalid: &[(usize, u8)]) {
        check_with(None, bytes, expected, expected_invalid);
    }

    #[test]
    fn utf8_is_kept_and_bad_bytes_are_marked() {
        check("<a>ä</a>".as_bytes(), "<a>ä</a>", &[]);
        check(b"\xef\xbb\xbf<a/>", "\u{feff}<a/>", &[]);
        check(b"", "", &[]);
        check(b"<", "<", &[]);
        check(b"\xef\xbb", "ï»", &[(0, 0)]);
        let umlauts = "ä".repeat(60);
        let bad = [umlauts.as_bytes(), b"\xffb\xc3"].concat();
        check(
            &[b"a", bad.as_slice(), umlauts.as_bytes()].concat(),
            &format!("a{umlauts}\u{fffd}b\u{fffd}{umlauts}"),
            &[(121, 1), (125, 1)],
        );
    }

    #[test]
    fn one_malformed_sequence_in_fifty_leaves_a_document_utf8() {
        let umlauts = |count: usize| "ä".repeat(count);
        let with_bad = |count| [umlauts(count).as_bytes(), b"\xe4x"].concat();
        check(&with_bad(49), &format!("{}\u{fffd}x", umlauts(49)), &[(98, 1)]);
        check(&with_bad(48), &format!("{}äx", "Ã¤".repeat(48)), &[(0, 0)]);
    }

    #[test]
    fn the_bytes_after_the_first_beyond_ascii_decide() {
        let ascii = "x".repeat(20_000);
        let within = [ascii.as_bytes(), b"\xe4", ascii.as_bytes(), "ä".as_bytes()].concat();
        check(&within, &format!("{ascii}ä{ascii}Ã¤"), &[(20_000, 0)]);
        let after = ["ä".as_bytes(), ascii.as_bytes(), b"\xe4"].concat();
        check(&after, &format!("ä{ascii}\u{fffd}"), &[(20_002, 1)]);
        // A character that is cut where the deciding bytes end is no malformed one.
        let cut = [b"\xc3\xa4".as_slice(), &b"x".repeat(DECIDING_BYTES - 3), "€".as_bytes()].concat();
        check(&cut, &format!("ä{}€", "x".repeat(DECIDING_BYTES - 3)), &[]);
    }

    #[test]
    fn labels_count_in_their_order_and_not_against_the_bytes() {
        let declared = |label: &str| format!("<?xml encoding='{label}'?>");
        let (utf8, cyrillic, greek) = (declared("utf-8"), declared("windows-1251"), declared("iso-8859-7"));
        let at = utf8.len();
        for (charset, declaration, text, notes) in [
            (Some("windows-1251"), "", "д", false),
            (Some(" Windows-1251 "), utf8.as_str(), "д", true),
            (Some("windows-1251"), greek.as_str(), "д", true),
            (Some("utf-8"), greek.as_str(), "δ", true),
            (Some("UTF-8"), "", "ä", true),
            (Some("utf-8"), utf8.as_str(), "ä", true),
            (Some("ISO-8859-1"), "", "ä", false),
            (None, cyrillic.as_str(), "д", false),
            (None, utf8.as_str(), "ä", true),
            (None, "", "ä", true),
            (Some("klingon"), cyrillic.as_str(), "д", false),
        ] {
            let at = declaration.len();
            let expected: &[(usize, u8)] = if notes { &[(at, 0)] } else { &[] };
            check_with(
                charset,
                &[declaration.as_bytes(), b"\xe4"].concat(),
                &format!("{declaration}{text}"),
                expected,
            );
        }
        check_with(
            Some("windows-1251"),
            &[utf8.as_bytes(), "ä".as_bytes()].concat(),
            &format!("{utf8}ä"),
            &[(at, 0)],
        );
        check_with(Some("windows-1251"), utf8.as_bytes(), &utf8, &[]);
        let marked = [UTF_8_MARK, cyrillic.as_bytes(), b"\xe4"].concat();
        check(&marked, &format!("\u{feff}{cyrillic}д"), &[(3 + cyrillic.len(), 0)]);
    }

    #[test]
    fn utf16_needs_zero_bytes_and_iso_2022_jp_stands() {
        check_with(Some("utf-16"), b"https://a.example/", "https://a.example/", &[(0, 0)]);
        check_with(Some("utf-16"), b"x\xe4", "xä", &[(0, 0), (1, 0)]);
        check_with(Some("utf-16le"), b"\0x\0y", "xy", &[]);
        check_with(Some("utf-16"), b"x\0y\0", "xy", &[]);
        check_with(Some("utf-8"), b"\xff\xfex\0", "\u{feff}x", &[(0, 0)]);
        check(b"h\0t\0t\0p\0", "http", &[]);
        check_with(Some("iso-2022-jp"), b"a\x1b$B?7\x1b(Bb", "a新b", &[]);
        check(b"<?xml encoding='iso-2022-jp'?>\x1b$B?7\x1b(B", "<?xml encoding='iso-2022-jp'?>新", &[]);
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
        check(b"<?xml encoding='utf-16'?>a", "<?xml encoding='utf-16'?>a", &[(0, 0)]);
    }

    #[test]
    fn an_unknown_charset_is_named() {
        let mut decoder = TextDecoder::new();
        decoder.set_charset("elvish");
        assert_eq!(decoder.take_unknown(), None, "problems are reported after the first bytes");
        decoder.push(b"<?xml encoding='klingon'?>", false, &mut String::new(), &mut |_, _| {});
        assert_eq!(decoder.take_unknown().as_deref(), Some("\"klingon\""));
        assert_eq!(decoder.take_unknown().as_deref(), Some("\"elvish\""));
        assert_eq!(decoder.take_unknown(), None);
    }
}
