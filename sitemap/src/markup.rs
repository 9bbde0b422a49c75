//! Text to tokens: quick-xml over a window of whole tokens, and the way around those that are broken or too long.
//!
//! quick-xml's borrowed reader wants a whole document. It gets windows instead: each reading begins where the last
//! token ended and stops at the first one that is not whole yet, which waits for more text. What is a token, and which
//! are refused, depends on their text alone, so that the pieces in which a document arrives make no difference.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesStart, Event};

use crate::Sink;
use crate::output::Output;
use crate::plain::{Plain, Shape};
use crate::problem::{ProblemKind, quote};
use crate::tree::Tree;

/// Bytes quoted of a token that is left out.
const QUOTED_BYTES: usize = 40;
/// Bytes of a tag that are searched one by one.
const SHORT_TAG_BYTES: usize = 24;

/// Cuts the text of a document into tokens.
#[derive(Default)]
pub(crate) struct Markup {
    /// What is left out at present, when a token is broken or too long.
    skip: Option<Skip>,
    /// Length the waiting text must reach to be looked at again. It grows by half each time, so that a long token that
    /// comes byte by byte costs no more than its length.
    wait_for: usize,
}

/// What ends the text that is left out.
#[derive(Clone, Copy, Debug)]
enum Skip {
    /// The next tag.
    Text,
    /// An unquoted `>`, or the next `<`.
    Tag { quote: Option<u8> },
    /// The `>` after a matching number of brackets.
    Doctype { brackets: usize },
    /// This text.
    Through(&'static str),
}

/// Why a window was left before its end.
enum Halt {
    /// The rest is not a whole token yet.
    Incomplete,
    /// The rest begins with a token that is left out: a number of bytes at once, then what `Skip` says.
    LeaveOut(usize, Option<Skip>),
    /// The document turned out not to be worth reading on.
    Refused,
}

impl Markup {
    /// Reads the whole tokens of `window`, which lies at `offset` in the document, and returns their length.
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
                let (skipped, rest) = skip.pass(&window[done..]);
                done += skipped;
                out.pass(offset + done as u64);
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
                Halt::LeaveOut(length, skip) => {
                    done += length;
                    out.pass(offset + done as u64);
                    self.skip = skip;
                    if tree.is_refused() {
                        return done;
                    }
                }
                Halt::Incomplete => {
                    let waiting = window.len() - done;
                    self.wait_for = waiting + waiting / 2;
                    return done;
                }
                Halt::Refused => return done,
            }
        }
    }

    /// Whether the text read so far ends inside something that is left out.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skip.is_some()
    }
}

/// Reads tokens until one is not whole or not good; returns the length of those before it.
fn read_tokens<S: Sink>(
    window: &str,
    offset: u64,
    tree: &mut Tree,
    out: &mut Output<'_, S>,
) -> (usize, Halt) {
    // quick-xml drops a byte order mark at the start of what it is given, so that text is read here.
    let run = match memchr::memchr2(b'<', b'&', window.as_bytes()) {
        _ if !window.starts_with('\u{feff}') => 0,
        None => return (0, refuse_waiting(window, offset, tree, out).unwrap_or(Halt::Incomplete)),
        Some(end) => end,
    };
    if let Some(halt) = refuse(&window[..run], offset, tree, out) {
        return (0, halt);
    }
    out.pass(offset + run as u64);
    tree.text(&window[..run], offset, out);
    let text = &window[run..];
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    // The tree matches the tags, across windows and with a way to go on.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let mut is_behind_tag = false;
    let mut start = 0;
    loop {
        // Behind a tag, the reader can be moved on by hand.
        if is_behind_tag {
            let plain = read_plain(&text[start..], offset + (run + start) as u64, tree, out);
            reader.stream().consume(plain);
            start += plain;
        }
        let event = reader.read_event();
        is_behind_tag = matches!(event, Ok(Event::Start(_) | Event::End(_)));
        let end = reader.buffer_position() as usize;
        let at = offset + (run + start) as u64;
        let end_at = offset + (run + end) as u64;
        // By reference: moving an event costs as much as looking at it.
        let halt = match &event {
            Ok(Event::Eof) => Some(Halt::Incomplete),
            // A run of text is whole when something follows it.
            Ok(Event::Text(_)) if end == text.len() => refuse_waiting(&text[start..], at, tree, out),
            Ok(event) => match refuse(&text[start..end], at, tree, out) {
                None => {
                    out.pass(end_at);
                    dispatch(event, &text[start..end], at, tree, out)
                }
                refused => refused,
            },
            // The token was taken all the same: a DOCTYPE without a name.
            Err(Error::IllFormed(_)) => {
                tree.bad_markup(&text[start..end], at, out);
                None
            }
            Err(_) => refuse_waiting(&text[start..], at, tree, out),
        };
        match halt {
            None => start = end,
            Some(halt) => return (run + start, halt),
        }
    }
}

/// Reads the plain tags and elements that `window` begins with, inside the root element; returns their length.
fn read_plain<S: Sink>(window: &str, offset: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> usize {
    let mut done = 0;
    while tree.is_open() {
        let Some(Plain { space, name, shape }) = Plain::first_of(&window[done..], out.limits.token_bytes)
        else {
            break;
        };
        let place = |length: usize| offset + (done + length) as u64;
        let (tag, behind) = (space.len(), space.len() + name.len() + "<>".len());
        out.pass(place(tag));
        tree.text(space, place(0), out);
        if let Shape::End = shape {
            tree.end(name, place(tag), out);
            done += behind + "/".len();
            continue;
        }
        out.pass(place(behind));
        tree.start(&BytesStart::from_content(name, name.len()), false, place(tag), out);
        if let Shape::Leaf(text) = shape {
            let end = behind + text.len();
            out.pass(place(end));
            tree.text(text, place(behind), out);
            tree.end_last(place(end), out);
            done += end + name.len() + "</>".len();
        } else {
            done += behind;
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
            if token.starts_with('&') {
                out.problem(ProblemKind::RawAmpersand, at, || format!("{} kept as text", quote(token)));
            }
            tree.text(token, at, out);
        }
        Event::CData(text) => tree.text(text, at, out),
        Event::GeneralRef(name) => tree.reference(name, at, out),
        Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) | Event::Eof => {}
    }
    tree.is_refused().then_some(Halt::Refused)
}

/// Whether a whole token is left out all the same.
#[inline]
fn refuse<S: Sink>(token: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Option<Halt> {
    let limit = out.limits.token_bytes;
    if let Some(halt) = refuse_unclosed(token, at, tree, out) {
        return Some(halt);
    }
    (token.len() > limit).then(|| too_long(token, at, tree, out))
}

/// Leaves out a tag or an XML declaration that was never closed.
#[inline]
fn refuse_unclosed<S: Sink>(token: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Option<Halt> {
    let limit = out.limits.token_bytes;
    if let Some(cut) = stray_tag(token, limit) {
        tree.bad_markup(&token[..cut], at, out);
        return Some(Halt::LeaveOut(cut, None));
    }
    let cut = unclosed_declaration(token, limit)?;
    out.problem(ProblemKind::BadMarkup, at, || format!("{} has no \"?>\", left out", quote(&token[..cut])));
    Some(Halt::LeaveOut(cut, None))
}

/// What to do with a token that does not end in the window: wait for its end, or leave it out.
fn refuse_waiting<S: Sink>(rest: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Option<Halt> {
    let limit = out.limits.token_bytes;
    if is_unknown_markup(rest) {
        // Not quoted: how much of it is there depends on the pieces the document came in.
        tree.bad_markup("<", at, out);
        return Some(Halt::LeaveOut(1, Some(Skip::Tag { quote: None })));
    }
    if let Some(halt) = refuse_unclosed(rest, at, tree, out) {
        return Some(halt);
    }
    Some(if rest.len() > limit { too_long(rest, at, tree, out) } else { Halt::Incomplete })
}

fn too_long<S: Sink>(token: &str, at: u64, tree: &mut Tree, out: &mut Output<'_, S>) -> Halt {
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
            "{} goes on for more than {limit} bytes, left out",
            quote(&token[..token.floor_char_boundary(limit.min(QUOTED_BYTES))])
        )
    });
    tree.left_out();
    Halt::LeaveOut(length, Some(skip))
}

/// The kinds of tokens, told by how they begin.
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

/// Whether a token begins like no markup there is: `<!` or `<?` with something unknown behind it.
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

/// Where inside a tag another one begins, which means that the first was never closed (XML 1.0 section 3.1 forbids `<`
/// in a tag, quoted or not).
#[inline]
fn stray_tag(token: &str, limit: usize) -> Option<usize> {
    let bytes = token.as_bytes();
    if bytes.first() != Some(&b'<') || matches!(bytes.get(1), Some(b'!' | b'?')) {
        return None;
    }
    let bytes = &bytes[..bytes.len().min(limit)];
    // Most tags are shorter than what a search by vectors pays for.
    let found = if bytes.len() < SHORT_TAG_BYTES {
        bytes[1..].iter().position(|&byte| byte == b'<')
    } else {
        memchr::memchr(b'<', &bytes[1..])
    };
    found.map(|found| found + 1)
}

/// The length of an XML declaration that ends in `>` alone. (What follows it would else be a part of it.)
#[inline]
fn unclosed_declaration(token: &str, limit: usize) -> Option<usize> {
    let rest = token.strip_prefix("<?xml")?;
    let bytes = &token.as_bytes()[..token.len().min(limit)];
    let end = memchr::memchr(b'>', bytes)?;
    (rest.starts_with(|c: char| c.is_ascii_whitespace()) && bytes[end - 1] != b'?').then_some(end + 1)
}

impl Skip {
    /// Passes over what is left out: the length passed, and what is still to be left out after it.
    fn pass(self, text: &str) -> (usize, Option<Self>) {
        let bytes = text.as_bytes();
        match self {
            Self::Text => match memchr::memchr(b'<', bytes) {
                Some(found) => (found, None),
                None => (bytes.len(), Some(self)),
            },
            Self::Through(end) => match memchr::memmem::find(bytes, end.as_bytes()) {
                Some(found) => (found + end.len(), None),
                // Its beginning may stand at the end of this piece.
                None => (text.floor_char_boundary(text.len().saturating_sub(end.len() - 1)), Some(self)),
            },
            Self::Tag { quote } => pass_tag(bytes, quote),
            Self::Doctype { brackets } => pass_doctype(bytes, brackets),
        }
    }
}

fn pass_tag(bytes: &[u8], mut quote: Option<u8>) -> (usize, Option<Skip>) {
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

fn pass_doctype(bytes: &[u8], mut brackets: usize) -> (usize, Option<Skip>) {
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
