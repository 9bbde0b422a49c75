//! The stages of a request: a delay appears in the right stage of the report.

use std::time::Duration;

use fakesite::{
    FullBacklog, Latency, Misbehaviour, NameServer, Page, ServeOptions, Site, TlsMisbehaviour, Web, plain,
};
use frontier::{Connection, FetchRecord, RequestKind, Stage, Stages};

use super::run::{Run, measurement_lock, urlset};

/// The delay. A tenth of it is far more than the noise of the machine.
const DELAY: Duration = Duration::from_millis(300);

/// Maximum deviation of the measured delay.
const OFF_MAX: Duration = Duration::from_millis(5);

/// Maximum relative deviation if timers of the kernel cause the delay: they fire up to 3 % late.
const OFF_SHARE_OF_KERNEL_TIMERS: f64 = 0.1;

/// Maximum part of the delay in any other stage.
const ELSEWHERE_MAX: Duration = Duration::from_millis(5);

/// Maximum number of tries. A shared machine may add a few milliseconds to any stage of any try, so the minimum of each
/// stage over several tries counts. A delay in the wrong stage would appear in every try.
const TRIES_MAX: usize = 8;

/// The stages of one request, and the expected time of the delayed stage.
struct Measured {
    stages: Stages,
    expected: Duration,
}

/// Checks that the delay appears in `stage` and in no other stage. `crawl` measures the same request with and without
/// it.
fn assert_delay_is_in(stage: Stage, off_max: Duration, crawl: impl Fn(bool) -> Measured) {
    let _lock = measurement_lock();
    let mut least = [Stages::default(), Stages::default()];
    let mut off_us = i64::MAX;
    let mut wrong = Vec::new();
    for attempt in 0..TRIES_MAX {
        for is_delayed in [false, true] {
            let seen = crawl(is_delayed);
            for (each, us) in seen.stages.iter() {
                let least = &mut least[usize::from(is_delayed)][each];
                *least = if attempt == 0 { us } else { us.min(*least) };
            }
            if is_delayed {
                let off = seen.stages[stage] as i64 - seen.expected.as_micros() as i64;
                off_us = if off.abs() < off_us.abs() { off } else { off_us };
            }
        }
        let grown = |each| least[1][each] as i64 - least[0][each] as i64;
        wrong = Stage::ALL
            .into_iter()
            .filter(|each| *each != stage && grown(*each) > ELSEWHERE_MAX.as_micros() as i64)
            .map(|each| format!("{} grew by {} us", each.as_str(), grown(each)))
            .collect();
        if off_us.unsigned_abs() > off_max.as_micros() as u64 {
            wrong.push(format!("{} is off by {off_us} us", stage.as_str()));
        }
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{}: {wrong:?}, least without and with: {least:?}", stage.as_str());
}

/// A site with one sitemap at /s.xml, named by a relative URL.
fn site(page: Page) -> Site {
    Site::new().robots("Sitemap: /s.xml\n").page("/s.xml", page)
}

fn page() -> Page {
    Page::xml(urlset(&["http://x.example/1"]))
}

/// Crawls, and returns the last request of this kind.
fn last(run: &Run, kind: RequestKind) -> FetchRecord {
    run.crawl();
    let requests = run.requests();
    assert_reused_connections_are_free(&requests);
    requests.into_iter().rfind(|fetch| fetch.kind == kind).unwrap()
}

fn assert_reused_connections_are_free(requests: &[FetchRecord]) {
    for fetch in requests.iter().filter(|fetch| fetch.connection == Connection::Reused) {
        let made = [Stage::Dns, Stage::Connect, Stage::Tls].map(|stage| fetch.stages[stage]);
        assert_eq!(made, [0; 3], "{fetch:?}");
    }
}

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// When the request was sent: after the stages `politeness` and `slot`.
fn started_at(fetch: &FetchRecord) -> frontier::Timestamp {
    fetch.begun_at + us(fetch.stages[Stage::Politeness] + fetch.stages[Stage::Slot])
}

#[test]
fn a_slow_name_server_shows_in_dns() {
    assert_delay_is_in(Stage::Dns, OFF_MAX, |is_delayed| {
        let delay = if is_delayed { DELAY } else { Duration::ZERO };
        let names = NameServer::start(delay).unwrap();
        let web = Web::new().host("x.example", site(page()));
        let run = Run::of(web, &["http://x.example"]).flags(&["--resolver", &names.address().to_string()]);
        let target = format!("origin.example:{}", run.server.port());
        let fetch = last(&run.through(&target), RequestKind::Robots);
        Measured { stages: fetch.stages, expected: DELAY }
    });
}

#[test]
fn a_slow_accept_shows_in_connect() {
    let off_max = FullBacklog::DELAY.mul_f64(OFF_SHARE_OF_KERNEL_TIMERS);
    assert_delay_is_in(Stage::Connect, off_max, |is_delayed| {
        let run = Run::of(Web::new().host("x.example", site(page())), &["http://x.example"]);
        let front = FullBacklog::before(run.server.address()).unwrap();
        let run = if is_delayed { run.through(&front.address().to_string()) } else { run };
        let fetch = last(&run, RequestKind::Robots);
        Measured { stages: fetch.stages, expected: FullBacklog::DELAY }
    });
}

#[test]
fn a_slow_handshake_shows_in_tls() {
    assert_delay_is_in(Stage::Tls, OFF_MAX, |is_delayed| {
        let delay = if is_delayed { DELAY } else { Duration::ZERO };
        let slow = site(page()).tls_misbehaves(TlsMisbehaviour::SlowTls(delay));
        let run = Run::of(Web::new().host("x.example", slow), &["https://x.example"]);
        let fetch = last(&run, RequestKind::Robots);
        // The handshake itself takes a few milliseconds, which are part of the stage.
        let own = handshake();
        Measured { stages: fetch.stages, expected: DELAY + own }
    });
}

/// The minimum time of a handshake without delay.
fn handshake() -> Duration {
    let tries = (0..3).map(|_| {
        let run = Run::of(Web::new().host("x.example", site(page())), &["https://x.example"]);
        us(last(&run, RequestKind::Robots).stages[Stage::Tls])
    });
    tries.min().unwrap()
}

#[test]
fn a_slow_first_byte_and_a_slow_body_show_where_they_are() {
    let slow_body = |every| Misbehaviour::SlowBody { bytes: 100, every };
    for (stage, slow) in [
        (Stage::FirstByte, &Misbehaviour::SlowFirstByte as &dyn Fn(Duration) -> Misbehaviour),
        (Stage::Body, &slow_body),
    ] {
        assert_delay_is_in(stage, OFF_MAX, |is_delayed| {
            let page = if is_delayed { page().misbehaves(slow(DELAY)) } else { page() };
            let run = Run::of(Web::new().host("x.example", site(page)), &["http://x.example"]);
            let fetch = last(&run, RequestKind::Sitemap);
            assert_eq!(fetch.connection, Connection::Reused);
            Measured { stages: fetch.stages, expected: DELAY }
        });
    }
    assert!(
        (101..=200).contains(&urlset(&["http://x.example/1"]).len()),
        "its body is two pieces with one pause"
    );
}

#[test]
fn a_single_worker_shows_in_slot() {
    assert_delay_is_in(Stage::Slot, OFF_MAX, |is_delayed| {
        let slow =
            || Site::new().page("/robots.txt", Page::text("").misbehaves(Misbehaviour::SlowFirstByte(DELAY)));
        let web = Web::new().host("a.example", slow()).host("b.example", slow());
        let workers = if is_delayed { "1" } else { "2" };
        let run = Run::of(web, &["http://a.example", "http://b.example"]).flags(&[
            "--concurrency",
            workers,
            "--probe",
            "never",
        ]);
        run.crawl();
        let mut requests = run.requests();
        requests.sort_by_key(started_at);
        let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
        // The first request keeps its slot until its outcome is durable.
        let free_at = first.begun_at + us(first.stages.total_us());
        let expected = free_at.since(second.begun_at + us(second.stages[Stage::Politeness]));
        assert!(expected >= DELAY || !is_delayed, "{requests:?}");
        Measured { stages: second.stages, expected }
    });
}

#[test]
fn one_request_a_second_shows_in_politeness() {
    assert_delay_is_in(Stage::Politeness, OFF_MAX, |is_delayed| {
        let run = Run::of(Web::new().host("x.example", site(page())), &["http://x.example"]);
        let run = run.flags(&["--rate", if is_delayed { "1" } else { "0" }]);
        let fetch = last(&run, RequestKind::Sitemap);
        // One second from start to start, minus the time of the first request.
        let taken = fetch.begun_at.since(started_at(&run.requests()[0]));
        assert!(taken < DELAY, "{taken:?}");
        Measured { stages: fetch.stages, expected: Duration::from_secs(1) - taken }
    });
}

#[test]
fn a_retry_after_shows_in_politeness() {
    // Longer than the backoff of the crawler before a second attempt, which is at most 1.5 s.
    let asked_for = Duration::from_secs(2);
    assert_delay_is_in(Stage::Politeness, OFF_MAX, |is_delayed| {
        let page = if is_delayed {
            page().misbehaves(Misbehaviour::retry_after(asked_for.as_secs()))
        } else {
            page()
        };
        let run = Run::of(Web::new().host("x.example", site(page)), &["http://x.example"]);
        let fetch = last(&run, RequestKind::Sitemap);
        let requests = run.requests();
        let refused = requests.iter().find(|fetch| fetch.status == Some(429));
        assert_eq!((refused.is_some(), fetch.attempt), (is_delayed, if is_delayed { 2 } else { 1 }));
        // Retry-After counts from the end of the answer that contains it.
        let taken = refused.map_or(Duration::ZERO, |refused| {
            let read_us = refused.stages.total_us() - refused.stages[Stage::Record];
            fetch.begun_at.since(refused.begun_at + us(read_us))
        });
        Measured { stages: fetch.stages, expected: asked_for.saturating_sub(taken) }
    });
}

/// Maximum ratio of wall time to CPU time in a stage if no other process uses the core.
const WALL_OVER_CPU_MAX: f64 = 1.1;

/// Maximum number of tries. On a shared machine most tries are disturbed; one undisturbed try is enough.
const UNDISTURBED_TRIES_MAX: usize = 40;

#[test]
fn a_large_document_shows_in_inflate_and_parse() {
    let locs: Vec<String> =
        (0..40_000).map(|n| format!("http://x.example/an/article/of/some/length/{n}")).collect();
    let locs: Vec<&str> = locs.iter().map(String::as_str).collect();
    let large = Page::xml(urlset(&locs)).gzipped();
    let mut seen = Vec::new();
    for _ in 0..UNDISTURBED_TRIES_MAX {
        let web = Web::new().host("x.example", site(large.clone()));
        web.build_pages();
        let run = Run::of(web, &["http://x.example"]);
        let fetch = last(&run, RequestKind::Sitemap);
        let cpu = run.report()["cpu"].clone();
        let is_close =
            [(Stage::Inflate, "inflate_s"), (Stage::Parse, "parse_s")].into_iter().all(|(stage, key)| {
                let (wall_s, cpu_s) = (fetch.stages[stage] as f64 / 1e6, cpu[key].as_f64().unwrap());
                cpu_s > 0.0
                    && wall_s >= cpu_s * 0.9
                    && wall_s <= cpu_s * WALL_OVER_CPU_MAX + OFF_MAX.as_secs_f64()
            });
        let elsewhere =
            [Stage::Politeness, Stage::Slot, Stage::Dns, Stage::Connect, Stage::Tls, Stage::FirstByte];
        let is_elsewhere = elsewhere.iter().any(|stage| us(fetch.stages[*stage]) > ELSEWHERE_MAX);
        if is_close && !is_elsewhere && us(fetch.stages[Stage::Parse]) > 2 * ELSEWHERE_MAX {
            return;
        }
        seen.push((fetch.stages, cpu));
    }
    panic!("{seen:?}");
}

/// The sum of the ten stages is the time during which the host had something to do.
#[test]
fn the_stages_of_a_host_add_up_to_its_wall_time() {
    let _lock = measurement_lock();
    let options = plain::Options { hosts: 3, sitemaps: 10, entries: 50 };
    let latency = Latency::fixed(Duration::from_millis(30));
    let server = plain::web(options).serve(ServeOptions { latency, ..ServeOptions::default() }).unwrap();
    let seeds: Vec<String> = (0..3).map(plain::host_name).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::on(server, &seeds).flags(&["--rate", "8"]);
    run.crawl();
    let report = run.report();
    for (origin, host) in report["hosts"].as_object().unwrap() {
        let sum: f64 = host["stages"]
            .as_object()
            .unwrap()
            .values()
            .map(|stage| stage["total_s"].as_f64().unwrap())
            .sum();
        let wall = host["wall_s"].as_f64().unwrap();
        assert!(wall > 1.0, "{origin}: {host}");
        assert!((sum - wall).abs() <= wall * 0.01, "{origin}: stages {sum} s, wall {wall} s");
    }
}
