//! The hosts of a report.

use std::cmp::Reverse;
use std::sync::Arc;

use frontier::{Host, HostId, Stage};
use serde::{Serialize, Serializer};
use url::Url;

use super::host_table::{HostTable, HostTally};
use super::sessions::Sessions;
use super::verdict::facts::{CpuShortage, bound_of};
use crate::figures::{Entries, PerStage, Sitemaps, StageTotal, by_name, seconds, share};
use crate::host_report::HostReport;

/// The hosts of a report by origin.
///
/// Each [`HostReport`] is built on demand, so a report of a million hosts needs no memory besides their sums. It shares
/// these with the [`super::Tally`] that made it.
#[derive(Clone, Debug)]
pub struct HostReports {
    table: Arc<HostTable>,
    sessions: Sessions,
    context: CrawlContext,
}

/// Figures of the whole crawl that the report of each host needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrawlContext {
    /// Time of all requests from `dns` to `record`.
    pub(crate) under_way_us: u64,
    /// How short of CPU the crawl was.
    pub(crate) shortage: CpuShortage,
}

impl HostReports {
    pub(crate) fn new(table: Arc<HostTable>, sessions: Sessions, context: CrawlContext) -> Self {
        Self { table, sessions, context }
    }

    /// Number of hosts.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no host.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The host with this origin.
    pub fn get(&self, origin: &str) -> Option<HostReport> {
        let id = Host::of(&Url::parse(origin).ok()?)?.id();
        self.table.get(&id).map(|host| self.report(host).1)
    }

    /// Each host with its origin, ordered by scheme, name and port.
    pub fn iter(&self) -> impl Iterator<Item = (String, HostReport)> {
        let mut hosts: Vec<&HostTally> = self.table.values().map(Box::as_ref).collect();
        hosts.sort_unstable_by(|a, b| a.summary.host.cmp(&b.summary.host));
        hosts.into_iter().map(|host| self.report(host))
    }

    /// At most `count` of the hosts with their origins, longest wall time first.
    pub fn slowest(&self, count: usize) -> impl Iterator<Item = (String, HostReport)> {
        let ids = slowest(&self.table, &self.sessions, count);
        ids.into_iter().filter_map(|id| Some(self.report(self.table.get(&id)?)))
    }

    fn report(&self, host: &HostTally) -> (String, HostReport) {
        let HostTally { summary, requests, network_floor, under_way, .. } = host;
        let mut sitemaps = Sitemaps::default();
        sitemaps.add(&summary.account);
        let mut entries = Entries::default();
        entries.add(&summary.account);
        let whole_us = requests.stages.total_us();
        let total = |stage: Stage| {
            let span_us = requests.stages[stage];
            StageTotal { total_s: seconds(span_us), share: share(span_us, whole_us) }
        };
        let report = HostReport {
            complete: summary.is_complete(),
            seed: summary.is_seed,
            parked_until: summary.not_before.filter(|_| summary.parked),
            requests: requests.count,
            bytes_wire: requests.bytes_wire,
            bytes_decoded: requests.bytes_decoded,
            documents: requests.documents(),
            sitemaps,
            entries,
            retries: requests.retries,
            statuses: requests.statuses(),
            errors: by_name(&summary.errors()),
            stages: PerStage::new(total),
            under_way: under_way.times(self.context.under_way_us),
            bound: bound_of(&requests.stages, *network_floor, self.context.shortage),
            wall_s: seconds(self.sessions.host_wall_us(summary.wall_us, summary.busy_since)),
        };
        (summary.host.to_string(), report)
    }
}

impl Serialize for HostReports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// At most `count` of the hosts, longest wall time first. Ties are ordered by host.
pub(crate) fn slowest(table: &HostTable, sessions: &Sessions, count: usize) -> Vec<HostId> {
    let wall_us = |host: &HostTally| sessions.host_wall_us(host.summary.wall_us, host.summary.busy_since);
    let mut hosts: Vec<_> =
        table.iter().map(|(id, host)| (Reverse(wall_us(host)), &host.summary.host, *id)).collect();
    if count < hosts.len() {
        hosts.select_nth_unstable(count);
        hosts.truncate(count);
    }
    hosts.sort_unstable();
    hosts.into_iter().map(|(_, _, id)| id).collect()
}
