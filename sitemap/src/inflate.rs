//! A raw body to plain bytes: gzip, told by its first bytes whatever the label says.

use flate2::{Decompress, FlushDecompress, Status};

use crate::buffer::Buffer;
use crate::limits::{GZIP_MEMBERS_MAX, Limits, SLICE_BYTES};
use crate::problem::{Problem, ProblemKind};

/// First bytes of a gzip member: its mark, and deflate, the only method there is (RFC 1952 section 2.3.1).
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// Base-2 logarithm of deflate's window, the largest allowed.
const WINDOW_BITS: u8 = 15;

/// Why a body is not inflated any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// A layer gives more than [`Limits::document_bytes`].
    #[error("the body inflates to more than {limit} bytes")]
    TooLarge {
        /// The ceiling in bytes.
        limit: u64,
    },
}

/// What a call of [`Inflater::push`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Whether more will come out without further input.
    pub more: bool,
}

/// Turns a raw body into plain bytes, a slice at a time.
///
/// Gzip is recognised by its first bytes and taken off, [`Limits::layers`] times at most; several members follow on
/// each other. Anything else passes through. A stream that is cut short, damaged or followed by something else gives
/// what it holds, and a [`Problem`] at the end.
pub struct Inflater {
    /// One for each gzip layer that may be taken off, the outermost first.
    layers: Vec<Layer>,
    limit: u64,
    bytes_decoded: u64,
    is_too_large: bool,
}

impl Inflater {
    /// An inflater at the start of a body.
    pub fn new(limits: &Limits) -> Self {
        let layers = (0..limits.layers).map(|_| Layer::default()).collect();
        Self { layers, limit: limits.document_bytes, bytes_decoded: 0, is_too_large: false }
    }

    /// Takes some of `input` and appends at most [`SLICE_BYTES`] to `output`, which the caller clears.
    ///
    /// Call again with the rest of the input until it is consumed and `more` is false.
    ///
    /// # Errors
    /// [`InflateError::TooLarge`] when the ceiling is passed; what `output` holds then still counts.
    pub fn push(&mut self, input: &[u8], output: &mut Buffer) -> Result<Inflated, InflateError> {
        let before = output.len();
        let result = pump(&mut self.layers, input, output, before + SLICE_BYTES, self.limit)
            .and_then(|consumed| self.count(before, output).map(|()| consumed));
        self.is_too_large = result.is_err();
        Ok(Inflated { consumed: result?, more: output.len() == before + SLICE_BYTES || self.is_holding() })
    }

    /// Ends the body: gives what was held back and says what was wrong with the stream.
    ///
    /// At most two bytes for each layer come out: the beginning of a mark that never came. A stream that passed the
    /// ceiling has no further problem.
    pub fn finish(&mut self, output: &mut Buffer) -> Option<Problem> {
        if self.is_too_large {
            return None;
        }
        let mut problem = None;
        for layer in &mut self.layers {
            let (kind, words) = match layer.finish(output) {
                None => continue,
                Some(ProblemKind::GzipCutShort) => (ProblemKind::GzipCutShort, "ends too early"),
                Some(ProblemKind::GzipTrailingData) => {
                    (ProblemKind::GzipTrailingData, "is followed by other data, left out")
                }
                Some(kind) => (kind, "is damaged, what came before is kept"),
            };
            problem.get_or_insert_with(|| (kind, format!("the gzip stream {words}")));
        }
        problem.map(|(kind, text)| Problem { kind, offset: self.bytes_decoded, text })
    }

    /// Whether the body is gzip.
    pub fn is_gzip(&self) -> bool {
        self.layers.first().is_some_and(|layer| matches!(layer.state, State::Gzip(_) | State::Done(_)))
    }

    /// Plain bytes given so far.
    pub fn bytes_decoded(&self) -> u64 {
        self.bytes_decoded
    }

    fn is_holding(&self) -> bool {
        self.layers.iter().any(Layer::is_holding)
    }

    /// Counts what came out; the first byte above the ceiling is an error.
    fn count(&mut self, before: usize, output: &mut Buffer) -> Result<(), InflateError> {
        self.bytes_decoded += (output.len() - before) as u64;
        let is_gzip = self.is_gzip();
        // A plain body has the ceiling of its reader alone.
        if is_gzip && self.bytes_decoded > self.limit {
            let over = usize::try_from(self.bytes_decoded - self.limit).unwrap_or(usize::MAX);
            output.truncate(output.len().saturating_sub(over).max(before));
            self.bytes_decoded = self.limit;
            return Err(InflateError::TooLarge { limit: self.limit });
        }
        Ok(())
    }
}

/// Sends `input` through the layers until `output` is `full` bytes long; returns how much of it was consumed.
fn pump(
    layers: &mut [Layer],
    input: &[u8],
    output: &mut Buffer,
    full: usize,
    limit: u64,
) -> Result<usize, InflateError> {
    let Some((layer, inner)) = layers.split_first_mut() else {
        let length = input.len().min(full.saturating_sub(output.len()));
        output.extend_from_slice(&input[..length]);
        return Ok(length);
    };
    if layer.is_through() {
        return pump(inner, input, output, full, limit);
    }
    let mut consumed = 0;
    loop {
        // Nothing more is taken off below: what is held is what comes out, without a copy.
        let is_innermost = inner.iter().all(Layer::is_through);
        if is_innermost && output.is_empty() && layer.held_from == 0 && layer.held.len() <= full {
            std::mem::swap(&mut layer.held, output);
        }
        // First what the layer already gave, then more of it.
        let taken = pump(inner, &layer.held[layer.held_from..], output, full, limit)?;
        layer.held_from += taken;
        if layer.held_from < layer.held.len() || output.len() >= full {
            return Ok(consumed);
        }
        layer.held.clear();
        layer.held_from = 0;
        let used = layer.step(&input[consumed..], limit)?;
        consumed += used;
        if used == 0 && layer.held.is_empty() {
            return Ok(consumed);
        }
    }
}

/// One layer that may be gzip.
struct Layer {
    state: State,
    /// What came out of it and is not taken by the next one yet.
    held: Buffer,
    held_from: usize,
    given: u64,
}

enum State {
    /// The first bytes are compared with the mark of gzip; so many agree.
    Sniffing(usize),
    Plain,
    Gzip(Box<Gzip>),
    /// The stream ended; what else comes is left out.
    Done(Option<ProblemKind>),
}

struct Gzip {
    inflate: Decompress,
    members: usize,
    /// Bytes of the next member's mark that were seen after the end of the last one.
    between: Option<usize>,
    /// Whether the last step filled the buffer, so that more may come without input.
    is_full: bool,
}

impl Default for Layer {
    fn default() -> Self {
        Self { state: State::Sniffing(0), held: Buffer::new(), held_from: 0, given: 0 }
    }
}

impl Layer {
    /// Whether bytes pass through it as they are.
    fn is_through(&self) -> bool {
        matches!(self.state, State::Plain) && self.held_from == self.held.len()
    }

    fn is_holding(&self) -> bool {
        self.held_from < self.held.len() || matches!(&self.state, State::Gzip(gzip) if gzip.is_full)
    }

    /// Turns some of `input` into held bytes; returns how much of it was used.
    fn step(&mut self, input: &[u8], limit: u64) -> Result<usize, InflateError> {
        let used = match &mut self.state {
            State::Sniffing(seen) => {
                let Some(&byte) = input.first() else { return Ok(0) };
                if byte != GZIP[*seen] {
                    self.held.extend_from_slice(&GZIP[..*seen]);
                    self.state = State::Plain;
                    return self.step(input, limit);
                }
                *seen += 1;
                if *seen == GZIP.len() {
                    let mut gzip = Gzip::new();
                    gzip.begin_member();
                    self.state = State::Gzip(Box::new(gzip));
                }
                1
            }
            State::Plain => {
                let length = input.len().min(SLICE_BYTES);
                self.held.extend_from_slice(&input[..length]);
                length
            }
            State::Done(problem) => {
                if !input.is_empty() {
                    problem.get_or_insert(ProblemKind::GzipTrailingData);
                }
                input.len()
            }
            State::Gzip(gzip) => match gzip.step(input, &mut self.held) {
                Ok(used) => used,
                Err(problem) => {
                    self.state = State::Done(Some(problem));
                    return self.step(input, limit);
                }
            },
        };
        self.given += self.held.len() as u64;
        // The innermost layer is counted where its bytes come out; this one keeps a hidden layer from growing.
        if matches!(self.state, State::Gzip(_)) && self.given > limit.saturating_add(SLICE_BYTES as u64) {
            return Err(InflateError::TooLarge { limit });
        }
        Ok(used)
    }

    fn finish(&mut self, output: &mut Buffer) -> Option<ProblemKind> {
        match &self.state {
            State::Sniffing(seen) => {
                output.extend_from_slice(&GZIP[..*seen]);
                None
            }
            State::Plain => None,
            State::Done(problem) => *problem,
            State::Gzip(gzip) => match gzip.between {
                None => Some(ProblemKind::GzipCutShort),
                Some(0) => None,
                Some(_) => Some(ProblemKind::GzipTrailingData),
            },
        }
    }
}

impl Gzip {
    fn new() -> Self {
        Self { inflate: Decompress::new_gzip(WINDOW_BITS), members: 0, between: None, is_full: false }
    }

    /// Begins a member whose mark was just seen.
    fn begin_member(&mut self) {
        self.members += 1;
        self.between = None;
        self.inflate = Decompress::new_gzip(WINDOW_BITS);
        // The mark was taken from the input already; it gives no output and cannot fail.
        _ = self.inflate.decompress(&GZIP, &mut [0; 1], FlushDecompress::None);
    }

    /// Inflates some of `input` into `output`; the error says how the stream ended.
    fn step(&mut self, input: &[u8], output: &mut Buffer) -> Result<usize, ProblemKind> {
        if let Some(seen) = self.between {
            return self.step_between(seen, input);
        }
        let (used_before, given_before) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, output.spare(SLICE_BYTES), FlushDecompress::None);
        let used = usize::try_from(self.inflate.total_in() - used_before).unwrap_or(input.len());
        let given = usize::try_from(self.inflate.total_out() - given_before).unwrap_or(SLICE_BYTES);
        output.advance(given);
        self.is_full = given == SLICE_BYTES;
        match result {
            Ok(Status::StreamEnd) => {
                self.between = Some(0);
                self.is_full = false;
                Ok(used)
            }
            Ok(_) => Ok(used),
            Err(_) => Err(ProblemKind::GzipDamaged),
        }
    }

    /// Looks for another member behind the last one.
    fn step_between(&mut self, seen: usize, input: &[u8]) -> Result<usize, ProblemKind> {
        let Some(&byte) = input.first() else { return Ok(0) };
        if byte != GZIP[seen] || self.members >= GZIP_MEMBERS_MAX {
            return Err(ProblemKind::GzipTrailingData);
        }
        self.between = Some(seen + 1);
        if seen + 1 == GZIP.len() {
            self.begin_member();
        }
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out of a body, and how it ends.
    fn inflate(mut input: &[u8], limits: &Limits) -> (Vec<u8>, Result<Option<ProblemKind>, InflateError>) {
        let mut inflater = Inflater::new(limits);
        let mut all = Vec::new();
        let mut slice = Buffer::new();
        loop {
            slice.clear();
            let step = inflater.push(input, &mut slice);
            assert!(slice.len() <= SLICE_BYTES);
            all.extend_from_slice(&slice);
            match step {
                Err(error) => return (all, Err(error)),
                Ok(Inflated { consumed, more }) => {
                    assert!(consumed > 0 || more || input.is_empty(), "each call makes progress");
                    input = &input[consumed..];
                    if input.is_empty() && !more {
                        break;
                    }
                }
            }
        }
        slice.clear();
        let problem = inflater.finish(&mut slice);
        all.extend_from_slice(&slice);
        (all, Ok(problem.map(|problem| problem.kind)))
    }

    #[test]
    fn what_is_not_gzip_passes_through() {
        for body in [&b"<urlset/>"[..], b"", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x07x", &[b'a'; 200_000]] {
            assert_eq!(inflate(body, &Limits::default()), (body.to_vec(), Ok(None)));
        }
    }

    #[test]
    fn two_layers_and_several_members_come_off() {
        let plain = vec![b'a'; 300_000];
        for body in
            [gzip(&plain), gzip(&gzip(&plain)), [gzip(&plain[..7]), gzip(b""), gzip(&plain[7..])].concat()]
        {
            assert_eq!(inflate(&body, &Limits::default()), (plain.clone(), Ok(None)));
        }
        let three = gzip(&gzip(&gzip(&plain)));
        assert_eq!(inflate(&three, &Limits::default()), (gzip(&plain), Ok(None)));
    }

    #[test]
    fn a_flawed_stream_gives_what_it_holds() {
        let body = gzip(b"plain");
        let comment = [body.as_slice(), b"<!-- -->"].concat();
        assert_eq!(
            inflate(&comment, &Limits::default()),
            (b"plain".to_vec(), Ok(Some(ProblemKind::GzipTrailingData)))
        );
        let half_a_mark = [body.as_slice(), b"\x1f"].concat();
        assert_eq!(inflate(&half_a_mark, &Limits::default()).1, Ok(Some(ProblemKind::GzipTrailingData)));
        let cut = &body[..body.len() - 1];
        assert_eq!(
            inflate(cut, &Limits::default()),
            (b"plain".to_vec(), Ok(Some(ProblemKind::GzipCutShort)))
        );
        let mut wrong_sum = body;
        let sum = wrong_sum.len() - 8;
        wrong_sum[sum] ^= 1;
        assert_eq!(
            inflate(&wrong_sum, &Limits::default()),
            (b"plain".to_vec(), Ok(Some(ProblemKind::GzipDamaged)))
        );
    }

    #[test]
    fn a_bomb_stops_at_the_ceiling_whatever_its_layer() {
        let limits = Limits { document_bytes: 100_000, ..Limits::default() };
        let zeros = vec![0; 10_000_000];
        let (all, end) = inflate(&gzip(&zeros), &limits);
        assert_eq!((all.len(), end), (100_000, Err(InflateError::TooLarge { limit: 100_000 })));
        let hidden = [gzip(b"a"), vec![0; 10_000_000]].concat();
        assert_eq!(inflate(&gzip(&hidden), &limits).1, Err(InflateError::TooLarge { limit: 100_000 }));
    }
}
