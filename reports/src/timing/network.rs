//! The network's part of the time of requests.

use frontier::{ErrorKind, FetchRecord, Stage};

/// The network stages.
pub(crate) const NETWORK: [Stage; 5] =
    [Stage::Dns, Stage::Connect, Stage::Tls, Stage::FirstByte, Stage::Body];

/// Time of a request in the network stages, in microseconds.
pub(crate) fn network_us(fetch: &FetchRecord) -> u64 {
    NETWORK.iter().fold(0, |sum: u64, stage| sum.saturating_add(fetch.stages[*stage]))
}

/// Lower bound of the time that a host's requests waited for the network, however busy the machine was.
///
/// A process that is short of CPU reads bytes long after they arrived, and no clock of the process can tell. But each
/// request is taken to have waited for the network as long as the host's fastest request did. A request that timed
/// out got no response at all, so its whole network time counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetworkFloor {
    requests: u64,
    fastest_us: u64,
    timeouts_us: u64,
}

impl NetworkFloor {
    pub(crate) fn add(&mut self, fetch: &FetchRecord) {
        let network_us = network_us(fetch);
        if fetch.error == Some(ErrorKind::Timeout) {
            self.timeouts_us = self.timeouts_us.saturating_add(network_us);
            return;
        }
        self.fastest_us = if self.requests == 0 { network_us } else { self.fastest_us.min(network_us) };
        self.requests += 1;
    }

    /// The network time if every request had been as fast as the fastest one, in microseconds.
    pub(crate) fn us(&self) -> u64 {
        self.timeouts_us.saturating_add(self.requests.saturating_mul(self.fastest_us))
    }
}
