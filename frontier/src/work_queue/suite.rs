//! The conformance suite: what every [`WorkQueue`] must do, whatever it is built on.
//!
//! Implement [`Harness`] for a queue and call [`work_queue_suite!`](crate::work_queue_suite) in a test module: each case becomes
//! a test. The last case compares the queue with [`super::ModelQueue`] under random commands.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code, built only with the feature `suite` or for tests"
)]

mod commits;
mod comparison;
mod cooldowns;
mod found;
mod leases;
mod outcomes;
mod sessions;
mod totals;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use commits::*;
pub use comparison::it_behaves_as_the_model_under_random_commands;
pub use cooldowns::*;
pub use found::*;
pub use leases::*;
pub use outcomes::*;
pub use sessions::*;
pub use totals::*;

use super::{
    Commit, Counts, HostRecord, LeasedHost, Loaded, QueueBounds, QueueError, Release, RobotsRecord, Session,
    WorkQueue,
};
use crate::account::Account;
use crate::fetch_record::{Connection, FetchRecord, RequestKind, SessionId};
use crate::host::{Host, HostId};
use crate::outcome::{FetchedDocument, Outcome, TaskOutcome};
use crate::stage::Stages;
use crate::task::{NewTask, Task, TaskId, TaskKind};
use crate::timestamp::{Clock, Timestamp};
use crate::validator::Validator;

/// How the suite handles a queue.
pub trait Harness: Sized {
    /// The queue under test.
    type Queue: WorkQueue;

    /// How long a session lives without renewal where several may live at once; `None` where opening one ends all
    /// others.
    const SESSION_TTL: Option<Duration>;

    /// Whether the queue can be tested here; a harness that says no has said loudly why.
    fn is_available() -> bool {
        true
    }

    /// Runs a case to its end.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// An empty queue.
    fn fresh(bounds: QueueBounds) -> impl Future<Output = Self>;

    /// The queue.
    fn queue(&self) -> &Self::Queue;

    /// Ends the queue as a crash would, after the last answer, and opens it again.
    fn reopen(&mut self) -> impl Future<Output = ()>;

    /// The queue's clock.
    fn now(&self) -> Timestamp;

    /// Moves the queue's clock on.
    fn advance(&self, span: Duration);

    /// All hosts, in any order.
    fn hosts(&mut self) -> impl Future<Output = Vec<HostRecord>>;

    /// All requests in the order of their commits, the `record` stage of each completed.
    fn fetches(&mut self) -> impl Future<Output = Vec<FetchRecord>>;
}

/// A clock moved by hand.
#[derive(Debug, Default)]
pub struct HandClock(AtomicI64);

impl HandClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now.as_micros())))
    }

    /// Moves it on.
    pub fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Makes a test of each case of the suite for a [`Harness`](crate::work_queue::suite::Harness).
#[macro_export]
macro_rules! work_queue_suite {
    ($harness:ty) => {
        $crate::work_queue_suite!(
            $harness:
            a_host_is_lent_to_one_borrower_at_a_time,
            hosts_due_longest_are_lent_first,
            a_host_is_lent_when_it_has_something_to_do,
            tasks_come_by_priority_and_again_until_their_outcome_is_committed,
            only_lent_hosts_are_loaded,
            a_new_session_fences_off_the_old_one,
            sessions_side_by_side_share_no_host,
            a_reaped_session_is_fenced_off_and_its_hosts_are_lent_again,
            a_commit_sent_twice_is_applied_once,
            a_commit_out_of_order_is_refused_whole,
            a_url_is_taken_on_once,
            sitemaps_beyond_the_bound_are_refused_in_commit_order,
            robots_and_guesses_do_not_count_against_the_bound,
            those_who_name_a_pending_task_are_united,
            a_host_with_new_tasks_stays_lent,
            a_retry_stays_pending_with_its_time,
            a_parked_host_is_not_lent_before_its_date,
            a_rest_outlives_the_session_that_was_asked_for_it,
            a_rest_of_which_the_borrower_does_not_know_outlives_its_giving_back,
            a_long_rest_puts_the_host_of_a_lost_session_aside,
            a_final_url_counts_as_read,
            an_outcome_of_a_task_that_is_not_pending_changes_nothing,
            a_guess_that_finds_nothing_leaves_no_trace,
            what_was_given_up_can_be_asked_again,
            wall_time_runs_while_a_host_has_something_to_do,
            wall_time_leaves_out_the_pauses_between_sessions,
            counts_are_the_totals,
            robots_are_kept_whatever_their_size,
            reopening_loses_nothing_that_was_committed,
            hosts_of_a_lost_session_are_lent_again,
            two_origins_with_one_identity_fail_loudly,
            the_record_stage_is_completed_by_the_next_commit,
        );

        #[test]
        fn it_behaves_as_the_model_under_random_commands() {
            use $crate::work_queue::suite::{self, Harness};
            if <$harness as Harness>::is_available() {
                suite::it_behaves_as_the_model_under_random_commands::<$harness>();
            }
        }
    };
    ($harness:ty: $($case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                use $crate::work_queue::suite::{self, Harness};
                if <$harness as Harness>::is_available() {
                    <$harness as Harness>::block_on(suite::$case::<$harness>());
                }
            }
        )*
    };
}

/// A queue with the session that works on it.
struct Worker<H: Harness> {
    harness: H,
    session: Session,
    seq: u64,
}

impl<H: Harness> Worker<H> {
    async fn start() -> Self {
        Self::bounded(1_000).await
    }

    async fn bounded(sitemaps_max: u64) -> Self {
        let harness = H::fresh(QueueBounds { sitemaps_max }).await;
        let session = harness.queue().open_session("first").await.unwrap();
        Self { harness, session, seq: 0 }
    }

    /// A crash, and a new session.
    async fn reopen(&mut self) {
        self.harness.reopen().await;
        self.session = self.harness.queue().open_session("next").await.unwrap();
        self.seq = 0;
        if let Some(ttl) = H::SESSION_TTL {
            // The dead session's hosts come back when it is missed, and rest a little.
            self.harness.advance(ttl + Duration::from_secs(1));
            self.harness.queue().renew(&self.session).await.unwrap();
            self.harness.queue().reap().await.unwrap();
            self.harness.advance(super::REAPED_COOLDOWN);
        }
    }

    fn queue(&self) -> &H::Queue {
        self.harness.queue()
    }

    fn advance_s(&self, seconds: u64) {
        self.harness.advance(Duration::from_secs(seconds));
    }

    async fn try_commit(&self, commit: Commit) -> Result<(), QueueError> {
        self.queue().commit(&self.session, commit).await
    }

    async fn commit(&mut self, commit: Commit) {
        self.seq += 1;
        self.try_commit(Commit { seq: self.seq, ..commit }).await.unwrap();
    }

    async fn find(&mut self, found: Vec<NewTask>) {
        self.commit(Commit { found, ..Commit::default() }).await;
    }

    async fn end(&mut self, outcomes: Vec<TaskOutcome>) {
        self.commit(Commit { outcomes, ..Commit::default() }).await;
    }

    async fn lease(&self, n: usize) -> Vec<LeasedHost> {
        self.queue().lease(&self.session, n).await.unwrap()
    }

    async fn leased_names(&self, n: usize) -> Vec<String> {
        self.lease(n).await.iter().map(|leased| leased.host.name().to_owned()).collect()
    }

    async fn load(&self, host: &Host, n: usize) -> Loaded {
        let mut loaded = self.queue().load(&self.session, &[host.id()], n).await.unwrap();
        assert_eq!(loaded.len(), 1, "{host} is leased");
        loaded.remove(0)
    }

    async fn paths(&self, host: &Host, n: usize) -> Vec<String> {
        let path = |task: &Task| task.url.strip_prefix(&host.to_string()).unwrap_or(&task.url).to_owned();
        self.load(host, n).await.tasks.iter().map(path).collect()
    }

    async fn give_back(&self, release: Release) -> Vec<HostId> {
        self.queue().release(&self.session, &[release]).await.unwrap()
    }

    async fn counts(&self) -> Counts {
        self.queue().counts().await.unwrap()
    }

    async fn record(&mut self, host: &Host) -> HostRecord {
        let hosts = self.harness.hosts().await;
        hosts.into_iter().find(|record| record.host == *host).unwrap_or_else(|| panic!("{host} is not known"))
    }

    async fn account(&mut self, host: &Host) -> Account {
        let account = self.record(host).await.account;
        assert!(account.adds_up(), "{account:?}");
        account
    }

    async fn is_done(&self, task: &NewTask) -> bool {
        self.queue().are_done(&self.session, &[task.task.id]).await.unwrap()[0]
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

/// `new`, as a document of `host` names it.
fn named_on(host: &Host, new: NewTask) -> NewTask {
    NewTask { found_on: Some(host.id()), ..new }
}

fn deeper(depth: u16, mut new: NewTask) -> NewTask {
    new.task.depth = depth;
    new
}

fn ended(new: &NewTask, outcome: Outcome) -> TaskOutcome {
    TaskOutcome { task: new.task.id, outcome, attempts: 1, read_as: None, refused: BTreeMap::new() }
}

fn read(new: &NewTask) -> TaskOutcome {
    ended(
        new,
        Outcome::Fetched(FetchedDocument {
            document: "urlset".into(),
            entries: 2,
            ..FetchedDocument::default()
        }),
    )
}

fn given_back(loaded: &Loaded) -> Release {
    Release { host: loaded.host, inbox: loaded.inbox, not_before: None, parked: false }
}

fn rules(fetched_at: Timestamp, text: String) -> RobotsRecord {
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
        document: Some("urlset".into()),
        entries: 2,
        error: None,
        detail: String::new(),
    }
}
