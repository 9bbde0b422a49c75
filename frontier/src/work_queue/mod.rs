//! The durable queue of tasks: one narrow trait, the nouns of its calls, and its in-memory model.

mod changes;
mod model;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod wall_time;

use std::future::Future;

use serde::{Deserialize, Serialize};

pub use changes::{Change, Changes, Known, TaskState, TotalsChange, Touched};
pub use model::{ModelQueue, REAPED_COOLDOWN, RENEWAL_MARGIN};
pub use wall_time::{busy_us, set_back_by, shared_busy_us};

use crate::account::Account;
use crate::fetch_record::{FetchRecord, SessionId};
use crate::host::{Host, HostId};
use crate::outcome::{ErrorKind, Outcome, SkipReason, TaskOutcome};
use crate::robots::RobotsRules;
use crate::task::{NewTask, Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::validator::Validator;

/// One run of one worker, as the queue knows it. Its id and `commit_seq` fence every commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Random, never used again.
    pub id: SessionId,
    /// Sessions of this crawl before it.
    pub number: u32,
    /// When it was opened, on the queue's clock.
    pub started_at: Timestamp,
}

/// The rules of a host as they were fetched, kept for at most 24 h (RFC 9309 section 2.4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RobotsRecord {
    /// When they were fetched.
    pub fetched_at: Timestamp,
    /// The rules in their normalised form, see [`crate::robots::RobotsRules::to_text`]; `None`: unreachable, so
    /// nothing may be asked.
    pub rules: Option<String>,
    /// For asking again.
    pub validator: Validator,
}

impl RobotsRecord {
    /// Whether the rules were read for `product_token`, or are anyone's: a crawl may go on under another name.
    pub fn speaks_to(&self, product_token: &str) -> bool {
        self.rules.as_deref().is_none_or(|text| RobotsRules::text_speaks_to(text, product_token))
    }
}

/// A host lent to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeasedHost {
    /// The host.
    pub host: Host,
    /// Whether a seed names it: only such hosts are sent the user's extra headers.
    pub is_seed: bool,
    /// Its rules, if they were ever fetched; their age is the borrower's business.
    pub robots: Option<RobotsRecord>,
    /// No request may leave before this.
    pub not_before: Option<Timestamp>,
    /// Since when it has something to do, within this session.
    pub busy_since: Timestamp,
    /// Whether an earlier borrower may have asked it without leaving word, see [`HostRecord::asked_before`]: then
    /// the first request waits for one full delay.
    pub asked_before: bool,
    /// The mark of new work, for [`Release::inbox`].
    pub inbox: u64,
}

/// What a leased host has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The host.
    pub host: HostId,
    /// The mark of new work, read before the tasks were.
    pub inbox: u64,
    /// Since when it has something to do; nothing when it has not. A host may have been done and found busy again while
    /// it was lent.
    pub busy_since: Option<Timestamp>,
    /// Its first pending tasks by priority, those that wait for a retry included.
    pub tasks: Vec<Task>,
}

/// A task that was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenUp {
    /// The task.
    pub task: TaskId,
    /// Whether it is the fault of the rules of its host, which could not be had.
    pub robots_unavailable: bool,
}

impl GivenUp {
    /// The task of that kind, if `outcome` means that it was given up: that it failed, or was not asked because the
    /// rules of its host could not be had.
    pub fn of(task: TaskId, kind: TaskKind, outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Failed(error) => {
                // A blocked address is met in asking for the rules.
                let robots_unavailable = kind == TaskKind::Robots || *error == ErrorKind::BlockedAddress;
                Some(Self { task, robots_unavailable })
            }
            Outcome::Skipped(SkipReason::RobotsUnreachable) => Some(Self { task, robots_unavailable: true }),
            _ => None,
        }
    }
}

/// A host given back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Release {
    /// The host.
    pub host: HostId,
    /// The mark of the last load: where it is no longer the queue's, the host has new tasks and stays lent.
    pub inbox: u64,
    /// No request may leave before this; a later moment that the queue knows stays.
    pub not_before: Option<Timestamp>,
    /// Whether it is put aside until `not_before`, which may be long after this crawl has ended.
    pub parked: bool,
}

/// What changed of a host besides its tasks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostUpdate {
    /// The host.
    pub host: HostId,
    /// Its rules, fetched anew.
    pub robots: RobotsRecord,
}

/// A host that asked to be left in peace (Retry-After). Committed with the outcome that brought the wish, so that it holds
/// for the whole host even where its borrower is killed before the host is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostCooldown {
    /// The host.
    pub host: HostId,
    /// No request may leave before this.
    pub until: Timestamp,
}

/// The bytes that a commit adds to an open segment, or a whole one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentRef {
    /// The file's name within `segments/`.
    pub name: String,
    /// Registered length before this commit; 0 for a new segment.
    pub from_bytes: u64,
    /// Registered length from this commit on.
    pub to_bytes: u64,
    /// Rows in the added bytes.
    pub rows: u64,
    /// CRC-32C of the added bytes.
    pub crc32c: u32,
    /// Of a whole one that holds the rows of the last ones of its session too: the number of the first of those. From it on
    /// they are registered no longer.
    pub replaces_from: Option<u32>,
}

/// What a session used up so far: clocks of process and machine since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time of the process, user and system.
    pub process_us: u64,
    /// Of that, inflating.
    pub inflate_us: u64,
    /// Of that, parsing.
    pub parse_us: u64,
    /// Of that, making outcomes durable.
    pub record_us: u64,
    /// CPU time of the whole machine that was not idle; 0 where it cannot be read.
    pub machine_busy_us: u64,
    /// Cores the process may use.
    pub cores: u32,
    /// The most memory the process had resident.
    pub peak_rss_bytes: u64,
}

/// What becomes true at once, or not at all.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Commit {
    /// One more than the session's last commit. The same number again is answered, not applied again.
    pub seq: u64,
    /// How tasks ended.
    pub outcomes: Vec<TaskOutcome>,
    /// The requests made.
    pub fetches: Vec<FetchRecord>,
    /// Tasks that were given up and are to be asked again, as if they were new; others are passed over.
    pub again: Vec<TaskId>,
    /// What was found. Those known already count as repeats; those beyond the host's bound are refused.
    pub found: Vec<NewTask>,
    /// Hosts whose rules were fetched.
    pub hosts: Vec<HostUpdate>,
    /// Hosts that asked for a rest; a shorter one than is known shortens nothing. Hosts not known are passed over.
    pub cooldowns: Vec<HostCooldown>,
    /// The entries of the outcomes, already on disk.
    pub segment: Option<SegmentRef>,
    /// What the session used so far.
    pub usage: Usage,
    /// How long the session's previous commit took from the call to its answer, in microseconds. The `record` stage
    /// of a [`FetchRecord`] in a commit ends where the commit is called; a reader adds this to it.
    pub previous_commit_us: u64,
}

/// A session as reports see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Who and since when.
    pub session: Session,
    /// When its last commit was made: where its share of the crawl's wall time ends.
    pub last_commit_at: Timestamp,
    /// The number of that commit; 0 before the first.
    pub commit_seq: u64,
    /// What it used up to then.
    pub usage: Usage,
}

/// A host as reports see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostRecord {
    /// The host.
    pub host: Host,
    /// Whether a seed names it; others are known only because a document led there.
    pub is_seed: bool,
    /// Its rules, if they were ever fetched.
    pub robots: Option<RobotsRecord>,
    /// No request may leave before this.
    pub not_before: Option<Timestamp>,
    /// Whether it is put aside until then, by the server's wish.
    pub parked: bool,
    /// What became of everything found.
    pub account: Account,
    /// Tasks ever taken on, robots.txt and guesses not counted: what `--max-sitemaps` bounds.
    pub accepted: u64,
    /// Incremented whenever a document brings it a task.
    pub inbox: u64,
    /// Time with something to do, up to `busy_since`, in microseconds.
    pub wall_us: u64,
    /// Since when it has something to do: the number of the session and the moment; `None` while it has nothing.
    pub busy_since: Option<(u32, Timestamp)>,
}

impl HostRecord {
    /// A host that has just become known.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            is_seed: false,
            robots: None,
            not_before: None,
            parked: false,
            account: Account::default(),
            accepted: 0,
            inbox: 0,
            wall_us: 0,
            busy_since: None,
        }
    }
}

/// The totals of a queue.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Hosts known.
    pub hosts: u64,
    /// Of those, with nothing left to do.
    pub hosts_done: u64,
    /// Of those, put aside beyond the present moment.
    pub hosts_parked: u64,
    /// Of those, lent to a session.
    pub hosts_leased: u64,
    /// Tasks ever taken on, of every kind.
    pub tasks: u64,
    /// Of those, still to do.
    pub tasks_pending: u64,
    /// Entries kept.
    pub entries: u64,
    /// Requests made.
    pub requests: u64,
    /// When the next host that is neither lent nor parked may be asked; `None` when there is none.
    pub next_due_at: Option<Timestamp>,
}

/// The bounds a queue applies itself, since they count in commit order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueBounds {
    /// Sitemaps taken on per host (`--max-sitemaps`).
    pub sitemaps_max: u64,
}

/// Why a call of the queue failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The session is gone or a later one took its place: nothing of the call was done.
    #[error("session {0} is fenced off: another worker took over its hosts")]
    Fenced(SessionId),
    /// A commit number that is neither the next nor the last.
    #[error("commit {found} does not follow commit {last}")]
    OutOfOrder {
        /// The last commit applied.
        last: u64,
        /// The number that came.
        found: u64,
    },
    /// Two origins have one id.
    #[error("hosts {0} and {1} have the same identity")]
    HostCollision(String, String),
    /// The server of a shared queue has not answered for a while; whether the call was done is unknown. It may be repeated.
    #[error("{0}")]
    Away(String),
    /// The engine beneath failed.
    #[error("work queue failed: {0}")]
    Storage(String),
}

/// The durable queue of tasks. Every call but the first is fenced by the session.
///
/// A commit is all or nothing and is applied once however often it is sent. Times are the queue's own clock's.
/// Order within a host is by [`Task::priority`], then by id.
pub trait WorkQueue: Send + Sync + 'static {
    /// Opens a session for `worker`, a name for people. A queue of one machine ends all earlier sessions thereby, takes
    /// their hosts back ([`HostRecord::take_back`]), and where its clock shows less than at the last commit it corrects
    /// what it knows of hosts ([`HostRecord::set_back`]).
    fn open_session(&self, worker: &str) -> impl Future<Output = Result<Session, QueueError>> + Send;

    /// Lends up to `n` hosts that have pending tasks and are due ([`HostRecord::due_at`]), those due longest first,
    /// then by id. A parked host whose date has come is parked no longer.
    fn lease(
        &self,
        session: &Session,
        n: usize,
    ) -> impl Future<Output = Result<Vec<LeasedHost>, QueueError>> + Send;

    /// Up to `n` pending tasks of each of these hosts, in the order asked; hosts not lent to this session are left
    /// out. Loading changes nothing: what was loaded before comes again until its outcome is committed.
    fn load(
        &self,
        session: &Session,
        hosts: &[HostId],
        n: usize,
    ) -> impl Future<Output = Result<Vec<Loaded>, QueueError>> + Send;

    /// Which of `tasks` are known and no longer pending, in the order asked.
    fn are_done(
        &self,
        session: &Session,
        tasks: &[TaskId],
    ) -> impl Future<Output = Result<Vec<bool>, QueueError>> + Send;

    /// Up to `n` tasks that were given up, those after `after` in the order of their ids: for [`Commit::again`].
    fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> impl Future<Output = Result<Vec<GivenUp>, QueueError>> + Send;

    /// Makes all of `commit` true at once, durably, and renews the session.
    ///
    /// In this order: outcomes, what was found, the rest. An outcome of a task that is not pending changes nothing.
    /// [`TaskOutcome::read_as`] of a final outcome is done from then on, and a duplicate if it was pending. A found
    /// sitemap that is known counts as a repeat under the host that named it and adds to the task's `named_by`
    /// while that is pending; a seed or a guess that is known counts nowhere. One beyond
    /// [`QueueBounds::sitemaps_max`] is refused ([`crate::outcome::SkipReason::CountLimit`]) under the host that named it, or
    /// under its own where that one is unknown.
    fn commit(
        &self,
        session: &Session,
        commit: Commit,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Takes hosts back, see [`HostRecord::give_back`]; answers with those that stay lent, unchanged, because
    /// they have new tasks. Hosts not lent to this session are passed over.
    fn release(
        &self,
        session: &Session,
        hosts: &[Release],
    ) -> impl Future<Output = Result<Vec<HostId>, QueueError>> + Send;

    /// Keeps the session alive; answers with the moment up to which it may fetch without renewing again.
    fn renew(&self, session: &Session) -> impl Future<Output = Result<Timestamp, QueueError>> + Send;

    /// Ends sessions that stopped renewing and takes their hosts back; answers with their number.
    fn reap(&self) -> impl Future<Output = Result<usize, QueueError>> + Send;

    /// Sessions that are alive: the workers among whom the hosts are to be spread. One, for a queue of one machine.
    fn workers(&self) -> impl Future<Output = Result<u64, QueueError>> + Send {
        std::future::ready(Ok(1))
    }

    /// The totals.
    fn counts(&self) -> impl Future<Output = Result<Counts, QueueError>> + Send;
}
