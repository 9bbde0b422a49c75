//! The verdict: what limited the crawl, as text with its arithmetic.

pub(crate) mod evidence;
pub(crate) mod facts;
mod sentence;
#[cfg(test)]
mod tests;
pub(crate) mod time_by_bound;

use frontier::HostId;
use serde::Serialize;

use self::evidence::Evidence;
use self::facts::Facts;
use self::sentence::sentence;
use self::time_by_bound::Bound;
use crate::figures::seconds;

/// What limited the crawl, why, and what would shorten it. [`Tally`](crate::Tally) has an example.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What limited the crawl; `None` if no request took any time.
    pub bound: Option<Bound>,
    /// The reason with its arithmetic, what would shorten the crawl, and what would not.
    pub sentence: String,
    /// The figures behind the verdict.
    pub evidence: Evidence,
}

impl Verdict {
    /// Judges the crawl. `origin` returns the origin of a host.
    pub(crate) fn of(facts: &Facts<'_>, origin: impl Fn(HostId) -> Option<String>) -> Self {
        let critical_host =
            facts.line.as_ref().map(|line| origin(line.host).unwrap_or_else(|| line.host.to_string()));
        let critical = facts.line.as_ref().map(|line| facts.time_by_bound(&line.stages)).unwrap_or_default();
        let all_hosts = facts.time_by_bound(&facts.all_hosts);
        let bound = critical.largest().map(|bound| if facts.is_machine_busy() { Bound::Cpu } else { bound });
        let evidence = Evidence {
            critical_host,
            critical_requests: facts.line.as_ref().map_or(0, |line| line.requests),
            critical_line_s: critical,
            all_hosts_s: all_hosts,
            all_hosts_bound: all_hosts.largest(),
            wall_s: seconds(facts.sessions.wall_us()),
            process_s: facts.cpu.process_s,
            machine_utilisation: facts.cpu.machine_utilisation,
            utilisation: facts.cpu.utilisation,
        };
        Self { bound, sentence: sentence(facts, bound, &evidence), evidence }
    }
}
