//! Adds up a crawl's requests in one pass.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use frontier::work_queue::{HostRecord, SessionRecord};
use frontier::{ErrorKind, FetchRecord, Host, HostId};

use super::breakdown::BreakdownTally;
use super::critical_line_tally::CriticalLineTally;
use super::histogram::Spans;
use super::host_table::{HostSummary, HostTable, HostTally};
use super::hosts::{CrawlContext, HostReports, slowest};
use super::requests::Requests;
use super::sessions::Sessions;
use super::verdict::Verdict;
use super::verdict::facts::Facts;
use crate::figures::{Cpu, Hosts, PerStage, State, Times, by_name, seconds, share};
use crate::report::{Answers, Crawl, Report, Totals};
use crate::status::RESUME;

/// Adds up the fetch records of a crawl one by one, and builds the report from the sums.
///
/// Takes about 800 bytes for each host with few requests.
///
/// ```
/// use std::time::Duration;
///
/// use frontier::work_queue::{HostRecord, Session, SessionRecord, Usage};
/// use frontier::{FetchRecord, Host, SessionId, Stage, Stages, TaskId, Timestamp};
/// use reports::{Bound, Sessions, Tally};
/// # use frontier::{Connection, DocumentKind, RequestKind};
///
/// let start = Timestamp::from_micros(1_700_000_000_000_000);
/// let session = Session { id: SessionId(1), number: 0, started_at: start };
/// let last_commit_at = start + Duration::from_secs(5);
/// let record = SessionRecord { session, last_commit_at, commit_seq: 1, usage: Usage::default() };
/// let mut tally = Tally::new(Sessions::consecutive(vec![record]));
///
/// let host = Host::of(&"https://a.example".parse()?).ok_or("it has no host")?;
/// let mut stages = Stages::default();
/// stages.add(Stage::Politeness, Duration::from_secs(4));
/// stages.add(Stage::FirstByte, Duration::from_secs(1));
/// let fetch = FetchRecord {
///     session: SessionId(1),
///     task: TaskId::of(host.id(), "https://a.example/sitemap.xml"),
///     begun_at: start,
///     stages,
///     status: Some(200),
/// #     parent: None,
/// #     kind: RequestKind::Sitemap,
/// #     attempt: 1,
/// #     hop: 0,
/// #     bytes_wire: 1_000,
/// #     bytes_decoded: 10_000,
/// #     connection: Connection::New,
/// #     document: Some(DocumentKind::Urlset),
/// #     entries: 50,
/// #     error: None,
/// #     detail: String::new(),
///     // and the other fields
/// };
/// tally.add_host(host.id(), HostRecord { is_site: true, ..HostRecord::new(host) });
/// tally.add_fetch(&fetch);
///
/// let report = tally.finish(serde_json::Value::Null, false);
/// assert_eq!(report.totals.requests, 1);
/// assert_eq!(report.verdict.bound, Some(Bound::Politeness));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tally {
    sessions: Sessions,
    /// Shared with the reports made from it. Copied only if a report still exists when more is added.
    hosts: Arc<HostTable>,
    /// Hosts that are known only because a robots.txt redirects to them.
    not_sites: HashSet<HostId>,
    requests: Requests,
    spans: [Spans; 10],
    breakdown: BreakdownTally,
    line: CriticalLineTally,
    examples: BTreeMap<ErrorKind, String>,
}

impl Tally {
    /// Starts with the crawl's sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self {
            sessions,
            hosts: Arc::default(),
            not_sites: HashSet::new(),
            requests: Requests::default(),
            spans: std::array::from_fn(|_| Spans::new()),
            breakdown: BreakdownTally::default(),
            line: CriticalLineTally::default(),
            examples: BTreeMap::new(),
        }
    }

    /// Adds a host, or replaces its record. Must be called before the host's requests are added. One that is no site
    /// ([`HostRecord::is_site`]) is not shown.
    pub fn add_host(&mut self, id: HostId, record: HostRecord) {
        if !record.is_site {
            self.not_sites.insert(id);
            return;
        }
        self.not_sites.remove(&id);
        let hosts = Arc::make_mut(&mut self.hosts);
        match hosts.get_mut(&id) {
            Some(host) => host.summary = record.into(),
            None => {
                hosts.insert(id, Box::new(HostTally::new(record.into())));
            }
        }
    }

    /// Adds one request. Requests must come in the order of their sessions' runs.
    ///
    /// A request of a host that is no site counts only in the totals: the host that it was made for has waited for it
    /// meanwhile. A request of an unknown host is ignored.
    pub fn add_fetch(&mut self, fetch: &FetchRecord) {
        let run = self.sessions.span(fetch.session).map_or(0, |span| span.run);
        let hosts = Arc::make_mut(&mut self.hosts);
        let is_site = hosts.contains_key(&fetch.task.host);
        if !is_site && !self.not_sites.contains(&fetch.task.host) {
            return;
        }
        self.requests.add(fetch);
        self.breakdown.add(fetch);
        for (spans, (_, span_us)) in self.spans.iter_mut().zip(fetch.stages.iter()) {
            spans.add(span_us);
        }
        if is_site {
            self.line.add(fetch, run, hosts);
        }
        let Some(host) = hosts.get_mut(&fetch.task.host) else { return };
        host.add(fetch, run);
        // Only final errors have examples, not those of requests that succeeded on retry.
        let is_final = |kind: &ErrorKind| host.summary.account.errors.contains_key(kind);
        let final_error = fetch.error.filter(is_final);
        if let Some(kind) = final_error.filter(|_| !fetch.detail.is_empty()) {
            self.examples.entry(kind).or_insert_with(|| fetch.detail.clone());
        }
    }

    /// The origin of a host; `None` if the host is unknown.
    pub fn origin(&self, id: HostId) -> Option<String> {
        self.hosts.get(&id).map(|host| host.summary.host.to_string())
    }

    /// At most `count` hosts with their origins, longest wall time first.
    pub fn slowest_hosts(&self, count: usize) -> Vec<(HostId, String)> {
        let ids = slowest(&self.hosts, &self.sessions, count);
        ids.into_iter().filter_map(|id| Some((id, self.origin(id)?))).collect()
    }

    /// Returns the report so far. `settings` are the saved flags of the crawl.
    pub fn finish(&self, settings: serde_json::Value, is_running: bool) -> Report {
        let cpu = self.cpu();
        let crawl = self.crawl(settings, is_running);
        let facts = Facts {
            state: crawl.state,
            tasks_pending: crawl.tasks_pending,
            sessions: &self.sessions,
            cpu,
            all_hosts: self.requests.stages,
            hosts: self.hosts.len() as u64,
            line: self.line.finish(&self.hosts),
        };
        let verdict = Verdict::of(&facts, |id| self.origin(id));
        let (totals, errors) = self.totals();
        let context =
            CrawlContext { under_way_us: self.breakdown.under_way_us(), shortage: facts.shortage() };
        Report {
            crawl,
            verdict,
            totals,
            stages: self.stages(),
            breakdown: self.breakdown.finish(),
            cpu,
            answers: Answers {
                statuses: self.requests.statuses(),
                errors: by_name(&errors),
                examples: self.examples().into_iter().map(|(kind, text)| (kind.as_str(), text)).collect(),
            },
            hosts: HostReports::new(self.hosts.clone(), self.sessions.clone(), context),
            resumed_by: RESUME.to_owned(),
        }
    }

    fn crawl(&self, settings: serde_json::Value, is_running: bool) -> Crawl {
        let sessions = self.sessions.records();
        let summaries = || self.hosts.values().map(|host| &host.summary);
        Crawl {
            version: env!("CARGO_PKG_VERSION"),
            started_at: sessions.iter().map(|record| record.session.started_at).min(),
            ended_at: sessions.iter().map(|record| record.last_commit_at).max(),
            wall_s: seconds(self.sessions.wall_us()),
            sessions: sessions.len() as u64,
            workers: self.sessions.workers(),
            state: State::of(summaries().any(HostSummary::is_busy), is_running),
            tasks_pending: summaries().map(|summary| summary.account.unfinished()).sum(),
            settings,
        }
    }

    fn cpu(&self) -> Cpu {
        let records = self.sessions.records();
        let sum = |of: fn(&SessionRecord) -> u64| records.iter().map(of).fold(0, u64::saturating_add);
        let process_us = sum(|record| record.usage.process_us);
        let inflate_us = sum(|record| record.usage.inflate_us);
        let parse_us = sum(|record| record.usage.parse_us);
        let record_us = sum(|record| record.usage.record_us);
        let named_us = inflate_us.saturating_add(parse_us).saturating_add(record_us);
        let capacity_us = self.sessions.capacity_us();
        let machine_us = sum(|record| record.usage.machine_busy_us).max(process_us).min(capacity_us);
        Cpu {
            process_s: seconds(process_us),
            inflate_s: seconds(inflate_us),
            parse_s: seconds(parse_us),
            record_s: seconds(record_us),
            other_s: seconds(process_us.saturating_sub(named_us)),
            cores: self.sessions.cores(),
            utilisation: share(process_us, capacity_us),
            machine_utilisation: share(machine_us, capacity_us),
            peak_rss_bytes: records.iter().map(|record| record.usage.peak_rss_bytes).max().unwrap_or(0),
        }
    }

    fn totals(&self) -> (Totals, BTreeMap<ErrorKind, u64>) {
        let mut errors = BTreeMap::new();
        let mut totals = Totals {
            hosts: Hosts { known: self.hosts.len() as u64, ..Hosts::default() },
            requests: self.requests.count,
            bytes_wire: self.requests.bytes_wire,
            bytes_decoded: self.requests.bytes_decoded,
            documents: self.requests.documents(),
            retries: self.requests.retries,
            ..Totals::default()
        };
        for HostSummary { account, parked, .. } in self.hosts.values().map(|host| &host.summary) {
            totals.hosts.complete += u64::from(account.is_complete() && !parked);
            totals.hosts.parked += u64::from(*parked);
            totals.sitemaps.add(account);
            totals.entries.add(account);
        }
        for (kind, count) in self.hosts.values().flat_map(|host| host.summary.errors()) {
            *errors.entry(kind).or_default() += count;
        }
        (totals, errors)
    }

    /// An example of each error kind, as text. For kinds that no request shows (limits, robots.txt rules) it is a host.
    fn examples(&self) -> BTreeMap<ErrorKind, String> {
        let mut first: HashMap<ErrorKind, &Host> = HashMap::new();
        for summary in self.hosts.values().map(|host| &host.summary) {
            for kind in summary.errors().into_keys().filter(|kind| !self.examples.contains_key(kind)) {
                // The smallest host, so that the example does not depend on the order of the hash table.
                let example = first.entry(kind).or_insert(&summary.host);
                *example = (*example).min(&summary.host);
            }
        }
        let first = first.into_iter().map(|(kind, host)| (kind, host.to_string()));
        self.examples.clone().into_iter().chain(first).collect()
    }

    fn stages(&self) -> PerStage<Times> {
        let whole_us = self.requests.stages.total_us();
        PerStage::new(|stage| self.spans[stage as usize].times(whole_us))
    }
}
