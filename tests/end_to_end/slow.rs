//! Slow servers: `--timeout` limits each stage, and five times that limits the whole fetch.

use std::time::Duration;

use fakesite::{FullBacklog, Misbehaviour, NameServer, Page, Site, TlsMisbehaviour, Web};
use frontier::{ErrorKind, FetchRecord, Stage};

use super::hosts::{announcing, show_figure};
use super::run::{Run, expect, measurement_lock, urlset};

/// The value of `--timeout`.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How late a time-out may be, because a busy machine may delay the process. A stage without its limit would take five
/// time-outs, the limit of the whole fetch, which is later than this allows.
const LATE_MAX: Duration = Duration::from_secs(2);

fn us(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap()
}

/// Total time of the network stages.
fn network_us(request: &FetchRecord) -> u64 {
    [Stage::Dns, Stage::Connect, Stage::Tls, Stage::FirstByte, Stage::Body]
        .iter()
        .map(|&stage| request.stages[stage])
        .sum()
}

#[test]
fn connect_tls_first_byte_and_stalls_are_given_up_after_the_time_out_and_drips_after_five() {
    let _lock = measurement_lock();
    let page = |misbehaviour| Page::xml(urlset(&["http://a.example/1"])).misbehaves(misbehaviour);
    let drip = || Misbehaviour::SlowBody { bytes: 1, every: Duration::from_secs(1) };
    let long_rules = Page::text("User-agent: *\nDisallow: /private\n");
    let web = Web::new()
        .host("tls.example", Site::new().tls_misbehaves(TlsMisbehaviour::NeverAnswers))
        .host("silent.example", announcing("silent.example", page(Misbehaviour::NeverAnswers)))
        .host("stalls.example", announcing("stalls.example", page(Misbehaviour::StallsAfter(70))))
        .host("interim.example", announcing("interim.example", page(Misbehaviour::EndlessInterim)))
        .host("drips.example", announcing("drips.example", page(drip())))
        .host("drips-rules.example", Site::new().page("/robots.txt", long_rules.misbehaves(drip())));
    let stages = [
        ("http://connect.example", Stage::Connect, 1),
        ("https://tls.example", Stage::Tls, 1),
        ("http://silent.example", Stage::FirstByte, 1),
        ("http://stalls.example", Stage::Body, 1),
        ("http://interim.example", Stage::FirstByte, 1),
        ("http://drips.example", Stage::Body, 5),
        ("http://drips-rules.example", Stage::Body, 5),
    ];
    let nowhere = FullBacklog::for_good().unwrap();
    let run = Run::of(web, &[]).flags(&["--timeout", "2"]);
    let mut command = run.command(&["--connect-to", &format!("connect.example::{}", nowhere.address())]);
    command.args(stages.iter().flat_map(|(seed, ..)| ["--seed", seed]));
    run.add_flags(&mut command);
    expect(command, 0);

    let report = run.report();
    let timed_out: Vec<FetchRecord> =
        run.requests().into_iter().filter(|request| request.error == Some(ErrorKind::Timeout)).collect();
    assert_eq!(timed_out.len(), stages.len(), "each host has one time-out");
    for (seed, stage, timeouts) in stages {
        assert_eq!(report["hosts"][seed]["errors"]["timeout"], 1, "{seed}: {}", report["hosts"][seed]);
        let is_of_seed = |request: &&FetchRecord| request.detail.starts_with(seed);
        let request = timed_out.iter().find(is_of_seed).unwrap();
        let limit = TIMEOUT * timeouts;
        let took_us = network_us(request);
        let allowed = us(limit) - 1_000..=us(limit + LATE_MAX);
        assert!(allowed.contains(&took_us) && request.stages[stage] > took_us / 2, "{seed}: {request:?}");
        show_figure(&format!("{seed}: given up after {} ms", took_us / 1_000));
    }
}

#[test]
fn a_name_server_that_does_not_answer_costs_one_time_out() {
    let _lock = measurement_lock();
    let names = NameServer::start(Duration::from_secs(3600)).unwrap();
    let run = Run::of(Web::new(), &[]);
    let resolver = names.address().to_string();
    expect(run.command(&["--seed", "http://a.example", "--timeout", "2", "--resolver", &resolver]), 0);
    let requests = run.requests();
    assert_eq!(requests.len(), 1);
    let dns_us = requests[0].stages[Stage::Dns];
    assert!(requests[0].error.is_some() && dns_us <= us(TIMEOUT + LATE_MAX), "{:?}", requests[0]);
}
