//! Time split by what it was spent on.

use frontier::{Stage, Stages};
use serde::{Serialize, Serializer};

use super::super::network::{NETWORK, NetworkFloor};
use crate::figures::seconds;

/// What limited a crawl or a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Name resolution, connections, servers and bandwidth.
    Network,
    /// The politeness delay of each host.
    Politeness,
    /// Decompressing, parsing and recording.
    Cpu,
    /// The number of requests allowed in flight.
    Concurrency,
}

impl Bound {
    /// The name in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Politeness => "politeness",
            Self::Cpu => "cpu",
            Self::Concurrency => "concurrency",
        }
    }
}

/// Time by [`Bound`], in microseconds; serialized in seconds.
///
/// ```
/// use std::time::Duration;
///
/// use frontier::{Stage, Stages};
/// use reports::{Bound, TimeByBound};
///
/// let mut stages = Stages::default();
/// stages.add(Stage::Dns, Duration::from_millis(3));
/// stages.add(Stage::Body, Duration::from_millis(40));
/// stages.add(Stage::Parse, Duration::from_millis(5));
/// let time = TimeByBound::of(&stages);
/// assert_eq!((time.by(Bound::Network), time.by(Bound::Cpu)), (43_000, 5_000));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimeByBound {
    /// Stages `dns` to `body`.
    pub network_us: u64,
    /// Stage `politeness`.
    pub politeness_us: u64,
    /// Stages `inflate`, `parse` and `record`.
    pub cpu_us: u64,
    /// Stage `slot`.
    pub concurrency_us: u64,
}

impl TimeByBound {
    /// Adds up the stages of each bound.
    pub fn of(stages: &Stages) -> Self {
        let sum = |group: &[Stage]| group.iter().fold(0_u64, |sum, stage| sum.saturating_add(stages[*stage]));
        Self {
            network_us: sum(&NETWORK),
            politeness_us: sum(&[Stage::Politeness]),
            cpu_us: sum(&[Stage::Inflate, Stage::Parse, Stage::Record]),
            concurrency_us: sum(&[Stage::Slot]),
        }
    }

    /// The time of `bound`.
    pub fn by(&self, bound: Bound) -> u64 {
        match bound {
            Bound::Network => self.network_us,
            Bound::Politeness => self.politeness_us,
            Bound::Cpu => self.cpu_us,
            Bound::Concurrency => self.concurrency_us,
        }
    }

    /// The sum over all bounds.
    pub fn total_us(&self) -> u64 {
        let parts = [self.network_us, self.politeness_us, self.cpu_us, self.concurrency_us];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Counts the wait for a slot as a wait for the CPU.
    pub(super) fn with_slot_as_cpu(self) -> Self {
        Self { cpu_us: self.cpu_us.saturating_add(self.concurrency_us), concurrency_us: 0, ..self }
    }

    /// Counts network time beyond `floor` as a wait for the CPU.
    pub(super) fn with_late_bytes_as_cpu(self, floor: NetworkFloor) -> Self {
        let network_us = self.network_us.min(floor.us());
        Self { cpu_us: self.cpu_us.saturating_add(self.network_us - network_us), network_us, ..self }
    }

    /// The bound with the most time; `None` if there is no time. Ties go to the first of network, politeness, cpu,
    /// concurrency.
    pub(super) fn largest(&self) -> Option<Bound> {
        let bounds = [Bound::Concurrency, Bound::Cpu, Bound::Politeness, Bound::Network];
        bounds.into_iter().max_by_key(|bound| self.by(*bound)).filter(|bound| self.by(*bound) > 0)
    }
}

impl Serialize for TimeByBound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bounds = [Bound::Network, Bound::Politeness, Bound::Cpu, Bound::Concurrency];
        serializer.collect_map(bounds.map(|bound| (bound.as_str(), seconds(self.by(bound)))))
    }
}
