//! Inflates and parses a body slice by slice while its bytes arrive.

use std::cell::RefCell;
use std::sync::Arc;

use frontier::{ErrorKind, RobotsRules, Stage};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use sitemap::limits::{DOCUMENT_BYTES_MAX, SLICE_BYTES};
use sitemap::{Buffer, DocumentReader, InflateError, Inflated, Inflater, Limits, ProblemKind};
use storage::{Scratch, SegmentError};
use tokio::sync::Semaphore;

use super::body::{Body, DocumentContext};
use super::collect::Collector;
use super::memory::{DocumentMemory, HeldMemory};
use crate::cpu_meter::{CpuMeter, CpuWork, thread_cpu};
use crate::fetch::{FetchError, Response, ResponseBody, Stopwatch};

/// A robots.txt with more bytes needs a permit before it is parsed. The rules and Sitemap tasks of a file of 512,000 bytes take
/// up to forty times as much memory until they are durable, and a hundred such files may arrive at the same time.
const LARGE_ROBOTS_BYTES: usize = 32 << 10;

/// Permits for large robots.txt files: so many are parsed and not yet durable at any time.
const LARGE_ROBOTS_PERMITS: usize = 4;

/// An unneeded body is read up to this many bytes, so that its connection can be reused.
const DISCARD_BYTES_MAX: u64 = 64 << 10;

/// Content codings that are decoded. The body's first bytes decide whether it is gzip, not these names.
const KNOWN_CODINGS: [&str; 4] = ["gzip", "x-gzip", "identity", ""];

/// Work on fewer bytes takes some ten microseconds, and its wall time counts as its CPU time. Reading the CPU clock of a thread
/// is a system call and takes a microsecond or two, which is noticeable with small documents.
const SHORT_BYTES: usize = 4 << 10;

/// Measures the work on a body by wall clock and by the thread's CPU clock.
struct Meters<'a> {
    watch: &'a Stopwatch,
    cpu: &'a CpuMeter,
}

impl Meters<'_> {
    /// Runs and measures `f`, which works on `bytes` bytes.
    fn measure<T>(&self, stage: Stage, work: CpuWork, bytes: usize, f: impl FnOnce() -> T) -> T {
        self.watch.enter(stage);
        let before = (bytes >= SHORT_BYTES).then(thread_cpu);
        let result = f();
        let cpu = before.map(|before| thread_cpu().saturating_sub(before));
        let wall = self.watch.enter(Stage::Body);
        self.cpu.add(work, cpu.unwrap_or(wall));
        result
    }
}

/// Reads the bodies of responses.
pub struct BodyReader {
    /// Holds the rows and children of documents that are being read.
    scratch: Scratch,
    /// What those documents hold in memory.
    memory: DocumentMemory,
    /// [`LARGE_ROBOTS_PERMITS`].
    large_robots: Arc<Semaphore>,
    meter: Arc<CpuMeter>,
}

impl BodyReader {
    /// Keeps what it reads in `scratch`, and counts CPU time in `meter`.
    pub fn new(scratch: Scratch, meter: Arc<CpuMeter>) -> Self {
        let large_robots = Arc::new(Semaphore::new(LARGE_ROBOTS_PERMITS));
        Self { scratch, memory: DocumentMemory::default(), large_robots, meter }
    }

    /// Reads the body of `response` as a sitemap. Fails if its entries cannot be stored.
    pub async fn document(
        &self,
        response: &mut Response<impl ResponseBody>,
        context: DocumentContext<'_>,
        watch: &Stopwatch,
    ) -> Result<Body, SegmentError> {
        let limits = Limits::default();
        let meters = Meters { watch, cpu: &self.meter };
        let mut inflater = Inflater::new(&limits);
        let mut reading = DocumentReading {
            reader: match charset(response) {
                Some(charset) => DocumentReader::new(context.base, limits).with_charset(&charset),
                None => DocumentReader::new(context.base, limits),
            },
            collector: Collector::new(&context, &self.scratch),
            memory: self.memory.open(),
            coding: unknown_coding(response),
            is_begun: false,
            is_unreadable: false,
        };
        let ended_early = pump(response, &mut inflater, &meters, &mut reading).await;
        let DocumentReading { mut reader, mut collector, memory: _memory, coding, is_unreadable, .. } =
            reading;
        if let Some(coding) = coding.filter(|_| is_unreadable) {
            return Ok(undecodable(&coding, inflater.bytes_decoded()));
        }
        let bytes = usize::try_from(inflater.bytes_decoded()).unwrap_or(usize::MAX);
        meters.measure(Stage::Parse, CpuWork::Parse, bytes, || {
            let mut rest = Buffer::new();
            let problem = inflater.finish(&mut rest);
            // `reader.finish` says if the reader stopped early.
            let _ = reader.push(&rest, &mut collector);
            if let Some(problem) = problem {
                reader.report(problem);
            }
            let document = reader.finish(&mut collector);
            collector.body(&document, inflater.bytes_decoded(), ended_early)
        })
    }

    /// Reads the body of `response` as a robots.txt, up to [`RobotsRules::BYTES_MAX`] bytes (RFC 9309 section 2.5). A large one
    /// waits for a permit before it is parsed.
    pub async fn robots(
        &self,
        response: &mut Response<impl ResponseBody>,
        product_token: &str,
        watch: &Stopwatch,
    ) -> Body {
        let meters = Meters { watch, cpu: &self.meter };
        let mut inflater = Inflater::new(&Limits::default());
        let coding = unknown_coding(response);
        let mut reading = RobotsReading::default();
        let ended_early = pump(response, &mut inflater, &meters, &mut reading).await;
        let RobotsReading { mut text, is_endless } = reading;
        let permit = match text.len() > LARGE_ROBOTS_BYTES {
            true => {
                // The whole body has arrived, so waiting for a permit does not count as waiting for the body.
                watch.enter(Stage::Parse);
                self.large_robots.clone().acquire_owned().await.ok()
            }
            false => None,
        };
        meters.measure(Stage::Parse, CpuWork::Parse, text.len(), || {
            let mut body = Body { bytes_decoded: inflater.bytes_decoded(), permit, ..Body::default() };
            match ended_early {
                Some(error) => {
                    body.answer.error = Some(error.kind);
                    body.detail = error.detail;
                }
                None => {
                    let mut rest = Buffer::new();
                    let problem = inflater.finish(&mut rest);
                    text.extend_from_slice(&rest);
                    // Bytes beyond the limit are not needed, so none are missing.
                    let is_cut = text.len() <= RobotsRules::BYTES_MAX
                        && (is_endless || problem.as_ref().is_some_and(|problem| is_damage(problem.kind)));
                    match coding.filter(|_| !is_text(&text)) {
                        Some(coding) => return undecodable(&coding, body.bytes_decoded),
                        None if is_cut => {
                            body.answer.error = Some(ErrorKind::Decode);
                            body.detail = problem.map_or_else(
                                || "the gzip stream does not end".to_owned(),
                                |problem| problem.to_string(),
                            );
                        }
                        None => body.answer.robots = Some(RobotsRules::parse(&text, product_token)),
                    }
                }
            }
            body
        })
    }
}

/// The charset that the Content-Type of `response` names (RFC 9110 section 8.3.2).
fn charset(response: &Response<impl ResponseBody>) -> Option<String> {
    let content_type = response.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    let value = value.trim().trim_matches(['"', '\'']).trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// A content coding (RFC 9110 section 8.4.1) of `response` that was not requested and cannot be decoded. A body that begins
/// like markup is read anyway, because then the header is wrong.
fn unknown_coding(response: &Response<impl ResponseBody>) -> Option<String> {
    let labels = response.headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = labels.flat_map(|label| label.split(',')).map(str::trim);
    codings.find(|coding| !KNOWN_CODINGS.contains(&coding.to_ascii_lowercase().as_str())).map(str::to_owned)
}

fn undecodable(coding: &str, bytes_decoded: u64) -> Body {
    let mut body = Body { bytes_decoded, ..Body::default() };
    body.answer.error = Some(ErrorKind::Decode);
    body.detail = format!("the content encoding {coding:?} was not requested and cannot be decoded");
    body
}

/// Whether a gzip stream with this problem is missing some of its data.
fn is_damage(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::GzipCutShort | ProblemKind::GzipDamaged)
}

/// Whether the bytes are text: UTF-8 without control characters, perhaps cut at the end. Compressed data is not.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !bytes.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}

/// Reads the rest of an unneeded body, up to [`DISCARD_BYTES_MAX`].
pub async fn discard(response: &mut Response<impl ResponseBody>) {
    while response.bytes_wire() < DISCARD_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// Takes the decompressed bytes of a body.
trait Reading: Send {
    /// Reads a slice. `step` is how inflating it went. Returns false if no more is wanted.
    fn take(&mut self, slice: &[u8], step: Result<(), InflateError>) -> bool;

    /// Frees what is not needed and accounts for the rest, before other tasks run. `bytes` are held besides it. Returns
    /// false if reading must end, because that is too much memory.
    fn hold(&mut self, bytes: usize) -> bool;

    /// Waits until reading must end, because all documents together hold too much memory.
    fn over(&self) -> impl Future<Output = ()> + Send + use<Self>;
}

/// A sitemap.
struct DocumentReading<'a> {
    reader: DocumentReader,
    collector: Collector<'a>,
    memory: HeldMemory,
    /// A content coding that cannot be decoded.
    coding: Option<String>,
    is_begun: bool,
    is_unreadable: bool,
}

impl<'a> Reading for DocumentReading<'a> {
    fn take(&mut self, slice: &[u8], step: Result<(), InflateError>) -> bool {
        self.is_unreadable |=
            self.coding.is_some() && !self.is_begun && slice.first().is_some_and(|&byte| byte != b'<');
        self.is_begun |= !slice.is_empty();
        if self.is_unreadable {
            return false;
        }
        let stopped = self.reader.push(slice, &mut self.collector).is_err();
        if matches!(step, Err(InflateError::TooLarge { .. })) {
            self.reader.stop_too_large();
        }
        !stopped && !self.collector.has_failed()
    }

    fn hold(&mut self, bytes: usize) -> bool {
        self.reader.release_unused();
        let fits = self.memory.set(bytes + self.reader.held_bytes() + self.collector.held_bytes());
        if !fits {
            self.reader.stop_over_memory();
        }
        fits
    }

    fn over(&self) -> impl Future<Output = ()> + Send + use<'a> {
        self.memory.over()
    }
}

/// A robots.txt. It holds little more than [`RobotsRules::BYTES_MAX`], so it is never ended for its memory.
#[derive(Default)]
struct RobotsReading {
    text: Vec<u8>,
    is_endless: bool,
}

impl Reading for RobotsReading {
    fn take(&mut self, slice: &[u8], step: Result<(), InflateError>) -> bool {
        self.text.extend_from_slice(slice);
        self.is_endless |= step.is_err();
        // One byte more shows that the last line was cut.
        self.text.len() <= RobotsRules::BYTES_MAX
    }

    fn hold(&mut self, _: usize) -> bool {
        true
    }

    fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        std::future::pending()
    }
}

thread_local! {
    /// The slice that is being parsed. No document keeps it, so one for each thread suffices.
    static SLICE: RefCell<Buffer> = RefCell::default();
}

/// Passes the decompressed bytes of a body to `reading`, in slices of at most [`SLICE_BYTES`], until it wants no more. Returns
/// the error if the body ended early. The size limit of a document also applies to the bytes on the wire, because an endless
/// gzip stream may contain no data.
async fn pump(
    response: &mut Response<impl ResponseBody>,
    inflater: &mut Inflater,
    meters: &Meters<'_>,
    reading: &mut impl Reading,
) -> Option<FetchError> {
    let mut bytes_since_yield = 0;
    loop {
        let chunk = tokio::select! {
            biased;
            () = reading.over() => {
                reading.hold(0);
                return None;
            }
            chunk = response.chunk() => chunk,
        };
        let chunk = match chunk {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return None,
            Err(error) => return Some(error),
        };
        let over =
            usize::try_from(response.bytes_wire().saturating_sub(DOCUMENT_BYTES_MAX)).unwrap_or(usize::MAX);
        let (mut rest, mut more) = (&chunk[..chunk.len().saturating_sub(over)], false);
        while !rest.is_empty() || more {
            let (inflated, bytes) = take_slice(rest, more, inflater, meters, reading)?;
            (rest, more) = (&rest[inflated.consumed..], inflated.more);
            bytes_since_yield += bytes;
            if bytes_since_yield >= SLICE_BYTES {
                // Large documents must not block the other tasks.
                bytes_since_yield = 0;
                if !hold(inflater, reading, chunk.len()) {
                    return None;
                }
                // The bytes have arrived, so this pause does not count as waiting for the body.
                meters.watch.enter(Stage::Parse);
                tokio::task::yield_now().await;
                meters.watch.enter(Stage::Body);
            }
        }
        if over > 0 {
            reading.take(&[], Err(InflateError::TooLarge { limit: DOCUMENT_BYTES_MAX }));
            return None;
        }
        if !hold(inflater, reading, 0) {
            return None;
        }
    }
}

/// Inflates the next slice of `rest` and passes it to `reading`. Returns how that went and the number of bytes of the slice;
/// `None` if no more is wanted.
fn take_slice(
    rest: &[u8],
    more: bool,
    inflater: &mut Inflater,
    meters: &Meters<'_>,
    reading: &mut impl Reading,
) -> Option<(Inflated, usize)> {
    SLICE.with_borrow_mut(|slice| {
        slice.clear();
        // Earlier bytes may still decompress to a whole slice.
        let bytes = if more { SLICE_BYTES } else { rest.len() };
        let step = meters.measure(Stage::Inflate, CpuWork::Inflate, bytes, || inflater.push(rest, slice));
        let ended = step.map(|_| ());
        let wants_more =
            meters.measure(Stage::Parse, CpuWork::Parse, slice.len(), || reading.take(slice, ended));
        step.ok().filter(|_| wants_more).map(|inflated| (inflated, slice.len()))
    })
}

/// Frees what is not needed and accounts for the rest, before other tasks run. Returns false if reading must end.
fn hold(inflater: &mut Inflater, reading: &mut impl Reading, chunk_bytes: usize) -> bool {
    inflater.release_unused();
    reading.hold(inflater.held_bytes() + chunk_bytes)
}
