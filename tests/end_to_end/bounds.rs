//! Limits on the resources of a crawl, whatever it is served, and on how much hostile hosts delay well-behaved ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fakesite::{LoggedRequest, Misbehaviour, Page, ServeOptions, Site, Web, holding, hostile};
use serde_json::json;

use super::hosts::{announcing, host, hostile_hosts, one_host_each, show_figure};
use super::run::{Dice, Run, measurement_lock, urlset, wait_up_to};

/// Maximum resident memory while a single document is read.
const DOCUMENT_PEAK_BYTES_MAX: u64 = 256 << 20;

/// Maximum resident memory with all hostile hosts at once, or with many queued hosts.
const CRAWL_PEAK_BYTES_MAX: u64 = 512 << 20;

/// Maximum resident memory while hosts with large robots.txt files are crawled, for any number of hosts.
const RULES_PEAK_BYTES_MAX: u64 = 350 << 20;

/// Maximum number of descriptors in addition to those of the requests in flight.
const DESCRIPTORS_BESIDES: usize = 32;

/// Interval at which a running crawl is observed.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Peak resource use of a process.
#[derive(Debug)]
struct Peaks {
    resident_bytes: u64,
    descriptors: usize,
}

/// The peak of resident memory of the process at `proc`; 0 if it has ended.
fn peak_resident_bytes(proc: &Path) -> u64 {
    let status = std::fs::read_to_string(proc.join("status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    peak_kib.unwrap_or(0) << 10
}

/// Runs `command` to its end and records its peak resource use.
fn watch(mut command: Command) -> Peaks {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let proc = Path::new("/proc").join(child.id().to_string());
    let mut peaks = Peaks { resident_bytes: 0, descriptors: 0 };
    while child.try_wait().unwrap().is_none() {
        peaks.resident_bytes = peaks.resident_bytes.max(peak_resident_bytes(&proc));
        // Until it runs its program, a new process has a copy of every descriptor of the tests. Its name changes after
        // these are closed.
        if std::fs::read_to_string(proc.join("comm")).is_ok_and(|name| name.trim_end() == "crawl") {
            let descriptors = std::fs::read_dir(proc.join("fd")).map_or(0, Iterator::count);
            peaks.descriptors = peaks.descriptors.max(descriptors);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{command:?}");
    assert!(peaks.descriptors > 0 && peaks.resident_bytes > 0, "never observed: {peaks:?}");
    peaks
}

/// Checks that the data dir takes at most 3 x the size of the JSONL export, 1 KiB per task and 16 MiB.
fn assert_state_is_small(run: &Run, tasks: u64) {
    let state = folder_bytes(&run.data_dir());
    let export = run.export("jsonl").len() as u64;
    let most = 3 * export + 1_024 * tasks + (16 << 20);
    assert!(state <= most, "{state} bytes of state, {most} allowed: {export} exported, {tasks} tasks");
    show_figure(&format!("state {state} bytes of {most}: {export} exported, {tasks} tasks"));
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        data if data.is_dir() => folder_bytes(&entry.path()),
        data => data.len(),
    };
    entries.map(bytes).sum()
}

/// A URL set slightly smaller than 50 MiB.
fn plain_document() -> String {
    let mut text = String::from("<urlset>\n");
    let mut number = 0;
    while text.len() < 49 << 20 {
        writeln!(text, "<url><loc>http://plain.example/{number}/{}</loc></url>", "x".repeat(200)).unwrap();
        number += 1;
    }
    text + "</urlset>"
}

#[test]
fn no_single_document_takes_more_than_256_mib() {
    let plain = one_host_each([("plain", Page::xml(plain_document()))]);
    let peaks = watch(plain.crawl_command());
    assert!(peaks.resident_bytes <= DOCUMENT_PEAK_BYTES_MAX, "plain: {peaks:?}");
    show_figure(&format!("49 MiB of entries: {} MiB", peaks.resident_bytes >> 20));
    assert_eq!(host(&plain.report(), "plain.example")["complete"], true);
    assert_state_is_small(&plain, 2);
    for kind in ["large-index", "large-entry", "doubled-bomb", "attributes", "namespaces", "levels"] {
        let run = hostile_hosts(&[kind]).flags(&["--max-sitemaps", "100", "--timeout", "3"]);
        let peaks = watch(run.crawl_command());
        assert!(peaks.resident_bytes <= DOCUMENT_PEAK_BYTES_MAX, "{kind}: {peaks:?}");
        show_figure(&format!("{kind}: {} MiB", peaks.resident_bytes >> 20));
    }
}

/// Number of large indexes at once. Half of them are cut off, and the part received is kept until the retry.
const LARGE_INDEXES: usize = 60;

/// An index of 40,000 long names, 12 MiB. The names are paths without a host, so many hosts can share the body.
fn index_of_long_names() -> Page {
    Page::written("application/xml", |out| {
        out.write_all(b"<sitemapindex>\n")?;
        (0..40_000).try_for_each(|n| writeln!(out, "<sitemap><loc>/{n:0270}.xml</loc></sitemap>"))?;
        out.write_all(b"</sitemapindex>")
    })
}

#[test]
fn large_robots_txt_files_of_many_hosts_at_once_stay_within_350_mib() {
    const HOSTS: usize = 150;
    const LINES: u64 = 33_333;
    let _lock = measurement_lock();
    let mut text = String::new();
    (0..LINES).for_each(|n| writeln!(text, "sitemap:/{n:05}").unwrap());
    let names: Vec<String> = (0..HOSTS).map(|n| format!("robots-{n}.example")).collect();
    let web = names.iter().fold(Web::new(), |web, name| web.host(name, Site::new().robots(text.clone())));
    let seeds: Vec<String> = names.iter().map(|name| format!("http://{name}")).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::of(web, &seeds).flags(&["--max-sitemaps", "3"]);
    let peaks = watch(run.crawl_command());
    show_figure(&format!("{HOSTS} robots.txt files of 500 KB: {} MiB", peaks.resident_bytes >> 20));
    assert!(peaks.resident_bytes <= RULES_PEAK_BYTES_MAX, "{peaks:?}");
    let report = run.report();
    for name in &names {
        assert_eq!(host(&report, name)["sitemaps"]["skipped"]["count_limit"], LINES - 3, "{name}");
    }
}

#[test]
fn large_indexes_of_many_hosts_at_once_stay_within_256_mib() {
    let _lock = measurement_lock();
    let (whole, mut web) = (index_of_long_names(), Web::new());
    let broken_off = whole.clone().misbehaves(Misbehaviour::DropsAfter(11 << 20));
    let names: Vec<String> = (0..LARGE_INDEXES).map(|n| format!("index-{n}.example")).collect();
    for (n, name) in names.iter().enumerate() {
        let page = if n % 2 == 0 { &whole } else { &broken_off };
        web = web.host(name, announcing(name, page.clone()));
    }
    let seeds: Vec<String> = names.iter().map(|name| format!("http://{name}")).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::of(web, &seeds).flags(&["--max-sitemaps", "3"]);
    let peaks = watch(run.crawl_command());
    show_figure(&format!("{LARGE_INDEXES} large indexes: {} MiB", peaks.resident_bytes >> 20));
    assert!(peaks.resident_bytes <= DOCUMENT_PEAK_BYTES_MAX, "{peaks:?}");
    let report = run.report();
    for (n, name) in names.iter().enumerate() {
        let refused = &host(&report, name)["sitemaps"]["skipped"]["count_limit"];
        let named = if n % 2 == 0 { 40_000 } else { 36_000 };
        assert!(refused.as_u64().unwrap() >= named - 3, "{name}: {refused}");
    }
}

/// Each document takes some 50 KB on the wire and holds as much memory as a reader allows while the rest of it arrives.
#[test]
fn a_hundred_documents_that_hold_much_and_arrive_slowly_stay_within_256_mib() {
    const HOSTS: usize = 100;
    let _lock = measurement_lock();
    let mut web = Web::new();
    let names: Vec<String> = (0..HOSTS).map(|n| format!("holding-{n}.example")).collect();
    for (name, (_, page)) in names.iter().zip(holding::pages().iter().cycle()) {
        web = web.host(name, announcing(name, page.clone()));
    }
    let seeds: Vec<String> = names.iter().map(|name| format!("http://{name}")).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::of(web, &seeds);
    let peaks = watch(run.crawl_command());
    let report = run.report();
    let mut errors = BTreeMap::<String, usize>::new();
    for name in &names {
        let host = host(&report, name);
        assert!(host["entries"]["kept"].as_u64().unwrap() >= 1, "what was read is kept: {host}");
        *errors.entry(host["errors"].to_string()).or_default() += 1;
    }
    let wire: u64 = run.server.log().iter().map(|request| request.body_bytes).sum();
    show_figure(&format!("{HOSTS} documents, {wire} bytes: {} MiB, {errors:?}", peaks.resident_bytes >> 20));
    assert!(peaks.resident_bytes <= DOCUMENT_PEAK_BYTES_MAX, "{peaks:?}");
    let expected = [json!({"parse": 1}).to_string(), json!({"too_large": 1}).to_string()];
    assert!(errors.keys().all(|error| expected.contains(error)), "{errors:?}");
}

/// Maximum resident memory while a large index is committed, whatever its number of children.
const INDEX_PEAK_BYTES_MAX: u64 = 128 << 20;

/// Number of children of a large index; `make soak` sets a higher number.
fn children() -> u64 {
    std::env::var("INDEX_CHILDREN").map_or(15_000, |number| number.parse().unwrap())
}

/// Crawls an index that so many hosts name. They name it before it is read, because its host asks for a pause after
/// robots.txt. Returns the peaks and the bytes of the data directory.
fn crawl_index_named_by(hosts: usize) -> (Peaks, u64) {
    let index = Page::written("application/xml", |out| {
        out.write_all(b"<sitemapindex>")?;
        (0..children())
            .try_for_each(|n| write!(out, "<sitemap><loc>http://children.example/{n}</loc></sitemap>"))?;
        out.write_all(b"</sitemapindex>")
    });
    let slow = Site::new().robots("User-agent: *\nCrawl-delay: 10\n").page("/index.xml", index);
    // Forbidden, so that they are known but not requested.
    let forbidden = Site::new().robots("User-agent: *\nDisallow: /\n");
    let mut web = Web::new().host("index.example", slow).host("children.example", forbidden);
    let names: Vec<String> = (0..hosts).map(|n| format!("seed-{n}.example")).collect();
    for name in &names {
        web = web.host(name, Site::new().robots("Sitemap: http://index.example/index.xml\n"));
    }
    let seeds: Vec<String> = names.iter().map(|name| format!("http://{name}")).collect();
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::of(web, &seeds);
    let peaks = watch(run.crawl_command());
    let report = run.report();
    assert_eq!(host(&report, "children.example")["sitemaps"]["skipped"]["robots_disallowed"], children());
    assert_eq!(host(&report, "index.example")["sitemaps"]["found"], 1);
    (peaks, folder_bytes(&run.data_dir()))
}

/// Every child of an index remembers who named the index.
#[test]
fn an_index_that_a_thousand_hosts_name_costs_hardly_more_than_one_that_one_names() {
    let _lock = measurement_lock();
    let (one, state_of_one) = crawl_index_named_by(1);
    let (many, state) = crawl_index_named_by(1_000);
    show_figure(&format!("named by one: {one:?}, {state_of_one} bytes; by 1,000: {many:?}, {state} bytes"));
    // A list of the thousand hosts in each child would take 800 MB.
    assert!(one.resident_bytes <= INDEX_PEAK_BYTES_MAX, "{one:?}");
    assert!(many.resident_bytes <= INDEX_PEAK_BYTES_MAX, "{many:?}");
    assert!(state <= 1_024 * (children() + 2_000) + (16 << 20), "{state} bytes of state");
}

/// Each child is on a host of a site of its own, which `--max-hosts-per-site` does not limit.
#[test]
fn an_index_whose_children_are_on_as_many_hosts_is_committed_within_128_mib() {
    let _lock = measurement_lock();
    let index = Page::written("application/xml", |out| {
        out.write_all(b"<sitemapindex>")?;
        (0..children())
            .try_for_each(|n| write!(out, "<sitemap><loc>http://child-{n}.test/</loc></sitemap>"))?;
        out.write_all(b"</sitemapindex>")
    });
    let run = Run::of(
        Web::new().host("index.example", announcing("index.example", index)),
        &["http://index.example"],
    );
    let mut crawl = run.crawl_command();
    // Only what the index leads to is of interest here, and no child has a server.
    crawl.args(["--concurrency", "1"]);
    let mut child = crawl.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_up_to(Duration::from_secs(120), "all children are known", || {
        let status = run.command(&["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&status.stdout)
            .is_ok_and(|status| status["hosts"]["known"] == children() + 1)
    });
    let resident_bytes = peak_resident_bytes(&Path::new("/proc").join(child.id().to_string()));
    child.kill().unwrap();
    child.wait().unwrap();
    show_figure(&format!("{} children on as many hosts: {} MiB", children(), resident_bytes >> 20));
    assert!(resident_bytes <= INDEX_PEAK_BYTES_MAX, "{} MiB", resident_bytes >> 20);
}

/// Some hosts never answer and keep their connections, while many other hosts answer quickly.
#[test]
fn descriptors_stay_within_the_concurrency_and_32_more() {
    const CONCURRENCY: usize = 60;
    let mut web = Web::new();
    let mut seeds = Vec::new();
    for n in 0..CONCURRENCY - 10 {
        let name = format!("silent-{n}.example");
        let page = Page::xml(urlset(&[])).misbehaves(Misbehaviour::NeverAnswers);
        web = web.host(&name, announcing(&name, page));
        seeds.push(format!("http://{name}"));
    }
    for n in 0..400 {
        let name = format!("quick-{n}.example");
        web = web.host(&name, announcing(&name, Page::xml(urlset(&["http://a.example/1"]))));
        seeds.push(format!("http://{name}"));
    }
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let run = Run::of(web, &seeds).flags(&["--concurrency", &CONCURRENCY.to_string(), "--timeout", "6"]);
    let peaks = watch(run.crawl_command());
    assert!(peaks.descriptors <= CONCURRENCY + DESCRIPTORS_BESIDES, "{peaks:?}");
    assert_eq!(run.locs().len(), 400);
    show_figure(&format!("{} descriptors at a concurrency of {CONCURRENCY}", peaks.descriptors));
}

#[test]
fn ten_thousand_hosts_are_crawled_on_256_descriptors_in_512_mib() {
    const HOSTS: u64 = 10_000;
    let mut web = Web::new();
    let mut seeds = String::new();
    for n in 0..HOSTS {
        let name = format!("site{n}.example");
        let page = Page::xml(urlset(&[&format!("http://{name}/1")]));
        web = web.host(&name, announcing(&name, page));
        writeln!(seeds, "http://{name}").unwrap();
    }
    let run = Run::of(web, &[]);
    let list = run.path("seeds.txt");
    std::fs::write(&list, seeds).unwrap();
    let mut command = run.command(&[]);
    command.arg("--seeds").arg(list);
    run.add_flags(&mut command);
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    few.env_remove("RUST_LOG").stdin(Stdio::null());
    let peaks = watch(few);
    assert!(peaks.resident_bytes <= CRAWL_PEAK_BYTES_MAX, "{peaks:?}");
    assert!(peaks.descriptors <= 256, "{peaks:?}");
    assert_eq!(run.export("txt").lines().count() as u64, HOSTS);
    assert!(
        run.request_counts().values().all(|&times| times == 1),
        "no request failed for lack of a descriptor"
    );
    assert_state_is_small(&run, 2 * HOSTS);
    show_figure(&format!(
        "{HOSTS} hosts: {} MiB, {} descriptors",
        peaks.resident_bytes >> 20,
        peaks.descriptors
    ));
}

/// A robots.txt slightly smaller than the limit. It has only rules for all user agents, and no line occurs twice.
fn large_rules(seed: u64) -> Page {
    const LINES: usize = 8_000;
    Page::streamed("text/plain", None, move || {
        let mut dice = Dice(seed);
        let mut path = move || dice.below(u64::MAX);
        let mut line = move |_| format!("Disallow: /{:016x}{:016x}{:016x}\n", path(), path(), path());
        let first = "User-agent: *\nAllow: /sitemap.xml\n".to_owned();
        let lines = (0..LINES / 100).map(move |_| (0..100).map(&mut line).collect::<String>());
        std::iter::once(first).chain(lines).map(Into::into)
    })
}

/// Each of these hosts gets two requests, and its rules must be kept after the first answer.
#[test]
fn hosts_with_500_kb_of_rules_each_are_crawled_in_350_mib() {
    const HOSTS: usize = 500;
    let mut web = Web::new();
    let names: Vec<String> = (0..HOSTS).map(|n| format!("http://ruled-{n}.example")).collect();
    for (n, name) in names.iter().enumerate() {
        let page = Page::xml(urlset(&[&format!("{name}/1")]));
        let site = Site::new().page("/robots.txt", large_rules(n as u64 + 1)).page("/sitemap.xml", page);
        web = web.host(name.trim_start_matches("http://"), site);
    }
    let seeds: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = Run::of(web, &seeds);
    let peaks = watch(run.crawl_command());
    show_figure(&format!("{HOSTS} hosts of 500 KB of rules: {} MiB", peaks.resident_bytes >> 20));
    assert_eq!(run.locs().len(), HOSTS);
    assert!(run.request_counts().values().all(|&times| times == 1), "no URL is requested twice");
    assert!(peaks.resident_bytes <= RULES_PEAK_BYTES_MAX, "{peaks:?}");
}

/// The web of hostile and well-behaved hosts.
const MIXED: hostile::Options =
    hostile::Options { copies: 7, heavy_copies: 2, well_behaved: 10, sitemaps: 20 };

/// Maximum time for the well-behaved hosts with hostile hosts, divided by the time without them.
const MIXED_RATIO_MAX: f64 = 1.5;

/// Maximum time for the well-behaved hosts with hostile hosts.
const MIXED_TIME_MAX: Duration = Duration::from_secs(90);

/// Time from the first request of the crawl to the end of the last request to a well-behaved host.
///
/// With twenty-one requests at one a second, nearly all of this time is pacing, so it depends little on the load of
/// the machine: an answer within a second delays nothing. The ratio leaves ten seconds for the start, when all
/// hostile hosts begin at once.
fn well_behaved_time(log: &[LoggedRequest]) -> Duration {
    let begun_us = log.iter().map(|request| request.at_us).min().unwrap();
    let well_behaved = log.iter().filter(|request| request.host.starts_with(hostile::WELL_BEHAVED));
    let ended_us = well_behaved.filter_map(|request| request.ended_us).max().unwrap();
    Duration::from_micros(ended_us - begun_us)
}

fn watched_crawl(options: hostile::Options) -> (Run, Peaks) {
    let run = hostile_run(options);
    let peaks = watch(run.crawl_command());
    (run, peaks)
}

fn hostile_run(options: hostile::Options) -> Run {
    let seeds = hostile::seeds(options);
    let seeds: Vec<&str> = seeds.lines().collect();
    let server = hostile::web(options).serve(ServeOptions::default()).unwrap();
    Run::on(server, &seeds).flags(&["--rate", "1", "--timeout", "3", "--max-sitemaps", "20"])
}

/// Crawls a web of all hostile hosts once, or repeatedly for `SOAK_MINUTES`. Each round starts a new crawl, then
/// resumes it to retry what failed.
#[test]
fn everything_hostile_again_and_again_changes_nothing() {
    let minutes = std::env::var("SOAK_MINUTES").map_or(0, |text| text.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let few = hostile::Options { copies: 1, heavy_copies: 1, well_behaved: 3, sitemaps: 5 };
    let options = if minutes > 0 { hostile::Options { heavy_copies: 5, ..MIXED } } else { few };
    let (mut rounds, mut requests, mut peak, mut ended) = (0, 0, 0, None);
    while rounds == 0 || Instant::now() < until {
        let run = hostile_run(options).flags(&["--rate", "5"]);
        for command in [run.crawl_command(), run.resume_command(&["--retry-failed"])] {
            let peaks = watch(command);
            assert!(peaks.resident_bytes <= CRAWL_PEAK_BYTES_MAX, "round {rounds}: {peaks:?}");
            assert!(peaks.descriptors <= 100 + DESCRIPTORS_BESIDES, "round {rounds}: {peaks:?}");
            peak = peak.max(peaks.resident_bytes);
        }
        let report = run.report();
        for n in 0..options.well_behaved {
            let host = host(&report, &hostile::host_name(hostile::WELL_BEHAVED, n));
            assert_eq!(host["complete"], true, "round {rounds}: {host}");
        }
        // The errors of each kind of host are the same in every round, with one exception: an endless body is cut off
        // at 50 MiB or after five time-outs, and which comes first depends on the machine.
        let errors = |kind: &str| match report["hosts"][hostile::origin(kind, 0)]["errors"].clone() {
            errors if kind.starts_with("endless-") && errors == json!({"timeout": 1}) => {
                json!({"too_large": 1})
            }
            errors => errors,
        };
        let now: Vec<_> = hostile::KINDS.iter().map(|(kind, _)| (*kind, errors(kind))).collect();
        assert_eq!(*ended.get_or_insert_with(|| now.clone()), now, "round {rounds}");
        (rounds, requests) = (rounds + 1, requests + run.server.log().len());
        show_figure(&format!("rounds={rounds} requests={requests} peak_mib={}", peak >> 20));
    }
}

#[test]
fn well_behaved_hosts_hardly_notice_180_hostile_ones_which_together_stay_within_512_mib() {
    let _lock = measurement_lock();
    assert!(MIXED.hostile_hosts() >= 180);
    let (alone, _) = watched_crawl(hostile::Options { copies: 0, heavy_copies: 0, ..MIXED });
    let (mixed, peaks) = watched_crawl(MIXED);
    let (alone_took, took) = (well_behaved_time(&alone.server.log()), well_behaved_time(&mixed.server.log()));
    let ratio = took.as_secs_f64() / alone_took.as_secs_f64();
    show_figure(&format!("{alone_took:?} alone, {took:?} with hostile hosts: {ratio:.2}; {peaks:?}"));
    let report = mixed.report();
    for n in 0..MIXED.well_behaved {
        let host = host(&report, &hostile::host_name(hostile::WELL_BEHAVED, n));
        assert_eq!((&host["complete"], &host["entries"]["kept"]), (&true.into(), &20.into()), "{host}");
    }
    assert!(peaks.resident_bytes <= CRAWL_PEAK_BYTES_MAX, "{peaks:?}");
    assert!(peaks.descriptors <= 100 + DESCRIPTORS_BESIDES, "{peaks:?}");
    assert!(
        ratio <= MIXED_RATIO_MAX && took <= MIXED_TIME_MAX,
        "{took:?} with hostile hosts, {alone_took:?} alone"
    );
}
