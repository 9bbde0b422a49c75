//! The segment that a recorder writes.

use std::sync::Arc;

use frontier::work_queue::SegmentRef;
use frontier::{Clock, Timestamp};
use storage::{EntryWriter, FinishedRows, SegmentError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::attempt::Attempt;
use super::error::RecordError;
use crate::clock::sleep_until;
use crate::cpu_meter::{CpuMeter, CpuWork, thread_cpu};

/// The segment that a recorder writes, with the attempts that wait for it. At most one write runs at a time, in another
/// thread if it may block.
pub struct SegmentInProgress<W> {
    /// `None` while a write runs.
    writer: Option<W>,
    appending: Option<Appending<W>>,
    /// Attempts whose entries the writer has gathered.
    gathered: Vec<Attempt>,
    /// When the writer must complete the segment.
    roll_at: Option<Timestamp>,
    /// Makes it complete the segment at once.
    roll_now: Arc<Notify>,
    meter: Arc<CpuMeter>,
}

/// A write that is running, or has ended.
enum Appending<W> {
    InThread(JoinHandle<Appended<W>>),
    Done(Appended<W>),
}

struct Appended<W> {
    writer: W,
    attempts: Vec<Attempt>,
    segment: Result<Option<SegmentRef>, SegmentError>,
}

/// Bytes of a segment that are durable and must be registered, with the attempts whose entries they are.
pub struct Written {
    /// The bytes.
    pub segment: SegmentRef,
    /// The attempts.
    pub attempts: Vec<Attempt>,
}

impl<W: EntryWriter> SegmentInProgress<W> {
    /// Writes with `writer`.
    pub fn new(writer: W, roll_now: Arc<Notify>, meter: Arc<CpuMeter>) -> Self {
        let (appending, gathered, roll_at) = (None, Vec::new(), None);
        Self { writer: Some(writer), appending, gathered, roll_at, roll_now, meter }
    }

    /// Waits until a write has ended, or until it is time to complete the segment. Returns what must be registered now. Can
    /// be dropped and called again before that.
    pub async fn next(&mut self, clock: &impl Clock) -> Result<Option<Written>, RecordError> {
        tokio::select! {
            // In this order, so that a simulation can be repeated.
            biased;
            done = ended(&mut self.appending), if self.appending.is_some() => self.take(done?),
            () = self.roll_now.notified(), if self.roll_at.is_some() => {
                self.roll_at = Some(clock.now());
                Ok(None)
            }
            () = sleep_until(clock, self.roll_at), if self.appending.is_none() => Ok(None),
        }
    }

    /// Takes over the end of a write.
    fn take(&mut self, appended: Appended<W>) -> Result<Option<Written>, RecordError> {
        self.appending = None;
        self.writer = Some(appended.writer);
        self.gathered.extend(appended.attempts);
        let Some(segment) = appended.segment? else { return Ok(None) };
        self.roll_at = None;
        Ok(Some(Written { segment, attempts: std::mem::take(&mut self.gathered) }))
    }

    /// Begins to write `rows`, the entries of `attempts`. No write may be running.
    pub fn append(
        &mut self,
        attempts: Vec<Attempt>,
        rows: Vec<FinishedRows>,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        if self.writer.is_none() {
            return Err(RecordError::Writer);
        }
        self.roll_at = self.roll_at.or_else(|| Some(now + W::GATHERS_FOR));
        self.write(attempts, |writer| writer.append(rows));
        Ok(())
    }

    /// Begins to complete the segment if it is time to, or if this `is_end`. Does nothing while a write is running.
    pub fn roll_if_due(&mut self, is_end: bool, now: Timestamp) {
        let is_due = self.roll_at.is_some_and(|at| at <= now);
        if self.is_free() && (is_due || is_end) {
            self.roll_at = None;
            if !self.gathered.is_empty() {
                self.write(Vec::new(), W::roll);
            }
        }
    }

    fn write(
        &mut self,
        attempts: Vec<Attempt>,
        write: impl FnOnce(&mut W) -> Result<Option<SegmentRef>, SegmentError> + Send + 'static,
    ) {
        let Some(mut writer) = self.writer.take() else { return };
        let meter = self.meter.clone();
        let write = move || {
            let before = thread_cpu();
            let segment = write(&mut writer);
            meter.add(CpuWork::Record, thread_cpu().saturating_sub(before));
            Appended { writer, attempts, segment }
        };
        self.appending = Some(if W::BLOCKS {
            Appending::InThread(tokio::task::spawn_blocking(write))
        } else {
            Appending::Done(write())
        });
    }

    /// Whether no write is running.
    pub fn is_free(&self) -> bool {
        self.appending.is_none()
    }

    /// Whether all entries are durable.
    pub fn is_done(&self) -> bool {
        self.is_free() && self.gathered.is_empty()
    }

    /// The attempts whose entries were gathered and are not durable yet.
    pub fn gathered(&self) -> &[Attempt] {
        &self.gathered
    }

    /// Waits until no write is running any more. Its result is lost.
    pub async fn abandon(self) {
        if let Some(Appending::InThread(handle)) = self.appending {
            let _ = handle.await;
        }
    }
}

/// Waits until a write has ended. Can be dropped and called again before that.
async fn ended<W>(appending: &mut Option<Appending<W>>) -> Result<Appended<W>, RecordError> {
    if let Some(Appending::InThread(handle)) = appending {
        return handle.await.map_err(|_| RecordError::Writer);
    }
    match appending.take() {
        Some(Appending::Done(appended)) => Ok(appended),
        _ => std::future::pending().await,
    }
}
