//! The memory that a leased host takes.

use frontier::work_queue::{LeasedHost, Loaded, RobotsRecord};
use frontier::{Host, Pace, RobotsRules, Schedule, Task, TaskKind, Timestamp, Validator};

/// Limit for the state of one host: its entry in the schedule, its robots rules and its next tasks.
const HOST_BYTES_MAX: u64 = 16 << 10;

/// Number of hosts. With this many, other allocations of the process do not matter.
const HOSTS: u64 = 10_000;

/// Robots rules and Sitemap lines of a large news site, of a typical size.
fn rules() -> String {
    let paths =
        |word: &str, n: u32| (0..n).map(|i| format!("Disallow: /{word}/{i}/private\n")).collect::<String>();
    let robots = format!("User-agent: *\n{}Sitemap: /news.xml\nSitemap: /index.xml\n", paths("section", 20));
    RobotsRules::parse(robots.as_bytes(), "crawler").to_text()
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_host_in_work_takes_at_most_16_kib() {
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let pace = Pace::of_hosts(std::time::Duration::from_secs(1), 1);
    let text = rules();
    let before = resident_bytes();
    let mut schedule = Schedule::new(pace, now);
    for n in 0..HOSTS {
        let url = format!("https://www.site-{n}.example/");
        let host = Host::of(&url::Url::parse(&url).unwrap()).unwrap();
        let robots =
            RobotsRecord { fetched_at: now, rules: Some(text.clone()), validator: Validator::default() };
        schedule.admit(
            LeasedHost {
                host: host.clone(),
                is_seed: true,
                robots: Some(robots),
                not_before: None,
                busy_since: now,
                asked_before: true,
                inbox: 0,
            },
            now,
        );
        let (id, wanted) = schedule.wanting_tasks(1)[0];
        let task =
            |n| Task::new(&host, format!("{url}sitemaps/of-the-year/2026-{n:04}.xml"), TaskKind::Sitemap);
        let tasks = (0..wanted).map(task).collect();
        schedule.load(
            Loaded { host: id, inbox: 0, busy_since: None, tasks, hops: Vec::new(), redirect: None },
            now,
        );
    }
    assert_eq!(schedule.hosts() as u64, HOSTS);
    let each = resident_bytes().saturating_sub(before) / HOSTS;
    assert!(each <= HOST_BYTES_MAX, "{each} bytes per host");
}
