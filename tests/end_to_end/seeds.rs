//! Many seeds: they reach the queue while the crawl runs, each of them once.

use std::collections::BTreeMap;
use std::process::Command;

use fakesite::{Server, Site, Web};

use super::run::{Run, expect, start, wait_until};

/// A crawl of so many hosts, which allow no request but that for robots.txt. The seeds are in a file.
fn crawl_of(hosts: usize) -> Run {
    let names: Vec<String> = (0..hosts).map(|n| format!("h{n}.example")).collect();
    let site = || Site::new().robots("User-agent: *\nDisallow: /\n");
    let web = names.iter().fold(Web::new(), |web, name| web.host(name, site()));
    let run = Run::of(web, &[]);
    let lines: String = names.iter().map(|name| format!("http://{name}\n")).collect();
    std::fs::write(run.path("seeds.txt"), lines).unwrap();
    run
}

/// `crawl --seeds …`, not started yet.
fn crawl_command(run: &Run) -> Command {
    let mut command = run.command(&[]);
    command.arg("--seeds").arg(run.path("seeds.txt"));
    run.add_flags(&mut command);
    command
}

fn resume(run: &Run) {
    expect(run.resume_command(&[]), 0);
}

/// Number of requests of each host.
fn requests(server: &Server) -> BTreeMap<String, usize> {
    let mut requests = BTreeMap::new();
    for request in server.log() {
        *requests.entry(request.host).or_default() += 1;
    }
    requests
}

#[test]
fn the_first_request_leaves_while_seeds_are_still_read() {
    const HOSTS: usize = 60_000;
    let run = crawl_of(HOSTS);
    let mut crawl = start(crawl_command(&run));
    wait_until("some requests were made", || run.server.log().len() > 300);
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    let crawl = storage::CrawlReader::open(&run.data_dir()).unwrap();
    let first_request = crawl.fetches().map(|request| request.unwrap().begun_at).min().unwrap();
    let last_seed = crawl.hosts().filter_map(|host| host.unwrap().1.busy_since).map(|(_, at)| at).max();
    assert!(last_seed.unwrap() > first_request, "no seed reached the queue after the first request");
}

#[test]
fn seeds_survive_a_kill_while_they_are_read_and_a_later_run_reads_none_again() {
    const HOSTS: usize = 4_000;
    let run = crawl_of(HOSTS);
    let mut crawl = start(crawl_command(&run));
    wait_until("a request was made", || !run.server.log().is_empty());
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    resume(&run);
    let requests = requests(&run.server);
    assert_eq!(requests.len(), HOSTS, "every seed is requested");
    let repeated: usize = requests.values().map(|times| times - 1).sum();
    assert!(repeated <= 100, "{repeated} requests are repeated, more than were in flight at the kill");

    // A session without seeds to read makes one commit, the last one.
    resume(&run);
    let sessions = storage::CrawlReader::open(&run.data_dir()).unwrap().sessions().to_vec();
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions[2].commit_seq, 1);
}
