//! The host that ended last: nothing shortens a crawl that does not shorten it.

use std::time::Duration;

use frontier::{ErrorKind, FetchRecord, HostId, Stage, Stages, Timestamp};

use super::host_table::{HostTable, HostTally, Requests, add_stages, is_retry, network_us};

/// The host that ended last, run by run (see [`super::Sessions`]).
///
/// Each run has a wall time of its own and so a last host of its own; their lines are added as the wall times are.
/// Requests come in the order of the runs, so that a host need know no more than what it did before the run at hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct CriticalLine {
    run: usize,
    /// The host whose requests ended last in the run at hand. The identity settles ties, so that the same records always
    /// name the same host.
    last: Option<(Timestamp, HostId)>,
    /// Those of the runs before it.
    over: Option<Line>,
}

/// The line of the host that ended last in one run, or of several runs.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The host; of several runs, the one with the longest line.
    pub(crate) host: HostId,
    /// How long that was, in microseconds.
    longest_us: u64,
    /// Runs whose lines are added up here.
    pub(crate) runs: u64,
    /// Its requests.
    pub(crate) requests: u64,
    /// Where its time went.
    pub(crate) stages: Stages,
    /// What else is known of them.
    pub(crate) waits: Waits,
}

/// What a host waited for in vain, or again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// Requests that timed out.
    pub(crate) timeouts: u64,
    /// The network's time of those, in microseconds.
    pub(crate) timeouts_us: u64,
    /// What politeness withheld of tries after the first, in microseconds.
    pub(crate) retries_us: u64,
}

/// What must be kept of a host lest it ended last.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostLine {
    /// The run of its last request.
    run: usize,
    waits: Waits,
    /// What it had done when that run began; nothing, for most hosts.
    before: Option<Box<Before>>,
}

#[derive(Clone, Copy, Debug)]
struct Before {
    requests: u64,
    stages: Stages,
    waits: Waits,
}

impl CriticalLine {
    /// Takes note of a request, before it is added to its host.
    pub(crate) fn add(&mut self, fetch: &FetchRecord, run: usize, hosts: &HostTable) {
        if self.run != run {
            self.over = self.finish(hosts);
            (self.run, self.last) = (run, None);
        }
        let ended_at = fetch.begun_at + Duration::from_micros(fetch.stages.total_us());
        self.last = self.last.max(Some((ended_at, fetch.task.host)));
    }

    /// The lines of all runs in one; `None` without a request.
    pub(crate) fn finish(&self, hosts: &HostTable) -> Option<Line> {
        let last = self.last.and_then(|(_, id)| Some(hosts.get(&id)?.line(id)));
        match (self.over.clone(), last) {
            (Some(over), Some(last)) => Some(over.and(&last)),
            (over, last) => over.or(last),
        }
    }
}

impl HostTally {
    /// What it did in the run of its last request.
    fn line(&self, id: HostId) -> Line {
        let mut line = Line {
            host: id,
            longest_us: 0,
            runs: 1,
            requests: self.requests.count,
            stages: self.requests.stages,
            waits: self.line.waits,
        };
        if let Some(before) = &self.line.before {
            line.requests -= before.requests;
            for (stage, span_us) in before.stages.iter() {
                line.stages[stage] -= span_us;
            }
            let (waits, past) = (&mut line.waits, before.waits);
            waits.timeouts -= past.timeouts;
            waits.timeouts_us -= past.timeouts_us;
            waits.retries_us -= past.retries_us;
        }
        line.longest_us = line.stages.total_us();
        line
    }
}

impl HostLine {
    /// Adds a request of `run`; `so_far` are those before it.
    pub(crate) fn add(&mut self, fetch: &FetchRecord, run: usize, so_far: &Requests) {
        if self.run != run && so_far.count > 0 {
            let before = Before { requests: so_far.count, stages: so_far.stages, waits: self.waits };
            self.before = Some(Box::new(before));
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
}

impl Line {
    /// Both in one.
    fn and(mut self, other: &Self) -> Self {
        // Of equals the later one.
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
