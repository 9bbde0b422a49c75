//! The durable queue of tasks: the [`WorkQueue`] trait and the types of its calls.

mod changes;
mod redirect;
mod wall_time;

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use changes::{Change, Changes, Known, TaskState, TotalsChange, Touched};
pub use redirect::{RedirectAnswer, RedirectChange, RedirectUpdate, RobotsRedirect};
pub use wall_time::{busy_us, set_back_by, shared_busy_us};

use crate::account::Account;
use crate::fetch_record::{FetchRecord, SessionId};
use crate::host::{Host, HostId};
use crate::outcome::{Outcome, SkipReason, TaskOutcome};
use crate::robots::RobotsRules;
use crate::task::{NewTask, Task, TaskId, TaskKind};
use crate::timestamp::Timestamp;
use crate::validator::Validator;

/// Cooldown of the hosts of a reaped session, whose last requests may still be in flight.
pub const REAPED_COOLDOWN: Duration = Duration::from_secs(5);

/// A session stops fetching this long before it may be reaped.
pub const RENEWAL_MARGIN: Duration = Duration::from_secs(15);

/// One run of one worker. The queue checks its id and `commit_seq` on every commit, which fences off a replaced worker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Random id, never reused.
    pub id: SessionId,
    /// Number of earlier sessions of this crawl.
    pub number: u32,
    /// When the session was opened, by the queue's clock.
    pub started_at: Timestamp,
}

/// The robots.txt rules of a host as they were fetched, kept for at most 24 h (RFC 9309 section 2.4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RobotsRecord {
    /// When robots.txt was fetched.
    pub fetched_at: Timestamp,
    /// The rules in normalised form, see [`crate::robots::RobotsRules::to_text`]. `None` means that robots.txt was
    /// unreachable, so no URL of the host may be requested.
    pub rules: Option<String>,
    /// Validator for the next conditional request.
    pub validator: Validator,
}

impl RobotsRecord {
    /// Whether the rules were selected for `product_token` or for `*`. A crawl may be resumed with another user agent.
    pub fn speaks_to(&self, product_token: &str) -> bool {
        self.rules.as_deref().is_none_or(|text| RobotsRules::text_speaks_to(text, product_token))
    }
}

/// A host leased to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeasedHost {
    /// The host.
    pub host: Host,
    /// Whether a seed names the host. Only such hosts receive the user's extra headers.
    pub is_seed: bool,
    /// Its robots.txt rules, if they were ever fetched. The session that leases the host checks their age.
    pub robots: Option<RobotsRecord>,
    /// No request may leave before this.
    pub not_before: Option<Timestamp>,
    /// Since when the host has unfinished tasks; not before the start of this session.
    pub busy_since: Timestamp,
    /// Whether an earlier lease may have ended with an unrecorded request, see [`HostRecord::asked_before`]. If so, the
    /// first request waits for one full delay.
    pub asked_before: bool,
    /// Counter of new tasks, for [`Release::inbox`].
    pub inbox: u64,
}

/// The pending tasks of a leased host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The host.
    pub host: HostId,
    /// Counter of new tasks, read before the tasks were.
    pub inbox: u64,
    /// Since when the host has unfinished tasks; `None` if it has none. A leased host may run out of tasks and get new
    /// ones.
    pub busy_since: Option<Timestamp>,
    /// Its first pending tasks by priority, including those that wait for a retry.
    pub tasks: Vec<Task>,
    /// Its first pending requests for other hosts ([`TaskKind::RobotsHop`]), by id. They have a place of their own, so that
    /// neither these nor its own tasks can crowd out the other.
    pub hops: Vec<Task>,
    /// Where its own robots.txt was redirected to, if it waits for another host or has the answer.
    pub redirect: Option<RobotsRedirect>,
}

/// A task that was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenUp {
    /// The task.
    pub task: TaskId,
    /// Whether the reason is the host's robots.txt, which could not be fetched.
    pub robots_unavailable: bool,
}

impl GivenUp {
    /// The record for `task` if `outcome` means that it was given up: it failed, or it was not requested because the
    /// host's robots.txt could not be fetched.
    pub fn of(task: TaskId, kind: TaskKind, outcome: &Outcome) -> Option<Self> {
        match outcome {
            // It is requested again when a host needs it again.
            _ if kind == TaskKind::RobotsHop => None,
            Outcome::Failed(error) => {
                // What is blocked is detected by the request for robots.txt.
                let robots_unavailable = kind == TaskKind::Robots || error.is_blocked();
                Some(Self { task, robots_unavailable })
            }
            Outcome::Skipped(SkipReason::RobotsUnreachable) => Some(Self { task, robots_unavailable: true }),
            _ => None,
        }
    }
}

/// The release of a leased host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Release {
    /// The host.
    pub host: HostId,
    /// The counter of the last load. If the queue's counter differs, the host has new tasks and stays leased.
    pub inbox: u64,
    /// No request may leave before this. If the queue knows a later moment, that one stays.
    pub not_before: Option<Timestamp>,
    /// Whether the host is parked until `not_before`, which may be long after this crawl has ended.
    pub parked: bool,
}

/// A change of a host other than its tasks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostUpdate {
    /// The host.
    pub host: HostId,
    /// Its newly fetched robots.txt rules.
    pub robots: RobotsRecord,
}

/// A cooldown that a host asked for with Retry-After. It is committed together with the outcome of that request, so
/// that it applies to the whole host even if the worker is killed before it releases the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostCooldown {
    /// The host.
    pub host: HostId,
    /// No request may leave before this.
    pub until: Timestamp,
}

/// The bytes that a commit adds to an open segment, or a complete segment.
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
    /// Set if this is a complete segment that also holds the rows of the last segments of its session: the number of
    /// the first of those. From that number on they are no longer registered.
    pub replaces_from: Option<u32>,
}

/// The resources that a session has used since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time of the process, user and system.
    pub process_us: u64,
    /// Part of it spent inflating.
    pub inflate_us: u64,
    /// Part of it spent parsing.
    pub parse_us: u64,
    /// Part of it spent making outcomes durable.
    pub record_us: u64,
    /// CPU time of the whole machine that was not idle; 0 if it cannot be read.
    pub machine_busy_us: u64,
    /// Cores the process may use.
    pub cores: u32,
    /// Peak resident memory of the process.
    pub peak_rss_bytes: u64,
}

/// A set of changes that is applied completely or not at all.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Commit {
    /// One more than the number of the session's last commit. A repeated number is acknowledged but not applied again.
    pub seq: u64,
    /// How tasks ended.
    pub outcomes: Vec<TaskOutcome>,
    /// The requests made.
    pub fetches: Vec<FetchRecord>,
    /// Tasks that were given up and are to be tried again as if they were new. Other tasks are ignored.
    pub again: Vec<TaskId>,
    /// Tasks that were found. Known ones count as repeats; those beyond a bound are refused.
    pub found: Vec<NewTask>,
    /// Set if some of the found tasks are a part of the children of an index, whose outcome follows in a later commit.
    pub part: Option<Part>,
    /// Hosts whose robots.txt was fetched.
    pub hosts: Vec<HostUpdate>,
    /// Changes of hosts whose robots.txt was redirected to another host. Unknown hosts are ignored.
    pub redirects: Vec<RedirectUpdate>,
    /// Hosts that asked for a cooldown. A known later end stays. Unknown hosts are ignored.
    pub cooldowns: Vec<HostCooldown>,
    /// The entries of the outcomes, already on disk.
    pub segment: Option<SegmentRef>,
    /// The resources that the session has used so far.
    pub usage: Usage,
    /// How long the session's previous commit took from the call to its answer, in microseconds. The `record` stage
    /// of a [`FetchRecord`] ends when its commit is called; a reader adds this time to it.
    pub previous_commit_us: u64,
}

/// Names the found tasks of a commit that are a part of the children of an index: those whose parent it is.
///
/// A document that names many URLs is committed in parts, so that it does not set the length of a commit. Its tasks
/// can start at once. The URLs that are known or refused count with the outcome of the index, in the last commit. After
/// a kill in between, the index is read again. The tasks that it named before are no repeats then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// The index, which is pending.
    pub of: TaskId,
    /// Number of the part, from 1.
    pub number: u32,
}

/// What is recorded of a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The session.
    pub session: Session,
    /// When its last commit was made. Its share of the crawl's wall time ends there.
    pub last_commit_at: Timestamp,
    /// Number of that commit; 0 before the first.
    pub commit_seq: u64,
    /// The resources that it had used by then.
    pub usage: Usage,
}

/// What is recorded of a host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostRecord {
    /// The host.
    pub host: Host,
    /// Whether a seed names it. Other hosts are known only from documents.
    pub is_seed: bool,
    /// Whether it ever had a task of its own. If not, it is known only because a robots.txt redirects to it, and is no
    /// site in reports.
    pub is_site: bool,
    /// Number of its pending requests for other hosts ([`TaskKind::RobotsHop`]).
    pub hops: u64,
    /// Where its robots.txt was redirected to, until the conclusion from the answer is committed.
    pub redirect: Option<RobotsRedirect>,
    /// Its robots.txt rules, if they were ever fetched.
    pub robots: Option<RobotsRecord>,
    /// No request may leave before this.
    pub not_before: Option<Timestamp>,
    /// Whether it is parked until then, as the server asked.
    pub parked: bool,
    /// Counts of how its tasks ended.
    pub account: Account,
    /// Sitemap tasks ever accepted, without robots.txt and guessed paths ([`TaskKind::is_named`]). `--max-sitemaps` bounds this number.
    pub accepted: u64,
    /// Counter of new tasks: incremented whenever the host gets one.
    pub inbox: u64,
    /// Time with unfinished tasks, up to `busy_since`, in microseconds.
    pub wall_us: u64,
    /// Since when it has unfinished tasks: the session's number and the moment. `None` while it has none or is parked.
    pub busy_since: Option<(u32, Timestamp)>,
}

impl HostRecord {
    /// The record of a host that has just been found.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            is_seed: false,
            is_site: false,
            hops: 0,
            redirect: None,
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
    /// Hosts known that are sites ([`HostRecord::is_site`]).
    pub hosts: u64,
    /// Sites without unfinished tasks.
    pub hosts_done: u64,
    /// Hosts parked until a later moment.
    pub hosts_parked: u64,
    /// Hosts leased to a session.
    pub hosts_leased: u64,
    /// Tasks ever accepted, of every kind but [`TaskKind::RobotsHop`].
    pub tasks: u64,
    /// Tasks not finished yet.
    pub tasks_pending: u64,
    /// Entries kept.
    pub entries: u64,
    /// Requests made.
    pub requests: u64,
    /// When the next host that is neither leased nor parked is due; `None` if there is none.
    pub next_due_at: Option<Timestamp>,
}

/// The bounds that the queue itself applies, because they depend on the order of commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueBounds {
    /// Sitemaps accepted per host (`--max-sitemaps`).
    pub sitemaps_max: u64,
    /// Hosts of one [`Site`](crate::Site) that are found and not seeded (`--max-hosts-per-site`).
    pub hosts_per_site_max: u64,
}

/// Why a call of the queue failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The session has ended or was replaced by a later one. The call had no effect.
    #[error("session {0} is fenced off: another worker took over its hosts")]
    Fenced(SessionId),
    /// The commit's number is neither the next nor the last.
    #[error("commit {found} does not follow commit {last}")]
    OutOfOrder {
        /// The last commit applied.
        last: u64,
        /// The number received.
        found: u64,
    },
    /// The server of a shared queue has not answered for a while. Whether the call had an effect is unknown. It may be
    /// repeated.
    #[error("{0}")]
    Unavailable(String),
    /// The storage engine failed.
    #[error("work queue failed: {0}")]
    Storage(String),
}

/// The durable queue of tasks. Every call that takes a session fails if that session has ended.
///
/// A commit is atomic and is applied once even if it is sent several times. All times are those of the queue's own
/// clock. Order within a host is by [`Task::priority`], then by id.
pub trait WorkQueue: Send + Sync + 'static {
    /// Opens a session for `worker`, a human-readable name.
    ///
    /// A queue of one machine then ends all earlier sessions and reclaims their hosts ([`HostRecord::reclaim`]). If its
    /// clock shows an earlier time than at the last commit, it also corrects the times of its hosts
    /// ([`HostRecord::set_back`]).
    fn open_session(&self, worker: &str) -> impl Future<Output = Result<Session, QueueError>> + Send;

    /// Leases up to `n` hosts that have work ([`HostRecord::has_work`]) and are due ([`HostRecord::due_at`]), ordered by due time, then
    /// by id. A parked host that is due is no longer parked.
    fn lease(
        &self,
        session: &Session,
        n: usize,
    ) -> impl Future<Output = Result<Vec<LeasedHost>, QueueError>> + Send;

    /// Loads up to `n` pending tasks and up to `n` pending hops of each of these hosts, in the order of `hosts`. Hosts that are not leased to this
    /// session are left out. Loading changes nothing: a task is loaded again until its outcome is committed.
    fn load(
        &self,
        session: &Session,
        hosts: &[HostId],
        n: usize,
    ) -> impl Future<Output = Result<Vec<Loaded>, QueueError>> + Send;

    /// Whether each of `tasks` is known and no longer pending, in the order of `tasks`.
    fn are_done(
        &self,
        session: &Session,
        tasks: &[TaskId],
    ) -> impl Future<Output = Result<Vec<bool>, QueueError>> + Send;

    /// Up to `n` tasks that were given up, in the order of their ids, starting after `after`. For [`Commit::again`].
    fn given_up(
        &self,
        session: &Session,
        after: Option<TaskId>,
        n: usize,
    ) -> impl Future<Output = Result<Vec<GivenUp>, QueueError>> + Send;

    /// Applies all of `commit` atomically and durably, and renews the session.
    ///
    /// The order is: outcomes, tasks to try again, redirects, found tasks, then everything else. An outcome of a task that is not
    /// pending changes nothing. The URL in [`TaskOutcome::read_as`] of a final outcome is done from then on, and a
    /// duplicate if it was pending.
    ///
    /// A found sitemap that is known counts as a repeat under the host that named it, unless the same document named it
    /// before. While its task is pending, the task's `named_by` is extended. A known seed or guessed path is not
    /// counted. A sitemap beyond [`QueueBounds::sitemaps_max`], and a task of a new host beyond
    /// [`QueueBounds::hosts_per_site_max`], is refused ([`crate::outcome::SkipReason::CountLimit`]). The refusal counts
    /// under the host that named it, or under its own host if that one is unknown.
    ///
    /// Repeats and refusals in a [`Part`] count with the outcome of its index.
    ///
    /// A found [`TaskKind::RobotsHop`] becomes pending whether or not it is known. If its host is parked or cannot be
    /// added, the host that waits for it gets this answer at once.
    fn commit(
        &self,
        session: &Session,
        commit: Commit,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Releases hosts, see [`HostRecord::release`]. Returns the hosts that stay leased, unchanged, because they have
    /// new tasks. Hosts that are not leased to this session are ignored.
    fn release(
        &self,
        session: &Session,
        hosts: &[Release],
    ) -> impl Future<Output = Result<Vec<HostId>, QueueError>> + Send;

    /// Keeps the session alive. Returns the moment up to which it may fetch without renewing again.
    fn renew(&self, session: &Session) -> impl Future<Output = Result<Timestamp, QueueError>> + Send;

    /// The records of those of `hosts` that are known, in the order of `hosts`, without their robots.txt rules.
    fn records(&self, hosts: &[HostId]) -> impl Future<Output = Result<Vec<HostRecord>, QueueError>> + Send;

    /// Ends the sessions that stopped renewing and reclaims their hosts. Returns the number of ended sessions.
    fn reap(&self) -> impl Future<Output = Result<usize, QueueError>> + Send;

    /// Number of live sessions, which is the number of workers that share the hosts. Always 1 for a queue of one
    /// machine.
    fn workers(&self) -> impl Future<Output = Result<u64, QueueError>> + Send {
        std::future::ready(Ok(1))
    }

    /// The totals.
    fn counts(&self) -> impl Future<Output = Result<Counts, QueueError>> + Send;
}
