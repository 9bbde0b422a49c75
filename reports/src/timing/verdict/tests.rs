//! Verdicts on made-up crawls.

use frontier::work_queue::SessionRecord;
use frontier::{ErrorKind, FetchRecord, Stage};

use super::*;
use crate::fixture::records::{fetch, host, session};
use crate::fixture::tally::{host_of, tally};
use crate::report::Report;
use crate::timing::sessions::Sessions;
use crate::timing::tally::Tally;

const A: &str = "https://a.example";
const B: &str = "https://b.example";

fn report(sessions: Vec<SessionRecord>, fetches: &[FetchRecord]) -> Report {
    let mut tally = tally(sessions, [A, B].map(host));
    fetches.iter().for_each(|fetch| tally.add_fetch(fetch));
    tally.finish(serde_json::Value::Null, false)
}

fn verdict(sessions: Vec<SessionRecord>, fetches: &[FetchRecord]) -> Verdict {
    report(sessions, fetches).verdict
}

#[test]
fn a_crawl_that_waits_for_its_own_pace_is_bound_by_politeness() {
    let fetches: Vec<FetchRecord> = (0..10)
        .map(|number| {
            fetch(A, number * 1000, &[(Stage::Politeness, 950), (Stage::FirstByte, 40), (Stage::Parse, 10)])
        })
        .collect();
    let verdict = verdict(vec![session(0, 0, 10_000, 300, 400)], &fetches);
    assert_eq!(verdict.bound, Some(Bound::Politeness));
    insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last. Its 10 requests took 10.0 s: 9.5 s (95 %) was politeness delay, 500 ms everything else. A higher --rate would shorten the crawl, unless the site itself asks for the delay (Crawl-delay, Retry-After). More --concurrency, cores or machines would not.");
}

#[test]
fn a_slow_server_makes_the_network_the_bound_and_the_slowest_part_is_named() {
    let stages = [(Stage::Dns, 5), (Stage::Connect, 20), (Stage::FirstByte, 800), (Stage::Body, 100)];
    let verdict = verdict(vec![session(0, 0, 1_000, 30, 40)], &[fetch(A, 0, &stages)]);
    assert_eq!(verdict.bound, Some(Bound::Network));
    insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last. Its 1 request took 925 ms: 925 ms (100 %) was network time (the longest part, 800 ms, waiting for the first byte), 0 everything else. A faster server or network would shorten the crawl, or a higher --host-concurrency on a site of your own. A higher --rate, more --concurrency or cores would not.");
}

#[test]
fn time_outs_on_the_critical_line_suggest_a_shorter_timeout() {
    let timed_out =
        FetchRecord { error: Some(ErrorKind::Timeout), ..fetch(A, 0, &[(Stage::FirstByte, 30_000)]) };
    let verdict = verdict(vec![session(0, 0, 30_000, 30, 40)], &[timed_out]);
    let sentence = &verdict.sentence;
    assert!(
        sentence.contains("1 time-out, which took 30.0 s. A shorter --timeout would shorten the crawl."),
        "{sentence}"
    );
}

#[test]
fn a_short_time_out_on_the_critical_line_suggests_nothing() {
    let timed_out =
        FetchRecord { error: Some(ErrorKind::Timeout), ..fetch(A, 0, &[(Stage::FirstByte, 3_000)]) };
    let slow = fetch(A, 3_000, &[(Stage::Body, 27_000)]);
    let verdict = verdict(vec![session(0, 0, 30_000, 30, 40)], &[timed_out, slow]);
    assert!(!verdict.sentence.contains("--timeout"), "{}", verdict.sentence);
    assert!(verdict.sentence.contains("A faster server or network would"), "{}", verdict.sentence);
}

#[test]
fn waits_before_retries_are_politeness_that_no_rate_shortens() {
    let again = FetchRecord { attempt: 2, ..fetch(A, 1_000, &[(Stage::Politeness, 900), (Stage::Body, 50)]) };
    let fetches = [fetch(A, 0, &[(Stage::Politeness, 500), (Stage::Body, 50)]), again];
    let verdict = verdict(vec![session(0, 0, 2_000, 30, 40)], &fetches);
    assert_eq!(verdict.bound, Some(Bound::Politeness));
    insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last. Its 2 requests took 1.5 s: 1.4 s (93 %) was politeness delay (most of it, 900 ms, before retries), 100 ms everything else. Before each retry the crawler waits as long as the site asks (Retry-After), or longer with each attempt. A site that answers would shorten the crawl. A higher --rate, more --concurrency, cores or machines would not.");
}

#[test]
fn on_a_busy_machine_a_host_is_bound_by_the_network_only_as_far_as_its_fastest_request_proves() {
    let busy = || vec![session(0, 0, 10_000, 18_000, 19_500)];
    let bounds = |sessions, of_b: &[FetchRecord]| {
        let quick = fetch(A, 0, &[(Stage::FirstByte, 2), (Stage::Parse, 20)]);
        let late = fetch(A, 1_000, &[(Stage::FirstByte, 900), (Stage::Parse, 80)]);
        let report = report(sessions, &[&[quick, late], of_b].concat());
        (host_of(&report, A).bound, host_of(&report, B).bound)
    };
    let far = [100, 1_100, 2_100].map(|at| fetch(B, at, &[(Stage::FirstByte, 800), (Stage::Parse, 80)]));
    assert_eq!(bounds(busy(), &far), (Some(Bound::Cpu), Some(Bound::Network)));
    let silent = FetchRecord { error: Some(ErrorKind::Timeout), ..fetch(B, 0, &[(Stage::FirstByte, 9_000)]) };
    let robots = fetch(B, 0, &[(Stage::FirstByte, 1)]);
    assert_eq!(bounds(busy(), &[robots, silent]).1, Some(Bound::Network), "no server answered");
    let paced = fetch(B, 0, &[(Stage::Politeness, 5_000), (Stage::FirstByte, 900)]);
    assert_eq!(bounds(busy(), &[paced]).1, Some(Bound::Politeness));
    // On a machine with idle cores no byte is read late.
    let idle = vec![session(0, 0, 10_000, 500, 600)];
    assert_eq!(bounds(idle, &far), (Some(Bound::Network), Some(Bound::Network)));
}

#[test]
fn waiting_for_a_slot_while_others_wait_for_the_network_is_concurrency() {
    let stages = [(Stage::Slot, 900), (Stage::FirstByte, 100)];
    let verdict = verdict(vec![session(0, 0, 1_000, 30, 40)], &[fetch(A, 0, &stages)]);
    assert_eq!(verdict.bound, Some(Bound::Concurrency));
    insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last. Its 1 request took 1.0 s: 900 ms (90 %) was waiting for a free --concurrency slot, 100 ms everything else. More --concurrency would shorten the crawl. So would servers that answer faster, because slots are free again sooner. A faster network to this host alone, a higher --rate or more cores would not.");
}

#[test]
fn waiting_for_a_slot_while_others_wait_for_the_cpu_is_cpu() {
    let stages = [(Stage::Slot, 900), (Stage::Parse, 100), (Stage::FirstByte, 5)];
    let verdict = verdict(vec![session(0, 0, 1_000, 950, 960)], &[fetch(A, 0, &stages)]);
    assert_eq!(verdict.bound, Some(Bound::Cpu));
    assert!(
        verdict.sentence.contains("More cores, or more machines sharing the crawl, would shorten it"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn cores_that_the_crawl_keeps_busy_are_the_bound_whatever_the_stages_say() {
    let verdict =
        verdict(vec![session(0, 0, 1_000, 1_800, 1_900)], &[fetch(A, 0, &[(Stage::FirstByte, 900)])]);
    assert_eq!(verdict.bound, Some(Bound::Cpu));
    insta::assert_snapshot!(verdict.sentence, @"The CPU limited the crawl: over 1.0 s the 2 cores were 95 % busy, 90 % with this crawl (1.8 s of CPU time). More cores, or more machines sharing the crawl, would shorten it. A faster network, a higher --rate or more --concurrency would not.");
}

#[test]
fn cores_that_other_programs_keep_busy_are_not_the_bound() {
    let verdict = verdict(vec![session(0, 0, 1_000, 100, 2_000)], &[fetch(A, 0, &[(Stage::FirstByte, 900)])]);
    assert_eq!(verdict.bound, Some(Bound::Network));
    let reservation =
        "Other programs kept the cores busy during the crawl (100 % in all, 5 % with this crawl)";
    assert!(verdict.sentence.contains(reservation), "{}", verdict.sentence);
}

#[test]
fn the_sentence_says_if_the_sum_over_hosts_disagrees_with_the_last_host() {
    let fetches = [
        fetch(A, 0, &[(Stage::Body, 9_000)]),
        fetch(B, 0, &[(Stage::Politeness, 9_900), (Stage::Body, 100)]),
    ];
    let verdict = verdict(vec![session(0, 0, 10_000, 30, 40)], &fetches);
    assert_eq!(verdict.bound, Some(Bound::Politeness));
    assert_eq!(verdict.evidence.critical_host.as_deref(), Some(B));
    assert!(!verdict.sentence.contains("Summed over"), "both agree on politeness: {}", verdict.sentence);

    let fetches = [
        fetch(A, 0, &[(Stage::Politeness, 9_000)]),
        fetch(B, 0, &[(Stage::Politeness, 4_000), (Stage::Body, 6_000)]),
    ];
    let verdict = self::verdict(vec![session(0, 0, 10_000, 30, 40)], &fetches);
    assert_eq!(verdict.bound, Some(Bound::Network));
    insta::assert_snapshot!(verdict.sentence, @"https://b.example ended last. Its 1 request took 10.0 s: 6.0 s (60 %) was network time (the longest part, 6.0 s, receiving the body), 4.0 s everything else. A faster server or network would shorten the crawl, or a higher --host-concurrency on a site of your own. A higher --rate, more --concurrency or cores would not. Summed over all 2 hosts, however, politeness took the most time: 13.0 s of 19.0 s (68 %).");
}

#[test]
fn each_session_has_a_last_host_and_their_lines_add_up() {
    let second =
        FetchRecord { session: frontier::SessionId(2), ..fetch(B, 100_000, &[(Stage::Politeness, 700)]) };
    let fetches = [fetch(A, 0, &[(Stage::Politeness, 2_000)]), fetch(B, 0, &[(Stage::Body, 100)]), second];
    let sessions = vec![session(0, 0, 2_000, 30, 40), session(1, 100_000, 100_700, 30, 40)];
    let verdict = verdict(sessions, &fetches);
    assert_eq!(verdict.evidence.critical_line_s.politeness_us, 2_700_000);
    assert_eq!(verdict.evidence.critical_line_s.network_us, 0);
    assert_eq!(verdict.evidence.critical_host.as_deref(), Some(A));
    insta::assert_snapshot!(verdict.sentence, @"Of the hosts that ended last in each of 2 sessions, https://a.example took longest. The 2 requests of these hosts took 2.7 s: 2.7 s (100 %) was politeness delay, 0 everything else. A higher --rate would shorten the crawl, unless the site itself asks for the delay (Crawl-delay, Retry-After). More --concurrency, cores or machines would not.");
}

/// Two concurrent workers, and later a third one alone.
fn of_workers(process_ms: u64) -> Tally {
    let sessions = vec![
        session(0, 0, 8_000, process_ms, process_ms),
        session(1, 2_000, 10_000, process_ms, process_ms),
        session(2, 60_000, 61_000, process_ms / 8, process_ms / 8),
    ];
    let mut tally = Tally::new(Sessions::concurrent(sessions));
    [A, B].map(host).into_iter().for_each(|record| tally.add_host(record.host.id(), record));
    tally
}

fn by(worker: u128, fetch: FetchRecord) -> FetchRecord {
    FetchRecord { session: frontier::SessionId(worker), ..fetch }
}

#[test]
fn concurrent_workers_have_one_last_host() {
    let mut tally = of_workers(100);
    // The host moved from one worker to the other.
    tally.add_fetch(&by(1, fetch(A, 0, &[(Stage::Politeness, 3_000), (Stage::Body, 1_000)])));
    tally.add_fetch(&by(1, fetch(B, 0, &[(Stage::Body, 7_500)])));
    tally.add_fetch(&by(2, fetch(A, 4_000, &[(Stage::Politeness, 5_000), (Stage::Body, 900)])));
    let report = tally.finish(serde_json::Value::Null, false);
    assert_eq!((report.crawl.wall_s, report.crawl.sessions, report.crawl.workers), (11.0, 3, 2));
    let evidence = &report.verdict.evidence;
    assert_eq!((evidence.critical_requests, evidence.wall_s), (2, 11.0));
    insta::assert_snapshot!(report.verdict.sentence, @"https://a.example ended last. Its 2 requests took 9.9 s: 8.0 s (81 %) was politeness delay, 1.9 s everything else. A higher --rate would shorten the crawl, unless the site itself asks for the delay (Crawl-delay, Retry-After). More --concurrency, cores or machines would not. Summed over all 2 hosts, however, network took the most time: 9.4 s of 17.4 s (54 %).");
    tally.add_fetch(&by(3, fetch(A, 60_000, &[(Stage::Politeness, 1_000)])));
    let report = tally.finish(serde_json::Value::Null, false);
    assert_eq!(report.verdict.evidence.critical_line_s.politeness_us, 9_000_000);
    let sentence = &report.verdict.sentence;
    assert!(
        sentence
            .starts_with("Of the hosts that ended last in each of 2 runs, https://a.example took longest."),
        "{sentence}"
    );
}

#[test]
fn slots_and_cores_are_those_of_all_workers() {
    let mut tally = of_workers(100);
    tally.add_fetch(&by(1, fetch(A, 0, &[(Stage::Slot, 9_000), (Stage::FirstByte, 900)])));
    let verdict = tally.finish(serde_json::Value::Null, false).verdict;
    assert_eq!(verdict.bound, Some(Bound::Concurrency));
    insta::assert_snapshot!(verdict.sentence, @"https://a.example ended last. Its 1 request took 9.9 s: 9.0 s (91 %) was waiting for a free --concurrency slot of 2 workers, 900 ms everything else. More --concurrency or more workers would shorten the crawl. So would servers that answer faster, because slots are free again sooner. A faster network to this host alone, a higher --rate or more cores would not.");

    // Each keeps most of its two cores busy.
    let mut tally = of_workers(15_200);
    tally.add_fetch(&by(1, fetch(A, 0, &[(Stage::FirstByte, 9_000)])));
    let report = tally.finish(serde_json::Value::Null, false);
    assert_eq!((report.cpu.cores, report.cpu.utilisation), (4, 32_300.0 / 34_000.0));
    insta::assert_snapshot!(report.verdict.sentence, @"The CPU limited the crawl: over 11.0 s the 4 cores of 2 workers were 95 % busy, 95 % with this crawl (32.3 s of CPU time). More cores, or more machines sharing the crawl, would shorten it. A faster network, a higher --rate or more --concurrency would not.");
}

#[test]
fn one_busy_worker_of_two_does_not_make_the_slots_short_of_cpu() {
    // 10.6 s of CPU time in 11 s of wall time, but in 17 s of work.
    let mut tally = of_workers(5_000);
    tally.add_fetch(&by(1, fetch(A, 0, &[(Stage::Slot, 900), (Stage::Parse, 100), (Stage::FirstByte, 5)])));
    assert_eq!(tally.finish(serde_json::Value::Null, false).verdict.bound, Some(Bound::Concurrency));
}

#[test]
fn a_crawl_without_requests_or_without_time_has_no_bound_and_says_why() {
    let none = verdict(Vec::new(), &[]);
    assert_eq!(none.bound, None);
    assert_eq!(none.sentence, "no requests were made (2 hosts known), so there is no verdict.");
    let no_time = verdict(vec![session(0, 0, 0, 0, 0)], &[fetch(A, 0, &[])]);
    assert_eq!(no_time.bound, None);
    assert_eq!(no_time.sentence, "the requests took no measurable time, so there is no verdict.");
    assert_eq!(no_time.evidence.machine_utilisation, 0.0);
    let no_hosts = tally(Vec::new(), []).finish(serde_json::Value::Null, false).verdict;
    assert_eq!(no_hosts.sentence, "there are no hosts to crawl, so there is no verdict.");
}

#[test]
fn an_interrupted_or_running_crawl_is_judged_so_far() {
    let mut record = host(A);
    record.account.pending = 3;
    record.account.found = 3;
    let judged = |is_running| {
        let mut tally = tally(vec![session(0, 0, 1_000, 30, 40)], [record.clone()]);
        tally.add_fetch(&fetch(A, 0, &[(Stage::Body, 900)]));
        tally.finish(serde_json::Value::Null, is_running).verdict.sentence
    };
    assert!(
        judged(false).starts_with("Interrupted with 3 tasks left; until then: https://a.example ended last")
    );
    assert!(
        judged(true).starts_with("Still running with 3 tasks left; so far: https://a.example ended last")
    );
}
