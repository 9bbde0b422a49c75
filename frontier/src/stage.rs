//! The ten stages of a request's time.

use std::ops::{Index, IndexMut};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One stage of a request, in the order in which the stages occur.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stage {
    /// The pace, a Retry-After or a backoff delays the request.
    Politeness,
    /// The request may leave, but no worker is free.
    Slot,
    /// Resolving the host name.
    Dns,
    /// Making the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the first byte of the request sent to the first byte of the answer received.
    FirstByte,
    /// Waiting for bytes of the body.
    Body,
    /// Decompressing the body.
    Inflate,
    /// Reading the document.
    Parse,
    /// From the end of parsing until the outcome is durable.
    Record,
}

impl Stage {
    /// All ten, in order.
    pub const ALL: [Self; 10] = [
        Self::Politeness,
        Self::Slot,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::FirstByte,
        Self::Body,
        Self::Inflate,
        Self::Parse,
        Self::Record,
    ];

    /// The stage's name in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Politeness => "politeness",
            Self::Slot => "slot",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Body => "body",
            Self::Inflate => "inflate",
            Self::Parse => "parse",
            Self::Record => "record",
        }
    }
}

/// Wall-clock time per stage, in microseconds.
///
/// ```
/// use std::time::Duration;
///
/// use frontier::{Stage, Stages};
///
/// let mut stages = Stages::default();
/// stages.add(Stage::Dns, Duration::from_millis(2));
/// stages.add(Stage::Body, Duration::from_millis(40));
/// assert_eq!(stages[Stage::Body], 40_000);
/// assert_eq!(stages.total_us(), 42_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stages([u64; 10]);

impl Stages {
    /// Adds `span` to `stage`.
    pub fn add(&mut self, stage: Stage, span: Duration) {
        self[stage] = self[stage].saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// Each stage with its microseconds.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, u64)> + '_ {
        Stage::ALL.into_iter().map(|stage| (stage, self[stage]))
    }

    /// The sum, in microseconds.
    pub fn total_us(&self) -> u64 {
        self.0.iter().fold(0, |sum, us| sum.saturating_add(*us))
    }
}

impl Index<Stage> for Stages {
    type Output = u64;

    fn index(&self, stage: Stage) -> &u64 {
        &self.0[stage as usize]
    }
}

impl IndexMut<Stage> for Stages {
    fn index_mut(&mut self, stage: Stage) -> &mut u64 {
        &mut self.0[stage as usize]
    }
}
