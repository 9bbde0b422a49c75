//! Removes gzip from a raw body. Gzip is detected by its first bytes, not by the content type or file name.

use flate2::{Decompress, FlushDecompress, Status};

use crate::buffer::Buffer;
use crate::limits::{GZIP_MEMBERS_MAX, Limits, SLICE_BYTES};
use crate::problem::{Problem, ProblemKind};

/// First bytes of a gzip member: the magic number, and deflate, the only method (RFC 1952 section 2.3.1).
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Base-2 logarithm of the size of deflate's window: the largest allowed.
const WINDOW_BITS: u8 = 15;

/// Bytes that the state of one stream takes: its window of 32 KiB, its tables and what is between them.
const STREAM_BYTES: usize = 48 << 10;

/// Why inflating a body stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The output of a layer exceeds [`Limits::document_bytes`].
    #[error("the body inflates to more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// Result of one call of [`Inflater::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated {
    /// Number of bytes of the input that were consumed.
    pub consumed: usize,
    /// Whether there is more output without further input.
    pub more: bool,
}

/// Removes gzip from a raw body, a slice at a time.
///
/// Gzip is detected by its first bytes. At most [`Limits::layers`] nested layers are removed, and several members in
/// a row are one stream. Other bodies pass through unchanged. A stream that is truncated, damaged or followed by
/// other data yields everything readable, and a [`Problem`] at the end.
///
/// ```
/// use sitemap::{Buffer, Inflater, Limits};
///
/// /// "hello", compressed.
/// const BODY: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";
///
/// let mut inflater = Inflater::new(&Limits::default());
/// let (mut slice, mut text) = (Buffer::new(), Vec::new());
/// for piece in BODY.chunks(10) {
///     let (mut rest, mut more) = (piece, false);
///     while !rest.is_empty() || more {
///         slice.clear();
///         let inflated = inflater.push(rest, &mut slice)?;
///         text.extend_from_slice(&slice);
///         (rest, more) = (&rest[inflated.consumed..], inflated.more);
///     }
/// }
/// slice.clear();
/// assert_eq!(inflater.finish(&mut slice), None);
/// text.extend_from_slice(&slice);
/// assert_eq!(text, b"hello");
/// # Ok::<(), sitemap::InflateError>(())
/// ```
pub struct Inflater {
    /// One for each gzip layer that may be removed, outermost first.
    layers: Vec<Layer>,
    limit: u64,
    bytes_decoded: u64,
    is_too_large: bool,
}

impl Inflater {
    /// Creates an inflater for one body.
    pub fn new(limits: &Limits) -> Self {
        let layers = (0..limits.layers).map(|_| Layer::default()).collect();
        Self { layers, limit: limits.document_bytes, bytes_decoded: 0, is_too_large: false }
    }

    /// Consumes some of `input` and appends at most [`SLICE_BYTES`] to `output`, which the caller clears.
    ///
    /// Call it again with the rest of the input until everything is consumed and [`Inflated::more`] is false.
    ///
    /// # Errors
    /// [`InflateError::TooLarge`] if the limit is exceeded. The contents of `output` are valid even then.
    pub fn push(&mut self, input: &[u8], output: &mut Buffer) -> Result<Inflated, InflateError> {
        let before = output.len();
        let result = pump(&mut self.layers, input, output, before + SLICE_BYTES, self.limit)
            .and_then(|consumed| self.count(before, output).map(|()| consumed));
        self.is_too_large = result.is_err();
        Ok(Inflated {
            consumed: result?,
            more: output.len() == before + SLICE_BYTES || self.has_held_bytes(),
        })
    }

    /// Ends the body: appends the bytes held back and returns the first problem of the stream.
    ///
    /// At most two bytes for each layer are held back: the start of an incomplete gzip magic number. A stream that
    /// exceeded the limit has no further problem.
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
                    (ProblemKind::GzipTrailingData, "is followed by other data, which was skipped")
                }
                Some(kind) => (kind, "is damaged, data before the damage was kept"),
            };
            problem.get_or_insert_with(|| (kind, format!("the gzip stream {words}")));
        }
        problem.map(|(kind, text)| Problem { kind, offset: self.bytes_decoded, text })
    }

    /// Bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.layers.iter().map(Layer::held_bytes).sum::<usize>()
    }

    /// Frees memory that is kept only to be used again. Call it before waiting for the next bytes.
    pub fn release_unused(&mut self) {
        self.layers.iter_mut().filter(|layer| layer.held_from == layer.held.len()).for_each(|layer| {
            layer.held.clear();
            layer.held_from = 0;
            layer.held.release_unused();
        });
    }

    /// Whether the body is gzip.
    pub fn is_gzip(&self) -> bool {
        self.layers.first().is_some_and(|layer| matches!(layer.state, State::Gzip(_) | State::Done(_)))
    }

    /// Number of bytes output so far.
    pub fn bytes_decoded(&self) -> u64 {
        self.bytes_decoded
    }

    fn has_held_bytes(&self) -> bool {
        self.layers.iter().any(Layer::has_held_bytes)
    }

    /// Counts the output since `before`; the first byte above the limit is an error.
    fn count(&mut self, before: usize, output: &mut Buffer) -> Result<(), InflateError> {
        self.bytes_decoded += (output.len() - before) as u64;
        let is_gzip = self.is_gzip();
        // For a body that is not gzip, only the limit of its reader applies.
        if is_gzip && self.bytes_decoded > self.limit {
            let excess = usize::try_from(self.bytes_decoded - self.limit).unwrap_or(usize::MAX);
            output.truncate(output.len().saturating_sub(excess).max(before));
            self.bytes_decoded = self.limit;
            return Err(InflateError::TooLarge { limit: self.limit });
        }
        Ok(())
    }
}

/// Sends `input` through the layers until `output` is `full` bytes long; returns how many bytes were consumed.
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
    if layer.is_passthrough() {
        return pump(inner, input, output, full, limit);
    }
    let mut consumed = 0;
    loop {
        // No inner layer is gzip, so the bytes inflated next are the output.
        let is_innermost = inner.iter().all(Layer::is_passthrough);
        if is_innermost && layer.held_from == layer.held.len() {
            let before = output.len();
            if before >= full {
                return Ok(consumed);
            }
            let used = layer.step(&input[consumed..], output, full - before, limit)?;
            consumed += used;
            if used == 0 && output.len() == before {
                return Ok(consumed);
            }
            continue;
        }
        // First pass on the held bytes, then inflate more.
        let taken = pump(inner, &layer.held[layer.held_from..], output, full, limit)?;
        layer.held_from += taken;
        if layer.held_from < layer.held.len() || output.len() >= full {
            return Ok(consumed);
        }
        layer.held.clear();
        layer.held_from = 0;
        let mut held = std::mem::take(&mut layer.held);
        let used = layer.step(&input[consumed..], &mut held, SLICE_BYTES, limit);
        layer.held = held;
        let used = used?;
        consumed += used;
        if used == 0 && layer.held.is_empty() {
            return Ok(consumed);
        }
    }
}

/// One layer that may be gzip.
struct Layer {
    state: State,
    /// Output that the next layer has not consumed yet.
    held: Buffer,
    /// Offset of the first unconsumed byte in `held`.
    held_from: usize,
    /// Total bytes of output.
    given: u64,
}

enum State {
    /// Comparing the first bytes with the magic number of gzip; this many match.
    Sniffing(usize),
    Plain,
    Gzip(Box<Gzip>),
    /// The stream ended, with this problem. Further input is skipped.
    Done(Option<ProblemKind>),
}

struct Gzip {
    inflate: Decompress,
    members: usize,
    /// After the end of a member: how many bytes of the next magic number were seen. `None` inside a member.
    between: Option<usize>,
    /// Whether the last step filled the buffer, so that there may be more output without input.
    is_full: bool,
}

impl Default for Layer {
    fn default() -> Self {
        Self { state: State::Sniffing(0), held: Buffer::new(), held_from: 0, given: 0 }
    }
}

impl Layer {
    /// Whether bytes pass through unchanged.
    fn is_passthrough(&self) -> bool {
        matches!(self.state, State::Plain) && self.held_from == self.held.len()
    }

    fn has_held_bytes(&self) -> bool {
        self.held_from < self.held.len() || matches!(&self.state, State::Gzip(gzip) if gzip.is_full)
    }

    /// Bytes of memory.
    fn held_bytes(&self) -> usize {
        let stream = if matches!(self.state, State::Gzip(_)) { STREAM_BYTES } else { 0 };
        stream + self.held.held_bytes()
    }

    /// Converts some of `input` to at most `space` bytes of `output`; returns how many bytes were used.
    fn step(
        &mut self,
        input: &[u8],
        output: &mut Buffer,
        space: usize,
        limit: u64,
    ) -> Result<usize, InflateError> {
        let before = output.len();
        let used = match &mut self.state {
            State::Sniffing(seen) => {
                let Some(&byte) = input.first() else { return Ok(0) };
                if byte != GZIP_MAGIC[*seen] {
                    let (seen, space) = (&GZIP_MAGIC[..*seen], space.saturating_sub(*seen));
                    output.extend_from_slice(seen);
                    self.state = State::Plain;
                    return self.step(input, output, space, limit);
                }
                *seen += 1;
                if *seen == GZIP_MAGIC.len() {
                    let mut gzip = Gzip::new();
                    gzip.begin_member();
                    self.state = State::Gzip(Box::new(gzip));
                }
                1
            }
            State::Plain => {
                let length = input.len().min(space);
                output.extend_from_slice(&input[..length]);
                length
            }
            State::Done(problem) => {
                if !input.is_empty() {
                    problem.get_or_insert(ProblemKind::GzipTrailingData);
                }
                input.len()
            }
            State::Gzip(gzip) => match gzip.step(input, output, space) {
                Ok(used) => used,
                Err(problem) => {
                    self.state = State::Done(Some(problem));
                    return self.step(input, output, space, limit);
                }
            },
        };
        self.given += (output.len() - before) as u64;
        // `Inflater::count` limits the output of the innermost layer. This check limits the layers around it.
        if matches!(self.state, State::Gzip(_)) && self.given > limit.saturating_add(SLICE_BYTES as u64) {
            return Err(InflateError::TooLarge { limit });
        }
        Ok(used)
    }

    fn finish(&mut self, output: &mut Buffer) -> Option<ProblemKind> {
        match &self.state {
            State::Sniffing(seen) => {
                output.extend_from_slice(&GZIP_MAGIC[..*seen]);
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

    /// Starts a member whose magic number was just read.
    fn begin_member(&mut self) {
        self.members += 1;
        self.between = None;
        self.inflate = Decompress::new_gzip(WINDOW_BITS);
        // The magic number was already consumed, so it is passed on here. It has no output and cannot fail.
        _ = self.inflate.decompress(&GZIP_MAGIC, &mut [0; 1], FlushDecompress::None);
    }

    /// Inflates some of `input` into at most `space` bytes of `output`; returns how many bytes were used, or how the
    /// stream ended.
    fn step(&mut self, input: &[u8], output: &mut Buffer, space: usize) -> Result<usize, ProblemKind> {
        if let Some(seen) = self.between {
            return self.step_between(seen, input);
        }
        let (used_before, given_before) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, output.unused(space), FlushDecompress::None);
        let used = usize::try_from(self.inflate.total_in() - used_before).unwrap_or(input.len());
        let given = usize::try_from(self.inflate.total_out() - given_before).unwrap_or(space);
        output.advance(given);
        self.is_full = given == space;
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

    /// Looks for another member after the last one.
    fn step_between(&mut self, seen: usize, input: &[u8]) -> Result<usize, ProblemKind> {
        let Some(&byte) = input.first() else { return Ok(0) };
        if byte != GZIP_MAGIC[seen] || self.members >= GZIP_MEMBERS_MAX {
            return Err(ProblemKind::GzipTrailingData);
        }
        self.between = Some(seen + 1);
        if seen + 1 == GZIP_MAGIC.len() {
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

    /// Inflates a body; returns the output and how it ended.
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
    fn a_body_without_gzip_passes_through() {
        for body in [&b"<urlset/>"[..], b"", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x07x", &[b'a'; 200_000]] {
            assert_eq!(inflate(body, &Limits::default()), (body.to_vec(), Ok(None)));
        }
    }

    #[test]
    fn two_layers_and_several_members_are_removed() {
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
    fn a_damaged_stream_yields_its_readable_part() {
        let body = gzip(b"plain");
        let comment = [body.as_slice(), b"<!-- -->"].concat();
        assert_eq!(
            inflate(&comment, &Limits::default()),
            (b"plain".to_vec(), Ok(Some(ProblemKind::GzipTrailingData)))
        );
        let half_a_magic_number = [body.as_slice(), b"\x1f"].concat();
        assert_eq!(
            inflate(&half_a_magic_number, &Limits::default()).1,
            Ok(Some(ProblemKind::GzipTrailingData))
        );
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
