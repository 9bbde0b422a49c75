//! How long robots rules are used, over many sessions in virtual time (RFC 9309 sections 2.3.1.4 and 2.4).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use frontier::schedule::Request;
use frontier::work_queue::{Commit, HostUpdate, QueueBounds, RobotsRecord, Session};
use frontier::{
    Answer, Clock, Conclusion, Context, DocumentSummary, Host, NewTask, Next, NextStep, Outcome, Pace,
    RobotsRules, Schedule, Scope, Task, TaskKind, TaskOutcome, Timestamp, WorkQueue, conclude,
};
use queue_suite::ModelQueue;

const HOUR: Duration = Duration::from_secs(3_600);

struct VirtualClock(AtomicI64);

impl VirtualClock {
    fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, _moment: Timestamp) {
        panic!("the model queue must not wait")
    }
}

/// The output of a future of the model queue, which never waits.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the model queue must not wait"),
    }
}

/// One host, crawled in many sessions. Each session adds a new sitemap as a seed.
struct Visits {
    clock: Arc<VirtualClock>,
    queue: ModelQueue,
    host: Host,
    known: Option<RobotsRecord>,
    session: Session,
    seq: u64,
}

impl Visits {
    fn begin() -> Self {
        let clock = Arc::new(VirtualClock(AtomicI64::new(1_800_000_000_000_000)));
        let queue =
            ModelQueue::new(clock.clone(), QueueBounds { sitemaps_max: 1_000, hosts_per_site_max: u64::MAX });
        let host = Host::of(&url::Url::parse("https://a.example/").unwrap()).unwrap();
        let session = at_once(queue.open_session("none")).unwrap();
        Self { clock, queue, host, known: None, session, seq: 0 }
    }

    /// Runs a session that begins at `at` and fetches `path`. robots.txt is `rules`, or unreachable if `None`.
    /// Returns the paths requested.
    fn visit(&mut self, at: Timestamp, path: &str, rules: Option<&str>) -> Vec<String> {
        self.clock.set(at);
        self.session = at_once(self.queue.open_session("next")).unwrap();
        self.seq = 0;
        let task = Task::new(&self.host, self.host.url(path), TaskKind::Sitemap);
        let found = vec![NewTask { host: self.host.clone(), task, found_on: None }];
        self.commit(Commit { found, ..Commit::default() });
        let mut schedule = Schedule::new(Pace::of_hosts(Duration::from_secs(1), 1), self.clock.now());
        let mut requested = Vec::new();
        loop {
            self.refill(&mut schedule);
            let now = self.clock.now();
            match schedule.next(now) {
                Next::Start(request) => {
                    requested.push(request.url().trim_start_matches("https://a.example").to_owned());
                    let conclusion = self.conclude(&request, rules);
                    self.settle(&mut schedule, &request, conclusion);
                }
                Next::Skip(request, reason) => {
                    let outcome = TaskOutcome::new(request.step.task.id, Outcome::Skipped(reason), 0);
                    self.commit(Commit { outcomes: vec![outcome], ..Commit::default() });
                    schedule.settle(&request, NextStep::Done, now);
                }
                Next::Wait(Some(at)) => self.clock.set(at),
                Next::Wait(None) if schedule.is_empty() => {
                    match at_once(self.queue.counts()).unwrap().next_due_at {
                        Some(at) => self.clock.set(at.max(now)),
                        None => return requested,
                    }
                }
                Next::Wait(None) => {}
            }
        }
    }

    fn commit(&mut self, commit: Commit) {
        self.seq += 1;
        at_once(self.queue.commit(&self.session, Commit { seq: self.seq, ..commit })).unwrap();
    }

    fn refill(&mut self, schedule: &mut Schedule) {
        let now = self.clock.now();
        let idle = schedule.idle();
        let stay = at_once(self.queue.release(&self.session, &idle)).unwrap();
        schedule.released(&idle, &stay, now);
        for leased in at_once(self.queue.lease(&self.session, 1)).unwrap() {
            self.known.clone_from(&leased.robots);
            schedule.admit(leased, now);
        }
        for (host, n) in schedule.wanting_tasks(1) {
            for loaded in at_once(self.queue.load(&self.session, &[host], n)).unwrap() {
                schedule.load(loaded, now);
            }
        }
    }

    fn conclude(&self, request: &Request, rules: Option<&str>) -> Conclusion {
        let found = Answer { status: Some(200), ..Answer::default() };
        let answer = match (request.step.task.kind, rules) {
            (TaskKind::Robots, None) => Answer { status: Some(503), ..Answer::default() },
            (TaskKind::Robots, Some(text)) => {
                Answer { robots: Some(RobotsRules::parse(text.as_bytes(), "otter")), ..found }
            }
            _ => Answer {
                document: Some(DocumentSummary {
                    kind: frontier::DocumentKind::Urlset,
                    ..DocumentSummary::default()
                }),
                ..found
            },
        };
        let context = Context {
            step: &request.step,
            scope: &Scope::default(),
            cached_rules: self.known.as_ref(),
            redirect: None,
            parked_until: None,
            best: None,
            now: self.clock.now(),
            jitter: 0.0,
        };
        conclude(&context, &answer)
    }

    fn settle(&mut self, schedule: &mut Schedule, request: &Request, conclusion: Conclusion) {
        let (now, id) = (self.clock.now(), self.host.id());
        let is_of_queue = request.step.task.kind != TaskKind::Robots;
        let hosts = conclusion.robots.clone().map(|robots| HostUpdate { host: id, robots });
        self.commit(Commit {
            outcomes: conclusion.outcome.into_iter().filter(|_| is_of_queue).collect(),
            hosts: hosts.into_iter().collect(),
            ..Commit::default()
        });
        if let Some(robots) = conclusion.robots {
            schedule.set_robots(id, robots.clone(), now);
            self.known = Some(robots);
        }
        if let Some(until) = conclusion.cooldown_until {
            schedule.cool_down(id, until, now);
        }
        schedule.settle(request, conclusion.next, now);
    }
}

#[test]
fn robots_txt_is_requested_once_in_24_hours_however_often_the_crawl_is_restarted() {
    let mut visits = Visits::begin();
    let begun_at = visits.clock.now();
    let mut requested_at_hour = Vec::new();
    for hour in 0..50 {
        let requested = visits.visit(
            begun_at + HOUR * hour,
            &format!("/{hour}.xml"),
            Some("User-agent: *\nDisallow: /x"),
        );
        assert!(requested.contains(&format!("/{hour}.xml")), "{requested:?}");
        if requested.contains(&"/robots.txt".to_owned()) {
            requested_at_hour.push(hour);
        }
    }
    assert_eq!(requested_at_hour, [0, 24, 48]);
}

#[test]
fn rules_serve_for_30_days_while_robots_txt_is_unreachable_and_then_nothing_is_requested() {
    let mut visits = Visits::begin();
    let (begun_at, day) = (visits.clock.now(), HOUR * 24);
    let rules = "User-agent: *\nDisallow: /private";
    assert_eq!(visits.visit(begun_at, "/0.xml", Some(rules)), ["/robots.txt", "/0.xml"]);
    let tries = ["/robots.txt"; 3];
    for days in [2, 15, 29] {
        let open = visits.visit(begun_at + day * days, &format!("/{days}.xml"), None);
        assert_eq!(open, [&tries[..], &[format!("/{days}.xml").as_str()]].concat(), "after {days} days");
        let private = visits.visit(begun_at + day * days + HOUR, &format!("/private/{days}.xml"), None);
        assert_eq!(private, tries, "after {days} days");
    }
    assert_eq!(visits.visit(begun_at + day * 31, "/31.xml", None), tries);
    assert_eq!(visits.visit(begun_at + day * 33, "/33.xml", Some(rules)), ["/robots.txt", "/33.xml"]);
}
