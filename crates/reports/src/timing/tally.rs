//! Adds up a crawl in one pass.

use std::collections::{BTreeMap, HashMap};

use frontier::work_queue::{HostRecord, SessionRecord};
use frontier::{ErrorKind, FetchRecord, HostId, Stage};

use super::breakdown::BreakdownTally;
use super::critical_line::{CriticalLine, session_us};
use super::histogram::Spans;
use super::host_table::{HostTable, HostTally, Requests};
use super::verdict::{Facts, Shortage, Verdict, bound_of};
use crate::report::{
    Cpu, Crawl, Entries, HostReport, PerStage, Report, Sitemaps, StageTotal, State, Times, Totals, named,
    seconds, share,
};

/// Adds up the fetch records of a crawl, one by one, and makes the report of them.
#[derive(Clone, Debug)]
pub struct Tally {
    sessions: Vec<SessionRecord>,
    hosts: HostTable,
    requests: Requests,
    spans: [Spans; 10],
    breakdown: BreakdownTally,
    line: CriticalLine,
    examples: BTreeMap<ErrorKind, String>,
}

impl Tally {
    /// Begins with the crawl's sessions.
    pub fn new(sessions: Vec<SessionRecord>) -> Self {
        Self {
            sessions,
            hosts: HashMap::new(),
            requests: Requests::default(),
            spans: std::array::from_fn(|_| Spans::new()),
            breakdown: BreakdownTally::default(),
            line: CriticalLine::default(),
            examples: BTreeMap::new(),
        }
    }

    /// Adds a host, before any of its requests; or says how it is now.
    pub fn add_host(&mut self, id: HostId, mut record: HostRecord) {
        // Rules can be half a megabyte a host, and no report shows them.
        record.robots = None;
        match self.hosts.get_mut(&id) {
            Some(host) => host.record = record,
            None => {
                self.hosts.insert(id, HostTally::new(record));
            }
        }
    }

    /// Says how the sessions are now.
    pub fn set_sessions(&mut self, sessions: Vec<SessionRecord>) {
        self.sessions = sessions;
    }

    /// Adds one request. Requests come in the order of their sessions.
    pub fn add_fetch(&mut self, fetch: &FetchRecord) {
        self.requests.add(fetch);
        self.breakdown.add(fetch);
        self.line.add(fetch);
        for (spans, (_, span_us)) in self.spans.iter_mut().zip(fetch.stages.iter()) {
            spans.add(span_us);
        }
        if let Some(host) = self.hosts.get_mut(&fetch.task.host) {
            host.add(fetch);
            // An error that a retry made good is no example of those that stayed.
            let stayed = fetch.error.filter(|kind| host.record.account.errors.contains_key(kind));
            if let Some(kind) = stayed.filter(|_| !fetch.detail.is_empty()) {
                self.examples.entry(kind).or_insert_with(|| fetch.detail.clone());
            }
        }
    }

    /// The origin of a host that was added.
    pub fn origin(&self, id: HostId) -> Option<String> {
        self.hosts.get(&id).map(|host| host.record.host.to_string())
    }

    /// At most `count` hosts with their origins, those with the longest wall time first.
    pub fn slowest_hosts(&self, count: usize) -> Vec<(HostId, String)> {
        let mut hosts: Vec<(u64, HostId)> =
            self.hosts.iter().map(|(id, host)| (host.wall_us(&self.sessions), *id)).collect();
        hosts.sort_unstable_by_key(|(wall_us, id)| (std::cmp::Reverse(*wall_us), *id));
        hosts.truncate(count);
        hosts.into_iter().map(|(_, id)| (id, self.hosts[&id].record.host.to_string())).collect()
    }

    /// The report. `settings` is what the crawl remembers of its flags.
    pub fn finish(mut self, settings: serde_json::Value, is_running: bool) -> Report {
        let cpu = self.cpu();
        let crawl = self.crawl(settings, is_running);
        let facts = Facts {
            state: crawl.state,
            tasks_pending: crawl.tasks_pending,
            wall_us: self.wall_us(),
            cpu,
            all_hosts: self.requests.stages,
            hosts: self.hosts.len() as u64,
            line: std::mem::take(&mut self.line).finish(),
        };
        let shortage = facts.shortage();
        let verdict = Verdict::of(&facts, |id| self.origin(id));
        let (totals, errors) = self.totals();
        self.add_silent_examples();
        let whole = Whole { under_way_us: self.breakdown.under_way_us(), shortage };
        Report {
            crawl,
            verdict,
            totals,
            stages: self.stages(),
            breakdown: std::mem::take(&mut self.breakdown).finish(),
            cpu,
            statuses: std::mem::take(&mut self.requests.statuses),
            errors: named(&errors),
            examples: std::mem::take(&mut self.examples)
                .into_iter()
                .map(|(kind, text)| (kind.as_str(), text))
                .collect(),
            hosts: host_reports(self.hosts, &self.sessions, whole),
        }
    }

    fn wall_us(&self) -> u64 {
        self.sessions.iter().map(session_us).sum()
    }

    fn crawl(&self, settings: serde_json::Value, is_running: bool) -> Crawl {
        Crawl {
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.sessions.iter().map(|record| record.session.started_at).min(),
            ended_at: self.sessions.iter().map(|record| record.last_commit_at).max(),
            wall_s: seconds(self.wall_us()),
            sessions: self.sessions.len() as u64,
            state: State::of(self.hosts.values().map(|host| &host.record), is_running),
            tasks_pending: self.hosts.values().map(|host| host.record.account.unfinished()).sum(),
            settings,
        }
    }

    fn cpu(&self) -> Cpu {
        let sum = |of: fn(&SessionRecord) -> u64| self.sessions.iter().map(of).fold(0, u64::saturating_add);
        let process_us = sum(|record| record.usage.process_us);
        let inflate_us = sum(|record| record.usage.inflate_us);
        let parse_us = sum(|record| record.usage.parse_us);
        let record_us = sum(|record| record.usage.record_us);
        let named_us = inflate_us.saturating_add(parse_us).saturating_add(record_us);
        let capacity_us = sum(|record| session_us(record).saturating_mul(u64::from(record.usage.cores)));
        let machine_us = sum(|record| record.usage.machine_busy_us).max(process_us).min(capacity_us);
        Cpu {
            process_s: seconds(process_us),
            inflate_s: seconds(inflate_us),
            parse_s: seconds(parse_us),
            record_s: seconds(record_us),
            other_s: seconds(process_us.saturating_sub(named_us)),
            cores: self.sessions.iter().map(|record| record.usage.cores).max().unwrap_or(0),
            utilisation: share(process_us, capacity_us),
            machine_utilisation: share(machine_us, capacity_us),
            peak_rss_bytes: self.sessions.iter().map(|record| record.usage.peak_rss_bytes).max().unwrap_or(0),
        }
    }

    fn totals(&self) -> (Totals, BTreeMap<ErrorKind, u64>) {
        let mut errors = BTreeMap::new();
        let mut totals = Totals {
            hosts: self.hosts.len() as u64,
            requests: self.requests.count,
            bytes_wire: self.requests.bytes_wire,
            bytes_decoded: self.requests.bytes_decoded,
            documents: documents(&self.requests),
            retries: self.requests.retries,
            ..Totals::default()
        };
        for host in self.hosts.values() {
            totals.hosts_complete += u64::from(host.is_complete());
            totals.hosts_parked += u64::from(host.record.parked);
            totals.sitemaps.add(&host.record.account);
            totals.entries.add(&host.record.account);
            for (kind, count) in host.errors() {
                *errors.entry(kind).or_default() += count;
            }
        }
        (totals, errors)
    }

    /// Gives the kinds that no request shows (limits, rules) the host that has them for an example.
    fn add_silent_examples(&mut self) {
        let mut first: HashMap<ErrorKind, String> = HashMap::new();
        for host in self.hosts.values() {
            for kind in host.errors().into_keys().filter(|kind| !self.examples.contains_key(kind)) {
                let origin = host.record.host.to_string();
                // The least name, whatever the order of the table, so that reports of one crawl are equal.
                let example = first.entry(kind).or_insert_with(|| origin.clone());
                if origin < *example {
                    *example = origin;
                }
            }
        }
        self.examples.extend(first);
    }

    fn stages(&self) -> PerStage<Times> {
        let whole_us = self.requests.stages.total_us();
        PerStage::new(|stage| self.spans[stage as usize].times(whole_us))
    }
}

/// What a host's report needs to know of all hosts.
#[derive(Clone, Copy)]
struct Whole {
    /// The time of all requests under way.
    under_way_us: u64,
    /// What was short of CPU.
    shortage: Shortage,
}

fn host_reports(hosts: HostTable, sessions: &[SessionRecord], whole: Whole) -> BTreeMap<String, HostReport> {
    let report = |host: HostTally| (host.record.host.to_string(), host_report(host, sessions, whole));
    hosts.into_values().map(report).collect()
}

fn host_report(host: HostTally, sessions: &[SessionRecord], whole: Whole) -> HostReport {
    let (complete, errors, wall_us) = (host.is_complete(), host.errors(), host.wall_us(sessions));
    let HostTally { record, requests, network_floor, under_way } = host;
    let mut sitemaps = Sitemaps::default();
    sitemaps.add(&record.account);
    let mut entries = Entries::default();
    entries.add(&record.account);
    let whole_us = requests.stages.total_us();
    let total = |stage: Stage| {
        let span_us = requests.stages[stage];
        StageTotal { total_s: seconds(span_us), share: share(span_us, whole_us) }
    };
    HostReport {
        complete,
        seed: record.is_seed,
        parked_until: record.not_before.filter(|_| record.parked),
        requests: requests.count,
        bytes_wire: requests.bytes_wire,
        bytes_decoded: requests.bytes_decoded,
        documents: documents(&requests),
        sitemaps,
        entries,
        retries: requests.retries,
        errors: named(&errors),
        stages: PerStage::new(total),
        under_way: under_way.map(|spans| spans.times(whole.under_way_us)).unwrap_or_default(),
        bound: bound_of(&requests.stages, network_floor, whole.shortage),
        wall_s: seconds(wall_us),
        statuses: requests.statuses,
    }
}

fn documents(requests: &Requests) -> BTreeMap<String, u64> {
    requests.documents.iter().map(|(kind, count)| (kind.to_string(), *count)).collect()
}

#[cfg(test)]
mod tests {
    use frontier::{Account, SkipReason};
    use serde_json::{Value, json};

    use super::*;
    use crate::made_up::{at, fetch, host, session, tally};

    const A: &str = "https://a.example";
    const B: &str = "http://b.example:8080";

    fn report() -> Report {
        let mut a = host(A);
        a.wall_us = 3_000_000;
        a.account = Account {
            found: 9,
            fetched: 3,
            truncated: 1,
            failed: 2,
            duplicate: 1,
            redirected: 1,
            skipped: [(SkipReason::DepthLimit, 2)].into(),
            entries: 150,
            dropped: [("bad_url".into(), 4)].into(),
            errors: [(ErrorKind::Timeout, 2), (ErrorKind::Parse, 1), (ErrorKind::DepthLimit, 2)].into(),
            ..Account::default()
        };
        let mut b = host(B);
        b.parked = true;
        b.not_before = Some(at(900_000));
        b.account = Account { found: 1, pending: 1, ..Account::default() };
        b.busy_since = Some((0, at(1_000)));
        let mut tally = tally(vec![session(0, 0, 4_000, 1_000, 2_000)], [a, b]);
        let network = [(Stage::Dns, 10), (Stage::Connect, 20), (Stage::Tls, 30), (Stage::FirstByte, 140)];
        for place in 0..3 {
            tally.add_fetch(&fetch(A, place * 1000, &network));
        }
        let made_good = FetchRecord {
            error: Some(ErrorKind::Connect),
            detail: "refused".to_owned(),
            ..fetch(A, 3_000, &[])
        };
        tally.add_fetch(&FetchRecord { document: None, status: None, ..made_good });
        let late = FetchRecord {
            error: Some(ErrorKind::Timeout),
            detail: "https://a.example/s.xml: no answer in 30 s".to_owned(),
            ..fetch(A, 3_100, &[(Stage::FirstByte, 800)])
        };
        tally.add_fetch(&FetchRecord { document: None, status: None, attempt: 2, ..late });
        tally.add_fetch(&FetchRecord {
            document: None,
            status: Some(429),
            ..fetch(B, 0, &[(Stage::Politeness, 500)])
        });
        tally.finish(json!({"max_depth": 5}), false)
    }

    fn json() -> Value {
        crate::made_up::json(|out| crate::render::report_json(&report(), out))
    }

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_keys_are_those_of_the_contract() {
        let json = json();
        let mut expected = [
            "crawl",
            "verdict",
            "totals",
            "stages",
            "breakdown",
            "cpu",
            "statuses",
            "errors",
            "examples",
            "hosts",
        ];
        expected.sort_unstable();
        assert_eq!(keys(&json), expected);
        for (pointer, wanted) in [
            ("/crawl", "version started_at ended_at wall_s state settings"),
            ("/verdict", "bound sentence evidence"),
            ("/totals", "hosts requests bytes_wire bytes_decoded documents entries retries sitemaps"),
            ("/totals/entries", "kept dropped"),
            ("/stages", "politeness slot dns connect tls first_byte body inflate parse record"),
            ("/stages/dns", "total_s share p50_ms p90_ms p99_ms max_ms"),
            ("/breakdown", "documents statuses errors"),
            (
                "/breakdown/statuses/200",
                "requests bytes_wire bytes_decoded entries total_s share p50_ms p90_ms p99_ms max_ms",
            ),
            ("/cpu", "process_s inflate_s parse_s record_s other_s cores utilisation peak_rss_bytes"),
            (
                "/hosts/https:~1~1a.example",
                "complete requests sitemaps entries errors stages under_way bound wall_s seed",
            ),
            (
                "/hosts/https:~1~1a.example/sitemaps",
                "found fetched not_modified failed skipped duplicate redirected pending",
            ),
        ] {
            let object = json.pointer(pointer).unwrap();
            for key in wanted.split(' ') {
                assert!(object.get(key).is_some(), "{pointer} has no {key}");
            }
        }
        assert_eq!(json["crawl"]["started_at"], json!(at(0).to_string()));
        assert_eq!(json["crawl"]["settings"]["max_depth"], 5);
        assert_eq!(json["crawl"]["state"], "complete", "what is left waits for the server's date");
    }

    #[test]
    fn requests_bytes_statuses_and_documents_are_counted() {
        let json = json();
        assert_eq!(json["totals"]["requests"], 6);
        assert_eq!(json["totals"]["retries"], 1);
        assert_eq!(json["totals"]["bytes_wire"], 6_000);
        assert_eq!(json["totals"]["documents"], json!({"urlset": 3}));
        assert_eq!(json["statuses"], json!({"200": 3, "429": 1}));
        assert_eq!(json["hosts"][A]["requests"], 5);
        assert_eq!(json["hosts"][B]["requests"], 1);
    }

    #[test]
    fn requests_are_broken_down_by_document_status_and_error_with_their_time_under_way() {
        let report = report();
        let breakdown = &report.breakdown;
        let urlsets = breakdown.documents["urlset"];
        assert_eq!((urlsets.requests, urlsets.entries, urlsets.bytes_wire), (3, 150, 3_000));
        assert!((urlsets.times.total_s - 0.6).abs() < 1e-9, "three of 200 ms: {urlsets:?}");
        assert!((urlsets.times.share - 0.6 / 1.4).abs() < 1e-9, "the time-out took 800 ms: {urlsets:?}");
        assert_eq!(breakdown.statuses.keys().copied().collect::<Vec<_>>(), [200, 429]);
        assert_eq!(breakdown.statuses[&429].times.total_s, 0.0, "it was withheld, then answered at once");
        assert_eq!(breakdown.errors["timeout"].times.max_ms, 800.0);
        assert_eq!(breakdown.errors["connect"].requests, 1, "though the retry made it good");
        assert_eq!(report.hosts[A].under_way.share, 1.0);
        assert_eq!(report.hosts[A].under_way.max_ms, 800.0);
    }

    #[test]
    fn a_host_adds_up_and_the_totals_are_the_sum_of_the_hosts() {
        let report = report();
        let sum = |sitemaps: &Sitemaps| {
            let skipped: u64 = sitemaps.skipped.values().sum();
            let settled = sitemaps.fetched + sitemaps.not_modified + sitemaps.failed + sitemaps.duplicate;
            settled + skipped + sitemaps.redirected + sitemaps.pending
        };
        for (origin, host) in &report.hosts {
            assert_eq!(host.sitemaps.found, sum(&host.sitemaps), "{origin}");
        }
        assert_eq!(report.totals.sitemaps.found, sum(&report.totals.sitemaps));
        let hosts = || report.hosts.values();
        assert_eq!(report.totals.requests, hosts().map(|host| host.requests).sum::<u64>());
        assert_eq!(report.totals.sitemaps.found, hosts().map(|host| host.sitemaps.found).sum::<u64>());
        assert_eq!(report.totals.entries.kept, hosts().map(|host| host.entries.kept).sum::<u64>());
        for (stage, spans) in report.stages.iter() {
            let sum: f64 = hosts().map(|host| host.stages.get(stage).total_s).sum();
            assert!((spans.total_s - sum).abs() < 1e-9, "{}", stage.as_str());
        }
        let shares: f64 = report.stages.iter().map(|(_, spans)| spans.share).sum();
        assert!((shares - 1.0).abs() < 1e-9);
    }

    #[test]
    fn final_errors_count_and_a_parked_host_counts_as_rate_limited() {
        let report = report();
        let expected = [("timeout", 2), ("parse", 1), ("depth_limit", 2), ("rate_limited", 1)];
        assert_eq!(report.errors, expected.into());
        assert_eq!(report.hosts[B].errors, [("rate_limited", 1)].into());
        assert!(!report.hosts[B].complete);
        assert_eq!(report.hosts[B].parked_until, Some(at(900_000)));
    }

    #[test]
    fn examples_are_of_errors_that_stayed_and_else_name_a_host() {
        let examples = report().examples;
        assert_eq!(examples["timeout"], "https://a.example/s.xml: no answer in 30 s");
        assert_eq!(examples["depth_limit"], A);
        assert_eq!(examples["rate_limited"], B);
        assert!(!examples.contains_key("connect"), "the retry made it good");
    }

    #[test]
    fn wall_times_are_those_of_the_queue_and_open_ones_end_with_the_last_commit() {
        let report = report();
        assert_eq!(report.crawl.wall_s, 4.0);
        assert_eq!(report.hosts[A].wall_s, 3.0);
        assert_eq!(report.hosts[B].wall_s, 3.0);
    }

    #[test]
    fn utilisation_is_of_all_cores_over_the_wall_time() {
        let cpu = report().cpu;
        assert_eq!((cpu.utilisation, cpu.machine_utilisation, cpu.cores), (0.125, 0.25, 2));
        assert_eq!(cpu.process_s, cpu.inflate_s + cpu.parse_s + cpu.record_s + cpu.other_s);
    }
}
