//! Splits text into tokens with quick-xml, and skips tokens that are broken or too long.
//!
//! quick-xml's slice reader expects a whole document. Here it gets windows instead: each call starts after the last
//! complete token and stops at the first incomplete one, which waits for more text. Where a token ends, and whether
//! it is skipped, depends only on its text. The result is therefore the same for any pieces in which a document
//! arrives.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesStart, Event};

use crate::output::Output;
use crate::plain::{Plain, Shape};
use crate::problem::{ProblemKind, quote};
use crate::sink::Sink;
use crate::tree::Tree;

/// Maximum number of bytes quoted of a token that is skipped.
const QUOTED_BYTES: usize = 40;
/// Shorter tags are searched byte by byte instead of with `memchr`.
const SHORT_TAG_BYTES: usize = 24;

/// Splits the text of a document into tokens.
#[derive(Default)]
pub(crate) struct Markup {
    /// The rest of a broken or too long token, which is being skipped.
    skip: Option<Skip>,
    /// Number of bytes that must be waiting before the text is examined again. It grows by half each time, so that a
    /// long token that arrives byte by byte is examined in linear time.
    wait_for: usize,
}

/// The point where skipping ends.
#[derive(Clone, Copy, Debug)]
enum Skip {
    /// Before the next `<`.
    Text,
    /// After an unquoted `>`, or before the next `<`.
    Tag { quote: Option<u8> },
    /// After a `>` outside square brackets.
    Doctype { brackets: usize },
    /// After this text.
    Through(&'static str),
}

/// Why reading a window stopped before its end.
enum Halt {
    /// The rest is an incomplete token.
    Incomplete,
    /// The rest starts with a token to skip: first a number of bytes, then up to the end that `Skip` names.
    Skip(usize, Option<Skip>),
    /// The document is not a sitemap, or too broken to read on.
    Refused,
}

impl Markup {
    /// Reads the complete tokens of `window`, which is at `offset` in the document, and returns their length.
    pub(crate) fn read<S: Sink>(
        &mut self,
        window: &str,
        offset: u64,
        last: bool,
        tree: &mut Tree,
        out: &mut Output<'_, S>,
    ) -> usize {
        let mut done = 0;
        loop {
            if let Some(skip) = self.skip.take() {
                let (skipped, rest) = skip.advance(&window[done..]);
                done += skipped;
                out.advance_to(offset + done as u64);
                self.skip = rest;
                if self.skip.is_some() {
                    return done;
                }
            }
            if !last && window.len() - done < self.wait_for {
                return done;
            }
            self.wait_for = 0;
            let (read, halt) = read_tokens(&window[done..], offset + done as u64, tree, out);
            done += read;
            match halt {
                Halt::Skip(length, skip) => {
                    done += length;
                    out.advance_to(offset + done as u64);
                    self.skip = skip;
                    if tree.is_refused() {
                        return done;
                    }
                }
                Halt::Incomplete => {
                    let waiting = window.len() - done;
                    // A token beyond its limit is skipped, so it does not wait for more.
                    self.wait_for = (waiting + waiting / 2).min(out.limits.token_bytes.saturating_add(1));
                    return done;
                }
                Halt::Refused => return done,
            }
        }
    }

    /// Whether the text read so far ends inside a token that is being skipped.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skip.is_some()
    }
}

/// Reads tokens until one is incomplete or must be skipped. Returns the length of the tokens before it.
fn read_tokens<S: Sink>(
    window: &str,
    offset: u64,
    tree: &mut Tree,
    out: &mut Output<'_, S>,
) -> (usize, Halt) {
    // quick-xml drops a byte order mark at the start of its input, so text that starts with one is read here.
    let run = match memchr::memchr2(b'<', b'&', window.as_bytes()) {
        _ if !window.starts_with('\u{feff}') => 0,
        None => return (0, reject_incomplete(window, offset, tree, out).unwrap_or(Halt::Incomplete)),
        Some(end) => end,
    };
    if let Some(halt) = reject(&window[..run], offset, tree, out) {
        return (0, halt);
    }
    out.advance_to(offset + run as u64);
    tree.text(&window[..run], offset, out);
    let text = &window[run..];
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    // The tree matches the tags: it does so across windows, and recovers from mismatches.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let mut is_after_tag = false;
    let mut start = 0;
    loop {
        // Text that `read_plain` has read can be skipped in the reader only after a tag.
        if is_after_tag {
            let plain = read_plain(&text[start..], offset + (run + start) as u64, tree, out);
            reader.stream().consume(plain);
            start += plain;
            if tree.kind().is_none() && tree.is_refused() {
                return (run + start, Halt::Refused);
            }
        }
        let event = reader.read_event();
        is_after_tag = matches!(event, Ok(Event::Start(_) | Event::End(_)));
        let end = reader.buffer_position() as usize;
        let at = offset + (run + start) as u64;
        let end_at = offset + (run + end) as u64;
        // By reference, because moving an event is as expensive as processing it.
        let halt = match &event {
            Ok(Event::Eof) => Some(Halt::Incomplete),
            // A run of text is complete only when something follows it.
            Ok(Event::Text(_)) if end == text.len() => reject_incomplete(&text[start..], at, tree, out),
            Ok(event) => match reject(&text[start..end], at, tree, out) {
                None => {
                    out.advance_to(end_at);
                    dispatch(event, &text[start..end], at, tree, out)
                }
                rejected => rejected,
            },
            // quick-xml consumed the token in spite of the error: a DOCTYPE without a name.
            Err(Error::IllFormed(_)) => {
                tree.bad_markup(&text[start..end], at, out);
                None
            }
            Err(_) => reject_incomplete(&text[start..], at, tree, out),
        };
        match halt {
            None => start = end,
            Some(halt) => return (run + start, halt),
        }
    }
}

/// Reads the plain tags and elements at the start of `window`, inside the root element. Returns their length.
fn read_plain<S: Sink>(window: &str, offset: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> usize {
    let mut done = 0;
    while tree.is_open() {
        let Some(Plain { space, name, shape }) = Plain::first_of(&window[done..], out.limits.token_bytes)
        else {
            break;
        };
        let offset_of = |length: usize| offset + (done + length) as u64;
        let (tag, after) = (space.len(), space.len() + name.len() + "<>".len());
        out.advance_to(offset_of(tag));
        tree.text(space, offset_of(0), out);
        if let Shape::End = shape {
            tree.end(name, offset_of(tag), out);
            done += after + "/".len();
            continue;
        }
        out.advance_to(offset_of(after));
        tree.start(&BytesStart::from_content(name, name.len()), false, offset_of(tag), out);
        if tree.kind().is_none() && tree.is_refused() {
            return done + after;
        }
        if let Shape::Leaf(text) = shape {
            let end = after + text.len();
            out.advance_to(offset_of(end));
            tree.text(text, offset_of(after), out);
            tree.end_last(offset_of(end), out);
            done += end + name.len() + "</>".len();
        } else {
            done += after;
        }
    }
    done
}

fn dispatch<S: Sink>(
    event: &Event<'_>,
    token: &str,
    at: u64,
    tree: &mut Tree,
    out: &mut Output<'_, S>,
) -> Option<Halt> {
    match event {
        Event::Start(tag) => tree.start(tag, false, at, out),
        Event::Empty(tag) => tree.start(tag, true, at, out),
        Event::End(tag) => tree.end(tag.name().0, at, out),
        Event::Text(_) => {
            if token.starts_with('&') && !tree.is_passing() {
                out.problem(ProblemKind::RawAmpersand, at, || format!("{} kept as text", quote(token)));
            }
            tree.text(token, at, out);
        }
        Event::CData(text) => tree.text(text, at, out),
        Event::GeneralRef(name) => tree.reference(name, at, out),
        Event::DocType(text) => tree.document_type(text),
        Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Eof => {}
    }
    tree.is_refused().then_some(Halt::Refused)
}

/// Rejects a complete token that must be skipped.
#[inline]
fn reject<S: Sink>(token: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Option<Halt> {
    let limit = out.limits.token_bytes;
    if let Some(halt) = reject_unclosed(token, at, tree, out) {
        return Some(halt);
    }
    (token.len() > limit).then(|| skip_too_long(token, at, tree, out))
}

/// Rejects a tag or an XML declaration that was never closed. An end tag has its effect all the same.
#[inline]
fn reject_unclosed<S: Sink>(token: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Option<Halt> {
    let limit = out.limits.token_bytes;
    if let Some(cut) = stray_tag(token, limit) {
        match unclosed_end_name(&token[..cut]) {
            Some(name) => tree.unclosed_end(name, at, out),
            None => tree.bad_markup(&token[..cut], at, out),
        }
        return Some(Halt::Skip(cut, None));
    }
    let cut = unclosed_declaration(token, limit)?;
    out.problem(ProblemKind::BadMarkup, at, || {
        format!("{} does not end in \"?>\", skipped", quote(&token[..cut]))
    });
    Some(Halt::Skip(cut, None))
}

/// Decides about a token that does not end in the window: wait for its end, or skip it.
fn reject_incomplete<S: Sink>(rest: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Option<Halt> {
    let limit = out.limits.token_bytes;
    if is_unknown_markup(rest) {
        // Only `<` is quoted: how much of the token is known depends on the pieces in which the document arrives.
        tree.bad_markup("<", at, out);
        return Some(Halt::Skip(1, Some(Skip::Tag { quote: None })));
    }
    if let Some(halt) = reject_unclosed(rest, at, tree, out) {
        return Some(halt);
    }
    Some(if rest.len() > limit { skip_too_long(rest, at, tree, out) } else { Halt::Incomplete })
}

fn skip_too_long<S: Sink>(token: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Halt {
    let limit = out.limits.token_bytes;
    let (length, skip) = match Opening::of(token) {
        Opening::Text => (0, Skip::Text),
        Opening::Tag => (1, Skip::Tag { quote: None }),
        Opening::Instruction => (2, Skip::Through("?>")),
        Opening::Comment => (4, Skip::Through("-->")),
        Opening::CData => (9, Skip::Through("]]>")),
        Opening::Doctype => (9, Skip::Doctype { brackets: 0 }),
    };
    out.problem(ProblemKind::TokenTooLong, at, || {
        format!(
            "the token starting with {} exceeds {limit} bytes, skipped",
            quote(&token[..token.floor_char_boundary(limit.min(QUOTED_BYTES))])
        )
    });
    if matches!(skip, Skip::Tag { .. }) {
        tree.imply_root(token, at, out);
    }
    if tree.is_passing() {
        tree.refuse();
    }
    tree.token_skipped();
    Halt::Skip(length, Some(skip))
}

/// The kind of a token, as its start shows it.
enum Opening {
    Text,
    Tag,
    Instruction,
    Comment,
    CData,
    Doctype,
}

impl Opening {
    fn of(token: &str) -> Self {
        match token.as_bytes() {
            [b'<', b'?', ..] => Self::Instruction,
            [b'<', b'!', b'-', ..] => Self::Comment,
            [b'<', b'!', b'[', ..] => Self::CData,
            [b'<', b'!', ..] => Self::Doctype,
            [b'<', ..] => Self::Tag,
            _ => Self::Text,
        }
    }
}

/// Whether a token starts with `<!` or `<?` but is none of the known kinds of markup.
fn is_unknown_markup(rest: &str) -> bool {
    if rest.starts_with("<?>") {
        return true;
    }
    rest.starts_with("<!")
        && !["<!--", "<![CDATA["].iter().any(|opening| rest.starts_with(opening) || opening.starts_with(rest))
        && !is_doctype(rest)
}

fn is_doctype(rest: &str) -> bool {
    const OPENING: &[u8] = b"<!DOCTYPE";
    let length = rest.len().min(OPENING.len());
    rest.as_bytes()[..length].eq_ignore_ascii_case(&OPENING[..length])
}

/// Offset of a `<` inside a tag, which means that the tag was never closed: XML 1.0 section 3.1 forbids `<` in a tag,
/// quoted or not.
#[inline]
fn stray_tag(token: &str, limit: usize) -> Option<usize> {
    let bytes = token.as_bytes();
    if bytes.first() != Some(&b'<') || matches!(bytes.get(1), Some(b'!' | b'?')) {
        return None;
    }
    let bytes = &bytes[..bytes.len().min(limit)];
    // Most tags are too short for `memchr` to be faster.
    let found = if bytes.len() < SHORT_TAG_BYTES {
        bytes[1..].iter().position(|&byte| byte == b'<')
    } else {
        memchr::memchr(b'<', &bytes[1..])
    };
    found.map(|found| found + 1)
}

/// The name in an end tag without its `>`, if there is nothing else in it.
fn unclosed_end_name(tag: &str) -> Option<&str> {
    let name = tag.strip_prefix("</")?.trim_end();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.');
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// Length of an XML declaration that ends in `>` instead of `?>`. Otherwise the text after it would become part of
/// it.
#[inline]
fn unclosed_declaration(token: &str, limit: usize) -> Option<usize> {
    let rest = token.strip_prefix("<?xml")?;
    let bytes = &token.as_bytes()[..token.len().min(limit)];
    let end = memchr::memchr(b'>', bytes)?;
    (rest.starts_with(|c: char| c.is_ascii_whitespace()) && bytes[end - 1] != b'?').then_some(end + 1)
}

impl Skip {
    /// Skips text: returns the length skipped, and where skipping ends if it goes on in the next piece.
    fn advance(self, text: &str) -> (usize, Option<Self>) {
        let bytes = text.as_bytes();
        match self {
            Self::Text => match memchr::memchr(b'<', bytes) {
                Some(found) => (found, None),
                None => (bytes.len(), Some(self)),
            },
            Self::Through(end) => match memchr::memmem::find(bytes, end.as_bytes()) {
                Some(found) => (found + end.len(), None),
                // The end of this piece may contain the start of the text.
                None => (text.floor_char_boundary(text.len().saturating_sub(end.len() - 1)), Some(self)),
            },
            Self::Tag { quote } => skip_tag(bytes, quote),
            Self::Doctype { brackets } => skip_doctype(bytes, brackets),
        }
    }
}

fn skip_tag(bytes: &[u8], mut quote: Option<u8>) -> (usize, Option<Skip>) {
    for (index, &byte) in bytes.iter().enumerate() {
        match (byte, quote) {
            (b'<', _) => return (index, None),
            (b'>', None) => return (index + 1, None),
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, Some(mark)) if mark == byte => quote = None,
            _ => {}
        }
    }
    (bytes.len(), Some(Skip::Tag { quote }))
}

fn skip_doctype(bytes: &[u8], mut brackets: usize) -> (usize, Option<Skip>) {
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'[' => brackets += 1,
            b']' => brackets = brackets.saturating_sub(1),
            b'>' if brackets == 0 => return (index + 1, None),
            _ => {}
        }
    }
    (bytes.len(), Some(Skip::Doctype { brackets }))
}
