//! Compares the queue with the model under random commands.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use frontier::work_queue::{
    HostCooldown, HostUpdate, Part, RedirectAnswer, RedirectChange, RedirectUpdate, RobotsRedirect,
};
use frontier::{ErrorKind, SkipReason};

/// Few hosts and paths, so that commands often concern the same ones. Three hosts are of one site.
const HOSTS: [&str; 4] = ["a", "b", "c.b", "d.b"];
const PATHS: [&str; 5] = ["/robots.txt", "/1", "/2", "/3", "/4"];
const BOUNDS: QueueBounds = QueueBounds { sitemaps_max: 3, hosts_per_site_max: 1 };
const CASES: u32 = 48;

#[derive(Clone, Debug)]
enum Command {
    Crash,
    OpenSession,
    Reap,
    Advance(u64),
    Lease(usize),
    Load(usize),
    /// The part is the task of its index and its number.
    Commit(Numbering, Option<((usize, usize), u32)>, Vec<Change>),
    /// Releases the hosts whose bit is set, with the `inbox` of the last load.
    Release {
        hosts: u8,
        not_before_s: Option<u64>,
        parked: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum Numbering {
    Next,
    Again,
    Skipping,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Ended {
        task: (usize, usize),
        outcome: OutcomeKind,
        read_as: Option<usize>,
        not_new: NotNew,
    },
    Again {
        task: (usize, usize),
    },
    Found {
        task: (usize, usize),
        found_on: Option<usize>,
        /// The path of the document on that host that named it.
        parent: Option<usize>,
        guess: bool,
        depth: u16,
        named_by: usize,
    },
    Robots {
        host: usize,
        size: usize,
    },
    Cooldown {
        host: usize,
        seconds: u64,
    },
    Fetched {
        task: (usize, usize),
        commit_us: u64,
    },
    /// The robots.txt of `waiting` is redirected to another host.
    Wait {
        waiting: usize,
        target: (usize, usize),
    },
    /// The other host has an answer for it.
    Answer {
        waiting: usize,
        target: (usize, usize),
        answer: usize,
    },
    EndOfRedirect {
        waiting: usize,
    },
}

/// What a document named that led to no new task.
#[derive(Clone, Copy, Debug)]
struct NotNew {
    refused: u64,
    repeats: u64,
    parts: u32,
}

#[derive(Clone, Copy, Debug)]
enum OutcomeKind {
    Fetched,
    Truncated,
    NotModified,
    Duplicate,
    Redirected,
    Absent,
    Skipped,
    Failed,
    Retry,
}

/// After any sequence of commands, the queue and the model have the same totals, hosts, accounts and tasks.
pub fn it_behaves_as_the_model_under_random_commands(factory: Factory) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let commands = proptest::collection::vec(command(), 1..40);
    let outcome = TestRunner::new(config).run(&commands, |commands| {
        let mut pair = Pair::start(factory);
        for command in commands {
            pair.perform(command);
            pair.compare();
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn command() -> impl Strategy<Value = Command> {
    let numbering = prop_oneof![
        20 => Just(Numbering::Next), 1 => Just(Numbering::Again), 1 => Just(Numbering::Skipping)
    ];
    let part = proptest::option::weighted(0.4, ((0..HOSTS.len(), 1..PATHS.len()), 1_u32..4));
    prop_oneof![
        1 => Just(Command::Crash),
        1 => Just(Command::OpenSession),
        1 => Just(Command::Reap),
        3 => (0_u64..90).prop_map(Command::Advance),
        4 => (0_usize..4).prop_map(Command::Lease),
        2 => (0_usize..4).prop_map(Command::Load),
        10 => (numbering, part, proptest::collection::vec(change(), 0..8))
            .prop_map(|(numbering, part, changes)| Command::Commit(numbering, part, changes)),
        3 => (any::<u8>(), proptest::option::of(0_u64..120), any::<bool>())
            .prop_map(|(hosts, not_before_s, parked)| Command::Release { hosts, not_before_s, parked }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let task = || (0..HOSTS.len(), 0..PATHS.len());
    let outcome = proptest::sample::select(vec![
        OutcomeKind::Fetched,
        OutcomeKind::Truncated,
        OutcomeKind::NotModified,
        OutcomeKind::Duplicate,
        OutcomeKind::Redirected,
        OutcomeKind::Absent,
        OutcomeKind::Skipped,
        OutcomeKind::Failed,
        OutcomeKind::Retry,
    ]);
    let not_new = (0_u64..3, 0_u64..2, 0_u32..3).prop_map(|(refused, repeats, parts)| NotNew {
        refused,
        repeats,
        parts,
    });
    let parent = proptest::option::of(0..PATHS.len());
    prop_oneof![
        4 => (task(), outcome, proptest::option::weighted(0.2, 1..PATHS.len()), not_new)
            .prop_map(|(task, outcome, read_as, not_new)| Change::Ended { task, outcome, read_as, not_new }),
        6 => (task(), proptest::option::of(0..HOSTS.len()), parent, any::<bool>(), 0_u16..3, 0..HOSTS.len())
            .prop_map(|(task, found_on, parent, guess, depth, named_by)| {
                Change::Found { task, found_on, parent, guess, depth, named_by }
            }),
        1 => task().prop_map(|task| Change::Again { task }),
        1 => (0..HOSTS.len(), 0_usize..200_000).prop_map(|(host, size)| Change::Robots { host, size }),
        1 => (0..HOSTS.len(), 0_u64..300).prop_map(|(host, seconds)| Change::Cooldown { host, seconds }),
        1 => (task(), 0_u64..50).prop_map(|(task, commit_us)| Change::Fetched { task, commit_us }),
        3 => (0..HOSTS.len(), task()).prop_map(|(waiting, target)| Change::Wait { waiting, target }),
        3 => (0..HOSTS.len(), task(), 0_usize..6)
            .prop_map(|(waiting, target, answer)| Change::Answer { waiting, target, answer }),
        1 => (0..HOSTS.len()).prop_map(|waiting| Change::EndOfRedirect { waiting }),
    ]
}

fn task((host, path): (usize, usize)) -> NewTask {
    let kind = if path == 0 { TaskKind::Robots } else { TaskKind::Sitemap };
    new_task(&site(HOSTS[host]), PATHS[path], kind)
}

/// The request of another host for the robots.txt of `waiting`.
fn hop(waiting: usize, (host, path): (usize, usize)) -> NewTask {
    let (waiting, target) = (site(HOSTS[waiting]), site(HOSTS[host]));
    let task = Task::robots_hop(&target, &target.url(PATHS[path]), 1, &waiting);
    NewTask { task, host: target, found_on: Some(waiting.id()) }
}

/// The queue under test and the model, each with a session.
struct Pair {
    tested: Box<dyn TestedQueue>,
    model: ModelQueue,
    clock: Arc<HandClock>,
    sessions: (Session, Session),
    seq: u64,
    /// `inbox` of each host's last load, the same on both.
    inboxes: BTreeMap<HostId, u64>,
}

impl Pair {
    fn start(factory: Factory) -> Self {
        let bounds = BOUNDS;
        let tested = factory.create(bounds);
        let clock = HandClock::at(tested.now());
        let model = match tested.session_ttl() {
            None => ModelQueue::new(clock.clone(), bounds),
            Some(ttl) => ModelQueue::shared(clock.clone(), bounds, ttl),
        };
        let sessions =
            (tested.open_session("tested").unwrap(), at_once(model.open_session("model")).unwrap());
        Self { tested, model, clock, sessions, seq: 0, inboxes: BTreeMap::new() }
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Crash => {
                self.tested.reopen();
                self.open_sessions();
            }
            Command::OpenSession => self.open_sessions(),
            Command::Reap => {
                let reaped = self.tested.reap().unwrap();
                assert_eq!(reaped, at_once(self.model.reap()).unwrap());
            }
            Command::Advance(seconds) => {
                self.tested.advance(Duration::from_secs(seconds));
                self.clock.set(self.tested.now());
            }
            Command::Lease(n) => self.lease(n),
            Command::Load(n) => self.load(n),
            Command::Commit(numbering, part, changes) => self.commit(numbering, part, changes),
            Command::Release { hosts, not_before_s, parked } => {
                self.release(hosts, not_before_s, parked);
            }
        }
    }

    fn open_sessions(&mut self) {
        let tested = self.tested.open_session("tested").unwrap();
        self.sessions = (tested, at_once(self.model.open_session("model")).unwrap());
        assert_eq!(self.sessions.0.number, self.sessions.1.number);
        self.seq = 0;
    }

    fn lease(&mut self, n: usize) {
        let tested = self.tested.lease(&self.sessions.0, n);
        let model = at_once(self.model.lease(&self.sessions.1, n));
        // A queue may set `asked_before` where the model does not.
        let careful = |leased: Vec<LeasedHost>| -> Vec<LeasedHost> {
            leased.into_iter().map(|leased| LeasedHost { asked_before: true, ..leased }).collect()
        };
        assert_same(tested.map(careful), model.map(careful));
    }

    fn load(&mut self, n: usize) {
        let hosts = HOSTS.map(|name| site(name).id());
        let tested = self.tested.load(&self.sessions.0, &hosts, n);
        let model = at_once(self.model.load(&self.sessions.1, &hosts, n));
        for loaded in model.iter().flatten() {
            self.inboxes.insert(loaded.host, loaded.inbox);
        }
        assert_same(tested, model);
    }

    fn commit(&mut self, numbering: Numbering, part: Option<((usize, usize), u32)>, changes: Vec<Change>) {
        let seq = match numbering {
            Numbering::Next => self.seq + 1,
            Numbering::Again => self.seq,
            Numbering::Skipping => self.seq + 2,
        };
        let part = part.map(|(index, number)| Part { of: task(index).task.id, number });
        let mut commit = Commit { seq, part, ..Commit::default() };
        for change in changes {
            self.add(change, &mut commit);
        }
        let tested = self.tested.commit(&self.sessions.0, commit.clone());
        let model = at_once(self.model.commit(&self.sessions.1, commit));
        if model.is_ok() {
            self.seq = seq;
        }
        assert_same(tested, model);
    }

    fn release(&mut self, hosts: u8, not_before_s: Option<u64>, parked: bool) {
        let chosen = HOSTS.iter().enumerate().filter(|(i, _)| hosts & (1 << i) != 0);
        let releases: Vec<Release> = chosen
            .map(|(_, name)| {
                let host = site(name).id();
                let inbox = self.inboxes.get(&host).copied().unwrap_or_default();
                let not_before = not_before_s.map(|seconds| self.tested.now() + Duration::from_secs(seconds));
                Release { host, inbox, not_before, parked }
            })
            .collect();
        let tested = self.tested.release(&self.sessions.0, &releases);
        assert_same(tested, at_once(self.model.release(&self.sessions.1, &releases)));
    }

    fn add(&self, change: Change, commit: &mut Commit) {
        let now = self.tested.now();
        match change {
            Change::Ended { task: at, outcome, read_as, not_new: NotNew { refused, repeats, parts } } => {
                let new = task(at);
                commit.outcomes.push(TaskOutcome {
                    read_as: read_as.map(|path| task((at.0, path)).task.id),
                    refused: (refused > 0).then_some((SkipReason::DepthLimit, refused)).into_iter().collect(),
                    repeats,
                    parts,
                    ..ended(&new, self.outcome(outcome))
                });
            }
            Change::Again { task: at } => commit.again.push(task(at).task.id),
            Change::Found { task: at, found_on, parent, guess, depth, named_by } => {
                let mut new = at_depth(depth, task(at));
                new.task.named_by = vec![site(HOSTS[named_by]).id()];
                if new.task.kind == TaskKind::Sitemap {
                    new.found_on = found_on.map(|host| site(HOSTS[host]).id());
                    new.task.parent = found_on.zip(parent).map(|parent| task(parent).task.id);
                    new.task.kind = if guess { TaskKind::Probe(0) } else { TaskKind::Sitemap };
                }
                commit.found.push(new);
            }
            Change::Robots { host, size } => {
                let robots = robots_record(now, "#".repeat(size));
                commit.hosts.push(HostUpdate { host: site(HOSTS[host]).id(), robots });
            }
            Change::Cooldown { host, seconds } => {
                let until = now + Duration::from_secs(seconds);
                commit.cooldowns.push(HostCooldown { host: site(HOSTS[host]).id(), until });
            }
            Change::Fetched { task: at, commit_us } => {
                commit.fetches.push(fetch_record(task(at).task.id, now));
                commit.previous_commit_us = commit_us;
            }
            Change::Wait { waiting, target } => {
                let new = hop(waiting, target);
                let urls = vec![site(HOSTS[waiting]).url("/robots.txt"), new.task.url.clone()];
                let redirect = RobotsRedirect { urls, hops: 1, earlier: 0, since: now, answer: None };
                let (host, change) = (site(HOSTS[waiting]).id(), RedirectChange::Wait(redirect));
                commit.redirects.push(RedirectUpdate { host, change });
                commit.found.push(new);
            }
            Change::Answer { waiting, target, answer } => self.add_answer(waiting, target, answer, commit),
            Change::EndOfRedirect { waiting } => {
                let host = site(HOSTS[waiting]).id();
                commit.redirects.push(RedirectUpdate { host, change: RedirectChange::End });
            }
        }
    }

    fn add_answer(&self, waiting: usize, target: (usize, usize), answer: usize, commit: &mut Commit) {
        let (new, host, at) = (hop(waiting, target), site(HOSTS[waiting]).id(), self.tested.now());
        let answers = [
            None,
            Some(RedirectAnswer::Read),
            Some(RedirectAnswer::Absent),
            Some(RedirectAnswer::Moved(site("a").url("/moved"), 2)),
            Some(RedirectAnswer::Unreachable(ErrorKind::Dns)),
            Some(RedirectAnswer::Parked(at + Duration::from_secs(60))),
        ];
        let outcome = match &answers[answer] {
            None => Outcome::Retry(at + Duration::from_secs(2)),
            Some(_) => Outcome::Failed(ErrorKind::Dns),
        };
        commit.outcomes.push(ended(&new, outcome));
        if let Some(answer) = answers[answer].clone() {
            let change = RedirectChange::Answer { url: new.task.url, at, answer };
            commit.redirects.push(RedirectUpdate { host, change });
        }
    }

    fn outcome(&self, ending: OutcomeKind) -> Outcome {
        let document =
            FetchedDocument { document: DocumentKind::Urlset, entries: 3, ..FetchedDocument::default() };
        match ending {
            OutcomeKind::Fetched => Outcome::Fetched(document),
            OutcomeKind::Truncated => {
                Outcome::Fetched(FetchedDocument { truncated: Some(ErrorKind::Incomplete), ..document })
            }
            OutcomeKind::NotModified => Outcome::NotModified,
            OutcomeKind::Duplicate => Outcome::Duplicate,
            OutcomeKind::Redirected => Outcome::Redirected,
            OutcomeKind::Absent => Outcome::Absent,
            OutcomeKind::Skipped => Outcome::Skipped(SkipReason::RobotsDisallowed),
            OutcomeKind::Failed => Outcome::Failed(ErrorKind::Timeout),
            OutcomeKind::Retry => Outcome::Retry(self.tested.now() + Duration::from_secs(2)),
        }
    }

    fn compare(&mut self) {
        assert_eq!(self.tested.counts().unwrap(), at_once(self.model.counts()).unwrap());
        let mut hosts = self.tested.hosts();
        hosts.sort_by_key(|record| record.host.id());
        assert_eq!(hosts, self.model.hosts());
        for record in &hosts {
            assert!(record.account.adds_up(), "{record:?}");
        }
        let all: Vec<TaskId> = (0..HOSTS.len() * PATHS.len())
            .map(|i| task((i / PATHS.len(), i % PATHS.len())).task.id)
            .collect();
        let tested = self.tested.are_done(&self.sessions.0, &all);
        assert_same(tested, at_once(self.model.are_done(&self.sessions.1, &all)));
        assert_eq!(self.tested.fetches(), self.model.fetches());
    }
}

/// Checks that both answers are equal, or both errors are of the same kind.
fn assert_same<T: PartialEq + std::fmt::Debug>(tested: Result<T, QueueError>, model: Result<T, QueueError>) {
    match (tested, model) {
        (Ok(tested), Ok(model)) => assert_eq!(tested, model),
        (Err(QueueError::Fenced(_)), Err(QueueError::Fenced(_))) => {}
        (Err(tested @ QueueError::OutOfOrder { .. }), Err(model @ QueueError::OutOfOrder { .. })) => {
            assert_eq!(tested.to_string(), model.to_string());
        }
        (tested, model) => panic!("the queue answers {tested:?}, the model {model:?}"),
    }
}
