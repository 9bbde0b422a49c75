//! The HTML report in a real browser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fakesite::{Latency, ServeOptions, plain};
use frontier::work_queue::{HostRecord, Session, SessionRecord, Usage};
use frontier::{
    Account, Connection, ErrorKind, FetchRecord, Host, RequestKind, SessionId, Stage, Stages, TaskId,
    Timestamp,
};
use reports::{Report, Sessions, Tally, Timeline, TimelineTally};

use super::browser::Browser;
use super::reports::{WEB, crawl_that_does_not_end, kept};
use super::run::{Run, expect, start, wait_until};

/// A host name that no URL can have, but that a damaged or hostile data directory can contain.
const HOSTILE: &str = "<script>alert(1)</script>.example";

const HOSTS: u32 = 5_000;

#[test]
fn the_page_of_a_crawl_shows_its_verdict_and_its_hosts() {
    let options = plain::Options { hosts: 3, sitemaps: 4, entries: 10 };
    let latency = Latency::fixed(Duration::from_millis(20));
    let server = plain::web(options).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let run =
        Run::on(server, &["site00000.test", "site00001.test", "site00002.test"]).flags(&["--rate", "10"]);
    run.crawl();
    let path = run.path("report.html");
    expect(run.command(&["report", "--format", "html", "-o", path.to_str().unwrap()]), 0);
    let report = run.report();

    let mut browser = Browser::start(1200, 900);
    browser.open(&path);
    assert_eq!(browser.problems(), Vec::<String>::new());
    assert_eq!(browser.requests(), [format!("file://{}", path.display())], "it sends no other requests");
    let bound = report["verdict"]["bound"].as_str().unwrap();
    assert_eq!(browser.texts("h1"), [format!("Bound by {bound}")]);
    assert_eq!(browser.texts(".verdict"), [report["verdict"]["sentence"].as_str().unwrap()]);
    assert_eq!(browser.texts("#table tbody th").len(), 3);
    assert_eq!(browser.texts(".chart-row").len(), 3);
    assert_eq!(browser.texts("#timeline figcaption span:first-child").len(), 3, "three charts");
    assert!(browser.eval("document.querySelectorAll('#timeline path').length").as_u64() > Some(5));
    // The keyboard alone shows the figures of a moment.
    browser.eval("document.getElementById('timeline').focus()");
    browser.press("ArrowRight", 39);
    let moment = browser.texts("#moment").concat();
    assert!(moment.contains("requests in flight") && moment.contains("entries per second"), "{moment}");
    keep_screenshots(&mut browser, "crawl");
}

#[test]
fn the_page_is_made_beside_the_running_crawl_too() {
    let run = crawl_that_does_not_end();
    let mut crawl = start(run.crawl_command());
    wait_until("all but the silent host is kept", || kept(&run) == WEB.entries_in_all());
    let path = run.path("report.html");
    expect(run.command(&["report", "--format", "html", "-o", path.to_str().unwrap()]), 0);
    crawl.kill().unwrap();
    crawl.wait().unwrap();

    let mut browser = Browser::start(1200, 900);
    browser.open(&path);
    assert_eq!(browser.problems(), Vec::<String>::new());
    assert_eq!(browser.texts(".state"), ["running"]);
    assert!(browser.texts(".verdict")[0].starts_with("Still running with 1 task left; so far: "));
    assert_eq!(browser.texts(".chart-row").len(), WEB.hosts as usize + 1);
    assert_eq!(browser.texts("#table tbody th").len(), WEB.hosts as usize + 1);
    assert!(browser.eval("document.querySelectorAll('#timeline path').length").as_u64() >= Some(3));
    let is_too_wide = "[...document.querySelectorAll('.chart-row rect')].some((part) => \
        part.getBoundingClientRect().right > part.ownerSVGElement.getBoundingClientRect().right + 1)";
    assert_eq!(browser.eval(is_too_wide), false);
}

#[test]
fn thousands_of_hosts_are_sorted_searched_and_turned_over_and_none_of_them_is_markup() {
    let dir = tempfile::tempdir().unwrap();
    let (report, timeline) = made_up();
    let path = write_page(dir.path(), &report, &timeline);
    assert!(std::fs::metadata(&path).unwrap().len() < 4 << 20, "a page of 5,000 hosts can be sent by mail");

    let mut browser = Browser::start(1200, 900);
    browser.open(&path);
    assert_eq!(browser.problems(), Vec::<String>::new());
    assert_eq!(browser.eval("document.scripts.length"), 2, "the data and the script");
    assert_eq!(browser.texts("#found"), ["5,000 of 5,000 hosts"]);
    let first = |browser: &mut Browser| browser.texts("#table tbody th").first().cloned().unwrap_or_default();
    let hostile = format!("https://{HOSTILE}");
    assert_eq!(first(&mut browser), hostile, "the slowest host comes first, and its name is shown as text");
    assert_eq!(browser.texts(".chart-row > :first-child")[0], hostile);
    assert!(
        browser.eval("document.querySelectorAll('#table tbody tr, .chart-row').length").as_u64() < Some(100)
    );

    // Sorting: by name, by name in reverse, then by entries, the largest first.
    browser.click("#table th:nth-child(1) button");
    assert_eq!(first(&mut browser), "https://<script>alert(1)</script>.example");
    browser.click("#table th:nth-child(1) button");
    assert_eq!(first(&mut browser), "https://host4999.example");
    assert_eq!(browser.eval("document.querySelector('#table th').ariaSort"), "descending");
    browser.click("#table th:nth-child(8) button");
    assert_eq!(browser.texts("#table tbody td:nth-child(8)")[0], "4,999");

    // Pages of the table and of the chart.
    browser.click("#table-pager button:last-child");
    assert_eq!(browser.texts("#table-pager span"), ["51 to 100 of 5,000"]);
    browser.click("#chart-rows-pager button:last-child");
    assert_eq!(browser.texts("#chart-rows-pager span"), ["26 to 50 of 1,000"]);

    // Searching by name and by error.
    browser.click("#search");
    browser.type_text("host012");
    assert_eq!(browser.texts("#found"), ["10 of 5,000 hosts"]);
    assert!(browser.texts("#table tbody th").iter().all(|name| name.contains("host012")));
    browser.eval("document.getElementById('search').select()");
    browser.type_text("alert(1)");
    assert_eq!(
        (browser.texts("#found").concat(), first(&mut browser)),
        ("1 of 5,000 hosts".to_owned(), hostile)
    );
    browser.eval("document.getElementById('search').select()");
    browser.type_text("timeout");
    assert_eq!(browser.texts("#found"), ["50 of 5,000 hosts"]);
    browser.eval("document.getElementById('search').select()");
    browser.type_text("no such host");
    assert_eq!(browser.texts("#found"), ["0 of 5,000 hosts"]);
    browser.eval("document.getElementById('search').select()");
    browser.type_text("   ");
    browser.click("#incomplete");
    assert_eq!(browser.texts("#found"), ["50 of 5,000 hosts"]);
    assert_eq!(browser.problems(), Vec::<String>::new());
    keep_screenshots(&mut browser, "many");
}

#[test]
fn the_page_fits_a_narrow_screen_in_both_schemes() {
    let dir = tempfile::tempdir().unwrap();
    let (report, timeline) = made_up();
    let path = write_page(dir.path(), &report, &timeline);
    let mut browser = Browser::start(360, 740);
    browser.open(&path);
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        assert_eq!(
            browser.eval("document.documentElement.scrollWidth"),
            360,
            "nothing is wider than the screen"
        );
        grounds.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[test]
fn a_crawl_without_seeds_or_time_has_a_page_too() {
    let dir = tempfile::tempdir().unwrap();
    let report = Tally::new(Sessions::default()).finish(serde_json::Value::Null, false);
    let path = write_page(dir.path(), &report, &TimelineTally::new(Sessions::default(), []).finish());
    let mut browser = Browser::start(1200, 900);
    browser.open(&path);
    assert_eq!(browser.problems(), Vec::<String>::new());
    assert_eq!(browser.texts("h1"), ["No bound"]);
    assert_eq!(browser.texts("#found"), ["0 of 0 hosts"]);
    assert!(!browser.texts("body").concat().contains("NaN"));
}

/// Saves screenshots of the whole page at two widths and in two color schemes, if `PAGE_PICTURES` names a directory.
fn keep_screenshots(browser: &mut Browser, name: &str) {
    let Some(dir) = std::env::var_os("PAGE_PICTURES").map(PathBuf::from) else { return };
    for (width, size) in [(1200, "wide"), (390, "narrow")] {
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.resize(width, 900);
            let height = browser.eval("document.documentElement.scrollHeight").as_u64().unwrap();
            browser.resize(width, u32::try_from(height).unwrap().min(6_000));
            let picture = browser.screenshot();
            std::fs::write(dir.join(format!("{name}-{size}-{scheme}.png")), picture).unwrap();
        }
    }
}

fn write_page(dir: &Path, report: &Report, timeline: &Timeline) -> PathBuf {
    let path = dir.join("report.html");
    let mut file = std::fs::File::create(&path).unwrap();
    reports::render::report_html(report, timeline, &mut file).unwrap();
    path
}

/// A generated crawl of 5,000 hosts. Every hundredth has a time-out, and the slowest has the name `HOSTILE`.
fn made_up() -> (Report, Timeline) {
    let session = SessionRecord {
        session: Session { id: SessionId(1), number: 0, started_at: Timestamp::from_micros(0) },
        last_commit_at: Timestamp::from_micros(60_000_000),
        commit_seq: 1,
        usage: Usage { process_us: 9_000_000, cores: 2, ..Usage::default() },
    };
    let sessions = Sessions::consecutive(vec![session]);
    let mut tally = Tally::new(sessions.clone());
    let mut fetches = Vec::new();
    for n in 0..HOSTS {
        let name = if n == 0 { HOSTILE.to_owned() } else { format!("host{n:04}.example") };
        let host: Host =
            serde_json::from_value(serde_json::json!({"scheme": "Https", "name": name, "port": 443}))
                .unwrap();
        let (id, is_late) = (host.id(), n % 100 == 7);
        let mut account = Account { found: 1, fetched: 1, entries: n.into(), ..Account::default() };
        if is_late {
            account = Account { failed: 1, fetched: 0, errors: [(ErrorKind::Timeout, 1)].into(), ..account };
        }
        let wall_us = u64::from(HOSTS - n) * 10_000;
        tally.add_host(
            id,
            HostRecord { is_seed: true, is_site: true, wall_us, account, ..HostRecord::new(host) },
        );
        fetches.push(fetch(id, n, is_late));
    }
    let mut timeline = TimelineTally::new(sessions, tally.slowest_hosts(reports::CHART_ROWS_MAX));
    for fetch in &fetches {
        tally.add_fetch(fetch);
        timeline.add_fetch(fetch);
    }
    (tally.finish(serde_json::Value::Null, false), timeline.finish())
}

fn fetch(host: frontier::HostId, n: u32, is_late: bool) -> FetchRecord {
    let mut stages = Stages::default();
    let millis = u64::from(n % 97);
    for (place, stage) in Stage::ALL.into_iter().enumerate() {
        stages.add(stage, Duration::from_millis(millis * (place as u64 + 1)));
    }
    FetchRecord {
        session: SessionId(1),
        task: TaskId { host, url: 1 },
        parent: None,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at: Timestamp::from_micros(i64::from(n) * 11_000),
        stages,
        bytes_wire: 1_000,
        bytes_decoded: 5_000,
        status: (!is_late).then_some(200),
        connection: Connection::New,
        document: (!is_late).then_some(frontier::DocumentKind::Urlset),
        entries: n.into(),
        error: is_late.then_some(ErrorKind::Timeout),
        detail: if is_late {
            format!("https://host{n:04}.example/s.xml: no answer in 30 s")
        } else {
            String::new()
        },
    }
}
