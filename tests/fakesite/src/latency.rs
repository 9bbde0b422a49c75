//! The latency of a host.

use std::str::FromStr;
use std::time::Duration;

use crate::stable_hash;

/// A range of round-trip times. Each URL has a fixed one in this range, the same in every run.
///
/// A TLS handshake takes one round trip, and the first byte of every answer another. The default is no latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    min: Duration,
    max: Duration,
}

impl Latency {
    /// No latency: answers leave at once.
    pub const NONE: Self = Self { min: Duration::ZERO, max: Duration::ZERO };

    /// The same latency for every URL.
    pub fn fixed(time: Duration) -> Self {
        Self { min: time, max: time }
    }

    /// A latency from `min` to `max`, both inclusive. The bounds may be given in either order.
    pub fn between(min: Duration, max: Duration) -> Self {
        Self { min: min.min(max), max: min.max(max) }
    }

    pub(crate) fn of(self, host: &str, target: &str) -> Duration {
        let spread_us = u64::try_from((self.max - self.min).as_micros()).unwrap_or(u64::MAX);
        if spread_us == 0 {
            return self.min;
        }
        let number = stable_hash::mix(
            stable_hash::of_bytes(host.as_bytes()) ^ stable_hash::of_bytes(target.as_bytes()),
        );
        self.min + Duration::from_micros(number % spread_us.saturating_add(1))
    }
}

/// Error of parsing a [`Latency`]: the text that is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("latency {0:?} is neither milliseconds such as 50 nor a range such as 30-80")]
pub struct ParseLatencyError(String);

/// Parses milliseconds: `50`, or `30-80`.
impl FromStr for Latency {
    type Err = ParseLatencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let millis = |part: &str| part.parse::<u32>().map(|ms| Duration::from_millis(u64::from(ms)));
        match (millis(min), millis(max)) {
            (Ok(min), Ok(max)) => Ok(Self::between(min, max)),
            _ => Err(ParseLatencyError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_has_its_own_latency_within_the_span_and_keeps_it() {
        let latency: Latency = "30-80".parse().unwrap();
        let of = |n: u32| latency.of("www.example.com", &format!("/{n}.xml"));
        assert!((0..200).all(|n| (30..=80).contains(&of(n).as_millis())));
        assert!((0..200).any(|n| of(n) != of(0)));
        assert_eq!(of(7), of(7));
    }

    #[test]
    fn a_latency_that_is_no_number_is_refused_by_name() {
        let error = "soon".parse::<Latency>().unwrap_err();
        assert!(error.to_string().contains("\"soon\""));
    }
}
