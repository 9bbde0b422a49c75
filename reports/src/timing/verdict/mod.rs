//! What held the crawl, in one sentence with its arithmetic.

mod facts;
mod held;
mod sentence;
#[cfg(test)]
mod tests;

use frontier::HostId;
use serde::Serialize;

pub(crate) use self::facts::{Facts, Shortage, bound_of};
pub use self::held::{Bound, TimeByBound};
use self::sentence::sentence;
use crate::report::seconds;

/// What held the crawl, why, and what would help.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The bound; `None` where no request took any time.
    pub bound: Option<Bound>,
    /// The reason with its arithmetic, what would change it, and what would not.
    pub sentence: String,
    /// The figures it rests on.
    pub evidence: Evidence,
}

/// The figures of a verdict.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// The host that ended last; of several runs, the one that took longest.
    pub critical_host: Option<String>,
    /// Its requests, those of the last hosts of other runs added.
    pub critical_requests: u64,
    /// Where their time went, in seconds.
    pub critical_line_s: TimeByBound,
    /// Where the time of all hosts' requests went, in seconds.
    pub all_hosts_s: TimeByBound,
    /// The bound by that sum, which may differ.
    pub all_hosts_bound: Option<Bound>,
    /// The crawl's wall time, in seconds.
    pub wall_s: f64,
    /// CPU time of the process, in seconds.
    pub process_s: f64,
    /// How busy all cores were, by anybody.
    pub machine_utilisation: f64,
    /// How busy we kept them.
    pub utilisation: f64,
}

impl Verdict {
    /// Finds it. `origin` names a host.
    pub(crate) fn of(facts: &Facts, origin: impl Fn(HostId) -> Option<String>) -> Self {
        let critical_host =
            facts.line.as_ref().map(|line| origin(line.host).unwrap_or_else(|| line.host.to_string()));
        let critical = facts.line.as_ref().map(|line| facts.held(&line.stages)).unwrap_or_default();
        let all_hosts = facts.held(&facts.all_hosts);
        let bound = critical.most().map(|most| if facts.is_machine_busy() { Bound::Cpu } else { most });
        let evidence = Evidence {
            critical_host,
            critical_requests: facts.line.as_ref().map_or(0, |line| line.requests),
            critical_line_s: critical,
            all_hosts_s: all_hosts,
            all_hosts_bound: all_hosts.most(),
            wall_s: seconds(facts.wall_us),
            process_s: facts.cpu.process_s,
            machine_utilisation: facts.cpu.machine_utilisation,
            utilisation: facts.cpu.utilisation,
        };
        Self { bound, sentence: sentence(facts, bound, &evidence), evidence }
    }
}
