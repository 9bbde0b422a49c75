//! Memory of a report of very many hosts.

use std::io::{self, Write};
use std::time::Duration;

use frontier::work_queue::{HostRecord, Session, SessionRecord, Usage};
use frontier::{
    Account, Connection, DocumentKind, FetchRecord, Host, RequestKind, SessionId, Stage, Stages, TaskId,
    Timestamp,
};
use reports::{Report, Sessions, Tally, render};

/// So many hosts that the rest of the process's memory is negligible.
const HOSTS: u64 = 100_000;

/// Requests per host, as for most hosts of a large crawl: robots.txt, a guessed path that does not exist, a sitemap.
const REQUESTS: u64 = 3;

/// Largest peak memory per host for a report as text and as JSON.
const HOST_BYTES_MAX: u64 = 1_024;

fn host(n: u64) -> Host {
    Host::of(&url::Url::parse(&format!("https://www.site-{n}.example/")).unwrap()).unwrap()
}

fn record(n: u64) -> HostRecord {
    let account = Account { found: 1, fetched: 1, entries: n, ..Account::default() };
    HostRecord { is_seed: true, is_site: true, wall_us: n * 1_000, account, ..HostRecord::new(host(n)) }
}

fn fetch(host: &Host, n: u64, request: u64) -> FetchRecord {
    let mut stages = Stages::default();
    for (place, stage) in (1..).zip(Stage::ALL) {
        stages.add(stage, Duration::from_micros((n % 97 + 1) * place * 300 * (request + 1)));
    }
    FetchRecord {
        session: SessionId(1),
        task: TaskId { host: host.id(), url: request.into() },
        parent: None,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at: Timestamp::from_micros((n * 300 + request * 1_000_000) as i64),
        stages,
        bytes_wire: 1_000,
        bytes_decoded: 5_000,
        status: Some(if request == 1 { 404 } else { 200 }),
        connection: Connection::New,
        document: [Some(DocumentKind::Robots), None, Some(DocumentKind::Urlset)][request as usize],
        entries: n,
        error: None,
        detail: String::new(),
    }
}

/// Peak resident memory so far.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Counts the bytes written.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn json_bytes(report: &Report) -> u64 {
    let mut out = Counted(0);
    render::report_json(report, &mut out).unwrap();
    out.0
}

#[test]
fn a_report_of_a_hundred_thousand_hosts_takes_less_than_a_kibibyte_each() {
    let session = SessionRecord {
        session: Session { id: SessionId(1), number: 0, started_at: Timestamp::from_micros(0) },
        last_commit_at: Timestamp::from_micros(60_000_000),
        commit_seq: 1,
        usage: Usage::default(),
    };
    let before = peak_bytes();
    let each = || (peak_bytes() - before) / HOSTS;
    let mut tally = Tally::new(Sessions::consecutive(vec![session]));
    for n in 0..HOSTS {
        let record = record(n);
        let host = record.host.clone();
        tally.add_host(host.id(), record);
        (0..REQUESTS).for_each(|request| tally.add_fetch(&fetch(&host, n, request)));
    }
    let tallied = each();

    let report = tally.finish(serde_json::Value::Null, false);
    assert_eq!(report.totals.requests, HOSTS * REQUESTS);
    let slowest = format!("https://www.site-{}.example", HOSTS - 1);
    assert_eq!(report.hosts.slowest(1).next().unwrap().0, slowest);
    let text = render::report_text(&report);
    assert!(text.contains("99,990 hosts not shown"), "{text}");
    assert_eq!(report.hosts.len() as u64, HOSTS);
    let json_bytes = json_bytes(&report) / HOSTS;
    let reported = each();
    let figure = format!(
        "{tallied} bytes per host; {reported} with the reports, of which JSON has {json_bytes} bytes\n"
    );
    // Written to stderr directly, because the test runner hides the output of the print macros unless the test fails.
    io::stderr().write_all(figure.as_bytes()).unwrap();
    assert!(reported <= HOST_BYTES_MAX, "{reported} bytes per host");
}
