//! Conformance tests that every implementation of [`WorkQueue`] must pass.
//!
//! Implement [`Harness`] for a queue and call [`work_queue_suite!`] in a test module. Each case becomes a test. The last
//! case compares the queue with [`ModelQueue`] under random commands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

mod commits;
mod comparison;
mod cooldowns;
mod found;
mod leases;
mod model;
mod outcomes;
mod redirects;
mod sessions;
mod tested_queue;
mod totals;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub use commits::*;
pub use comparison::it_behaves_as_the_model_under_random_commands;
pub use cooldowns::*;
pub use found::*;
pub use leases::*;
pub use model::ModelQueue;
pub use outcomes::*;
pub use redirects::*;
pub use sessions::*;
pub use tested_queue::Factory;
pub use totals::*;

use frontier::work_queue::{
    Commit, Counts, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, REAPED_COOLDOWN, Release,
    RobotsRecord, Session, WorkQueue,
};
use frontier::{
    Account, Clock, Connection, DocumentKind, FetchRecord, FetchedDocument, Host, HostId, NewTask, Outcome,
    RequestKind, SessionId, Stages, Task, TaskId, TaskKind, TaskOutcome, Timestamp, Validator,
};
use tested_queue::TestedQueue;

/// Access of the suite to the queue under test.
pub trait Harness: Sized + 'static {
    /// The queue under test.
    type Queue: WorkQueue;

    /// How long a session lives without renewal. `None` if only one session can be alive, because opening one ends all
    /// others.
    const SESSION_TTL: Option<Duration>;

    /// Whether the queue can be tested here. If not, the harness must have printed the reason.
    fn is_available() -> bool {
        true
    }

    /// Runs a call to completion. Tasks that it spawns must live on until the next call.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// Creates an empty queue.
    fn fresh(bounds: QueueBounds) -> impl Future<Output = Self>;

    /// The queue under test.
    fn queue(&self) -> &Self::Queue;

    /// Simulates a crash after the last answer and opens the queue again.
    fn reopen(&mut self) -> impl Future<Output = ()>;

    /// The time of the queue's clock.
    fn now(&self) -> Timestamp;

    /// Advances the queue's clock.
    fn advance(&self, span: Duration);

    /// All hosts, in any order.
    fn hosts(&mut self) -> impl Future<Output = Vec<HostRecord>>;

    /// All requests in the order of their commits, each with its `record` stage completed.
    fn fetches(&mut self) -> impl Future<Output = Vec<FetchRecord>>;
}

/// A clock that is set by hand, for tests.
#[derive(Debug, Default)]
pub struct HandClock(AtomicI64);

impl HandClock {
    /// Creates a clock that shows `now`.
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now.as_micros())))
    }

    /// Advances the clock.
    pub fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }

    /// Sets the clock.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Never returns: nobody sets the clock while the caller waits.
    async fn sleep_until(&self, _moment: Timestamp) {
        std::future::pending::<()>().await;
    }
}

/// The output of a future of a queue in memory. Panics if the future waits for anything.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a queue in memory waits"),
    }
}

/// Defines a test for each case of the suite, for one [`Harness`].
#[macro_export]
macro_rules! work_queue_suite {
    ($harness:ty) => {
        $crate::work_queue_suite!(
            $harness:
            a_host_is_leased_to_one_session_at_a_time,
            hosts_due_longest_are_leased_first,
            a_host_is_leased_when_it_has_something_to_do,
            tasks_come_by_priority_and_again_until_their_outcome_is_committed,
            only_leased_hosts_are_loaded,
            a_new_session_fences_off_the_old_one,
            concurrent_sessions_share_no_host,
            a_reaped_session_is_fenced_off_and_its_hosts_are_leased_again,
            a_commit_sent_twice_is_applied_once,
            a_commit_out_of_order_is_refused_whole,
            a_url_is_taken_on_once,
            sitemaps_beyond_the_bound_are_refused_in_commit_order,
            robots_and_guesses_do_not_count_against_the_bound,
            hosts_that_name_a_pending_task_are_merged,
            of_many_hosts_that_name_a_task_the_first_are_kept,
            a_url_that_the_same_document_named_before_is_no_repeat,
            what_an_index_names_in_parts_counts_with_its_outcome,
            parts_of_an_earlier_reading_do_not_count,
            hosts_of_a_site_beyond_the_bound_are_refused,
            a_host_with_new_tasks_stays_leased,
            a_retry_stays_pending_with_its_time,
            a_parked_host_is_not_leased_before_its_date,
            a_cooldown_outlives_the_session_that_was_asked_for_it,
            a_cooldown_unknown_to_the_leasing_session_outlives_the_release,
            a_long_cooldown_parks_the_host_of_a_lost_session,
            a_final_url_counts_as_read,
            an_outcome_of_a_task_that_is_not_pending_changes_nothing,
            a_guess_that_finds_nothing_leaves_no_trace,
            tasks_that_were_given_up_can_be_tried_again,
            wall_time_runs_while_a_host_has_something_to_do,
            wall_time_leaves_out_the_pauses_between_sessions,
            counts_are_the_totals,
            records_of_hosts_come_in_the_order_asked_for,
            robots_are_kept_whatever_their_size,
            reopening_loses_nothing_that_was_committed,
            hosts_of_a_lost_session_are_leased_again,
            a_task_of_another_origin_with_the_same_id_is_refused_alone,
            the_record_stage_is_completed_by_the_next_commit,
            a_host_that_waits_for_another_is_not_leased,
            the_answer_of_another_host_makes_the_host_due,
            an_answer_that_nobody_waits_for_changes_nothing,
            hosts_that_wait_for_each_other_are_leased_for_each_other,
            requests_for_others_are_loaded_beside_own_tasks,
            a_host_that_asks_a_parked_one_learns_its_date,
            it_behaves_as_the_model_under_random_commands,
        );
    };
    ($harness:ty: $($case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                use $crate::Harness;
                if <$harness as Harness>::is_available() {
                    $crate::$case($crate::Factory::of::<$harness>());
                }
            }
        )*
    };
}

/// A queue with an open session.
struct Worker {
    queue: Box<dyn TestedQueue>,
    session: Session,
    seq: u64,
}

impl Worker {
    fn start(factory: Factory) -> Self {
        Self::bounded(factory, 1_000)
    }

    fn bounded(factory: Factory, sitemaps_max: u64) -> Self {
        let queue = factory.create(QueueBounds { sitemaps_max, hosts_per_site_max: 2 });
        let session = queue.open_session("first").unwrap();
        Self { queue, session, seq: 0 }
    }

    /// Simulates a crash and opens a new session.
    fn reopen(&mut self) {
        self.queue.reopen();
        self.session = self.queue.open_session("next").unwrap();
        self.seq = 0;
        if let Some(ttl) = self.queue.session_ttl() {
            // The dead session's hosts are reclaimed when it expires, with a short cooldown.
            self.queue.advance(ttl + Duration::from_secs(1));
            self.queue.renew(&self.session).unwrap();
            self.queue.reap().unwrap();
            self.queue.advance(REAPED_COOLDOWN);
        }
    }

    fn advance_s(&self, seconds: u64) {
        self.queue.advance(Duration::from_secs(seconds));
    }

    fn try_commit(&self, commit: Commit) -> Result<(), QueueError> {
        self.queue.commit(&self.session, commit)
    }

    fn commit(&mut self, commit: Commit) {
        self.seq += 1;
        self.try_commit(Commit { seq: self.seq, ..commit }).unwrap();
    }

    fn commit_found(&mut self, found: Vec<NewTask>) {
        self.commit(Commit { found, ..Commit::default() });
    }

    fn commit_outcomes(&mut self, outcomes: Vec<TaskOutcome>) {
        self.commit(Commit { outcomes, ..Commit::default() });
    }

    fn lease(&self, n: usize) -> Vec<LeasedHost> {
        self.queue.lease(&self.session, n).unwrap()
    }

    fn leased_names(&self, n: usize) -> Vec<String> {
        self.lease(n).iter().map(|leased| leased.host.name().to_owned()).collect()
    }

    fn load(&self, host: &Host, n: usize) -> Loaded {
        let mut loaded = self.queue.load(&self.session, &[host.id()], n).unwrap();
        assert_eq!(loaded.len(), 1, "{host} is leased");
        loaded.remove(0)
    }

    fn paths(&self, host: &Host, n: usize) -> Vec<String> {
        let path = |task: &Task| task.url.strip_prefix(&host.to_string()).unwrap_or(&task.url).to_owned();
        self.load(host, n).tasks.iter().map(path).collect()
    }

    fn release(&self, release: Release) -> Vec<HostId> {
        self.queue.release(&self.session, &[release]).unwrap()
    }

    fn counts(&self) -> Counts {
        self.queue.counts().unwrap()
    }

    fn record(&mut self, host: &Host) -> HostRecord {
        let hosts = self.queue.hosts();
        hosts.into_iter().find(|record| record.host == *host).unwrap_or_else(|| panic!("{host} is not known"))
    }

    fn account(&mut self, host: &Host) -> Account {
        let account = self.record(host).account;
        assert!(account.adds_up(), "{account:?}");
        account
    }

    fn is_done(&self, task: &NewTask) -> bool {
        self.queue.are_done(&self.session, &[task.task.id]).unwrap()[0]
    }
}

fn site(name: &str) -> Host {
    Host::of(&url::Url::parse(&format!("https://{name}.example/")).unwrap()).unwrap()
}

fn new_task(host: &Host, path: &str, kind: TaskKind) -> NewTask {
    NewTask { host: host.clone(), task: Task::new(host, host.url(path), kind), found_on: None }
}

fn robots(host: &Host) -> NewTask {
    new_task(host, "/robots.txt", TaskKind::Robots)
}

fn sitemap(host: &Host, path: &str) -> NewTask {
    new_task(host, path, TaskKind::Sitemap)
}

/// `new` as found in a document of `host`.
fn named_on(host: &Host, new: NewTask) -> NewTask {
    NewTask { found_on: Some(host.id()), ..new }
}

fn at_depth(depth: u16, mut new: NewTask) -> NewTask {
    new.task.depth = depth;
    new
}

fn ended(new: &NewTask, outcome: Outcome) -> TaskOutcome {
    TaskOutcome::new(new.task.id, outcome, 1)
}

fn read(new: &NewTask) -> TaskOutcome {
    ended(
        new,
        Outcome::Fetched(FetchedDocument {
            document: DocumentKind::Urlset,
            entries: 2,
            ..FetchedDocument::default()
        }),
    )
}

fn release_of(loaded: &Loaded) -> Release {
    Release { host: loaded.host, inbox: loaded.inbox, not_before: None, parked: false }
}

fn robots_record(fetched_at: Timestamp, text: String) -> RobotsRecord {
    RobotsRecord { fetched_at, rules: Some(text), validator: Validator::default() }
}

fn fetch_record(task: TaskId, begun_at: Timestamp) -> FetchRecord {
    FetchRecord {
        session: SessionId(7),
        task,
        parent: None,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at,
        stages: Stages::default(),
        bytes_wire: 10,
        bytes_decoded: 20,
        status: Some(200),
        connection: Connection::New,
        document: Some(DocumentKind::Urlset),
        entries: 2,
        error: None,
        detail: String::new(),
    }
}
