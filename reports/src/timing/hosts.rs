//! The hosts of a report.

use std::cmp::Reverse;
use std::sync::Arc;

use frontier::{Host, HostId, Stage};
use serde::{Serialize, Serializer};
use url::Url;

use super::Sessions;
use super::host_table::{HostTable, HostTally};
use super::verdict::{Shortage, bound_of};
use crate::report::{Entries, HostReport, PerStage, Sitemaps, StageTotal, named, seconds, share};

/// The hosts of a report by their origins, all of them or the slowest.
///
/// Each is made when it is asked for, so that a report of a million hosts takes no more memory than their sums do, which
/// it shares with the [`super::Tally`] it was made by.
#[derive(Clone, Debug)]
pub struct HostReports {
    table: Arc<HostTable>,
    sessions: Sessions,
    whole: Whole,
    /// `None`: all.
    shown: Option<Vec<HostId>>,
}

/// What a host's report needs to know of all hosts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    /// The time of all requests under way.
    pub(crate) under_way_us: u64,
    /// What was short of CPU.
    pub(crate) shortage: Shortage,
}

impl HostReports {
    pub(crate) fn new(table: Arc<HostTable>, sessions: Sessions, whole: Whole) -> Self {
        Self { table, sessions, whole, shown: None }
    }

    /// The slowest `count` of them alone.
    pub(crate) fn shorten(&mut self, count: usize) {
        if count < self.len() {
            self.shown = Some(slowest(&self.table, self.ids(), &self.sessions, count));
        }
    }

    /// How many there are here.
    pub fn len(&self) -> usize {
        self.shown.as_ref().map_or(self.table.len(), Vec::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The host with this origin, whether or not it is among those shown.
    pub fn get(&self, origin: &str) -> Option<HostReport> {
        let id = Host::of(&Url::parse(origin).ok()?)?.id();
        self.table.get(&id).map(|host| self.report(host).1)
    }

    /// Each of them with its origin, by scheme, name and port.
    pub fn iter(&self) -> impl Iterator<Item = (String, HostReport)> {
        let mut hosts: Vec<&HostTally> =
            self.ids().filter_map(|id| self.table.get(&id)).map(Box::as_ref).collect();
        hosts.sort_unstable_by(|a, b| a.known.host.cmp(&b.known.host));
        hosts.into_iter().map(|host| self.report(host))
    }

    /// At most `count` of them with their origins, those with the longest wall time first.
    pub fn slowest(&self, count: usize) -> impl Iterator<Item = (String, HostReport)> {
        let ids = slowest(&self.table, self.ids(), &self.sessions, count);
        ids.into_iter().filter_map(|id| Some(self.report(self.table.get(&id)?)))
    }

    fn ids(&self) -> Box<dyn Iterator<Item = HostId> + '_> {
        match &self.shown {
            Some(shown) => Box::new(shown.iter().copied()),
            None => Box::new(self.table.keys().copied()),
        }
    }

    fn report(&self, host: &HostTally) -> (String, HostReport) {
        let HostTally { known, requests, network_floor, under_way, .. } = host;
        let mut sitemaps = Sitemaps::default();
        sitemaps.add(&known.account);
        let mut entries = Entries::default();
        entries.add(&known.account);
        let whole_us = requests.stages.total_us();
        let total = |stage: Stage| {
            let span_us = requests.stages[stage];
            StageTotal { total_s: seconds(span_us), share: share(span_us, whole_us) }
        };
        let report = HostReport {
            complete: known.is_complete(),
            seed: known.is_seed,
            parked_until: known.not_before.filter(|_| known.parked),
            requests: requests.count,
            bytes_wire: requests.bytes_wire,
            bytes_decoded: requests.bytes_decoded,
            documents: requests.documents(),
            sitemaps,
            entries,
            retries: requests.retries,
            statuses: requests.statuses(),
            errors: named(&known.errors()),
            stages: PerStage::new(total),
            under_way: under_way.times(self.whole.under_way_us),
            bound: bound_of(&requests.stages, *network_floor, self.whole.shortage),
            wall_s: seconds(self.sessions.host_wall_us(known.wall_us, known.busy_since)),
        };
        (known.host.to_string(), report)
    }
}

impl Serialize for HostReports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// At most `count` of the hosts `ids`, those with the longest wall time first, then by their names.
pub(crate) fn slowest(
    table: &HostTable,
    ids: impl Iterator<Item = HostId>,
    sessions: &Sessions,
    count: usize,
) -> Vec<HostId> {
    let wall_us = |host: &HostTally| sessions.host_wall_us(host.known.wall_us, host.known.busy_since);
    let mut hosts: Vec<_> = ids
        .filter_map(|id| table.get(&id).map(|host| (Reverse(wall_us(host)), &host.known.host, id)))
        .collect();
    if count < hosts.len() {
        hosts.select_nth_unstable(count);
        hosts.truncate(count);
    }
    hosts.sort_unstable();
    hosts.into_iter().map(|(_, _, id)| id).collect()
}
