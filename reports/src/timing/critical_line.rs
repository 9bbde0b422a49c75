//! The critical line: the requests of the host that ended last.
//!
//! Only a change that shortens this line shortens the crawl.

use frontier::{ErrorKind, FetchRecord, HostId, Stage, Stages};

use super::network::network_us;
use super::requests::{Requests, add_stages, is_retry};

/// The critical line of one run, or the sum of those of several runs.
#[derive(Clone, Debug)]
pub(crate) struct CriticalLine {
    /// The host; with several runs, the one with the longest line.
    pub(crate) host: HostId,
    /// Length of that host's line, in microseconds.
    longest_us: u64,
    /// Number of runs added up here.
    pub(crate) runs: u64,
    /// Number of requests.
    pub(crate) requests: u64,
    /// Time of the requests by stage.
    pub(crate) stages: Stages,
    /// Their time-outs and retries.
    pub(crate) waits: Waits,
}

/// Time lost to time-outs and retries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// Requests that timed out.
    pub(crate) timeouts: u64,
    /// Network time of those requests, in microseconds.
    pub(crate) timeouts_us: u64,
    /// Politeness delay before retries, in microseconds.
    pub(crate) retries_us: u64,
}

/// The latest run of a host: state kept in case this host turns out to end last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatestRun {
    /// The run of the host's latest request.
    run: usize,
    waits: Waits,
    /// Sums at the start of that run; `None` for most hosts, which made no requests before it.
    start: Option<Box<RunStart>>,
}

#[derive(Clone, Copy, Debug)]
struct RunStart {
    requests: u64,
    stages: Stages,
    waits: Waits,
}

impl LatestRun {
    /// Adds a request of `run`; `so_far` is the sum of the host's earlier requests.
    pub(crate) fn add(&mut self, fetch: &FetchRecord, run: usize, so_far: &Requests) {
        if self.run != run && so_far.count > 0 {
            let start = RunStart { requests: so_far.count, stages: so_far.stages, waits: self.waits };
            self.start = Some(Box::new(start));
        }
        self.run = run;
        if fetch.error == Some(ErrorKind::Timeout) {
            self.waits.timeouts += 1;
            self.waits.timeouts_us = self.waits.timeouts_us.saturating_add(network_us(fetch));
        }
        if is_retry(fetch) {
            self.waits.retries_us = self.waits.retries_us.saturating_add(fetch.stages[Stage::Politeness]);
        }
    }

    /// The line of host `id` in this run; `requests` is the sum of all its requests.
    pub(crate) fn line(&self, id: HostId, requests: &Requests) -> CriticalLine {
        let mut line = CriticalLine {
            host: id,
            longest_us: 0,
            runs: 1,
            requests: requests.count,
            stages: requests.stages,
            waits: self.waits,
        };
        if let Some(start) = &self.start {
            line.requests -= start.requests;
            for (stage, span_us) in start.stages.iter() {
                line.stages[stage] -= span_us;
            }
            line.waits.timeouts -= start.waits.timeouts;
            line.waits.timeouts_us -= start.waits.timeouts_us;
            line.waits.retries_us -= start.waits.retries_us;
        }
        line.longest_us = line.stages.total_us();
        line
    }
}

impl CriticalLine {
    /// The sum of two lines.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        // If both are equally long, the later one wins.
        if other.longest_us >= self.longest_us {
            (self.host, self.longest_us) = (other.host, other.longest_us);
        }
        self.runs += other.runs;
        self.requests += other.requests;
        add_stages(&mut self.stages, &other.stages);
        self.waits.timeouts += other.waits.timeouts;
        self.waits.timeouts_us = self.waits.timeouts_us.saturating_add(other.waits.timeouts_us);
        self.waits.retries_us = self.waits.retries_us.saturating_add(other.waits.retries_us);
        self
    }
}
